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
        places: evaluated.places,
        warnings: vec![],
        is_empty: false,
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
            "$BIND_ADDRESS = 'mx test';",
            "error: $BIND_ADDRESS is 'mx test': host 'mx test' is neither a name nor an address",
        ),
        // Values.
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

/// What a value counts as where Perl takes it, and what is meant.
#[test]
fn each_value_of_another_shape_or_beyond_its_range_is_named() {
    for (text, expected) in [
        (
            "$MAX_PROC = 'many';",
            "warning: $MAX_PROC is 'many', and counts as 1: write a whole number from 1 to 10000",
        ),
        (
            "$MAX_PROC = 0;",
            "warning: $MAX_PROC is '0', and counts as 1: write a whole number from 1 to 10000",
        ),
        (
            "$MAX_PROC = -5;",
            "warning: $MAX_PROC is '-5', and counts as 1: write a whole number from 1 to 10000",
        ),
        (
            "$REJECTLEVEL = '3.5abc';",
            "warning: $REJECTLEVEL is '3.5abc', and counts as 3.5: write a number from -1000000 to 1000000",
        ),
        (
            "$REJECTLEVEL = '';",
            "warning: $REJECTLEVEL is '', and counts as 0: write a number from -1000000 to 1000000",
        ),
        (
            "$REJECTLEVEL = 9**9**9;",
            "error: $REJECTLEVEL is 'Inf', which is not finite: write a number from -1000000 to 1000000",
        ),
        (
            "$DNS_RETRIES = 500;",
            "warning: $DNS_RETRIES is '500', and counts as 30: write a whole number from 0 to 30",
        ),
        (
            "$DNS_RETRIES = 2.5;",
            "warning: $DNS_RETRIES is '2.5', and counts as 2: write a whole number from 0 to 30",
        ),
        (
            "$DNS_RETRY_IVAL = 0;",
            "warning: $DNS_RETRY_IVAL is '0', and counts as 0.1: write a number from 0.1 to 30",
        ),
        (
            "$NTTL = -1;",
            "warning: $NTTL is '-1', and counts as -1: write a whole number from 0 to 1000000000",
        ),
        (
            "$CACHESIZE = 1e12;",
            "warning: $CACHESIZE is '1000000000000', and counts as 1000000: write a whole number from 0 to 1000000",
        ),
        (
            "$TCP_PORT = 0;",
            "warning: $TCP_PORT has port 0: the system chooses one, which no client knows",
        ),
        (
            "$TCP_PORT = '2525x';",
            "error: $TCP_PORT is '2525x': port '2525x' is neither a number nor known to /etc/services",
        ),
        (
            "$ADD_X_HEADER = 'yes';",
            "warning: $ADD_X_HEADER is 'yes', and counts as 0: write 0 or 1",
        ),
        (
            "$DEBUG = 'no';",
            "warning: $DEBUG is 'no', and counts as 1: write 0 or 1",
        ),
        (
            "$PTIME = 'long';",
            "warning: $PTIME is 'long', and counts as 3h: write a whole number and s, m, h or d, as in '3h'",
        ),
        (
            "$TEMP_PTIME = '1w';",
            "warning: $TEMP_PTIME is '1w', and counts as 1s: write a whole number and s, m, h or d, as in '3h'",
        ),
        (
            "$REQUEST_TIMEOUT = 0;",
            "error: $REQUEST_TIMEOUT is '0': write a time from 1s to 90s, as in '20s'",
        ),
        (
            "$REQUEST_TIMEOUT = '2h';",
            "error: $REQUEST_TIMEOUT is '2h': write a time from 1s to 90s, as in '20s'",
        ),
        (
            "$REQUEST_TIMEOUT = 'soon';",
            "error: $REQUEST_TIMEOUT is 'soon': write a time from 1s to 90s, as in '20s'",
        ),
        ("$LOCKPATH = '';", "error: $LOCKPATH is empty: write a path"),
        ("$PIDFILE = '';", "error: $PIDFILE is empty: write a path"),
        (
            "$PIDFILE = '/run/..';",
            "error: $PIDFILE is '/run/..', which ends without a name: write a path",
        ),
        (
            "$LOCKPATH = '/';",
            "error: $LOCKPATH is '/', which ends without a name: write a path",
        ),
        (
            "$PIDFILE = \"/run/a\\0b\";",
            "error: $PIDFILE has a byte 0, which no path has: write a path",
        ),
        (
            "$PIDFILE = 'weight.pid';",
            "warning: $PIDFILE is 'weight.pid', which is another file in each directory: begin the path with a /",
        ),
        (
            "$NS = '192.0.2.1 ns.test';",
            "error: $NS: 'ns.test' is no address of a name server: write addresses with blanks between them, as in '192.0.2.1 [2001:db8::1]:5353'",
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
fn each_list_of_another_shape_is_named() {
    let range = "write a number from -1000000 to 1000000";
    for (text, expected) in [
        (
            "@helo_score = (1);",
            "warning: @helo_score has 1 items: write two scores, if it is bad and if it is good; one that is missing counts as 0".to_owned(),
        ),
        (
            "@from_anon = (1, 2, 3);",
            "warning: @from_anon has 3 items: write two scores, if it is bad and if it is good; one that is missing counts as 0".to_owned(),
        ),
        (
            "@helo_score = ('1.5x', 0);",
            format!("warning: @helo_score: the score if it is bad is '1.5x', and counts as 1.5: {range}"),
        ),
        (
            "@helo_score = (1, 'good');",
            format!("warning: @helo_score: the score if it is good is 'good', and counts as 0: {range}"),
        ),
        (
            "@bogus_mx_score = (1e308, 0);",
            format!("error: @bogus_mx_score: the score if it is bad is '1e+308': {range}"),
        ),
        (
            "@dnsbl_score = ('bl.test', 1e308, 0, 'A', 'bm.test', 1e308, 0, 'B');",
            format!("error: @dnsbl_score: the score of bm.test if listed is '1e+308': {range}"),
        ),
        (
            "@dnsbl_score = ('bl.test', 9**9**9, 0, 'A');",
            format!("error: @dnsbl_score: the score of bl.test if listed is 'Inf': {range}"),
        ),
        (
            "@dnsbl_score = ('bl.test', 4, 'A', 'bm.test');",
            format!("warning: @dnsbl_score: the score of bl.test if not listed is 'A', and counts as 0: {range}"),
        ),
        (
            "@dnsbl_score = ('mykey.zen.dq.spamhaus.net=127.0.0.2', 'x', 0, 'A');",
            format!("warning: @dnsbl_score: the score of zen.dq.spamhaus.net if listed is 'x', and counts as 0: {range}"),
        ),
        (
            "@rhsbl_score = ('bl.test', 4, 0, '');",
            "warning: @rhsbl_score: '' is the name of bl.test in the log: write a word".to_owned(),
        ),
        (
            "@dnsbl_checks_only_regexps = ('acme', '(');",
            "error: @dnsbl_checks_only_regexps: item 2, '(', is no regular expression: PCRE2: error compiling pattern at offset 1: missing closing parenthesis".to_owned(),
        ),
        (
            "@spf_score = ('fail');",
            "error: @spf_score has 1 items: write a name and a score for each".to_owned(),
        ),
        (
            "@spf_score = ('fail', '3x');",
            format!("error: @spf_score: the score of 'fail' is '3x': {range}"),
        ),
    ] {
        let found = found(text, false);
        assert!(
            found.contains(&expected),
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
        "$BIND_ADDRESS = 'localhost';",
        "$BIND_ADDRESS = '0';",
        "$TCP_PORT = 'postgresql';",
        "$PTIME = '2d';",
        "$PTIME = 7200;",
        "$DNS_RETRIES = ''; $DNS_RETRY_IVAL = '';",
        "$REJECTLEVEL = ' 4.75 ';",
        "@helo_score = ('1.5', '-2e0');",
        "$SPATH = '';",
        "$NS = '192.0.2.1 [2001:db8::1]:5353';",
        "@dnsbl_checks_only_regexps = ('acme', qr/x/);",
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
