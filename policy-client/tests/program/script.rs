//! `policy-client serve` with rules, shares, delays and manners.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use policy_testing::{
    eventually,
    process::{policy_client, request, run},
};
use tempfile::TempDir;

use crate::serve::Server;

const ANY: &str = "inet:127.0.0.1:0";

#[test]
fn serve_answers_by_the_first_rule_that_holds() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("rules.toml");
    fs::write(
        &file,
        "action = 'OK'\n\n[[rule]]\nwhen = { sender = '~@spam', recipient = 'a@b' }\naction = 'REJECT file'\n",
    )
    .unwrap();
    let args = [
        "--rule",
        "recipient=~^postmaster@",
        "DUNNO postmaster",
        "--rule",
        "sender=bob@example",
        "REJECT bob",
        "--script",
        file.to_str().unwrap(),
    ];
    let server = Server::start(ANY, &args);
    let mut client = server.connect();
    for (sender, recipient, action) in [
        ("bob@example", "postmaster@example", "DUNNO postmaster"),
        ("bob@example", "a@b", "REJECT bob"),
        ("xbob@example", "a@b", "OK"),
        ("x@spam", "a@b", "REJECT file"),
        ("x@spam", "c@b", "OK"),
    ] {
        let request = request(&[("sender", sender), ("recipient", recipient)]);
        assert_eq!(client.ask(&request), action, "{sender} {recipient}");
    }
    server.stop();
    // The command line counts more than the file.
    let server = Server::start(
        ANY,
        &["--action", "HOLD", "--script", file.to_str().unwrap()],
    );
    assert_eq!(server.connect().ask_about("x"), "HOLD");
    server.stop();
}

#[test]
fn serve_fails_a_share_of_the_requests_the_same_for_the_same_seed() {
    let outcomes = |seed: &str| {
        let server = Server::start(ANY, &["--fail", "30%:newline", "--seed", seed]);
        let client = server.connect();
        let outcomes: Vec<bool> = (0..100)
            .map(|_| {
                client.send(&request(&[]));
                let answer = client.read_once();
                assert!(answer.starts_with(b"action=dunno\n\n"));
                answer.ends_with(b"\n\n\n")
            })
            .collect();
        drop(client);
        server.stop();
        outcomes
    };
    let first = outcomes("1");
    let failed = first.iter().filter(|failed| **failed).count();
    assert!((15..45).contains(&failed), "{failed}");
    assert_eq!(outcomes("1"), first);
    assert_ne!(outcomes("2"), first);
}

#[test]
fn serve_misbehaves_as_it_is_told() {
    for args in [&["--reset"][..], &["--fail", "100%:reset"]] {
        let server = Server::start(ANY, args);
        let error = ended(&server).unwrap_err();
        assert_eq!(error, ErrorKind::ConnectionReset, "{args:?}");
        server.stop();
    }
    for (args, sent) in [
        (&["--fail", "100%"][..], &b""[..]),
        (&["--fail", "100%:half"], b"action="),
        (&["--fail", "100%:garbage", "--close"], b"220 hello\n"),
        (&["--newline", "--close"], b"action=dunno\n\n\n"),
        (&["--drip", "--close"], b"action=dunno\n\n"),
    ] {
        let server = Server::start(ANY, args);
        assert_eq!(ended(&server).as_deref(), Ok(sent), "{args:?}");
        server.stop();
    }
}

#[test]
fn serve_drips_a_byte_at_a_time() {
    let server = Server::start(ANY, &["--drip"]);
    let client = server.connect();
    for _ in 0..2 {
        // What came while this test did not run is read in one piece: then the next answer shows it.
        let comes_alone = eventually(|| {
            client.send(&request(&[]));
            let first = client.read_once();
            let mut answer = first.clone();
            while !answer.ends_with(b"\n\n") {
                answer.extend(client.read_once());
            }
            assert_eq!(answer, b"action=dunno\n\n");
            first == b"a"
        });
        assert!(comes_alone);
    }
    server.stop();
}

#[test]
fn serve_takes_as_long_as_its_distribution_says() {
    let server = Server::start(ANY, &["--delay", "p50=100ms,p100=200ms", "--seed", "1"]);
    let mut client = server.connect();
    let begin = Instant::now();
    for _ in 0..10 {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    // Each takes 0 to 200 ms, 100 in the mean.
    assert!(begin.elapsed() >= Duration::from_millis(400));
    server.stop();
}

#[test]
fn serve_with_a_wrong_script_says_what_is_wrong() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("rules.toml");
    fs::write(&file, "action = 'OK'\n[[rule]]\nacton = 'OK'\n").unwrap();
    let file = file.to_str().unwrap();
    for (args, status, part) in [
        (&["--script", file][..], 65, "line 3: 'acton' is none of "),
        (&["--script", "/nowhere"], 66, "/nowhere"),
        (&["--fail", "10"], 64, "no share"),
        (&["--fail", "10%:sleep"], 64, "none of"),
        (&["--delay", "2s..1s"], 64, "shorter"),
        (&["--rule", "sender", "OK"], 64, "NAME=VALUE"),
        (
            &["--rule", "sender=a", " "],
            64,
            "--rule sender=a: blank action",
        ),
        (
            &["--rule", "sender=~(", "OK"],
            64,
            "--rule sender=~(: '(': unclosed group",
        ),
        (&["--rule", "sender=a"], 64, "--rule"),
    ] {
        let ended = run(policy_client(), &[&["serve", ANY], args].concat());
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (Some(status), ""),
            "{args:?}: {ended:?}"
        );
        assert!(ended.err.contains(part), "{args:?}: {ended:?}");
    }
}

/// What a connection brings for one request until its end, or the error.
fn ended(server: &Server) -> Result<Vec<u8>, ErrorKind> {
    let address = server.endpoint.trim_start_matches("inet:");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&request(&[])).unwrap();
    let mut read = Vec::new();
    let ended = stream.read_to_end(&mut read);
    ended.map(|_| read).map_err(|error| error.kind())
}
