//! Section 3, clause 4: what is read from the client.

use std::time::Duration;

use policy_testing::stub::Script;

use super::case::{Case, Step, Why, case};
use super::expect::Expect;
use super::parts::{ASK, FULL, NONE, ask};

pub fn cases() -> Vec<Case> {
    let mut cases = contents();
    cases.extend(garbage());
    cases.extend(cuts());
    cases.extend(sequences());
    cases.extend(ends());
    cases
}

/// What is sent reaches the server so, and is answered.
fn forwards(
    number: &'static str,
    name: &'static str,
    sent: impl AsRef<[u8]>,
    received: impl AsRef<[u8]>,
) -> Case {
    case(number, name)
        .named("A")
        .args(["-s", "A={A}:"])
        .send(sent)
        .stdout("action=A\n\n")
        .log(NONE)
        .received("A", [received])
}

fn contents() -> Vec<Case> {
    let same = |number, name, lines: &[u8]| {
        let mut request = b"request=smtpd_access_policy\n".to_vec();
        request.extend_from_slice(lines);
        request.push(b'\n');
        forwards(number, name, &request, &request)
    };
    let crlf = FULL.replace('\n', "\r\n");
    let mixed = FULL.replace("=s@", "=\u{fc}s@").replace("org\n", "org\r\n");
    let mut big = Vec::new();
    for number in 0..200 {
        big.extend_from_slice(format!("attribute_{number}={}\n", "x".repeat(500)).as_bytes());
    }
    vec![
        forwards("3.4.a", "LF", FULL, FULL),
        forwards("3.4.b", "CR LF, and LF to the server", &crlf, FULL),
        forwards(
            "3.4.c",
            "CR LF here and there",
            &mixed,
            mixed.replace('\r', ""),
        ),
        forwards(
            "3.4.d",
            "a blank line of CR LF",
            FULL.replace("\n\n", "\n\r\n"),
            FULL,
        ),
        same(
            "3.4.e",
            "unknown attributes",
            b"foo=bar\nx-y.z_0=1\nUPPER=Case\n",
        ),
        same("3.4.f", "empty values", b"sender=\nrecipient=\n"),
        same(
            "3.4.g",
            "= in values",
            b"sender=a=b\nrecipient==\nccert_subject==c==\n",
        ),
        same(
            "3.4.h",
            "blanks in values",
            b"sender= a  b \nhelo_name=\t\nx= \n",
        ),
        same("3.4.i", "blanks in names", b" sender =x\na b=y\n"),
        same(
            "3.4.j",
            "8-bit bytes",
            b"sender=\xe9t\xe9\nhelo_name=\xff\xfe\x80\n\xe9=x\n",
        ),
        same("3.4.k", "UTF-8", "sender=grün@例え.jp\n".as_bytes()),
        same(
            "3.4.l",
            "control bytes",
            b"sender=\x01\x02\x07\x08\x0b\x0c\x1b[0m\x7f\n",
        ),
        same("3.4.m", "a big request", &big),
        same(
            "3.4.n",
            "all attributes of Postfix 3.12",
            POSTFIX.as_bytes(),
        ),
        case("3.4.o", "the request's type may come last")
            .named("A")
            .args(["-s", "A={A}:"])
            .send("sender=x\nrequest=smtpd_access_policy\n\n")
            .stdout("action=A\n\n")
            .received("A", ["sender=x\nrequest=smtpd_access_policy\n\n"]),
    ]
}

