//! Section 2: the defects 14 and 16 to 20, mended.

use super::case::{Aspect, Case, Step, Syslog, Why, case};
use super::expect::Expect;
use super::parts::{Attempt, FULL, NONE, USAGE, attributes};
use policy_testing::stub::{Reply, Script};

pub fn cases() -> Vec<Case> {
    let mut cases = command_lines();
    cases.extend(long_values());
    cases.push(hung_syslog());
    cases.extend(log_texts());
    cases.extend(small_ones());
    cases
}

/// Defects 16 and 17.
fn command_lines() -> Vec<Case> {
    let refused = |number, name, args: &[&'static str], perl: &str, status: &str| {
        case(number, name)
            .refusing("A")
            .args(args)
            .send(FULL)
            .complains()
            .by_check(&[Aspect::Log])
            .differs(
                Why::Defect(17),
                Expect::new().stdout(perl).status(status),
                Expect::new().stdout("").status("exit 1"),
            )
    };
    vec![
        case("2.16.d", "--help is help")
            .args(["--help"])
            .log(NONE)
            .differs(
                Why::Defect(16),
                Expect::new().stdout(USAGE).status("exit 1"),
                Expect::new()
                    .stdout("…hapolicy…--service…")
                    .status("exit 0"),
            ),
        case("2.17.a", "a word left over is not read as a file")
            .refusing("A")
            .args(["-s", "A={A}:", "/dev/null"])
            .send(FULL)
            .stdout("")
            .complains()
            .differs(
                Why::Defect(17),
                Expect::new().status("exit 0").log(NONE),
                Expect::new()
                    .status("exit 1")
                    .log(["error: unexpected argument '/dev/null' found"]),
            ),
        case("2.17.b", "nor one that is no file")
            .refusing("A")
            .args(["-s", "A={A}:", "/nonexistent"])
            .send(FULL)
            .stdout("")
            .complains()
            .differs(
                Why::Defect(17),
                Expect::new().status("exit 0").log(NONE),
                Expect::new()
                    .status("exit 1")
                    .log(["error: unexpected argument '/nonexistent' found"]),
            ),
        refused(
            "2.17.c",
            "-d ''",
            &["-s", "A={A}:", "-d", ""],
            "action=\n\n",
            "exit 0",
        ),
        refused(
            "2.17.d",
            "a line feed in -d",
            &["-s", "A={A}:", "-d", "a\n\naction=b"],
            "action=a\n\naction=b\n\n",
            "exit 0",
        ),
    ]
}

/// Defect 14.
fn long_values() -> Vec<Case> {
    let request =
        |name: &str, value: &str| format!("request=smtpd_access_policy\n{name}={value}\n\n");
    let (long, cut) = ("x".repeat(5000), "x".repeat(512));
    let names = [
        format!("{}a", "n".repeat(512)),
        format!("{}b", "n".repeat(512)),
    ];
    let two = format!(
        "request=smtpd_access_policy\n{}=1\n{}=2\n\n",
        names[0], names[1]
    );
    let forwarded = |number, name, sent: String, by_perl: String| {
        case(number, name)
            .named("A")
            .args(["-s", "A={A}:"])
            .send(&sent)
            .stdout("action=A\n\n")
            .log(NONE)
            .differs(
                Why::Defect(14),
                Expect::new().received("A", [by_perl]),
                Expect::new().received("A", [sent]),
            )
    };
    vec![
        forwarded(
            "2.14.a",
            "long values are whole",
            request("x", &long),
            request("x", &cut),
        ),
        forwarded(
            "2.14.b",
            "long names are whole",
            two,
            request(&"n".repeat(512), "2"),
        ),
    ]
}

/// Defect 18.
fn hung_syslog() -> Case {
    case("2.18.a", "a syslogd that hangs does not block mail")
        .named("A")
        .syslog(Syslog::Hung)
        .args(["-v", "-s", "A={A}:"])
        .send(FULL.repeat(100))
        .limit(12)
        .by_check(&[Aspect::Log, Aspect::Received, Aspect::Connections])
        .differs(
            Why::Defect(18),
            Expect::new()
                .stdout("action=A\n\n…")
                .status("killed by the test"),
            Expect::new()
                .stdout("action=A\n\n".repeat(100))
                .status("exit 0"),
        )
        .check(
            |perl, _| match perl.stdout.len() < "action=A\n\n".len() * 100 {
                true => Ok(()),
                false => Err("Perl was not blocked".to_owned()),
            },
        )
}

