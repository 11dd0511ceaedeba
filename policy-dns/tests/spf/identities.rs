//! Senders and HELO names as they come, and as headers show them.

use policy_dns::spf::{self, Scope, SpfOptions, SpfRequest, SpfResult};

use super::{check, client, table};

#[tokio::test]
async fn identities_are_read_as_they_come() {
    for (sender, identity) in [
        ("Carol@A.test", "Carol@A.test"),
        ("", "postmaster@helo.test"),
    ] {
        let request = SpfRequest::mail_from(client(), sender, "helo.test");
        assert_eq!(request.identity(), identity.as_bytes());
    }
    for (sender, local) in [
        ("a@b@a.test", "a@b"),
        ("@a.test", "postmaster"),
        ("a.test", "postmaster"),
        ("Carol@A.Test.", "Carol"),
    ] {
        let verdict = check(
            &table("a.test TXT \"v=spf1 -all exp=e.test\"\ne.test TXT \"%{l}\""),
            sender,
        )
        .await;
        assert_eq!(verdict.authority_explanation(), Some(local), "{sender}");
        assert_eq!(verdict.scope(), Scope::MailFrom);
    }
    // The null sender is the postmaster of the HELO name; the HELO name itself is as it was said.
    let zone = table("helo.test TXT \"v=spf1 -all exp=e.test\"\ne.test TXT \"%{s}\"");
    assert_eq!(
        check(&zone, "").await.authority_explanation(),
        Some("postmaster@helo.test")
    );
    let verdict = spf::check(
        &zone,
        &SpfRequest::helo(client(), "HELO.test"),
        &SpfOptions::default(),
    )
    .await;
    assert_eq!(verdict.authority_explanation(), Some("HELO.test"));
    assert_eq!(verdict.scope(), Scope::Helo);
    let mapped = SpfRequest::mail_from("::ffff:192.0.2.9".parse().unwrap(), "x@c.test", "h");
    let verdict = spf::check(
        &table("c.test TXT \"v=spf1 ip4:192.0.2.9 -all\""),
        &mapped,
        &SpfOptions::default(),
    )
    .await;
    assert_eq!(verdict.result(), SpfResult::Pass);
}

#[tokio::test]
async fn headers_cannot_be_left() {
    let zone = table("a.test TXT \"v=spf1 -all\"");
    let request = SpfRequest::mail_from(client(), b"a)\r\nX: \"y\"@a.test", b"h\xffelo");
    let verdict = spf::check(&zone, &request, &SpfOptions::default()).await;
    assert_eq!(
        verdict.received_spf(),
        r#"Received-SPF: fail (a.test: Sender is not authorized by default to use 'a\)\\x0d\\x0aX: "y"@a.test' in 'mfrom' identity \(mechanism '-all' matched\)) receiver=unknown; identity=mailfrom; envelope-from="a)\\x0d\\x0aX: \"y\"@a.test"; helo="h\\xffelo"; client-ip=192.0.2.9"#
    );
    assert_eq!(
        verdict.authentication_results(),
        r#"Authentication-Results: unknown; spf=fail smtp.mailfrom="a)\\x0d\\x0aX: \"y\""@a.test"#
    );
    // A domain that is no name of mail is in quotes with all before it.
    assert_eq!(
        check(&zone, "carol@a.test; x")
            .await
            .authentication_results(),
        r#"Authentication-Results: unknown; spf=none smtp.mailfrom="carol@a.test; x""#
    );
    let verdict = spf::check(
        &zone,
        &SpfRequest::helo(client(), "a.test"),
        &SpfOptions::default(),
    )
    .await;
    assert_eq!(
        verdict.received_spf(),
        "Received-SPF: fail (a.test: Sender is not authorized by default to use 'a.test' in 'helo' identity \
         (mechanism '-all' matched)) receiver=unknown; identity=helo; helo=a.test; client-ip=192.0.2.9"
    );
    assert_eq!(
        verdict.authentication_results(),
        "Authentication-Results: unknown; spf=fail smtp.helo=a.test"
    );
}