fn garbage() -> Vec<Case> {
    let noticed = |number, name, line: &'static str| {
        let sent = format!("request=smtpd_access_policy\n{line}\nsender=x\n\n");
        case(number, name)
            .named("A")
            .args(["-s", "A={A}:"])
            .send(sent)
            .stdout("action=A\n\n")
            .log([format!("notice: error: ignoring garbage \"{line}\"")])
            .received("A", ["request=smtpd_access_policy\nsender=x\n\n"])
    };
    let other_type = |number, name, kind: &'static str| {
        case(number, name)
            .named("A")
            .args(["-s", "A={A}:"])
            .send(format!("request={kind}\nsender=x\n\n"))
            .log([format!(
                "notice: ignoring unrecognized request type: '{kind}'"
            )])
            .received("A", NONE)
            .connections("A", 0)
            .differs(
                Why::Defect(5),
                Expect::new().stdout(""),
                Expect::new().stdout("action=dunno\n\n"),
            )
    };
    vec![
        noticed("3.4.p", "garbage: a word", "garbage"),
        noticed("3.4.q", "garbage: signs and 8-bit bytes", "<é> 'x', [1]"),
        noticed("3.4.r", "garbage: a blank", " "),
        noticed("3.4.s", "garbage: only a =", "="),
        noticed("3.4.t", "garbage: a value without a name", "=x"),
        noticed("3.4.u", "garbage: 8-bit bytes", "gr\u{fc}n"),
        other_type("3.4.v", "another type is never forwarded", "junk_policy"),
        other_type(
            "3.4.w",
            "nor the right one in capitals",
            "SMTPD_ACCESS_POLICY",
        ),
        other_type(
            "3.4.x",
            "nor with a blank at its end",
            "smtpd_access_policy ",
        ),
    ]
}

