//! Clause 4: what is read from the client.

use std::time::Duration;

use crate::Script;
use crate::case::{Aspect, Case, Step, case, cases, ensure, rows};
use crate::expect::{Expecting, reply};
use crate::texts::{ASK, FULL, ask, big_request, garbage, invalid, numbered, policy, unrecognized};

pub const TABLES: super::Tables = &[
    forwarded, same, noticed, types, cuts, sequences, memory, flushed, partial, ends,
];

fn base(name: &'static str) -> Case {
    case(name, "-s A={A}:")
}

/// What is sent, and what reaches the server.
fn forwards(name: &'static str, sent: impl AsRef<[u8]>, received: impl AsRef<[u8]>) -> Case {
    base(name)
        .send(sent)
        .answer("A")
        .quiet()
        .received("A", [received])
}

fn forwarded() -> Vec<Case> {
    let crlf = FULL.replace('\n', "\r\n");
    let mixed = FULL.replace("=s@", "=\u{fc}s@").replace("org\n", "org\r\n");
    let type_last = "sender=x\nrequest=smtpd_access_policy\n\n";
    cases! {
        forwards("3.4.a LF", FULL, FULL);
        forwards("3.4.b CR LF, and LF to the server", &crlf, FULL);
        forwards("3.4.c CR LF here and there", &mixed, mixed.replace('\r', ""));
        forwards("3.4.d a blank line of CR LF", FULL.replace("\n\n", "\n\r\n"), FULL);
        forwards("3.4.m a big request", big_request(), big_request());
        forwards("3.4.o the request's type may come last", type_last, type_last);
    }
}

/// These lines after the type are forwarded as they are.
fn same() -> Vec<Case> {
    let same = |name, lines: &[u8]| {
        let request = [b"request=smtpd_access_policy\n", lines, b"\n"].concat();
        forwards(name, &request, &request)
    };
    rows! { same;
        "3.4.e unknown attributes", b"foo=bar\nx-y.z_0=1\nUPPER=Case\n";
        "3.4.f empty values", b"sender=\nrecipient=\n";
        "3.4.g = in values", b"sender=a=b\nrecipient==\nccert_subject==c==\n";
        "3.4.h blanks in values", b"sender= a  b \nhelo_name=\t\nx= \n";
        "3.4.i blanks in names", b" sender =x\na b=y\n";
        "3.4.j 8-bit bytes", b"sender=\xe9t\xe9\nhelo_name=\xff\xfe\x80\n\xe9=x\n";
        "3.4.k UTF-8", "sender=grün@例え.jp\n".as_bytes();
        "3.4.l control bytes", b"sender=\x01\x02\x07\x08\x0b\x0c\x1b[0m\x7f\n";
        "3.4.n all attributes of Postfix 3.12", POSTFIX.as_bytes();
    }
}

fn noticed() -> Vec<Case> {
    let noticed = |name, line: &str| {
        let case = base(name)
            .send(policy(&format!("{line}\nsender=x\n")))
            .answer("A");
        case.log([garbage(line)])
            .received("A", [policy("sender=x\n")])
    };
    rows! { noticed;
        "3.4.p garbage: a word", "garbage";
        "3.4.q garbage: signs and 8-bit bytes", "<é> 'x', [1]";
        "3.4.r garbage: a blank", " ";
        "3.4.s garbage: only a =", "=";
        "3.4.t garbage: a value without a name", "=x";
        "3.4.u garbage: 8-bit bytes", "gr\u{fc}n";
    }
}

fn types() -> Vec<Case> {
    let other = |name, kind: &str| {
        let case = base(name).send(format!("request={kind}\nsender=x\n\n"));
        let case = case.log([unrecognized(kind)]).not_asked("A");
        case.stdout_differs("defect 5", "", &reply("dunno"))
    };
    rows! { other;
        "3.4.v another type is never forwarded", "junk_policy";
        "3.4.w nor the right one in capitals", "SMTPD_ACCESS_POLICY";
        "3.4.x nor with a blank at its end", "smtpd_access_policy ";
    }
}

