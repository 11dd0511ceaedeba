//! Section 3, clause 8, `-L`: the log on standard output. Perl's taint mode kills the script at most
//! lines there (defect 13); here are those that it survives.

use super::case::{Case, Step, Syslog, Why, case};
use super::expect::Expect;
use super::parts::{Attempt, FULL, NONE, attributes, opening, refused, timed_out};
use policy_testing::stub::{Reply, Script};

pub fn cases() -> Vec<Case> {
    let mut cases = kept();
    cases.extend(mended());
    cases
}

/// Nothing goes to syslog.
fn printed<L: AsRef<str>>(case: Case, lines: impl IntoIterator<Item = L>, reply: &str) -> Case {
    case.send(FULL).stdout(on_stdout(lines, reply)).log(NONE)
}

fn kept() -> Vec<Case> {
    let to_a = |number, name, flags| {
        case(number, name)
            .refusing("A")
            .args([flags, "-s", "A={A}:"])
    };
    let line = Attempt::failed("A").line();
    let mut verbose = attributes(FULL);
    verbose.extend([
        opening("A")[0].clone(),
        refused("A"),
        line.clone(),
        "info: Action: dunno".to_owned(),
    ]);
    let sender = "request=smtpd_access_policy\n\n";
    let short = Attempt::failed("A").line_about("client: [], helo: <>, from: <>, to: <>");
    let verbose_short = [
        "info: Attribute: request=smtpd_access_policy".to_owned(),
        opening("A")[0].clone(),
        refused("A"),
        short,
        "info: Action: dunno".to_owned(),
    ];
    vec![
        printed(
            case("3.8.y", "-L: quiet when all is well")
                .named("A")
                .args(["-L", "-s", "A={A}:"]),
            NONE,
            "A",
        ),
        printed(
            to_a("3.8.z", "-L: a warning", "-L"),
            [refused("A")],
            "dunno",
        ),
        printed(
            to_a("3.8.aa", "-L -l", "-Ll"),
            [refused("A"), line],
            "dunno",
        ),
        to_a("3.8.ab", "-L -v", "-Lv")
            .send(sender)
            .stdout(on_stdout(verbose_short, "dunno"))
            .log(NONE),
        printed(
            case("3.8.ac", "-L: a time-out")
                .stub("A", Script::reply(Reply::Hang))
                .args(["-L", "-s", "A={A}:::1"]),
            [timed_out("A")],
            "dunno",
        ),
        printed(
            case("3.8.ad", "-L: no address")
                .named("A")
                .args(["-L", "-s", "B=0:1:", "-s", "A={A}:"]),
            ["warning: No address or port for 'B'"],
            "A",
        ),
        case("3.8.ae", "-L: garbage")
            .named("A")
            .args(["-L", "-s", "A={A}:"])
            .send("garbage\n")
            .send(FULL)
            .stdout(on_stdout(
                ["notice: error: ignoring garbage \"garbage\""],
                "A",
            ))
            .log(NONE)
            .received("A", [FULL]),
        case("3.8.af", "-L: another type")
            .args(["-L", "-s", "A=127.0.0.1:1:"])
            .send("request=junk\n\n")
            .log(NONE)
            .differs(
                Why::Defect(5),
                Expect::new().stdout("[LOG notice]: ignoring unrecognized request type: 'junk'\n"),
                Expect::new().stdout(on_stdout(
                    ["notice: ignoring unrecognized request type: 'junk'"],
                    "dunno",
                )),
            ),
        printed(
            to_a("3.8.ag", "-L without a /dev/log", "-L").syslog(Syslog::Absent),
            [refused("A")],
            "dunno",
        ),
    ]
}

/// Defect 13: the script dies, or loses the answer.
fn mended() -> Vec<Case> {
    let dies = |case: Case, status: &str, printed: &str, lines: Vec<String>, reply: &str| {
        case.log(NONE).differs(
            Why::Defect(13),
            Expect::new().stdout(printed).status(status),
            Expect::new()
                .stdout(on_stdout(lines, reply))
                .status("exit 0"),
        )
    };
    let answer_a = |number, name, flags| {
        case(number, name)
            .named("A")
            .args([flags, "-s", "A={A}:::2"])
            .send(FULL)
            .received("A", [FULL])
    };
    vec![
        dies(
            answer_a("2.13.a", "-L -l and an answer", "-Ll"),
            "exit 29",
            "",
            vec![Attempt::first("A").line()],
            "A",
        ),
        dies(
            answer_a(
                "2.13.b",
                "-L -v and an answer; the alarm goes off later",
                "-Lv",
            )
            .replies(1)
            .sleep(3000),
            "signal 14",
            "…action=dunno\n\n",
            super::parts::verbose("A"),
            "A",
        ),
        case("2.13.c", "-L and an invalid service")
            .named("A")
            .args(["-L", "-s", "x", "-s", "A={A}:"])
            .send(FULL)
            .log(NONE)
            .differs(
                Why::Defect(13),
                Expect::new()
                    .stdout("")
                    .status("exit 255")
                    .received("A", NONE)
                    .connections("A", 0),
                Expect::new()
                    .stdout(on_stdout(["warning: ignoring invalid service 'x'"], "A"))
                    .status("exit 0")
                    .received("A", [FULL])
                    .connections("A", 1),
            ),
        dies(
            case("2.13.d", "-L -v and -d")
                .refusing("A")
                .args(["-Lv", "-s", "A={A}:", "-d", "X"])
                .send("request=smtpd_access_policy\n\n")
                .step(Step::Eof),
            "exit 111",
            "…",
            vec![
                "info: Attribute: request=smtpd_access_policy".to_owned(),
                opening("A")[0].clone(),
                refused("A"),
                Attempt::failed("A").line_about("client: [], helo: <>, from: <>, to: <>"),
                "info: Action: X".to_owned(),
            ],
            "X",
        ),
        case("2.13.e", "-L: % is not a format")
            .refusing("A")
            .args(["-Ll", "-s", "A={A}:"])
            .send("request=smtpd_access_policy\nsender=100%%d\n\n")
            .log(NONE)
            .differs(
                Why::Defect(13),
                Expect::new().stdout("…from: <100%d>…"),
                Expect::new().stdout("…from: <100%%d>…"),
            ),
        case("2.13.f", "-L: the warning of an invalid answer")
            .stub("A", Script::bytes("bad\n"))
            .args(["-L", "-s", "A={A}:::1"])
            .send(FULL)
            .log(NONE)
            .differs(
                Why::Defect(13),
                Expect::new().stdout("action=dunno\n\n"),
                Expect::new().stdout(on_stdout(
                    ["warning: Invalid answer from 'A' -> 'bad'"],
                    "dunno",
                )),
            ),
    ]
}

/// `level: text` as -L prints it, then the reply.
fn on_stdout<L: AsRef<str>>(lines: impl IntoIterator<Item = L>, reply: &str) -> String {
    let mut text = String::new();
    for line in lines {
        let (level, line) = line.as_ref().split_once(": ").expect("a level");
        text += &format!("[LOG {level}]: {line}\n");
    }
    text + &format!("action={reply}\n\n")
}