fn cuts() -> Vec<Case> {
    let base = |number, name| {
        case(number, name)
            .named("A")
            .args(["-s", "A={A}:"])
            .stdout("action=A\n\n")
            .log(NONE)
            .received("A", [FULL])
    };
    let mut pieces = base("3.4.z", "in pieces of every length");
    let mut rest = FULL.as_bytes();
    for length in 1.. {
        let (piece, tail) = rest.split_at(length.min(rest.len()));
        pieces = pieces.send(piece).sleep(2);
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    let bytes = FULL.replace('\n', "\r\n").into_bytes();
    let (head, tail) = FULL.split_at(FULL.len() - 1);
    vec![
        base("3.4.y", "byte by byte").step(Step::Bytewise(FULL.into())),
        base("3.4.aw", "CR LF byte by byte").step(Step::Bytewise(bytes)),
        pieces,
        base("3.4.ax", "the last line feed after a second")
            .send(head)
            .sleep(1000)
            .send(tail),
    ]
}

fn sequences() -> Vec<Case> {
    let three = [ask(1), ask(2), ask(3)];
    let base = |number, name| {
        case(number, name)
            .named("A")
            .args(["-s", "A={A}:10:1:1"])
            .stdout("action=A\n\naction=A\n\naction=A\n\n")
            .log(NONE)
            .received("A", &three)
            .connections("A", 3)
    };
    let after_time_out = |case: Case| case.sleep(1600);
    vec![
        base("3.4.aa", "pipelined in one write").send(three.concat()),
        base("3.4.ab", "one after the other")
            .send(ask(1))
            .replies(1)
            .send(ask(2))
            .replies(2)
            .send(ask(3))
            .replies(3),
        base("3.4.ac", "one and a half, then the rest")
            .send(&three.concat()[..60])
            .replies(1)
            .send(&three.concat()[60..]),
        after_time_out(
            after_time_out(
                after_time_out(base("3.4.ad", "survives idling longer than a time-out"))
                    .send(ask(1))
                    .replies(1),
            )
            .send(ask(2))
            .replies(2),
        )
        .send(ask(3)),
        case("3.4.ae", "nothing is carried over after an answer")
            .named("A")
            .args(["-s", "A={A}:"])
            .send(FULL)
            .send(ASK)
            .send("request=smtpd_access_policy\nsender=other\n\n")
            .stdout("action=A\n\n".repeat(3))
            .received(
                "A",
                [FULL, ASK, "request=smtpd_access_policy\nsender=other\n\n"],
            ),
        case("3.4.af", "nor after the default action")
            .refusing("A")
            .named("B")
            .args(["-s", "A={A}:1", "-s", "B={B}:2:1:1"])
            .step(Step::Set(
                "B",
                vec![Script::bytes("no\n\n"), Script::answer("B")],
            ))
            .send(FULL)
            .replies(1)
            .send(ASK)
            .stdout("action=dunno\n\naction=B\n\n")
            .received("B", [FULL, ASK])
            .by_check(&[super::case::Aspect::Log])
            .check(|perl, ours| {
                let both = [perl, ours];
                let fine = both
                    .iter()
                    .all(|side| side.log.contains(&super::parts::invalid("B", "no")));
                if fine {
                    Ok(())
                } else {
                    Err("no warning about B".to_owned())
                }
            }),
        case("3.4.ag", "the reply is flushed at once")
            .named("A")
            .args(["-s", "A={A}:"])
            .send(ASK)
            .replies(1)
            .step(Step::Mark("reply"))
            .sleep(300)
            .stdout("action=A\n\n")
            .check(|perl, ours| {
                let slow =
                    |side: &super::program::Outcome| side.mark("reply") > Duration::from_secs(5);
                if slow(perl) || slow(ours) {
                    return Err("the reply came only at the end".to_owned());
                }
                Ok(())
            }),
    ]
}

fn ends() -> Vec<Case> {
    let base = |number, name| case(number, name).named("A").args(["-s", "A={A}:"]);
    let nothing = |number, name, sent: &str| {
        base(number, name)
            .send(sent)
            .step(Step::Eof)
            .stdout("")
            .log(NONE)
            .received("A", NONE)
            .connections("A", 0)
            .seconds(0.0, 7.0)
    };
    vec![
        nothing("3.4.ah", "end of input at once: exit 0", ""),
        nothing(
            "3.4.ai",
            "in an attribute's line",
            "request=smtpd_access_policy\nsender=x",
        ),
        nothing(
            "3.4.aj",
            "after an attribute",
            "request=smtpd_access_policy\nsender=x\n",
        ),
        nothing("3.4.ak", "after the first byte", "r"),
        base("3.4.al", "after a request and a part of the next")
            .send(FULL)
            .send("request=smtpd_access_policy\nsender=x\n")
            .stdout("action=A\n\n")
            .received("A", [FULL])
            .connections("A", 1),
        base(
            "3.4.am",
            "while the server is asked: its answer still comes",
        )
        .step(Step::Set("A", vec![Script::answer("late but good").held()]))
        .send(FULL)
        .step(Step::Arrived("A", 1))
        .step(Step::Eof)
        .sleep(300)
        .step(Step::Release("A"))
        .stdout("action=late but good\n\n")
        .received("A", [FULL]),
        base("3.4.an", "with requests that wait: all are answered")
            .send([ask(1), ask(2), ask(3)].concat())
            .step(Step::Eof)
            .stdout("action=A\n\n".repeat(3))
            .received("A", [ask(1), ask(2), ask(3)]),
        base("3.4.ao", "after idling")
            .send(FULL)
            .replies(1)
            .sleep(500)
            .step(Step::Eof)
            .stdout("action=A\n\n")
            .seconds(0.5, 7.0),
    ]
}

const POSTFIX: &str = "protocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=2001:db8::1\n\
    client_name=unknown\nclient_port=4711\nreverse_client_name=unknown\nserver_address=::1\n\
    server_port=25\nhelo_name=[IPv6:2001:db8::1]\nsender=\nrecipient=r@example.org\n\
    recipient_count=0\nqueue_id=\ninstance=1b2c.65f0.0\nsize=12345\netrn_domain=\nstress=\n\
    sasl_method=plain\nsasl_username=you@example.com\nsasl_sender=\nccert_subject=a+20b\n\
    ccert_issuer=Example+20CA\nccert_fingerprint=AA:BB\nccert_pubkey_fingerprint=CC:DD\n\
    encryption_protocol=TLSv1.3\nencryption_cipher=TLS_AES_256_GCM_SHA384\nencryption_keysize=256\n\
    tls_sni=mx.example.com\npolicy_context=submission\ncompatibility_level=3.6\nmail_version=3.12\n";