fn cuts() -> Vec<Case> {
    let one = |name| base(name).answer("A").quiet().received("A", [FULL]);
    let mut pieces = one("3.4.z in pieces of every length");
    let mut rest = FULL.as_bytes();
    for length in 1.. {
        let (piece, tail) = rest.split_at(length.min(rest.len()));
        pieces = pieces.send(piece).sleep(2);
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    let crlf = FULL.replace('\n', "\r\n").into_bytes();
    let (head, tail) = FULL.split_at(FULL.len() - 1);
    cases! {
        pieces;
        one("3.4.y byte by byte").step(Step::Bytewise(FULL.into()));
        one("3.4.aw CR LF byte by byte").step(Step::Bytewise(crlf));
        one("3.4.ax the last line feed after a second").send(head).sleep(1000).send(tail);
    }
}

fn sequences() -> Vec<Case> {
    let three = numbered(3);
    let base = |name| {
        let case = case(name, "-s A={A}:10:1:1");
        case.answers(["A"; 3])
            .quiet()
            .received("A", numbered(3))
            .connections("A", 3)
    };
    let (head, tail) = (&three.concat()[..60], &three.concat()[60..]);
    let idles = base("3.4.ad survives idling longer than a time-out");
    cases! {
        base("3.4.aa pipelined in one write").send(three.concat());
        base("3.4.ab one after the other").send_in_turn(&three).replies(3);
        base("3.4.ac one and a half, then the rest").send(head).replies(1).send(tail);
        (1..=2).fold(idles, |case, n| case.sleep(1600).send(ask(n)).replies(n)).sleep(1600).send(ask(3));
    }
}

/// Attributes of one request do not get into the next.
fn memory() -> Vec<Case> {
    let other = policy("sender=other\n");
    cases! {
        base("3.4.ae nothing is carried over after an answer").send(FULL).send(ASK).send(&other)
            .answers(["A"; 3]).received("A", [FULL, ASK, &other]);
        case("3.4.af nor after the default action", "-s A={A}:1 -s B={B}:2:1:1").refusing("A")
            .set("B", [Script::bytes("no\n\n"), Script::answer("B")]).send_in_turn(&[FULL, ASK])
            .answers(["dunno", "B"]).received("B", [FULL, ASK]).by_check(&[Aspect::Log])
            .check_each(|side| {
                let warned = side.log().contains(&invalid("B", "no"));
                ensure(warned, "no warning about B")
            });
    }
}

fn flushed() -> Vec<Case> {
    let case = base("3.4.ag the reply is flushed at once")
        .send(ASK)
        .replies(1);
    let case = case.step(Step::Mark).sleep(300).answer("A");
    vec![case.check_each(|side| {
        let soon = side.mark <= Duration::from_secs(5);
        ensure(soon, "the reply came only at the end")
    })]
}

/// The end of input within a request.
fn partial() -> Vec<Case> {
    let nothing = |name, sent: &str| {
        let case = base(name).send(sent).step(Step::Eof);
        case.stdout("").quiet().not_asked("A").seconds(0.0, 7.0)
    };
    rows! { nothing;
        "3.4.ah end of input at once: exit 0", "";
        "3.4.ai in an attribute's line", "request=smtpd_access_policy\nsender=x";
        "3.4.aj after an attribute", "request=smtpd_access_policy\nsender=x\n";
        "3.4.ak after the first byte", "r";
    }
}

fn ends() -> Vec<Case> {
    cases! {
        base("3.4.al after a request and a part of the next").send(FULL)
            .send("request=smtpd_access_policy\nsender=x\n")
            .answer("A").asked("A", FULL);
        base("3.4.am while the server is asked: its answer still comes")
            .set("A", [Script::answer("late but good").held()]).send(FULL).step(Step::Arrived("A", 1))
            .step(Step::Eof).sleep(300).step(Step::Release("A"))
            .answer("late but good").received("A", [FULL]);
        base("3.4.an with requests that wait: all are answered").send(numbered(3).concat()).step(Step::Eof)
            .answers(["A"; 3]).received("A", numbered(3));
        base("3.4.ao after idling").send(FULL).replies(1).sleep(500).step(Step::Eof)
            .answer("A").seconds(0.5, 7.0);
    }
}

const POSTFIX: &str = "protocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=2001:db8::1\n\
    client_name=unknown\nclient_port=4711\nreverse_client_name=unknown\nserver_address=::1\n\
    server_port=25\nhelo_name=[IPv6:2001:db8::1]\nsender=\nrecipient=r@example.org\n\
    recipient_count=0\nqueue_id=\ninstance=1b2c.65f0.0\nsize=12345\netrn_domain=\nstress=\n\
    sasl_method=plain\nsasl_username=you@example.com\nsasl_sender=\nccert_subject=a+20b\n\
    ccert_issuer=Example+20CA\nccert_fingerprint=AA:BB\nccert_pubkey_fingerprint=CC:DD\n\
    encryption_protocol=TLSv1.3\nencryption_cipher=TLS_AES_256_GCM_SHA384\nencryption_keysize=256\n\
    tls_sni=mx.example.com\npolicy_context=submission\ncompatibility_level=3.6\nmail_version=3.12\n";
