//! Results with their reasons, in Mail::SPF's words, whatever a record says.

use policy_dns::spf::SpfResult;

use super::{CLIENT, check, table, verdict};

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
