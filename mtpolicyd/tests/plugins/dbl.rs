//! DBL.

use crate::support::{Checker, found};

const ZONE: &str = r#"
bad.example.dlist.example A 127.0.1.2
bad.example.dlist.example TXT "http://dlist.example/bad.example"
host.bad.example.dlist.example A 127.0.1.2
helo.bad.example.dlist.example A 127.0.1.3
broken.example.dlist.example !servfail
"#;

const HEADER: &str = "<Plugin h>\nmodule=AddScoreHeader\n</Plugin>\n";

fn dbl(more: &str) -> String {
    format!("<Plugin d>\nmodule=DBL\ndomain=dlist.example\n{more}\n</Plugin>\n{HEADER}")
}

#[tokio::test(start_paused = true)]
async fn three_domains_are_looked_up() {
    let none = "PREPEND X-MtScore: NO score=0";
    let sender = "reject sender rejected (bad.example, http://dlist.example/bad.example)";
    for compat in [false, true] {
        Checker::with(&dbl(""), ZONE, compat)
            .expect(&[
                ("", none),
                ("sender=x@bad.example", sender),
                (
                    "reverse_client_name=host.bad.example",
                    "reject reverse_client_name rejected (host.bad.example)",
                ),
                (
                    "helo_name=helo.bad.example",
                    "PREPEND X-MtScore: NO score=1 [d-helo_name=1]",
                ),
                ("helo_name=helo.bad.example sender=x@bad.example", sender),
                (
                    "helo_name=100.64.2.1 sender= reverse_client_name=unknown",
                    none,
                ),
                ("helo_name=unqualified sender=localonly", none),
                ("helo_name=[IPv6:2001:db8::1]", none),
                (
                    "sender=x@BAD.example",
                    "reject sender rejected (BAD.example, http://dlist.example/bad.example)",
                ),
                // A list that does not tell does not have it.
                ("sender=x@broken.example", none),
                ("sender=x@a..b", none),
            ])
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_attribute_fails() {
    for attribute in ["sender", "reverse_client_name", "helo_name"] {
        let answer = Checker::new(&dbl(""), ZONE)
            .ask(&format!("{attribute}=(absent)"))
            .await;
        let error = format!("closed: plugin d failed: {attribute} not defined in request!");
        assert_eq!(answer, error);
    }
}

#[tokio::test(start_paused = true)]
async fn each_parameter_does_what_it_says() {
    let (all, header) = (
        "sender=x@bad.example reverse_client_name=host.bad.example helo_name=helo.bad.example",
        "PREPEND X-MtScore: ",
    );
    let passive = "sender_mode=passive\nreverse_client_name_mode=passive";
    for (parameters, answer) in [
        ("enabled=off", format!("{header}NO score=0")),
        (
            passive,
            format!("{header}YES score=8.5 [d-sender=5, d-reverse_client_name=2.5, d-helo_name=1]"),
        ),
        (
            "sender_mode=passive",
            "reject reverse_client_name rejected (host.bad.example)".to_owned(),
        ),
        (
            &format!("{passive}\nhelo_name_mode=reject"),
            "reject helo_name rejected (helo.bad.example)".to_owned(),
        ),
        (
            &format!(
                "{passive}\nsender_score=1\nreverse_client_name_score=-2\nhelo_name_score=0.5"
            ),
            format!(
                "{header}NO score=-0.5 [d-sender=1, d-reverse_client_name=-2, d-helo_name=0.5]"
            ),
        ),
        (
            &format!(
                "{passive}\nsender_score=\"127.0.1.2-99: 4, 127.0.1.102-199: 1\"\nhelo_name_score=\"127.0.1.102: 9\""
            ),
            format!("{header}YES score=6.5 [d-sender=4, d-reverse_client_name=2.5]"),
        ),
        (
            &format!("{passive}\ncodes=127.0.1.3"),
            format!("{header}NO score=1 [d-helo_name=1]"),
        ),
        (
            &format!("{passive}\nscore_field=other"),
            format!("{header}NO score=0"),
        ),
        (
            "reject_message=\"%HOSTNAME% %CHECK%%INFO%\"",
            "reject bad.example sender, http://dlist.example/bad.example".to_owned(),
        ),
    ] {
        let mut checker = Checker::new(&dbl(parameters), ZONE);
        assert_eq!(checker.ask(all).await, answer, "{parameters}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_session_overrides_modes_and_enabled() {
    for (parameter, value) in [
        ("enabled", "off"),
        ("sender_mode", "passive"),
        ("reverse_client_name_mode", "passive"),
        ("helo_name_mode", "passive"),
    ] {
        let attribute = parameter.strip_suffix("_mode").unwrap_or("sender");
        let request = match attribute {
            "sender" => "sender=x@bad.example".to_owned(),
            attribute => format!("{attribute}=bad.example"),
        };
        let parameters = format!("uc_{parameter}=f\nhelo_name_mode=reject");
        let mut checker = Checker::new(&dbl(&parameters), ZONE);
        let rejected = format!("reject {attribute} rejected");
        assert!(
            checker.ask(&request).await.starts_with(&rejected),
            "{parameter}"
        );
        let set = format!("<Plugin s>\nmodule=SetField\nkey=f\nvalue={value}\n</Plugin>\n");
        let mut checker = Checker::new(&(set + &dbl(&parameters)), ZONE);
        assert!(
            checker.ask(&request).await.starts_with("PREPEND"),
            "{parameter}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_is_scored_and_looked_up_once() {
    let blocks = dbl("sender_mode=passive").replace(HEADER, "")
        + "<Plugin g>\nmodule=ScoreAction\nthreshold=0\naction=\"reject %SCORE%%SCORE_DETAIL%\"\n</Plugin>\n";
    let mut checker = Checker::new(&blocks, ZONE).with_sessions();
    let answer = checker.ask("sender=x@bad.example").await;
    assert_eq!(answer, "reject 5, d-sender=5");
    let asked = checker.questions();
    assert_eq!(
        checker.ask("sender=x@bad.example").await,
        "reject 5, d-sender=5"
    );
    assert_eq!(checker.questions(), asked);
}

#[tokio::test(start_paused = true)]
async fn the_log_has_the_words_of_the_original() {
    let mut checker = Checker::new(&dbl("sender_mode=passive"), ZONE);
    checker
        .ask("sender=x@bad.example helo_name=localhost")
        .await;
    assert_eq!(
        checker.notes,
        [
            "domain bad.example is on dlist.example blacklist (http://dlist.example/bad.example)",
            "domain mail.acme.example not on dlist.example blacklist",
        ]
    );
}

#[test]
fn mistakes_are_found_at_the_start() {
    for (parameters, finding) in [
        (
            "sender_score=many",
            "error: `sender_score` is `many`, but a number is wanted",
        ),
        (
            "helo_name_mode=accept",
            "warning: `helo_name_mode` is `accept`, which means passive: use one of reject, passive",
        ),
        ("mode=reject", "warning: `mode` means nothing in `d`"),
    ] {
        let found = found(&dbl(parameters));
        assert!(
            found.iter().any(|text| text.starts_with(finding)),
            "{parameters}: {found:?}"
        );
    }
}
