//! A service manager's store in which a daemon that somebody has taken over left what it wanted.

use std::{
    net::TcpListener,
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixListener, UnixStream},
    },
};

use crate::{
    process::{Client, Manager},
    world::World,
};

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
    let told = "the service manager's store holds 4 descriptors that are no connections";
    assert_eq!(daemon.process.out.lines(told).len(), 1);
    assert!(
        manager.wait(1, "FDSTOREREMOVE=1\nFDNAME=client"),
        "they do not come again"
    );
    assert_eq!(Client::of(far).ask_about("x"), "dunno");
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    daemon.stop();
}
