//! The findings about each value.

use super::*;
use crate::{config::DefaultSet, perl::evaluate};

/// What is found in options, beside what is found in the defaults.
fn found(text: &str, compat: bool) -> Vec<String> {
    let set = DefaultSet::Modern;
    let source = Source::new(None, Some(set), compat);
    let defaults = set.options(compat).unwrap();
    let evaluated = evaluate(text.as_bytes(), &defaults).expect(text);
    let loaded = Loaded {
        options: evaluated.options,
        defaults,
        warnings: vec![],
        ignored: None,
    };
    check(&source, &loaded)
        .iter()
        .map(|finding| format!("{}: {}", finding.kind(), finding.text()))
        .collect()
}

#[test]
fn the_defaults_have_no_fault() {
    assert_eq!(found("", false), [""; 0]);
}

#[test]
fn each_value_that_does_not_do_what_it_seems_to_is_named() {
    for (text, expected) in [
        // Lists that are dead, that are parts of others, and that answer those only who have registered.
        (
            "@dnsbl_score = ('ix.dnsbl.manitu.net', 4.35, 0, 'IX');",
            "warning: @dnsbl_score: the list ix.dnsbl.manitu.net is dead since 2025-01: it is not asked; take it out",
        ),
        (
            "@rhsbl_score = ('rhsbl.ahbl.org', 4, 0, 'AHBL');",
            "warning: @rhsbl_score: the list rhsbl.ahbl.org is dead since 2015-01: it is not asked; take it out",
        ),
        (
            "@dnsbl_score = ('sbl-xbl.spamhaus.org', 4, 0, 'A');",
            "warning: @dnsbl_score: the list sbl-xbl.spamhaus.org is a part of zen.spamhaus.org: ask that one, with codes",
        ),
        (
            "@dnsbl_score = ('b.barracudacentral.org', 4, 0, 'A');",
            "warning: @dnsbl_score: the list b.barracudacentral.org answers registered name servers only: see https://www.barracudacentral.org/rbl",
        ),
        (
            "@dnsbl_score = ('bl.score.senderscore.com', 4, 0, 'A');",
            "warning: @dnsbl_score: the list bl.score.senderscore.com answers registered name servers only: see https://knowledge.validity.com",
        ),
        (
            "@dnsbl_score = ('dnsbl.invaluement.com', 4, 0, 'A');",
            "warning: @dnsbl_score: the list dnsbl.invaluement.com answers registered name servers only: see https://www.invaluement.com",
        ),
        (
            "@dnsbl_score = ('truncate.gbudb.net', 4, 0, 'A');",
            "warning: @dnsbl_score: the list truncate.gbudb.net answers registered name servers only: see https://www.gbudb.com",
        ),
        (
            "@dnsbl_score = ('bl.test', 4, 0, 'A', 'bm.test', 4);",
            "warning: @dnsbl_score has 6 items: each list has four, its name, two scores and a name for the log",
        ),
        (
            "@dnsbl_score = ('list', 4, 0, 'A');",
            "error: @dnsbl_score: 'list' is no name of a list",
        ),
        (
            "@dnsbl_score = ('bl.test', 9**9**9, 0, 'A');",
            "error: @dnsbl_score: a score of bl.test is not finite",
        ),
        // Sums.
        (
            "$REJECTLEVEL = 99999;",
            "warning: no sum reaches $REJECTLEVEL 99999: nobody is rejected by it",
        ),
        (
            "@dnsbl_score = ('bl.test', 3, 0, 'A', 'bm.test', 1.5, 0, 'B'); $REJECTLEVEL = 4.75; $DEFER_STRING = '';",
            "warning: a client on all lists has 4.5 points of these, less than $REJECTLEVEL 4.75: other checks decide",
        ),
        (
            "@dnsbl_score = ('bl.test', 3, -1.5, 'A'); $REJECTLEVEL = -1.5; $DEFER_STRING = '';",
            "warning: a client on no list has -1.5 points, which reaches $REJECTLEVEL -1.5",
        ),
        (
            "$DEFER_LEVEL = $REJECTLEVEL;",
            "warning: $DEFER_LEVEL is not above $REJECTLEVEL: nothing is deferred for $DEFER_STRING",
        ),
        // Names.
        (
            "$DEFER_STRING = 'BOGUS_MY=';",
            "warning: $DEFER_STRING: no score has 'BOGUS_MY=' in its text: did you mean 'BOGUS_MX='?",
        ),
        (
            "$DEFER_STRING = 'x';",
            "warning: $DEFER_STRING: no score has 'x' in its text",
        ),
        (
            "@spf_score = ('fial', 3);",
            "error: @spf_score: 'fial' is no result: none, neutral, pass, fail, softfail, temperror, permerror are",
        ),
        (
            "@country_score = ('DE', 3);",
            "error: @country_score needs $COUNTRY_DB, a file of countries",
        ),
        (
            "$BIND_ADDRESS = 'mx.test';",
            "error: $BIND_ADDRESS is no address: 'mx.test'",
        ),
        // Values.
        (
            "$MAX_PROC = 'many';",
            "warning: $MAX_PROC is no number: 'many' counts as 0",
        ),
        (
            "$REJECTLEVEL = 9**9**9;",
            "error: $REJECTLEVEL is not finite",
        ),
        (
            "$PTIME = 'long';",
            "warning: $PTIME is no time: 'long': write a number and s, m, h or d, as in '3h'",
        ),
        (
            "$REJECTMSG = 'go away';",
            "warning: $REJECTMSG begins with 'go', which is no code and no action of access(5)",
        ),
        (
            "$MAXDNSBLMSG = \"550 one\\ntwo\";",
            "error: $MAXDNSBLMSG has more than one line: Postfix takes one",
        ),
        (
            "$CHILDIDLE = 7;",
            "warning: $CHILDIDLE has no meaning here: see policyd-weight.conf(5)",
        ),
    ] {
        let found = found(text, false);
        assert!(
            found.iter().any(|found| found == expected),
            "{text}: {found:#?}"
        );
    }
}

#[test]
fn what_is_usual_is_not_named() {
    for text in [
        "$REJECTMSG = 'rc: greylist, text';",
        "$REJECTMSG = 'DEFER_IF_PERMIT later';",
        "$DEFER_STRING = 'SURBL= NOT_IN_PSBL= CL_IP_NE_HELO=';",
        "$BIND_ADDRESS = '::1';",
        "$BIND_ADDRESS = ' ALL ';",
        "$PTIME = '2d';",
    ] {
        assert_eq!(found(text, false), [""; 0], "{text}");
    }
}

#[test]
fn a_dead_list_is_asked_with_compat() {
    let found = found("@dnsbl_score = ('dnsbl.njabl.org', 4, 0, 'NJ');", true);
    let expected = "warning: @dnsbl_score: the list dnsbl.njabl.org is dead since 2013-03: it may list everybody; take it out";
    assert!(found.iter().any(|found| found == expected), "{found:?}");
}
