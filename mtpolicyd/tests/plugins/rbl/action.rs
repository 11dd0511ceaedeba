//! RBLAction, and what RBL and RBLAction say in the log.

use super::{END, END_ANSWER, ZONE};
use crate::support::Checker;

const CATEGORIES: &str = r#"
<Plugin zen>
 module = "RBL"
 domain=list.example
 mode=passive
</Plugin>
<Plugin sbl>
 module = "RBLAction"
 result_from=zen
 re_match="^127\.0\.0\.[23]$"
 mode=reject
 reject_message="SBL %IP% %INFO%"
</Plugin>
<Plugin xbl>
 module = "RBLAction"
 result_from=zen
 re_match="^127\.0\.0\.[4-7]$"
 mode=passive
 score=3
</Plugin>
<Plugin pbl>
 module = "RBLAction"
 result_from=zen
 re_match="^127\.0\.0\.1[01]$"
 mode=accept
</Plugin>
<Plugin none>
 module = "RBLAction"
 result_from=nosuch
 re_match=.
 mode=reject
</Plugin>
<Plugin h>
 module = "AddScoreHeader"
</Plugin>"#;

#[tokio::test(start_paused = true)]
async fn categories_of_a_combined_list_are_told_apart() {
    let see = "listed, see http://list.example/?ip=100.64.2.10";
    // The order of a server's codes is chance: by default each of them counts, in the original the first.
    for (compat, text, two_codes) in [
        (false, format!("({see})"), "reject SBL 100.64.2.12 (first)"),
        (true, format!("(\"{see}\")"), "dunno"),
    ] {
        Checker::with(CATEGORIES, ZONE, compat)
            .expect(&[
                ("", &format!("reject SBL 100.64.2.10 {text}")),
                (
                    "client_address=100.64.2.11",
                    "PREPEND X-MtScore: NO score=3 [xbl=3]",
                ),
                ("client_address=100.64.2.12", two_codes),
                (
                    "client_address=100.64.2.99",
                    "PREPEND X-MtScore: NO score=0",
                ),
            ])
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn each_parameter_of_an_action_does_what_it_says() {
    for (parameters, answer) in [
        ("enabled=off", END_ANSWER),
        ("mode=passive", END_ANSWER),
        ("mode=accept", "dunno"),
        ("", "reject delivery from 100.64.2.11 rejected "),
        ("reject_message=no", "reject no"),
        ("result_from=other", END_ANSWER),
        ("re_match=9", END_ANSWER),
    ] {
        let mut own: Vec<_> = parameters.lines().collect();
        for default in ["result_from=r", "re_match=\"^127\""] {
            let key = default.split('=').next().unwrap();
            if !parameters.starts_with(key) {
                own.push(default);
            }
        }
        let action = format!(
            "<Plugin a>\nmodule=RBLAction\n{}\n</Plugin>\n",
            own.join("\n")
        );
        let list = "<Plugin r>\nmodule=RBL\ndomain=list.example\nmode=passive\n</Plugin>\n";
        let blocks = format!("{list}{action}{END}");
        let mut checker = Checker::new(&blocks, ZONE);
        assert_eq!(
            checker.ask("client_address=100.64.2.11").await,
            answer,
            "{parameters}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_has_the_words_of_the_original() {
    let mut checker = Checker::new(CATEGORIES, ZONE);
    checker.ask("client_address=100.64.2.11").await;
    assert_eq!(
        checker.notes,
        [
            "ip 100.64.2.11 on list.example blacklist",
            r"127.0.0.4 did not match regex ^127\.0\.0\.[23]$",
            r"127.0.0.4 match regex ^127\.0\.0\.[4-7]$",
            r"127.0.0.4 did not match regex ^127\.0\.0\.1[01]$",
            "no RBL check result for none found!",
        ]
    );
    checker.ask("client_address=100.64.2.9").await;
    assert_eq!(
        checker.notes[0],
        "ip 100.64.2.9 not on list.example blacklist"
    );
    checker.ask("client_address=100.64.2.12").await;
    assert_eq!(
        checker.notes[0],
        "ip 100.64.2.12 on list.example blacklist (first)"
    );
}
