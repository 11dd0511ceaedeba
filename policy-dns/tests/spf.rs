//! SPF beyond the RFC's suite: limits, words, headers.

use std::net::IpAddr;

use policy_dns::{
    Table,
    spf::{self, Scope, SpfOptions, SpfRequest, SpfResult, Verdict},
};

const CLIENT: &str = "192.0.2.9";

fn client() -> IpAddr {
    CLIENT.parse().unwrap()
}

fn table(zone: &str) -> Table {
    zone.parse().unwrap()
}

async fn check(zone: &Table, sender: &str) -> Verdict {
    spf::check(
        zone,
        &SpfRequest::mail_from(client(), sender, "helo.test"),
        &SpfOptions::default(),
    )
    .await
}

/// What a record at a.test means for the client, in this zone.
async fn verdict(record: &str, zone: &str) -> Verdict {
    check(
        &table(&format!("a.test TXT \"{record}\"\n{zone}")),
        "carol@a.test",
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn results_have_reasons() {
    use SpfResult::{Fail, Neutral, Pass, PermError, SoftFail, TempError};
    let hosts = "192.0.2.9 PTR h.a.test\nh.a.test A 192.0.2.9\nb.test TXT \"v=spf1 -all\"\n";
    for (record, zone, result, mechanism, reason) in [
        (
            "v=spf1 ptr -all",
            hosts,
            Pass,
            Some("ptr"),
            "192.0.2.9 is authorized to use 'carol@a.test' in 'mfrom' identity (mechanism 'ptr' matched)",
        ),
        (
            "v=spf1 ?a:h.a.test",
            hosts,
            Neutral,
            Some("?a:h.a.test"),
            "Domain does not state whether 192.0.2.9 is authorized to use 'carol@a.test' in 'mfrom' identity (mechanism '?a:h.a.test' matched)",
        ),
        (
            "v=spf1 -a:h.a.test",
            hosts,
            Fail,
            Some("-a:h.a.test"),
            "192.0.2.9 is not authorized to use 'carol@a.test' in 'mfrom' identity (mechanism '-a:h.a.test' matched)",
        ),
        (
            "v=spf1 ~ip4:192.0.2.9",
            "",
            SoftFail,
            Some("~ip4:192.0.2.9"),
            "192.0.2.9 is not authorized to use 'carol@a.test' in 'mfrom' identity, however domain is not currently prepared for false failures (mechanism '~ip4:192.0.2.9' matched)",
        ),
        (
            "v=spf1 -include:h.a.test ?all",
            "h.a.test TXT \"v=spf1 +all\"",
            Fail,
            Some("-include:h.a.test"),
            "Sender is not authorized to use 'carol@a.test' in 'mfrom' identity (mechanism '-include:h.a.test' matched)",
        ),
        (
            "v=spf1",
            "",
            Neutral,
            None,
            "Default neutral result due to no mechanism matches",
        ),
        (
            "v=spf1 a:no.test",
            "no.test !servfail",
            TempError,
            None,
            "'SERVFAIL' error on DNS 'A' lookup of 'no.test'",
        ),
        (
            "v=spf1 a:no.test",
            "no.test !refused",
            TempError,
            None,
            "'REFUSED' error on DNS 'A' lookup of 'no.test'",
        ),
        (
            "v=spf1 a:no.test",
            "no.test !silent",
            TempError,
            None,
            "Time-out on DNS 'A' lookup of 'no.test'",
        ),
        (
            "v=spf1 include:b.test redirect=nothing.test",
            "b.test TXT \"v=spf1 -all\"",
            PermError,
            None,
            "Redirect domain 'nothing.test' has no applicable sender policy",
        ),
        (
            "v=spf1 exists:%{l2r+}.x.test -all",
            "carol.x.test A 127.0.0.2",
            Pass,
            Some("exists:%{l2r+}.x.test"),
            "Sender is authorized to use 'carol@a.test' in 'mfrom' identity (mechanism 'exists:%{l2r+}.x.test' matched)",
        ),
        (
            "v=spf1 exists:%{t}.x.test",
            "",
            PermError,
            None,
            "Illegal 't' macro in non-explanation macro string '%{t}.x.test'",
        ),
        // A look-up of the client's names that fails is no match (5.5).
        (
            "v=spf1 ptr -all",
            "192.0.2.9 !servfail",
            Fail,
            Some("-all"),
            "Sender is not authorized by default to use 'carol@a.test' in 'mfrom' identity (mechanism '-all' matched)",
        ),
        // A domain that takes no mail has no host (RFC 7505).
        (
            "v=spf1 mx -all",
            "a.test MX 0 .",
            Fail,
            Some("-all"),
            "Sender is not authorized by default to use 'carol@a.test' in 'mfrom' identity (mechanism '-all' matched)",
        ),
    ] {
        let verdict = verdict(record, zone).await;
        assert_eq!(
            (verdict.result(), verdict.mechanism()),
            (result, mechanism),
            "{record}: {verdict:?}"
        );
        assert_eq!(verdict.local_explanation(), format!("a.test: {reason}"));
    }
}

#[tokio::test]
async fn the_limits_are_options() {
    let includes: String = (0..12)
        .map(|index| format!("d{index}.test TXT \"v=spf1 include:d{}.test\"\n", index + 1))
        .collect::<String>()
        + "d12.test TXT \"v=spf1 +all\"";
    let hosts = (0..11)
        .map(|host| format!("m.test MX 1 h{host}.test\nh{host}.test A 192.0.2.1\n"))
        .collect::<String>()
        + "m.test TXT \"v=spf1 mx -all\"\nh10.test A 192.0.2.9";
    let voids = "v.test TXT \"v=spf1 a:x1.test a:x2.test a:x3.test +all\"";
    let names = (0..11)
        .map(|name| format!("192.0.2.9 PTR n{name}.p.test\n"))
        .collect::<String>()
        + "n10.p.test A 192.0.2.9\np.test TXT \"v=spf1 ptr:p.test -all\"\n*.p.test A 192.0.2.1";
    for (zone, sender, terms, names, voids, expected) in [
        (&*includes, "x@d0.test", 12, 10, 2, SpfResult::Pass),
        (&includes, "x@d0.test", 11, 10, 2, SpfResult::PermError),
        (&includes, "x@d2.test", 10, 10, 2, SpfResult::Pass),
        (&includes, "x@d1.test", 10, 10, 2, SpfResult::PermError),
        (&hosts, "x@m.test", 10, 11, 2, SpfResult::Pass),
        (&hosts, "x@m.test", 10, 10, 2, SpfResult::PermError),
        (voids, "x@v.test", 10, 10, 3, SpfResult::Pass),
        (voids, "x@v.test", 10, 10, 2, SpfResult::PermError),
        (&names, "x@p.test", 10, 11, 2, SpfResult::Pass),
        (&names, "x@p.test", 10, 10, 2, SpfResult::Fail),
    ] {
        let mut options = SpfOptions::default();
        (
            options.max_dns_terms,
            options.max_look_ups_per_term,
            options.max_void_look_ups,
        ) = (terms, names, voids);
        let request = SpfRequest::mail_from(client(), sender, "helo.test");
        let verdict = spf::check(&table(zone), &request, &options).await;
        assert_eq!(
            verdict.result(),
            expected,
            "{sender} {terms} {names} {voids}: {}",
            verdict.local_explanation()
        );
    }
}

#[tokio::test]
async fn an_alias_of_nothing_is_void_and_one_without_data_is_not() {
    let zone = "x1.test CNAME gone.test\nx2.test CNAME here.test\nhere.test TXT x\n";
    let record = |name| format!("v=spf1 a:{name} a:{name} a:{name} +all");
    assert_eq!(
        verdict(&record("x1.test"), zone).await.result(),
        SpfResult::PermError
    );
    assert_eq!(
        verdict(&record("x2.test"), zone).await.result(),
        SpfResult::Pass
    );
}

#[tokio::test]
async fn a_redirect_that_is_not_followed_is_no_term() {
    let exists: String = (0..10).map(|_| "exists:no.test ").collect();
    let mut options = SpfOptions::default();
    options.max_void_look_ups = 20;
    let zone = table(&format!(
        "a.test TXT \"v=spf1 {exists} +all redirect=b.test\""
    ));
    let request = SpfRequest::mail_from(client(), "x@a.test", "helo.test");
    assert_eq!(
        spf::check(&zone, &request, &options).await.result(),
        SpfResult::Pass
    );
}

#[tokio::test]
async fn the_client_is_named_once_for_a_check() {
    let record = "v=spf1 exists:%{p}.%{p}.x.test exists:%{p}.y.test ptr:no.test -all exp=e.test";
    let zone = "192.0.2.9 PTR h.a.test\n192.0.2.9 PTR i.test\nh.a.test A 192.0.2.9\ni.test A 192.0.2.9\n\
                e.test TXT \"%{p}\"\nh.a.test.y.test TXT x\nh.a.test.h.a.test.x.test TXT x";
    let verdict = verdict(record, zone).await;
    assert_eq!(verdict.authority_explanation(), Some("h.a.test"));
    // The record, the names, an address for each of two, two `exists`, the explanation.
    assert_eq!(verdict.look_ups(), 7);
}

#[tokio::test]
async fn names_of_the_client_without_an_address_are_void() {
    let names = |count: usize| {
        let hosts = (0..count).map(|host| format!("192.0.2.9 PTR h{host}.a.test\n"));
        hosts.collect::<String>()
    };
    for (count, expected) in [(2, SpfResult::Fail), (3, SpfResult::PermError)] {
        let verdict = verdict("v=spf1 ptr -all", &names(count)).await;
        assert_eq!(verdict.result(), expected, "{count} names");
    }
    // One that was asked for is not asked for again.
    let zone = table(&format!(
        "a.test TXT \"v=spf1 ptr:a.test ptr:h0.a.test -all\"\n{}",
        names(1)
    ));
    assert_eq!(check(&zone, "carol@a.test").await.result(), SpfResult::Fail);
    let asked = zone.asked();
    let names = asked
        .iter()
        .filter(|question| question.to_string() == "h0.a.test/A");
    assert_eq!(names.count(), 1, "{asked:?}");
}

#[tokio::test]
async fn explanations_fit_into_a_reply() {
    let long = format!("\"{}\"", ["x".repeat(250).as_str(); 3].join("\" \""));
    for (texts, expected) in [
        ("e.test TXT \"go away, %{i}\"", "go away, 192.0.2.9"),
        ("e.test TXT \"two\" \" strings\"", "two strings"),
        (&format!("e.test TXT {long}"), &"x".repeat(512)),
        ("e.test TXT \"a\\010b\"", "Rejected by SPF record"),
        ("e.test TXT \"%{x}\"", "Rejected by SPF record"),
        ("e.test TXT one\ne.test TXT two", "Rejected by SPF record"),
        ("e.test !servfail", "Rejected by SPF record"),
        ("", "Rejected by SPF record"),
    ] {
        let verdict = verdict("v=spf1 -all exp=e.test", texts).await;
        assert_eq!(verdict.authority_explanation(), Some(expected), "{texts}");
    }
    let verdict = verdict("v=spf1 ~all exp=e.test", "e.test TXT never").await;
    assert_eq!(
        (verdict.authority_explanation(), verdict.look_ups()),
        (None, 1)
    );
}

#[tokio::test]
async fn reasons_have_a_bound_whatever_a_record_says() {
    let strings = |text: &str| vec![format!("\"{text}\""); 250].join(" ");
    for record in [
        format!("\"v=spf1 \" \"-=\" {}", strings(&"x".repeat(250))),
        format!(
            "\"v=spf1 exists:\" {} \".test\"",
            strings(&"\\200".repeat(250))
        ),
        format!("\"v=spf1 -a:\" {} \".test\"", strings("label.")),
    ] {
        let zone = table(&format!("a.test TXT {record}\n*.test A {CLIENT}"));
        let verdict = check(&zone, "carol@a.test").await;
        assert!(
            verdict.local_explanation().len() <= 1024,
            "{}",
            verdict.local_explanation().len()
        );
        assert!(verdict.mechanism().unwrap_or_default().len() <= 1024);
        assert!(verdict.received_spf().len() <= 1536);
    }
}

#[tokio::test]
async fn a_default_explanation_with_a_mistake_is_replaced() {
    let mut options = SpfOptions::default();
    for (text, expected) in [
        ("no %{d}", "no a.test"),
        ("no %{x}", "Rejected by SPF record"),
        ("%{r}", "mx.test"),
    ] {
        (options.default_explanation, options.receiver) = (text.into(), "mx.test".into());
        let request = SpfRequest::mail_from(client(), "x@a.test", "helo.test");
        let verdict = spf::check(&table("a.test TXT \"v=spf1 -all\""), &request, &options).await;
        assert_eq!(verdict.authority_explanation(), Some(expected));
    }
}

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
async fn names_that_dns_cannot_have_are_not_asked() {
    for sender in ["x@a..test", "x@localhost", "x@", "x@[192.0.2.9]"] {
        let zone = Table::default();
        let verdict = check(&zone, sender).await;
        assert_eq!(
            (verdict.result(), verdict.look_ups()),
            (SpfResult::None, u32::from(sender.contains('['))),
            "{sender}"
        );
    }
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