/// Defect 19.
fn log_texts() -> Vec<Case> {
    let about = "client: [], helo: <>, from: <a";
    let line = |from: &str| Attempt::first("A").line_about(&format!("{about}{from}>, to: <>"));
    let sixty = |last: &str| {
        let line = |n: u32| Attempt::first("A").weight(5).counts(n, n, 0).line();
        let mut lines: Vec<String> = (1..=60).map(line).collect();
        lines[59] = lines[59].replace("queries: 60,", &format!("queries: {last},"));
        lines
    };
    let logged = |number, name, request: &str, perl: String, ours: String| {
        case(number, name)
            .named("A")
            .args(["-l", "-s", "A={A}:"])
            .send(request)
            .stdout("action=A\n\n")
            .received("A", [request])
            .differs(
                Why::Defect(19),
                Expect::new().log([perl]),
                Expect::new().log([ours]),
            )
    };
    vec![
        logged(
            "2.19.a",
            "% is not doubled",
            "request=smtpd_access_policy\nsender=a%s 100%\n\n",
            line("%%s 100%%"),
            line("%s 100%"),
        ),
        logged(
            "2.19.b",
            "control characters are logged as ?",
            "request=smtpd_access_policy\nsender=a\x01\t\x1b[2J\x7f\n\n",
            line("\x01\t\x1b[2J\x7f"),
            line("???[2J?"),
        )
        .also(Why::Decided("control characters in the log")),
        case("2.19.c", "queries are counted in integers")
            .named("A")
            .args(["-l", "-s", "A={A}::5"])
            .send(FULL.repeat(60))
            .stdout("action=A\n\n".repeat(60))
            .differs(
                Why::Defect(19),
                Expect::new().log(sixty("59.9999999999999")),
                Expect::new().log(sixty("60")),
            ),
    ]
}

/// Defect 20.
fn small_ones() -> Vec<Case> {
    let mut big = String::from("request=smtpd_access_policy\n");
    for number in 0..200 {
        big += &format!("attribute_{number}={}\n", "x".repeat(500));
    }
    big.push('\n');
    vec![
        // Where SIGPIPE is not ignored, and the server is gone before the request is written.
        case("2.20.a", "a big request to a server that closes at once")
            .stub("A", Script::reply(Reply::CloseAtOnce))
            .named("B")
            .args(["-s", "A={A}:1:1:9", "-s", "B={B}:2:1:9"])
            .send(big.repeat(20))
            .by_check(&[Aspect::Log, Aspect::Received, Aspect::Connections])
            .differs(
                Why::Defect(20),
                Expect::new().stdout("…").status("signal 13"),
                Expect::new()
                    .stdout("action=B\n\n".repeat(20))
                    .status("exit 0"),
            ),
        case("2.20.b", "attributes keep their order")
            .named("A")
            .args(["-s", "A={A}:"])
            .env("PERL_HASH_SEED", "0")
            .send(FULL.repeat(3))
            .step(Step::Eof)
            .stdout("action=A\n\n".repeat(3))
            .received("A", [FULL; 3])
            .differs(Why::Defect(20), Expect::new(), Expect::new())
            .by_check(&[Aspect::Received])
            .check(|perl, ours| {
                if perl.requests_of("A").iter().any(|r| r == FULL.as_bytes()) {
                    return Err("Perl kept the order: no difference".to_owned());
                }
                match ours.requests_of("A").iter().all(|r| r == FULL.as_bytes()) {
                    true => Ok(()),
                    false => Err("ours changed the order".to_owned()),
                }
            }),
        case("2.20.c", "a sixth field: a warning")
            .named("A")
            .args(["-l", "-s", "A={A}:7:2:5:junk"])
            .send(FULL)
            .stdout("action=A\n\n")
            .received("A", [FULL])
            .differs(
                Why::Defect(20),
                Expect::new().log([Attempt::first("A").prio(7).weight(2).line()]),
                Expect::new().log([
                    "warning: …".to_owned(),
                    Attempt::first("A").prio(7).weight(2).line(),
                ]),
            ),
        case("2.20.d", "attributes are logged in their order too")
            .named("A")
            .args(["-v", "-s", "A={A}:"])
            .env("PERL_HASH_SEED", "0")
            .send(FULL)
            .stdout("action=A\n\n")
            .differs(Why::Defect(20), Expect::new(), Expect::new())
            .by_check(&[Aspect::Log])
            .check(|_, ours| match ours.log.starts_with(&attributes(FULL)) {
                true => Ok(()),
                false => Err(format!("ours: {:?}", ours.log)),
            }),
    ]
}
