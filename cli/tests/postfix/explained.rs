//! The words of `policy-client query` about a server that does not answer, beside those of a real Postfix.

use std::{net::SocketAddrV4, thread};

use policy_testing::{
    mail_system::{Processes, Setup, Smtp},
    process::{policy_client, run},
    stub::{Reply, Script, Stub},
};
use socket2::{Domain, Socket, Type};

#[test]
fn policy_client_says_of_a_silent_server_what_postfix_logs_and_replies() {
    let setup = Setup::new();
    let stubs = REPLIES.map(|(_, script)| Stub::tcp(script()));
    let mut endpoints: Vec<_> = REPLIES
        .iter()
        .zip(&stubs)
        .map(|((what, _), stub)| (*what, stub.address()))
        .collect();
    // Bound, but not listening: nobody else gets the port.
    let dead = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any: SocketAddrV4 = "127.0.0.1:0".parse().expect("an address");
    dead.bind(&any.into()).expect("a port");
    let address = dead.local_addr().expect("it is bound").as_socket();
    endpoints.push(("refuses", address.expect("of TCP").to_string()));
    let missing = setup.path().join("missing.sock");
    endpoints.push(("missing", format!("unix:{}", missing.display())));
    endpoints.push(("no name", "name.invalid:10031".to_owned()));
    let (replies, log) = ask_all(setup, &endpoints);
    for ((what, endpoint), reply) in endpoints.iter().zip(replies) {
        let args = [
            "query",
            endpoint,
            "--timeout",
            "1s",
            "recipient=bob@example.org",
        ];
        let ended = run(policy_client(), &args);
        let mut compared = 0;
        let logged: Vec<_> = log
            .lines()
            .filter_map(|line| line.split_once("]: "))
            .collect();
        let mut explained = Vec::new();
        for line in ended.err.lines() {
            if let Some(line) = line.strip_prefix("Postfix logs: ") {
                let is_logged = logged.iter().any(|(_, text)| *text == line);
                assert!(is_logged, "{what}: {line}\n{log}");
                explained.push(line);
                compared += 1;
            } else if let Some(said) = line.strip_prefix("Postfix replies: ") {
                assert!(said.starts_with(&reply), "{what}: {said} {reply}");
                compared += 1;
            } else if line == "Postfix goes on as after OK" {
                assert!(reply.starts_with("250 "), "{what}: {reply}");
                compared += 1;
            }
        }
        // And Postfix says no more of this server than that.
        let name = endpoint.trim_start_matches("unix:");
        for (_, text) in logged {
            let is_told = !text.starts_with("warning: ") || explained.contains(&text);
            assert!(is_told || !text.contains(name), "{what}: {text}\n{ended:?}");
        }
        assert!(compared >= 2, "{what}: {ended:?}");
    }
}

/// What others than Postfix may not take as an answer.
#[test]
fn policy_client_takes_for_an_answer_what_postfix_takes_for_one() {
    let stubs = UNUSUAL.map(|(_, bytes, _)| Stub::tcp(Script::bytes(bytes())));
    let endpoints: Vec<_> = UNUSUAL
        .iter()
        .zip(&stubs)
        .map(|((what, ..), stub)| (*what, stub.address()))
        .collect();
    let (replies, log) = ask_all(Setup::new(), &endpoints);
    for (((what, endpoint), reply), (_, _, begin)) in endpoints.iter().zip(replies).zip(UNUSUAL) {
        let ended = run(policy_client(), &["query", endpoint]);
        assert_eq!(ended.code, Some(0), "{what}: {ended:?}");
        assert!(ended.err.starts_with("unusual: "), "{what}: {ended:?}");
        assert!(reply.starts_with(begin), "{what}: {reply}");
        let text = begin.rsplit(' ').next().filter(|text| !text.is_empty());
        assert!(
            ended.out.contains(text.unwrap_or("DUNNO")),
            "{what}: {ended:?}"
        );
        let troubles = log.lines().filter(|line| line.contains("warning: "));
        assert_eq!(
            troubles.filter(|line| line.contains(endpoint)).count(),
            0,
            "{log}"
        );
    }
}

/// What a mail client is replied where these are asked, by stage RCPT, and Postfix's log.
fn ask_all(mut setup: Setup, endpoints: &[(&str, String)]) -> (Vec<String>, String) {
    let servers: Vec<_> = endpoints
        .iter()
        .map(|(_, endpoint)| {
            let policy = match endpoint.strip_prefix("unix:") {
                Some(_) => endpoint.clone(),
                None => format!("inet:{endpoint}"),
            };
            let smtpd = setup.add_smtpd(Processes::OnePerSession, &policy);
            setup.ask_at_recipients_only();
            setup.add_option("smtpd_policy_service_timeout=1s");
            smtpd
        })
        .collect();
    let mut postfix = setup.start();
    let replies: Vec<_> = servers
        .iter()
        .map(|server| {
            let server = *server;
            thread::spawn(move || {
                let (mut smtp, _) = Smtp::connect(server);
                smtp.command("EHLO me");
                smtp.command("MAIL FROM:<alice@example.net>");
                smtp.command("RCPT TO:<bob@example.org>")
            })
        })
        .collect();
    let replies: Vec<_> = replies
        .into_iter()
        .map(|reply| reply.join().expect("a reply"))
        .collect();
    postfix.stop();
    let log = postfix.log();
    (replies, log)
}

