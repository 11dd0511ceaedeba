//! Section 3, clause 1: the options and all their forms.

use super::case::{Case, Why, case};
use super::expect::Expect;
use super::parts::{Attempt, ERROR_AT_START, FULL, NONE, USAGE, refused, verbose};

pub fn cases() -> Vec<Case> {
    let mut cases = forms_of_values();
    cases.extend(odd_forms());
    cases.extend(flags());
    cases.extend(orders());
    cases.extend(wrong_ones());
    cases
}

/// One request to the one service, which answers `A`.
fn asks_a(number: &'static str, name: &'static str, args: &[&'static str]) -> Case {
    case(number, name)
        .named("A")
        .args(args)
        .send(FULL)
        .stdout("action=A\n\n")
        .received("A", [FULL])
}

/// The service refuses, so that the default action is seen.
fn defaults(
    number: &'static str,
    name: &'static str,
    args: &[&'static str],
    action: &'static str,
) -> Case {
    case(number, name)
        .refusing("A")
        .args(args)
        .args(["-s", "A={A}:"])
        .send(FULL)
        .stdout(format!("action={action}\n\n"))
        .log([refused("A")])
}

fn forms_of_values() -> Vec<Case> {
    vec![
        asks_a("3.1.a", "-s and a word", &["-s", "A={A}:"]).log(NONE),
        asks_a("3.1.b", "--service and a word", &["--service", "A={A}:"]).log(NONE),
        asks_a("3.1.c", "--service=", &["--service=A={A}:"]).log(NONE),
        asks_a("3.1.d", "-s with its value attached", &["-sA={A}:"]).log(NONE),
        defaults("3.1.e", "-d and a word", &["-d", "DEFER"], "DEFER"),
        defaults(
            "3.1.f",
            "--default and a word",
            &["--default", "DEFER"],
            "DEFER",
        ),
        defaults("3.1.g", "--default=", &["--default=DEFER"], "DEFER"),
        defaults("3.1.h", "-d with its value attached", &["-dDEFER"], "DEFER"),
        defaults(
            "3.1.i",
            "--default= keeps a second =",
            &["--default==A"],
            "=A",
        ),
        defaults(
            "3.1.j",
            "-d takes a word that begins with -",
            &["-d", "-l"],
            "-l",
        ),
        defaults(
            "3.1.k",
            "--default takes a word that begins with --",
            &["--default", "--logging"],
            "--logging",
        ),
    ]
}

/// Section 2 (17) would refuse these two; `interfaces.md` has them parsed as Perl's script does.
fn odd_forms() -> Vec<Case> {
    vec![
        defaults("3.1.au", "-d=A keeps the =", &["-d=A"], "=A"),
        asks_a(
            "3.1.av",
            "-service=X is -s with ervice=X",
            &["-l", "-service={A}:"],
        )
        .log([Attempt::first("A").line().replace("[A] (", "[ervice] (")]),
    ]
}

fn flags() -> Vec<Case> {
    let one_line = [Attempt::first("A").line()];
    let bundle = |number, name, args: &[&'static str]| asks_a(number, name, args).log(verbose("A"));
    vec![
        asks_a("3.1.l", "-l", &["-l", "-s", "A={A}:"]).log(one_line.clone()),
        asks_a("3.1.m", "--logging", &["--logging", "-s", "A={A}:"]).log(one_line),
        bundle("3.1.n", "-v", &["-v", "-s", "A={A}:"]),
        bundle("3.1.o", "--verbose", &["--verbose", "-s", "A={A}:"]),
        // Without a line to log, since Perl's script dies of one (defect 13).
        asks_a("3.1.p", "-L", &["-L", "-s", "A={A}:"]).log(NONE),
        asks_a("3.1.q", "--stdout", &["--stdout", "-s", "A={A}:"]).log(NONE),
        bundle("3.1.r", "-lvs bundled, value attached", &["-lvsA={A}:"]),
        bundle("3.1.s", "-vls bundled, value apart", &["-vls", "A={A}:"]),
        asks_a("3.1.t", "-Ls bundled", &["-LsA={A}:"]).log(NONE),
    ]
}

fn orders() -> Vec<Case> {
    let any_order = |number, name, args: &[&'static str]| {
        asks_a(number, name, args).log([Attempt::first("A").line()])
    };
    vec![
        any_order(
            "3.1.u",
            "any order: -s first",
            &["-s", "A={A}:", "-d", "X", "-l"],
        ),
        any_order(
            "3.1.v",
            "any order: -s last",
            &["-l", "-d", "X", "-s", "A={A}:"],
        ),
        any_order(
            "3.1.w",
            "any order: -s amid",
            &["-d", "X", "-sA={A}:", "-l"],
        ),
        any_order(
            "3.1.x",
            "flags may repeat",
            &["-ll", "-l", "--logging", "-s", "A={A}:"],
        ),
        asks_a(
            "3.1.y",
            "-v repeated",
            &["-v", "--verbose", "-v", "-s", "A={A}:"],
        )
        .log(verbose("A")),
        defaults(
            "3.1.z",
            "the last -d counts",
            &["-d", "X", "--default=Y", "-d", "Z"],
            "Z",
        ),
        case("3.1.aa", "-s may repeat")
            .refusing("A")
            .named("B")
            .args(["-s", "A={A}:1", "-s", "B={B}:2"])
            .send(FULL)
            .stdout("action=B\n\n")
            .received("B", [FULL]),
        asks_a(
            "3.1.ab",
            "-- ends the options",
            &["-l", "-s", "A={A}:", "--"],
        )
        .log([Attempt::first("A").line()]),
        asks_a(
            "3.1.ac",
            "long options may be abbreviated",
            &["--log", "--serv=A={A}:"],
        )
        .log([Attempt::first("A").line()]),
        asks_a(
            "3.1.ad",
            "down to what is not ambiguous",
            &["--verb", "--se", "A={A}:"],
        )
        .log(verbose("A")),
        asks_a(
            "3.1.ae",
            "short names with two dashes",
            &["--l", "--s", "A={A}:"],
        )
        .log([Attempt::first("A").line()]),
        defaults("3.1.af", "--def and --d", &["--def=X", "--d", "Y"], "Y"),
    ]
}

/// Perl's script prints its usage on standard output, into the protocol, and logs nothing (defect 16).
fn wrong_ones() -> Vec<Case> {
    let wrong = |number, name, args: &[&'static str], said: &str| {
        case(number, name)
            .named("A")
            .args(args)
            .send(FULL)
            .status("exit 1")
            .received("A", NONE)
            .complains()
            .differs(
                Why::Defect(16),
                Expect::new().stdout(USAGE).log(NONE),
                Expect::new().stdout("").log([format!("error: {said}")]),
            )
    };
    vec![
        wrong(
            "3.1.ag",
            "options are case sensitive: -S",
            &["-S", "A={A}:"],
            "Unknown option: S",
        ),
        wrong(
            "3.1.ah",
            "options are case sensitive: -D",
            &["-s", "A={A}:", "-D", "X"],
            "Unknown option: D",
        ),
        wrong(
            "3.1.ai",
            "options are case sensitive: -V",
            &["-s", "A={A}:", "-V"],
            "Unknown option: V",
        ),
        wrong(
            "3.1.aj",
            "options are case sensitive: --Service",
            &["--Service", "A={A}:"],
            "unexpected argument '--Service' found: did you mean --service?",
        ),
        wrong(
            "3.1.ak",
            "an unknown letter",
            &["-x", "-s", "A={A}:"],
            "Unknown option: x",
        ),
        wrong(
            "3.1.al",
            "an unknown letter in a bundle",
            &["-lxv", "-s", "A={A}:"],
            "Unknown option: x",
        ),
        wrong(
            "3.1.am",
            "an unknown word",
            &["--unknown", "-s", "A={A}:"],
            "unexpected argument '--unknown' found",
        ),
        wrong(
            "3.1.an",
            "-s without its value",
            &["-l", "-s"],
            "Option s requires an argument",
        ),
        wrong(
            "3.1.ao",
            "-d without its value",
            &["-s", "A={A}:", "-d"],
            "Option d requires an argument",
        ),
        wrong(
            "3.1.ap",
            "--service without its value",
            &["-l", "--service"],
            "Option service requires an argument",
        ),
        wrong(
            "3.1.aq",
            "--default= with nothing",
            &["-s", "A={A}:", "--default="],
            "Option default requires an argument",
        ),
        wrong(
            "3.1.ar",
            "a flag with a value",
            &["-s", "A={A}:", "--logging=1"],
            "Option logging does not take an argument",
        ),
        case("3.1.at", "no service: the default action")
            .args(["-d", "X"])
            .send(FULL)
            .stdout("action=X\n\n")
            .differs(
                Why::Defect(4),
                Expect::new().log(NONE),
                Expect::new().log([ERROR_AT_START]),
            ),
    ]
}
