//! What is no request: blank lines, lines that are no attributes, and requests of another type, in both modes.

use std::{
    fs,
    io::{Read, Write},
};

use policy_testing::within;

use super::{
    PATIENCE,
    world::{Running, World, request, text},
};

/// Answered without a question to DNS.
fn bounce() -> String {
    request("100.64.2.10", "mail.acme.test", "", "1")
}

const ANSWER: &str = "action=DUNNO NULL (<>) Sender\n\n";

/// All that a daemon says to some bytes, up to the end that comes when it has nothing more to say.
fn ask(world: &World, bytes: &str) -> String {
    let mut stream = world.connect();
    stream.write_all(bytes.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn blank_lines_are_passed_over_in_both_modes() {
    let world = World::new("");
    let _running = world.start();
    for (bytes, answers) in [
        ("\n".to_owned(), 0),
        ("\r\n\n\n".to_owned(), 0),
        (format!("\n\n{}\n\r\n{}\n", bounce(), bounce()), 2),
    ] {
        let expected = ANSWER.repeat(answers);
        assert_eq!(ask(&world, &bytes), expected, "{bytes:?}");
        let spawned = world.feed(&[], &bytes);
        let found = (
            spawned.status.code(),
            text(&spawned.stdout),
            text(&spawned.stderr),
        );
        assert_eq!(found, (Some(0), expected, String::new()), "{bytes:?}");
    }
}

/// A daemon holds its connections to the protocol; under spawn(8) it is as lenient as the Perl program.
#[test]
fn a_line_that_is_no_attribute_ends_a_connection_and_no_process() {
    let world = World::new("");
    let _running = world.start();
    let bytes = format!("nonsense\n{}", bounce());
    assert_eq!(ask(&world, &bytes), "");
    assert_eq!(text(&world.feed(&[], &bytes).stdout), ANSWER);
}

#[test]
fn a_request_of_another_type_is_not_answered_and_said_once() {
    let world = World::new("$LOG_TO = 'stdout';");
    let log = fs::File::create(world.path("log")).unwrap();
    let mut command = world.command(&["-D", "start"]);
    let _running = Running(command.stdout(log).spawn().unwrap());
    let daemon_log = || fs::read_to_string(world.path("log")).unwrap();
    assert_eq!(ask(&world, "request=other\n\n"), "");
    let line = " without an answer: unrecognized request type: 'other'\n";
    let said = within(PATIENCE, || daemon_log().contains(line));
    let log = daemon_log();
    assert!(
        said && log.contains("closing a connection from 127.0.0.1:"),
        "{log}"
    );
    assert_eq!(log.matches("'other'").count(), 1, "{log}");
    world.configure("");
    for (bytes, kind) in [("request=other\n\n", "other"), ("a=b\n\n", "")] {
        assert_eq!(ask(&world, bytes), "");
        let spawned = world.feed(&[], bytes);
        let said = format!("fatal: unrecognized request type: '{kind}'\n");
        let found = (
            spawned.status.code(),
            text(&spawned.stdout),
            text(&spawned.stderr),
        );
        assert_eq!(found, (Some(255), String::new(), said));
        let logged = text(&world.feed(&["-d"], bytes).stdout);
        let line = format!("warning: unrecognized request type: '{kind}'\n");
        assert_eq!(logged.matches(&line).count(), 1, "{logged}");
    }
}
