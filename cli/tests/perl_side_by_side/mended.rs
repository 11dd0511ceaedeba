//! Section 2: the defects 4 to 6, 9 and 10, mended.

use super::case::{Case, Step, Why, case};
use super::expect::Expect;
use super::parts::{ASK, Attempt, FULL, NONE, invalid};
use policy_testing::stub::{Reply, Script};

pub fn cases() -> Vec<Case> {
    let mut cases = requests();
    cases.extend(cut_answers());
    cases
}

/// Defects 4, 5 and 6.
fn requests() -> Vec<Case> {
    let junk = "request=junk\nsasl_username=boss\n\n";
    let notice = "notice: ignoring unrecognized request type: 'junk'";
    vec![
        case("2.4.a", "name=addr:port, as documented")
            .named("A")
            .args(["-s", "A={A}", "-l"])
            .send(FULL)
            .differs(
                Why::Defect(4),
                Expect::new()
                    .stdout("action=dunno\n\n")
                    .log(["warning: ignoring invalid service 'A={A}'"])
                    .received("A", NONE)
                    .connections("A", 0),
                Expect::new()
                    .stdout("action=A\n\n")
                    .log([Attempt::first("A").line()])
                    .received("A", [FULL])
                    .connections("A", 1),
            ),
        case("2.5.a", "another type of request is answered at once")
            .named("A")
            .args(["-s", "A={A}:", "-d", "X"])
            .send("request=junk\n\n")
            .step(Step::Replies(1, std::time::Duration::from_secs(2)))
            .send(FULL)
            .log([notice])
            .received("A", [FULL])
            .differs(
                Why::Defect(5),
                Expect::new().stdout("action=A\n\n"),
                Expect::new().stdout("action=X\n\naction=A\n\n"),
            ),
        case("2.5.b", "a request without a type too")
            .named("A")
            .args(["-s", "A={A}:"])
            .send("sender=x\n\n")
            .log(["notice: ignoring unrecognized request type: '<undef>'"])
            .received("A", NONE)
            .differs(
                Why::Defect(5),
                Expect::new().stdout(""),
                Expect::new().stdout("action=dunno\n\n"),
            ),
        case(
            "2.6.a",
            "attributes of a request that was ignored do not leak into the next",
        )
        .named("A")
        .args(["-s", "A={A}:"])
        .send([junk, ASK].concat())
        .log([notice])
        .differs(
            Why::Defect(6),
            Expect::new()
                .stdout("action=A\n\n")
                .received("A", ["request=smtpd_access_policy\nsasl_username=boss\n\n"]),
            Expect::new()
                .stdout("action=dunno\n\naction=A\n\n")
                .received("A", [ASK]),
        )
        .also(Why::Defect(5)),
    ]
}

/// Defects 9 and 10. B answers where A's answer does not count.
fn cut_answers() -> Vec<Case> {
    let refuses = |number, name, script, perl: &[u8], text: &str| {
        case(number, name)
            .stub("A", script)
            .named("B")
            .args(["-s", "A={A}:1:1:9", "-s", "B={B}:2"])
            .send(FULL)
            .received("A", [FULL])
            .differs(
                Why::Defect(9),
                Expect::new()
                    .stdout(perl)
                    .log(NONE)
                    .received("B", NONE)
                    .connections("B", 0),
                Expect::new()
                    .stdout("action=B\n\n")
                    .log([invalid("A", text)])
                    .received("B", [FULL])
                    .connections("B", 1),
            )
    };
    let accepts = |number, name, why, answer: &str, perl: Expect| {
        case(number, name)
            .stub("A", Script::bytes(answer))
            .args(["-s", "A={A}:"])
            .send(FULL)
            .received("A", [FULL])
            .differs(
                why,
                perl,
                Expect::new().stdout("action=DUNNO\n\n").log(NONE),
            )
    };
    let endless = [b"action=".as_slice(), &[b'x'; 1_000_000], b"\n\n"].concat();
    // Nothing is logged on Perl's side of the first.
    let mut with_cr = accepts(
        "2.9.f",
        "one CR before the LF is dropped",
        Why::Defect(9),
        "action=DUNNO\r\n\r\n",
        Expect::new().stdout("action=DUNNO\r\n\n").log(NONE),
    );
    (with_cr.perl.log, with_cr.ours.log) = (None, None);
    vec![
        refuses(
            "2.9.a",
            "an answer cut by a close",
            Script::bytes("action=REJ").closing(),
            b"action=REJ\n\n",
            "…",
        ),
        refuses(
            "2.9.b",
            "an answer cut by a reset",
            Script::reply(Reply::Reset(b"action=REJ".to_vec())),
            b"action=REJ\n\n",
            "…",
        ),
        refuses(
            "2.9.c",
            "a NUL",
            Script::bytes("action=a\0b\n\n"),
            b"action=a\0b\n\n",
            "a?b",
        ),
        refuses(
            "2.9.d",
            "a CR within",
            Script::bytes("action=a\rb\n\n"),
            b"action=a\rb\n\n",
            "a?b",
        ),
        refuses(
            "2.9.e",
            "a blank action",
            Script::bytes("action=  \n\n"),
            b"action=  \n\n",
            "  ",
        ),
        with_cr.log(NONE),
        refuses(
            "2.9.g",
            "a megabyte",
            Script::bytes(endless.clone()),
            &endless,
            "…",
        ),
        accepts(
            "2.10.a",
            "attributes before action=",
            Why::Defect(10),
            "foo=bar\nlog=x\naction=DUNNO\n\n",
            Expect::new()
                .stdout("action=dunno\n\n")
                .log([invalid("A", "foo=bar")]),
        ),
    ]
}