/// What `policy-client query` says of bytes after an answer: with it they are ignored, apart from it they cost a second.
#[test]
fn postfix_ignores_what_comes_with_an_answer_and_takes_what_comes_apart_for_a_fault() {
    for is_apart in [false, true] {
        let mut setup = Setup::new();
        let answer = if is_apart {
            "action=DUNNO\n\n"
        } else {
            "action=DUNNO\n\n\n"
        };
        let stub = Stub::tcp(Script::bytes(answer));
        let address = stub.address();
        let smtpd = setup.add_smtpd(Processes::OnePerSession, &format!("inet:{address}"));
        setup.ask_at_recipients_only();
        let mut postfix = setup.start();
        let (mut smtp, _) = Smtp::connect(smtpd);
        smtp.command("EHLO me");
        smtp.command("MAIL FROM:<alice@example.net>");
        for recipient in ["bob", "carol"] {
            let reply = smtp.command(&format!("RCPT TO:<{recipient}@example.org>"));
            assert!(reply.starts_with("250 "), "{reply}");
            if is_apart {
                stub.say(b"\n");
            }
        }
        postfix.stop();
        let log = postfix.log();
        // Of a first try only this smtpd logs anything, since it runs with `-v`.
        let line = format!("warning: problem talking to server {address}: Application error\n");
        let found = (stub.connections(), log.contains(&line));
        assert_eq!(found, (1 + usize::from(is_apart), is_apart), "{log}");
    }
}

type Kind = (&'static str, fn() -> Script);

/// What servers do instead of an answer.
const REPLIES: [Kind; 22] = [
    ("closes", || Script::reply(Reply::CloseUnanswered)),
    ("hangs", || Script::reply(Reply::Hang)),
    ("garbage", || Script::bytes("220 hello\n")),
    ("no action", || Script::bytes("result=x\n\n")),
    ("no value", || Script::bytes("action\n\n")),
    ("no value after a NUL", || Script::bytes("action\0x\n\n")),
    ("resets", || Script::reply(Reply::Reset(Vec::new()))),
    ("resets within", || {
        Script::reply(Reply::Reset(b"action=DUN".to_vec()))
    }),
    ("closes within", || Script::bytes("action=DUN").closing()),
    ("closes within another line", || {
        Script::bytes("x=y").closing()
    }),
    ("CR LF", || Script::bytes("action=DUNNO\r\n\r\n")),
    ("CR", || Script::bytes("action=DUNNO\r\n\n")),
    ("NUL", || Script::bytes("action=a\0b\n\n")),
    ("empty", || Script::bytes("action=\n\n")),
    ("blank", || Script::bytes("action=  \n\n")),
    ("a comma", || Script::bytes("action=,\n\n")),
    ("a colon", || Script::bytes("action=wait: 5 minutes\n\n")),
    ("CR alone", || Script::bytes("action=\r\n\n")),
    ("CR within", || Script::bytes("action=DUN\rNO\n\n")),
    ("NUL at its begin", || Script::bytes("action=\0DUNNO\n\n")),
    ("no end", || Script::bytes("action=DUNNO\n")),
    ("no UTF-8", || Script::bytes(b"action=REJECT \xe9\n\n")),
];

/// A name, what a server sends, and the beginning of the reply to the mail client.
type Odd = (&'static str, fn() -> Vec<u8>, &'static str);

const OK: &str = "250 2.1.5 ";
const NO: &str = "554 5.7.1 <bob@example.org>: Recipient address rejected: no";
const UNUSUAL: [Odd; 12] = [
    (
        "a banner",
        || b"220 hello\r\naction=REJECT no\n\n".into(),
        NO,
    ),
    ("an attribute", || b"x=y\naction=REJECT no\n\n".into(), NO),
    ("a nameless one", || b"=y\naction=REJECT no\n\n".into(), NO),
    ("a NUL before it", || b"\0\naction=REJECT no\n\n".into(), NO),
    ("CR LF before it", || b"\r\naction=REJECT no\n\n".into(), NO),
    (
        "a second action",
        || b"action=REJECT no\naction=DUNNO\n\n".into(),
        NO,
    ),
    (
        "a line after it",
        || b"action=DUNNO\n220 hello\n\n".into(),
        OK,
    ),
    ("CR at its end", || b"action=REJECT no\r\n\n".into(), NO),
    ("a NUL in it", || b"action=REJECT no\0 way\n\n".into(), NO),
    (
        "a NUL in its name",
        || b"action\0x=REJECT no\n\n".into(),
        NO,
    ),
    (
        "no UTF-8 after a NUL",
        || b"action=DUNNO\0\xe9\n\n".into(),
        OK,
    ),
    (
        "a long text",
        || format!("action=DUNNO {}\n\n", "x".repeat(100_000)).into(),
        OK,
    ),
];
