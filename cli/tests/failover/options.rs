//! The options of `hapolicy` that say who is asked when a service fails, with real services.

use std::{os::fd::OwnedFd, os::unix::net::UnixStream, process::Command};

use policy_testing::{
    process::{self, Client, Daemon, Process, hapolicy, request},
    stub::{Reply, Script, Stub},
};

// --retry

#[test]
fn a_request_that_was_read_is_put_to_another_server_unless_told_otherwise() {
    for (args, answer) in [
        (&[][..], "b"),
        (&["--retry", "always"], "b"),
        (&["--retry=unsent"], "dunno"),
    ] {
        let (a, b) = (
            Stub::tcp(Script::reply(Reply::CloseUnanswered)),
            Stub::tcp(Script::answer("b")),
        );
        let services = [service("a", &a, ":1"), service("b", &b, ":2")];
        let daemon = Daemon::tcp(&[&["-s", &services[0], "-s", &services[1]], args].concat());
        let mut client = daemon.connect();
        assert_eq!(client.ask_about("x"), answer, "{args:?}");
        assert_eq!(a.requests().len(), 1, "{args:?}");
        assert_eq!(client.ask_about("y"), "b", "a is down all the same");
        daemon.stop();
    }
}

#[test]
fn a_server_that_refuses_has_read_nothing() {
    let (a, b) = (
        Stub::tcp(Script::answer("a")),
        Stub::tcp(Script::answer("b")),
    );
    let services = [service("a", &a, ":1"), service("b", &b, ":2")];
    let args = ["-s", &services[0], "-s", &services[1], "--retry", "unsent"];
    let daemon = Daemon::tcp(&args);
    let mut client = daemon.connect();
    assert_eq!(client.ask_about("x"), "a");
    a.stop();
    assert_eq!(
        client.ask_about("y"),
        "b",
        "also where a connection was kept"
    );
    daemon.stop();
}

// --max-failures

#[test]
fn a_service_is_down_after_so_many_failures_in_a_row() {
    for (args, asked) in [(&[][..], 1), (&["--max-failures", "3"], 3)] {
        let (a, b) = (
            Stub::tcp(Script::reply(Reply::CloseUnanswered)),
            Stub::tcp(Script::answer("b")),
        );
        let services = [service("a", &a, ":1"), service("b", &b, ":2")];
        let common = ["-s", &services[0], "-s", &services[1], "--affinity", "none"];
        let daemon = Daemon::tcp(&[&common, args].concat());
        let mut client = daemon.connect();
        for _ in 0..10 {
            assert_eq!(client.ask_about("x"), "b");
        }
        assert_eq!(a.requests().len(), asked, "{args:?}");
        daemon.stop();
    }
}

// --mode

#[test]
fn a_service_is_asked_as_its_mode_says() {
    for (modes, answer) in [
        (&[][..], "a"),
        (&["--mode", "a=enabled"], "a"),
        (&["--mode=a=drain"], "b"),
        (&["--mode", "a=disabled"], "b"),
        (&["--mode", "a=drain", "--mode", "b=disabled"], "dunno"),
        (&["--mode", "a=drain", "--mode", "a=enabled"], "a"),
    ] {
        let (a, b) = (
            Stub::tcp(Script::answer("a")),
            Stub::tcp(Script::answer("b")),
        );
        let services = [service("a", &a, ":1"), service("b", &b, ":2")];
        let daemon = Daemon::tcp(&[&["-s", &services[0], "-s", &services[1]], modes].concat());
        assert_eq!(daemon.connect().ask_about("x"), answer, "{modes:?}");
        daemon.stop();
    }
}

// --actions

#[test]
fn an_answer_that_a_service_may_not_give_is_told_and_the_next_one_is_asked() {
    for (answer, actions, given) in [
        (
            "REDIRECT thief@example.com",
            &["--actions", "a=dunno,reject"][..],
            "b",
        ),
        ("reject no", &["--actions", "a=dunno,reject"], "reject no"),
        ("450 4.7.1 wait", &["--actions=a=4XX"], "450 4.7.1 wait"),
        ("greylist, permit", &["--actions", "a=greylist"], "b"),
        (
            "REDIRECT r@example.com",
            &["--actions", "b=dunno"],
            "REDIRECT r@example.com",
        ),
        (
            "DISCARD",
            &["--actions", "a=discard", "--actions", "a=ok"],
            "b",
        ),
    ] {
        let (a, b) = (
            Stub::tcp(Script::answer(answer)),
            Stub::tcp(Script::answer("b")),
        );
        let services = [service("a", &a, ":1"), service("b", &b, ":2")];
        let daemon = Daemon::tcp(&[&["-s", &services[0], "-s", &services[1]], actions].concat());
        let mut client = daemon.connect();
        assert_eq!(client.ask_about("x"), given, "{answer}");
        assert_eq!(client.ask_about("y"), given, "{answer}");
        assert_eq!(a.connections(), 1, "{answer}");
        let log = daemon.stop().out;
        let told = format!(
            "[LOG warning]: warning: Invalid answer from 'a', which --actions does not allow -> '{answer}'"
        );
        let told = process::lines(&log, &told).len();
        assert_eq!(told, usize::from(given == "b"), "{log}");
        let is_down = process::lines(&log, "is down: answer not allowed, next trial in");
        assert_eq!(is_down.len(), told, "{log}");
    }
}

#[test]
fn actions_of_nobody_and_actions_that_are_none_keep_a_daemon_from_starting() {
    for actions in ["b=ok", "a=", "a=ok,", "a=ok reject", "a=4x"] {
        let args = [
            "--listen",
            "inet:127.0.0.1:0",
            "-s",
            "a=127.0.0.1:1",
            "--actions",
            actions,
        ];
        let ended = process::run(hapolicy(), &args);
        assert_eq!(ended.code, Some(78), "{actions}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{actions}: {ended:?}");
    }
}

