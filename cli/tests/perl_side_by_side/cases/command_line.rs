//! Clause 1, the options and all their forms; the defects 16 and 17, command lines that are wrong.

use crate::Script;
use crate::case::{Aspect, Case, asks, case, cases, forwards, rows};
use crate::expect::{Expecting, expect, reply};
use crate::texts::{ERROR_AT_START, FULL, first, refused, verbose};

pub const TABLES: super::Tables = &[forwarded, logged, defaults, others, wrong, left_over];

fn forwarded() -> Vec<Case> {
    let quiet = |name, args: &str| forwards(name, args).quiet();
    rows! { quiet;
        "3.1.a -s and a word", "-s A={A}:";
        "3.1.b --service and a word", "--service A={A}:";
        "3.1.c --service=", "--service=A={A}:";
        "3.1.d -s with its value attached", "-sA={A}:";
        // Without a line to log, since Perl's script dies of one (defect 13).
        "3.1.p -L", "-L -s A={A}:";
        "3.1.q --stdout", "--stdout -s A={A}:";
        "3.1.t -Ls bundled", "-LsA={A}:";
    }
}

fn logged() -> Vec<Case> {
    let one_line = |name, args: &str| forwards(name, args).log([first("A").line()]);
    let all_lines = |name, args: &str| forwards(name, args).log(verbose("A"));
    let mut cases = rows! { one_line;
        "3.1.l -l", "-l -s A={A}:";
        "3.1.m --logging", "--logging -s A={A}:";
        "3.1.u any order: -s first", "-s A={A}: -d X -l";
        "3.1.v any order: -s last", "-l -d X -s A={A}:";
        "3.1.w any order: -s amid", "-d X -sA={A}: -l";
        "3.1.x flags may repeat", "-ll -l --logging -s A={A}:";
        "3.1.ab -- ends the options", "-l -s A={A}: --";
        "3.1.ac long options may be abbreviated", "--log --serv=A={A}:";
        "3.1.ae short names with two dashes", "--l --s A={A}:";
    };
    cases.extend(rows! { all_lines;
        "3.1.n -v", "-v -s A={A}:";
        "3.1.o --verbose", "--verbose -s A={A}:";
        "3.1.r -lvs bundled, value attached", "-lvsA={A}:";
        "3.1.s -vls bundled, value apart", "-vls A={A}:";
        "3.1.y -v repeated", "-v --verbose -v -s A={A}:";
        "3.1.ad down to what is not ambiguous", "--verb --se A={A}:";
    });
    cases
}

/// The service refuses, so that the default action is seen.
fn defaults() -> Vec<Case> {
    let default = |name, args: &str, action: &str| {
        let case = case(name, args).refusing("A").args("-s A={A}:");
        case.send(FULL).answer(action).log([refused("A")])
    };
    rows! { default;
        "3.1.e -d and a word", "-d DEFER", "DEFER";
        "3.1.f --default and a word", "--default DEFER", "DEFER";
        "3.1.g --default=", "--default=DEFER", "DEFER";
        "3.1.h -d with its value attached", "-dDEFER", "DEFER";
        "3.1.i --default= keeps a second =", "--default==A", "=A";
        "3.1.j -d takes a word that begins with -", "-d -l", "-l";
        "3.1.k --default takes a word that begins with --", "--default --logging", "--logging";
        "3.1.z the last -d counts", "-d X --default=Y -d Z", "Z";
        "3.1.af --def and --d", "--def=X --d Y", "Y";
        "3.1.au -d=A keeps the =", "-d=A", "=A";
    }
}

fn others() -> Vec<Case> {
    cases! {
        asks("3.1.aa -s may repeat", "-s A={A}:1 -s B={B}:2").refusing("A").answer("B").received("B", [FULL]);
        asks("3.1.at no service: the default action", "-d X")
            .answer("X").log_differs("defect 4", [""; 0], [ERROR_AT_START]);
        forwards("3.1.av -service=X is -s with ervice=X", "-l -service={A}:")
            .log([first("A").line().replace("[A] (", "[ervice] (")]);
        case("2.16.d --help is help", "--help")
            .quiet()
            .differs("defect 16",
                expect().stdout(USAGE).status("exit 1"),
                expect().stdout("…hapolicy…--service…").status("exit 0"));
    }
}

/// Perl's script prints its usage on standard output, into the protocol, and logs nothing (defect 16).
fn wrong() -> Vec<Case> {
    let wrong = |name, args: &str, error: &str| {
        let case = asks(name, args)
            .stub("A", Script::answer("A"))
            .status("exit 1");
        let case = case.received("A", [""; 0]);
        case.differs(
            "defect 16",
            expect().stdout(USAGE).quiet(),
            expect().stdout("").log([format!("error: {error}")]),
        )
    };
    rows! { wrong;
        "3.1.ag options are case sensitive: -S", "-S A={A}:", "Unknown option: S";
        "3.1.ah options are case sensitive: -D", "-s A={A}: -D X", "Unknown option: D";
        "3.1.ai options are case sensitive: -V", "-s A={A}: -V", "Unknown option: V";
        "3.1.aj options are case sensitive: --Service", "--Service A={A}:",
            "unexpected argument '--Service' found: did you mean --service?";
        "3.1.ak an unknown letter", "-x -s A={A}:", "Unknown option: x";
        "3.1.al an unknown letter in a bundle", "-lxv -s A={A}:", "Unknown option: x";
        "3.1.am an unknown word", "--unknown -s A={A}:", "unexpected argument '--unknown' found";
        "3.1.an -s without its value", "-l -s", "Option s requires an argument";
        "3.1.ao -d without its value", "-s A={A}: -d", "Option d requires an argument";
        "3.1.ap --service without its value", "-l --service", "Option service requires an argument";
        "3.1.aq --default= with nothing", "-s A={A}: --default=", "Option default requires an argument";
        "3.1.ar a flag with a value", "-s A={A}: --logging=1", "Option logging does not take an argument";
    }
}

/// Defect 17: ours ends with a message where the script takes what is wrong.
fn left_over() -> Vec<Case> {
    let refusing = |name| asks(name, "-s A={A}:").refusing("A");
    let word = |name, word: &str| {
        let error = format!("error: unexpected argument '{word}' found");
        refusing(name).args(word).stdout("").differs(
            "defect 17",
            expect().status("exit 0").quiet(),
            expect().status("exit 1").log([error]),
        )
    };
    let default = |name, action: &str| {
        let case = refusing(name).args("-d").arg(action);
        case.by_check(&[Aspect::Log]).differs(
            "defect 17",
            expect().stdout(reply(action)).status("exit 0"),
            expect().stdout("").status("exit 1"),
        )
    };
    cases! {
        word("2.17.a a word left over is not read as a file", "/dev/null");
        word("2.17.b nor one that is no file", "/nonexistent");
        default("2.17.c -d ''", "");
        default("2.17.d a line feed in -d", "a\n\naction=b");
    }
}

/// What Perl's Pod::Usage prints.
const USAGE: &str = "…Usage:…Options:…";
