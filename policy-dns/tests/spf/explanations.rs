//! The explanation of a fail: the domain's own, or ours.

use policy_dns::spf::{self, SpfOptions, SpfRequest};

use super::{client, table, verdict};

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
