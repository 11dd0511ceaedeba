//! `SqlList`.

use super::world::{Case, Frame};

const FRAME: Frame<'static> = Frame {
    sql: &[
        "CREATE TABLE white (address TEXT, number INT)",
        "INSERT INTO white VALUES ('100.64.2.10', 0), ('100.64.2.11', NULL), ('bad@x', 1)",
        "CREATE TABLE other (address TEXT)",
    ],
    behind: "<Plugin h>\nmodule=AddScoreHeader\n</Plugin>",
    ..Frame::of("SqlList")
};

const QUERY: &str = "sql_query=\"SELECT address FROM white WHERE address=?\"";
const NO_SCORE: &str = "PREPEND X-MtScore: NO score=0";

#[tokio::test]
async fn each_parameter_says_what_is_looked_up_and_answered() {
    let query = |more: &str| format!("{QUERY}\n{more}");
    let both = query("match_action=\"dunno white\"\nnot_match_action=\"reject not white\"");
    let cases: &[Case<'_>] = &[
        (
            "match_action and not_match_action",
            &both,
            &[
                ("instance=1", "dunno white"),
                ("instance=2 client_address=192.0.2.1", "reject not white"),
                ("instance=3 client_address=x'+OR+'1'='1", "reject not white"),
                ("instance=4 client_address=", "reject not white"),
                ("instance=5 client_address=(absent)", NO_SCORE),
            ],
        ),
        (
            "without actions nothing is answered",
            QUERY,
            &[
                ("instance=1", NO_SCORE),
                ("instance=2 client_address=192.0.2.1", NO_SCORE),
            ],
        ),
        (
            "field",
            &query("field=sender\nmatch_action=reject"),
            &[
                ("instance=1 sender=bad@x", "reject"),
                ("instance=2", NO_SCORE),
            ],
        ),
        (
            "any row is a match: 0, no value, several rows",
            "sql_query=\"SELECT number FROM white WHERE address=? OR 1=1\"\nmatch_action=reject",
            &[("instance=1 client_address=x", "reject")],
        ),
        (
            "a row without a value is a match",
            "sql_query=\"SELECT number FROM white WHERE address=?\"\nmatch_action=reject",
            &[
                ("instance=1", "reject"),
                ("instance=2 client_address=100.64.2.11", "reject"),
                ("instance=3 client_address=100.64.2.12", NO_SCORE),
            ],
        ),
        (
            "score, once a mail",
            &query("score=-2.5"),
            &[
                ("instance=1", "PREPEND X-MtScore: NO score=-2.5 [p=-2.5]"),
                ("instance=1", "dunno"),
                ("instance=2 client_address=x", NO_SCORE),
            ],
        ),
        (
            "score_field",
            &query("score=3\nscore_field=other"),
            &[("instance=1", NO_SCORE)],
        ),
        (
            "enabled=off",
            &query("enabled=off\nmatch_action=reject"),
            &[("instance=1", NO_SCORE)],
        ),
        (
            "the result is kept for the mail",
            &both,
            &[
                ("instance=1", "dunno white"),
                ("instance=1 client_address=192.0.2.1", "dunno white"),
                ("instance=2 client_address=192.0.2.1", "reject not white"),
                ("instance=2", "reject not white"),
            ],
        ),
        (
            "a query that the database refuses fails the request",
            "sql_query=\"SELECT a FROM nowhere WHERE a=?\"",
            &[(
                "instance=1",
                "closed: plugin p failed: db (sqlite @TMP@/db.sqlite): refused: no such table: nowhere",
            )],
        ),
    ];
    FRAME.check(cases).await;
}

#[tokio::test]
async fn a_user_may_turn_it_off() {
    for (value, answer) in [("off", NO_SCORE), ("on", "reject")] {
        let before = format!("<Plugin s>\nmodule=SetField\nkey=list\nvalue={value}\n</Plugin>");
        let frame = Frame {
            before: &before,
            ..FRAME
        };
        let world = frame
            .world(&format!("{QUERY}\nmatch_action=reject\nuc_enabled=list"))
            .await;
        assert_eq!(world.ask("").await, answer, "{value}");
    }
}

#[tokio::test]
async fn the_default_query_is_the_original_s() {
    let world = FRAME.world("match_action=reject").await;
    let answer = world.ask("").await;
    // INET_ATON is MariaDB's.
    assert!(
        answer.contains("no such table: whitelist") || answer.contains("INET_ATON"),
        "{answer}"
    );
}

#[test]
fn what_cannot_work_is_said_when_the_configuration_is_read() {
    for (parameters, finding) in [
        (
            "db=x",
            "error: there is no <Connection x> with a module Sql",
        ),
        ("score=x", "error: `score` is `x`, but a number is wanted"),
        ("sql_query", "error: `sql_query` has no value"),
    ] {
        assert_eq!(FRAME.findings(parameters, false), [finding], "{parameters}");
    }
}
