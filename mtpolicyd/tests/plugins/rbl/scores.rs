//! Scores of RBL, by the code too.

use super::ZONE;
use crate::support::Checker;

fn scored(score: &str) -> String {
    format!(
        "<Plugin r>\nmodule=RBL\ndomain=list.example\nmode=passive\n{score}\n</Plugin>\n\
         <Plugin h>\nmodule=AddScoreHeader\n</Plugin>\n"
    )
}

#[tokio::test(start_paused = true)]
async fn a_score_may_depend_on_the_code() {
    let by_code = "score=\"127.0.0.2-3: 4.35, 127.0.0.4-7: 5, 127.0.0.10-11: 3.25\"";
    for (score, client, header) in [
        ("score=5", "100.64.2.11", "YES score=5 [r=5]"),
        ("score=+1.50", "100.64.2.11", "NO score=1.5 [r=+1.50]"),
        ("", "100.64.2.11", "NO score=0"),
        (by_code, "100.64.2.11", "YES score=5 [r=5]"),
        (by_code, "100.64.2.10", "NO score=4.35 [r=4.35]"),
        // Several codes at once: each item counts once.
        (by_code, "100.64.2.12", "YES score=7.6 [r=7.6]"),
        // A code that has no score.
        (by_code, "100.64.2.15", "NO score=0"),
        (by_code, "100.64.2.9", "NO score=0"),
        ("score=1\nscore_field=other", "100.64.2.11", "NO score=0"),
    ] {
        let mut checker = Checker::new(&scored(score), ZONE);
        let answer = checker.ask(&format!("client_address={client}")).await;
        assert_eq!(answer, format!("PREPEND X-MtScore: {header}"), "{score}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_score_counts_once_a_mail_and_the_list_is_asked_once() {
    let blocks = "<Plugin r>\nmodule=RBL\ndomain=list.example\nmode=passive\nscore=2\n</Plugin>\n\
        <Plugin g>\nmodule=ScoreAction\nthreshold=0\naction=\"reject %SCORE%%SCORE_DETAIL%\"\n</Plugin>\n";
    let mut checker = Checker::new(blocks, ZONE).with_sessions();
    for _ in 0..3 {
        assert_eq!(checker.ask("").await, "reject 2, r=2");
    }
    // The address and the text.
    assert_eq!(checker.questions(), 2);
    assert_eq!(checker.ask("instance=other").await, "reject 2, r=2");
    assert_eq!(checker.questions(), 4);
}

#[tokio::test(start_paused = true)]
async fn scores_of_lists_add_up() {
    let blocks = r#"
<Plugin w>
 module = "RBL"
 domain=wl.example
 mode=passive
 score=-2.5
</Plugin>
<Plugin bl one>
 module = "RBL"
 domain=list.example
 mode=passive
 score=5
</Plugin>
<Plugin sa>
 module = "ScoreAction"
 threshold=5
 action="reject %IP% score=%SCORE%%SCORE_DETAIL%"
</Plugin>
<Plugin h>
 module = "AddScoreHeader"
 spam_score=2
</Plugin>"#;
    for compat in [false, true] {
        Checker::with(blocks, ZONE, compat)
            .expect(&[
                ("", "PREPEND X-MtScore: YES score=2.5 [w=-2.5, bl one=5]"),
                (
                    "client_address=100.64.2.11",
                    "reject 100.64.2.11 score=5, bl one=5",
                ),
                (
                    "client_address=100.64.2.99",
                    "PREPEND X-MtScore: NO score=0",
                ),
            ])
            .await;
    }
}
