//! A process that wants to be the daemon's successor.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use policy_testing::{
    World,
    handover::take_sockets,
    process::{Process, is_root},
};

use crate::attacker::command_as;

/// Calls, and says what it gets.
const CALL: &str = "socket(S, AF_UNIX, SOCK_SEQPACKET, 0) or die $!; \
    connect(S, sockaddr_un($ARGV[0])) or die $!; \
    send(S, 'sockets', 0); recv(S, $said, 100, 0); print length $said, qq(\\n)";

#[test]
fn a_process_of_the_daemons_own_user_gets_neither_sockets_nor_clients() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let daemon = world.start(&["inet:127.0.0.1:0"], &["--user", "nobody"]);
    let path = world.path("handover.sock");
    let shown = path.display().to_string();
    let call = || {
        let words = ["perl", "-MSocket", "-e", CALL, &shown];
        Process::of(&mut command_as(NOBODY, world.dir.path(), &words)).end()
    };
    fs::set_permissions(world.dir.path(), Permissions::from_mode(0o755)).unwrap();
    let refused = call();
    assert!(refused.err.contains("Permission denied"), "{refused:?}");
    // As if somebody had opened the socket to all.
    fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
    assert_eq!(call().out, "0\n", "the connection is closed");
    let told = "no handover: process ";
    assert!(daemon.process.out.wait_lines(1, told));
    let told = daemon.process.out.lines(told);
    assert!(told[0].ends_with("of user 65534 may not"), "{told:?}");
    fs::set_permissions(world.dir.path(), Permissions::from_mode(0o700)).unwrap();

    // Root's is one all the same, after a caller that came to nothing.
    let mut client = daemon.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    let (stuck, _) = take_sockets(&path);
    let own = std::process::id();
    let told = format!("process {own} is about to take over");
    assert!(daemon.process.out.wait_lines(1, &told));
    drop(stuck);
    assert!(
        daemon
            .process
            .out
            .wait_lines(1, &format!("process {own} has not taken over"))
    );
    let successor = world.start(&["inet:127.0.0.1:0"], &["--user", "nobody"]);
    daemon.ended_well();
    assert_eq!(client.ask_about("x"), "dunno");
    successor.stop();
}

const NOBODY: u32 = 65534;
