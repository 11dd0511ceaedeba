//! A Postfix that asks: as a daemon, and under spawn(8).

use std::{net::SocketAddrV4, process::Command, sync::mpsc, thread};

use policy_testing::mail_system::{Processes, Session, Setup, log};
use policyd_weight::regex::compile;

use super::world::{PROGRAM, Running, World, ZONE, text};

/// How Postfix reaches it.
#[derive(Clone, Copy, Debug)]
enum Mode {
    Daemon,
    Spawn,
}

/// An SMTP server that asks it about recipients, as the manual has it.
fn add_server(setup: &mut Setup, mode: Mode, world: &World) -> (SocketAddrV4, Option<Running>) {
    let (endpoint, running) = match mode {
        Mode::Daemon => (
            format!("inet:127.0.0.1:{}", world.port()),
            Some(world.start()),
        ),
        Mode::Spawn => (add_spawn(setup, world), None),
    };
    let server = setup.add_smtpd(Processes::OnePerSession, &endpoint);
    setup.ask_at_recipients_only();
    setup.allow_xclient();
    (server, running)
}

/// Under spawn(8) it runs as nobody, with a copy of the program that nobody can read, and a directory of nobody's.
fn add_spawn(setup: &mut Setup, world: &World) -> String {
    let program = setup.path().join("policyd-weight");
    for (words, path) in [
        (&["-m", "755", PROGRAM][..], &program),
        (
            &["-d", "-m", "700", "-o", "nobody", "-g", "nogroup"],
            &world.path("lock"),
        ),
    ] {
        let made = Command::new("install").args(words).arg(path).status();
        assert!(made.unwrap().success(), "{words:?}");
    }
    let file = world.file().display().to_string();
    setup.add_spawn("weight", &program, &["-f".to_owned(), file])
}

const MAIL_SEEMS: &str = "Recipient address rejected: Mail appeared to be SPAM or forged. Ask your Mail/DNS-Administrator \
    to correct HELO and DNS MX settings or to get removed from DNSBLs";

