//! Permission to take over, and connections that are kept.

use std::{
    fs,
    net::{IpAddr, UdpSocket},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    process::Command,
};

use policy_testing::{
    World,
    process::{Client, Process, copy_hapolicy, is_root},
};

#[test]
fn nobody_else_gets_the_sockets_or_gives_connections() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let daemon = world.start(&["inet:127.0.0.1:0"], &[]);
    let path = world.path("handover.sock");
    let found = fs::symlink_metadata(&path).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    // As if somebody had opened it to all.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(world.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = copy_hapolicy(world.dir.path());
    let mut stranger = Command::new(program);
    stranger
        .args(world.words(&["--listen", "inet:127.0.0.1:0"]))
        .uid(65534)
        .gid(65534);
    let ended = Process::of(&mut stranger).end();
    assert_eq!(
        ended.code,
        Some(71),
        "it may not replace the socket either: {ended:?}"
    );
    assert!(daemon.process.out.wait_lines(1, "no handover: "));
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    daemon.stop();
}

#[test]
fn a_daemon_that_gave_up_root_hands_over_to_one_that_root_starts() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let start = || world.start(&["inet:127.0.0.1:0"], &["--user", "nobody"]);
    let first = start();
    let owner = fs::symlink_metadata(world.path("handover.sock"))
        .unwrap()
        .uid();
    assert_eq!(owner, 0, "its own user may not call");
    let mut client = first.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    let second = start();
    first.ended_well();
    assert_eq!(client.ask_about("x"), "dunno");
    second.stop();
}

/// A client that an `--allow` no longer names has no connection left from before.
#[test]
fn a_connection_that_is_handed_over_is_asked_whose_it_is() {
    let Some(own) = own_address() else {
        return;
    };
    let world = World::new();
    let (here, allow) = (format!("inet:{own}:0"), own.to_string());
    let start = |allow: &str| {
        world.start(
            &[&here, "inet:127.0.0.1:0", &world.unix()],
            &["--allow", allow],
        )
    };
    let first = start(&allow);
    let mut clients: Vec<Client> = first
        .endpoints
        .iter()
        .map(|to| Client::connect(to))
        .collect();
    assert!(
        clients
            .iter_mut()
            .all(|client| client.ask_about("x") == "dunno")
    );
    let second = start(&format!("{own},192.0.2.77"));
    first.ended_well();
    assert!(
        clients
            .iter_mut()
            .all(|client| client.ask_about("x") == "dunno")
    );

    let third = start("192.0.2.77");
    second.ended_well();
    assert!(clients.remove(0).is_ended());
    let refused = format!("closing a connection from {own}: not in --allow");
    assert!(third.process.out.wait_lines(1, &refused));
    assert!(
        clients
            .iter_mut()
            .all(|client| client.ask_about("x") == "dunno")
    );
    third.stop();
}

/// An address of this machine's that is not loopback, if it has one.
fn own_address() -> Option<IpAddr> {
    let probe = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent.
    let own = probe
        .connect("192.0.2.1:9")
        .and_then(|()| probe.local_addr());
    let own = own
        .ok()
        .map(|own| own.ip())
        .filter(|own| !own.is_loopback());
    if own.is_none() {
        println!("SKIPPED: no network but loopback");
    }
    own
}