// --last-resort

#[test]
fn a_service_that_is_down_is_asked_by_each_request_if_no_other_is_left_unless_told_otherwise() {
    for (args, each) in [
        (&[][..], true),
        (&["--last-resort", "200ms"], true),
        (&["--last-resort=0s"], false),
    ] {
        let daemon = Daemon::tcp(&[&["-l", "-s", "a=127.0.0.1:1"], args].concat());
        let mut client = daemon.connect();
        for _ in 0..50 {
            assert_eq!(client.ask_about("x"), "dunno");
        }
        let attempts =
            process::lines(&daemon.stop().out, "service=\"\" attempts=1 failed=a ").len();
        // Without, there are the first one and trials after 1, 2, 4 ... seconds.
        assert_eq!(attempts == 50, each, "{args:?}");
        assert!(each || attempts < 20, "{args:?}: {attempts}");
    }
}

#[test]
fn a_service_that_is_up_again_is_found_by_the_first_request() {
    let a = Stub::tcp(Script::answer("a"));
    let daemon = Daemon::tcp(&["-s", &service("a", &a, "")]);
    let mut client = daemon.connect();
    a.stop();
    for _ in 0..5 {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    a.restart();
    assert_eq!(client.ask_about("x"), "a");
    daemon.stop();
}

// --balance

#[test]
fn a_strategy_says_who_is_asked_among_equals() {
    for (balance, senders) in [
        ("round-robin", [10, 10]),
        ("least-loaded", [10, 10]),
        ("hash:sender", [0, 20]),
    ] {
        let (a, b) = (
            Stub::tcp(Script::answer("a")),
            Stub::tcp(Script::answer("b")),
        );
        let services = [service("a", &a, ""), service("b", &b, "")];
        let args = ["-s", &services[0], "-s", &services[1], "--balance", balance];
        let daemon = Daemon::tcp(&args);
        let mut client = daemon.connect();
        for written in ["user@example.com", "User@Example.COM"]
            .iter()
            .cycle()
            .take(20)
        {
            client.ask(&request(&[("sender", written)]));
        }
        let mut shares = [a.requests().len(), b.requests().len()];
        shares.sort_unstable();
        assert_eq!(shares, senders, "{balance}");
        daemon.stop();
    }
}

#[test]
fn a_key_has_the_same_service_in_every_process_and_in_every_order_of_services() {
    let (a, b) = (
        Stub::tcp(Script::answer("a")),
        Stub::tcp(Script::answer("b")),
    );
    let services = [service("a", &a, ""), service("b", &b, "")];
    let homes = |order: [usize; 2]| {
        let [first, second] = order.map(|index| services[index].as_str());
        let daemon = Daemon::tcp(&["-s", first, "-s", second, "--balance", "hash:sender"]);
        let mut client = daemon.connect();
        let home = |sender: u32| client.ask(&request(&[("sender", &sender.to_string())]));
        let homes: Vec<_> = (0..20).map(home).collect();
        daemon.stop();
        homes
    };
    let first = homes([0, 1]);
    assert!(first.contains(&"a".to_owned()) && first.contains(&"b".to_owned()));
    assert_eq!(homes([1, 0]), first);
}

// --default close

#[test]
fn close_in_place_of_an_action_closes_the_connection_without_one() {
    for args in [["-d", "close"], ["--default", "close"], ["-dclose", "-l"]] {
        let daemon = Daemon::tcp(&[&["-v", "-s", "a=127.0.0.1:1"], &args[..]].concat());
        for bytes in [request(&[]), b"request=junk\n\n".to_vec()] {
            let mut client = daemon.connect();
            client.send(&bytes);
            assert!(client.is_ended(), "{args:?}");
        }
        let log = daemon.stop().out;
        let closed = process::lines(&log, "[LOG info]: No action: closing the connection");
        assert_eq!(closed.len(), 2, "{log}");
    }
}

#[test]
fn close_closes_nothing_while_a_server_answers() {
    let a = Stub::tcp(Script::answer("a"));
    let daemon = Daemon::tcp(&["-s", &service("a", &a, ""), "-d", "close"]);
    let mut client = daemon.connect();
    for _ in 0..3 {
        assert_eq!(client.ask_about("x"), "a");
    }
    a.stop();
    client.send(&request(&[]));
    assert!(client.is_ended());
    a.restart();
    assert_eq!(daemon.connect().ask_about("x"), "a");
    daemon.stop();
}

#[test]
fn a_drop_in_that_gives_no_action_ends_with_status_0() {
    let (near, far) = UnixStream::pair().unwrap();
    let socket = OwnedFd::from(far);
    let process = Process::untouched(
        Command::new(hapolicy())
            .args(["-d", "close", "-s", "a=127.0.0.1:1"])
            .stdin(socket.try_clone().unwrap())
            .stdout(socket.try_clone().unwrap())
            .stderr(socket),
    );
    let mut client = Client::of(near);
    client.send(&request(&[]));
    assert!(client.is_ended());
    assert_eq!(process.end().code, Some(0));
}

#[test]
fn a_word_like_close_is_an_action() {
    for action in ["Close", "closed", "close "] {
        let daemon = Daemon::tcp(&["-s", "a=127.0.0.1:1", "-d", action]);
        assert_eq!(daemon.connect().ask_about("x"), action);
        daemon.stop();
    }
}

fn service(name: &str, stub: &Stub, fields: &str) -> String {
    format!("{name}={}{fields}", stub.address())
}