fn decides_by_score(mode: Mode) {
    let world = World::new("");
    let mut setup = Setup::new();
    let (server, running) = add_server(&mut setup, mode, &world);
    let mut postfix = setup.start();
    let good = |sender| {
        Session::begin(
            server,
            "100.64.2.10",
            "mail.acme.test",
            "mail.acme.test",
            sender,
        )
    };
    let bad = |sender| Session::begin(server, "100.70.1.1", "[UNAVAILABLE]", "h.acme.test", sender);

    let mut session = good("carol@acme.test");
    for recipient in ["dave", "erin"] {
        assert_eq!(session.recipient(recipient), "250 2.1.5 Ok");
    }
    session.send();
    let mut session = good("dora@acme.test");
    assert_eq!(session.recipient("dave"), "250 2.1.5 Ok");
    session.send();

    let mut session = bad("carol@acme.test");
    let reply = session.recipient("dave");
    let names =
        "; MTA helo: h.acme.test, MTA hostname: unknown[100.70.1.1] (helo/hostname mismatch)";
    assert!(
        reply.starts_with(&format!(
            "550 5.7.1 <dave@example.org>: {MAIL_SEEMS}{names}"
        )),
        "{reply}"
    );
    let reply = session.recipient("erin");
    assert!(reply.ends_with("(multirecipient mail)"), "{reply}");
    let reply = bad("dora@acme.test").recipient("dave");
    assert!(
        reply.contains(
            " [cached] - retrying too fast. penalty: 30 seconds x 1 retries. Reason: IN_BL=4.35 "
        ),
        "{reply}"
    );

    let mut session = bad("");
    assert_eq!(session.recipient("dave"), "250 2.1.5 Ok");
    session.send();
    let mut session = Session::begin(
        server,
        "100.70.1.2",
        "[UNAVAILABLE]",
        "nothing",
        "x@nothing",
    );
    let reply = session.recipient("dave");
    let nothing = "450 4.7.1 <dave@example.org>: Recipient address rejected: No DNS entries for your MTA, HELO and Domain.";
    assert!(reply.starts_with(nothing), "{reply}");
    drop(session);

    assert!(postfix.deliver(3), "{}", postfix.log());
    postfix.stop();
    drop(running);
    let log = postfix.log();
    for header in [
        "PREPEND X-policyd-weight:  NOT_IN_BL=-1.5 CL_IP_EQ_FROM_MX=-3.1; rate: -4.6",
        "PREPEND X-policyd-weight: using cached result; rate: -4.6",
        "DUNNO multirecipient-mail - already accepted by previous query",
        "DUNNO NULL (<>) Sender",
    ] {
        assert!(log.contains(header), "{header}: {log}");
    }
    // What programs that read Postfix' log look for: collectd's example, Munin's postfix_mailstats, pflogsumm.
    for pattern in [
        r"smtpd\[.+?NOQUEUE: reject:\s+RCPT from\s+(.+?)\[(.+?)\]:.+?<(.+?)>:\s+Recipient address rejected: Mail appeared to be SPAM or forged.+?from=<(.+?)>",
        r"reject: RCPT from (\S+): 550 5\.7\.1 <dave@example\.org>: Recipient address rejected: (.*); from=<(\S*)>",
        r"450 4\.7\.1.*rejected: No DNS entries for your MTA, HELO and Domain",
    ] {
        let regex = compile(pattern).unwrap();
        assert!(regex.is_match(log.as_bytes()), "{pattern}: {log}");
    }
    assert_eq!(log::complaints(&log).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn as_a_daemon_it_decides_by_score() {
    decides_by_score(Mode::Daemon);
}

#[test]
fn under_spawn_it_decides_by_score() {
    decides_by_score(Mode::Spawn);
}

/// A hundred clients at once, and each tenth has a sender of whose name DNS says nothing until all others are answered.
fn hanging_names_delay_nobody_else(mode: Mode) {
    const SESSIONS: usize = 100;
    let world = World::new(
        "$DNS_RETRIES = 40; $DNS_RETRY_IVAL = 2; $REQUEST_TIMEOUT = '90s'; $POSCACHESIZE = 0; $MAX_PROC = 200;",
    );
    let mut setup = Setup::new();
    let (server, running) = add_server(&mut setup, mode, &world);
    let mut postfix = setup.start();
    let name = "mail.acme.test";
    let sessions = thread::scope(|scope| {
        let begun: Vec<_> = (0..SESSIONS)
            .map(|number| {
                scope.spawn(move || {
                    let hangs = number.is_multiple_of(10);
                    let sender = if hangs {
                        format!("x@h{number}.slow.test")
                    } else {
                        "carol@acme.test".to_owned()
                    };
                    let session = Session::begin(server, "100.64.2.10", name, name, &sender);
                    (hangs, session)
                })
            })
            .collect();
        let sessions = begun.into_iter().map(|begun| begun.join().unwrap());
        sessions.collect::<Vec<_>>()
    });
    let (done, finished) = mpsc::channel();
    let order: Vec<(bool, String)> = thread::scope(|scope| {
        for (hangs, mut session) in sessions {
            let done = done.clone();
            scope.spawn(move || done.send((hangs, session.recipient("dave"))).unwrap());
        }
        drop(done);
        let mut order: Vec<_> = finished.iter().take(SESSIONS - SESSIONS / 10).collect();
        let silent = "slow.test !silent\n*.slow.test !silent";
        let answers = "*.slow.test MX 10 mail.acme.test";
        world.dns.set_zone(&ZONE.replace(silent, answers));
        order.extend(finished);
        order
    });
    postfix.stop();
    drop(running);
    let hanging: Vec<bool> = order.iter().map(|(hangs, _)| *hangs).collect();
    let expected: Vec<bool> = (0..SESSIONS)
        .map(|place| place >= SESSIONS - SESSIONS / 10)
        .collect();
    assert_eq!(hanging, expected);
    assert!(
        order.iter().all(|(_, reply)| reply == "250 2.1.5 Ok"),
        "{order:?}"
    );
    let log = postfix.log();
    assert_eq!(log::complaints(&log).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn as_a_daemon_hanging_names_delay_nobody_else() {
    hanging_names_delay_nobody_else(Mode::Daemon);
}

#[test]
fn under_spawn_hanging_names_delay_nobody_else() {
    hanging_names_delay_nobody_else(Mode::Spawn);
}

/// What clients say on a mixed day: address, name, HELO name, sender.
const DAY: [(&str, &str, &str, &str); 14] = [
    (
        "100.64.2.10",
        "mail.acme.test",
        "mail.acme.test",
        "carol@acme.test",
    ),
    (
        "100.70.1.1",
        "[UNAVAILABLE]",
        "h.acme.test",
        "carol@acme.test",
    ),
    ("100.70.1.1", "[UNAVAILABLE]", "h.acme.test", ""),
    (
        "100.70.1.2",
        "[UNAVAILABLE]",
        "[100.70.1.2]",
        "x@[100.70.1.2]",
    ),
    (
        "100.70.1.3",
        "dsl-1-3.pool.test",
        "dsl-1-3.pool.test",
        "x@acme.test",
    ),
    (
        "100.70.1.4",
        "mail.acme.test",
        "100.70.1.4",
        "nobody@acme.test",
    ),
    (
        "100.70.1.8",
        "[UNAVAILABLE]",
        "mail.acme.test",
        "carol+list@acme.test",
    ),
    (
        "100.64.2.10",
        "mail.acme.test",
        "mail.acme.test",
        "xkcdqwrt@acme.test",
    ),
    (
        "100.64.2.11",
        "mx.acme.test",
        "mail.acme.test",
        "carol@acme.test",
    ),
    ("100.70.1.5", "[UNAVAILABLE]", "nothing", "x@nothing"),
    ("100.70.1.6", "[UNAVAILABLE]", "localhost", "a=b@acme.test"),
    (
        "100.70.1.7",
        "[UNAVAILABLE]",
        "mail.acme.test",
        "postmaster@rcpt.test",
    ),
    (
        "100.64.2.10",
        "mail.acme.test",
        "mail.acme.test",
        "dora@acme.test",
    ),
    ("100.70.1.1", "[UNAVAILABLE]", "other.test", "x@other.test"),
];

/// The replies of a day, whose second half begins with an empty cache.
fn replies(mode: Mode) -> Vec<String> {
    let world = World::new("$NTIME = 3600;");
    let mut setup = Setup::new();
    let (server, running) = add_server(&mut setup, mode, &world);
    let mut postfix = setup.start();
    let mut replies = vec![];
    for half in 0..2 {
        // Once more, when the clients are known.
        for (client, name, helo, sender) in DAY.iter().chain(&DAY) {
            let mut session = Session::begin(server, client, name, helo, sender);
            for recipient in ["dave", "erin", "abuse"] {
                replies.push(session.recipient(recipient));
            }
        }
        let count = world.cached(&[]).len();
        assert!(count > 4, "{half}: {:?}", world.cached(&[]));
        let emptied = world.run(&["-k"]);
        let said = format!("*** {count} forgotten of ");
        assert!(
            emptied.status.success() && text(&emptied.stdout).starts_with(&said),
            "{emptied:?}"
        );
    }
    postfix.stop();
    drop(running);
    let log = postfix.log();
    assert_eq!(log::complaints(&log).collect::<Vec<_>>(), [""; 0]);
    replies
}

#[test]
fn a_mixed_day_has_the_same_replies_in_both_modes() {
    let (as_daemon, under_spawn) = (replies(Mode::Daemon), replies(Mode::Spawn));
    assert_eq!(as_daemon, under_spawn);
    let (first, second) = as_daemon.split_at(as_daemon.len() / 2);
    assert_eq!(first, second);
    let count = |words: &str| first.iter().filter(|reply| reply.contains(words)).count();
    for words in [
        "250 2.1.5 Ok",
        "550 5.7.1 ",
        "450 4.7.1 ",
        "[cached]",
        "(multirecipient mail)",
    ] {
        assert!(count(words) > 2, "{words}: {first:?}");
    }
}
