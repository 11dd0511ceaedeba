//! A service manager's store in which a daemon that somebody has taken over left what it wanted.

use std::{
    fs::File,
    net::TcpListener,
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixListener, UnixStream},
    },
};

use policy_testing::{
    World,
    process::{Client, Daemon, Manager, is_root},
};
use socket2::{Domain, SockAddr, Type};

use crate::attacker::{holding, socket_of_attacker};

#[test]
fn only_connections_are_taken_out_of_the_store() {
    let world = World::new();
    let manager = Manager::of(vec![
        UnixListener::bind(world.path("policy.sock"))
            .unwrap()
            .into(),
    ]);
    let open_to_all = TcpListener::bind("0.0.0.0:0").unwrap();
    let elsewhere = UnixListener::bind(world.path("elsewhere.sock")).unwrap();
    let (datagrams, _other) = UnixDatagram::pair().unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    let stored: [OwnedFd; 5] = [
        open_to_all.into(),
        elsewhere.into(),
        datagrams.into(),
        reader.into(),
        near.into(),
    ];
    for stored in stored {
        manager.keep(stored);
    }
    let service = format!("a={}", world.stub.address());
    let daemon = manager.start(&["-s", &service]);
    assert_eq!(
        daemon.endpoints,
        [world.unix()],
        "nobody is served elsewhere"
    );
    let told = "the service manager passes 4 descriptors that are neither its sockets nor clients";
    assert_eq!(daemon.process.out.lines(told).len(), 1);
    assert!(
        manager.wait(1, "FDSTOREREMOVE=1\nFDNAME=client"),
        "they do not come again"
    );
    assert_eq!(Client::of(far).ask_about("x"), "dunno");
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    daemon.stop();
}

/// The process that stores a descriptor chooses its name.
#[test]
fn what_was_stored_under_the_name_of_the_managers_socket_is_neither_served_nor_does_it_hinder_the_start()
 {
    if !is_root() {
        return;
    }
    let world = World::new();
    let unit = UnixListener::bind(world.path("policy.sock")).unwrap();
    let manager = Manager::of(vec![unit.try_clone().unwrap().into()]);
    let theirs = |name: &str, kind| {
        let socket = socket_of_attacker(Domain::UNIX, kind);
        socket
            .bind(&SockAddr::unix(world.path(name)).unwrap())
            .unwrap();
        socket
    };
    let (listener, bound) = (
        theirs("backdoor", Type::STREAM),
        theirs("bound", Type::DGRAM),
    );
    listener.listen(5).unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    let (connection, _peer) = UnixStream::pair().unwrap();
    let (holding, kept) = holding(Type::SEQPACKET);
    for (name, stored) in [
        ("hapolicy.socket", OwnedFd::from(listener)),
        ("hapolicy.socket", bound.into()),
        ("pipe", reader.into()),
        ("", File::open("/etc/passwd").unwrap().into()),
        ("connection", connection.into()),
        ("hapolicy.socket", holding),
        // The manager's own once more: it would be served for longer than the manager has it.
        ("copy", unit.into()),
    ] {
        manager.keep_as(name, stored);
    }
    let service = format!("a={}", world.stub.address());
    let mut command = manager.command(&["-s", &service]);
    let daemon = Daemon::of(&mut command, 1);
    assert_eq!(daemon.endpoints, [world.unix()]);
    assert_eq!(daemon.process.out.lines("listening on").len(), 1);
    let told = "the service manager passes 7 descriptors that are neither its sockets nor clients";
    assert_eq!(daemon.process.out.lines(told).len(), 1);
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    // Else this process may be the last one to close it.
    drop(kept);
    drop(command);
    for name in ["client", "hapolicy.socket", "pipe", "connection", "copy"] {
        let said = format!("FDSTOREREMOVE=1\nFDNAME={name}");
        assert!(manager.wait(1, &said), "{name}: they do not come again");
    }
    daemon.stop();
}
