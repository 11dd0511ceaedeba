//! Hindrances to a handover.

use std::fs;

use policy_testing::{World, process::Signal};
use socket2::{Domain, SockAddr, Socket, Type};

#[test]
fn a_successor_that_does_not_start_changes_nothing() {
    let world = World::new();
    let first = world.start(&["inet:127.0.0.1:0"], &[]);
    let mut client = first.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    let args = [
        "--listen",
        "inet:127.0.0.1:0",
        "--listen",
        "unix:/nonexistent/policy.sock",
    ];
    for _ in 0..3 {
        let ended = world.try_start(&args).end();
        assert_eq!(ended.code, Some(71), "{ended:?}");
        assert!(first.process.out.wait_lines(1, "no handover: "));
        assert_eq!(client.ask_about("x"), "dunno");
        assert_eq!(first.connect().ask_about("x"), "dunno");
    }
    let second = world.start(&["inet:127.0.0.1:0"], &[]);
    first.ended_well();
    assert_eq!(client.ask_about("x"), "dunno");
    second.stop();
}

#[test]
fn a_daemon_that_was_killed_is_no_hindrance() {
    let world = World::new();
    let first = world.start(&[&world.unix()], &[]);
    first.process.signal(Signal::KILL);
    assert_eq!(first.process.end().code, None);
    let second = world.start(&[&world.unix()], &[]);
    assert_eq!(second.connect().ask_about("x"), "dunno");
    second.stop();
}

#[test]
fn a_predecessor_that_does_not_answer_is_waited_for_no_longer_than_said() {
    let world = World::new();
    let hung = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    let path = world.path("handover.sock");
    hung.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    hung.listen(1).unwrap();
    let daemon = world.start(&["inet:127.0.0.1:0"], &[]);
    assert_eq!(
        daemon
            .process
            .out
            .lines("no handover from the daemon before")
            .len(),
        1
    );
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    // It has taken the other's place.
    let successor = world.start(&["inet:127.0.0.1:0"], &[]);
    daemon.ended_well();
    successor.stop();
}

#[test]
fn a_daemon_that_stands_still_keeps_its_port_and_the_next_one_says_so() {
    let world = World::new();
    let first = world.start(&["inet:127.0.0.1:0"], &[]);
    first.process.signal(Signal::STOP);
    let ended = world.try_start(&["--listen", first.endpoint()]).end();
    assert_eq!(ended.code, Some(71), "{ended:?}");
    assert!(ended.err.contains("in use"), "{ended:?}");
    first.process.signal(Signal::CONT);
    assert_eq!(first.connect().ask_about("x"), "dunno");
    first.stop();
}

#[test]
fn what_is_no_socket_in_the_place_of_the_handover_is_left_alone() {
    let world = World::new();
    fs::write(world.path("handover.sock"), "precious").unwrap();
    let ended = world.try_start(&["--listen", "inet:127.0.0.1:0"]).end();
    assert_eq!(ended.code, Some(71), "{ended:?}");
    assert_eq!(
        fs::read_to_string(world.path("handover.sock")).unwrap(),
        "precious"
    );
}
