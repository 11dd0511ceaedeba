//! Places for clients: their number, and the clients that get one or have to leave one.

mod attack;
mod full;
mod origin;

use std::{
    fs::{self, Permissions},
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    process::Command,
    thread,
};

use nix::sched::{CloneFlags, unshare};
use policy_testing::{
    World,
    process::{Client, Daemon, request},
};

use crate::{service, unix};

/// How many of them still get an answer.
fn served(clients: &mut [Client]) -> usize {
    let is_served = |client: &mut Client| {
        client.try_send(&request(&[]));
        client.reply().is_some()
    };
    clients
        .iter_mut()
        .map(is_served)
        .filter(|served| *served)
        .count()
}

/// A daemon at a socket that each user may connect to.
fn open_to_all(world: &World, args: &[&str]) -> Daemon {
    fs::set_permissions(world.dir.path(), Permissions::from_mode(0o755)).unwrap();
    let listen = format!("{},mode=0666", world.unix());
    Daemon::start(&[&listen], &[&["-s", &service(&world.stub)], args].concat())
}

/// Does this on a thread that has a network of its own, with these addresses of 2001:db8::/32.
fn in_a_network(addresses: &[&str], work: impl FnOnce() + Send) {
    let ip = |words: &str| {
        let status = Command::new("ip").args(words.split(' ')).status();
        assert!(status.expect("iproute2 is there").success(), "ip {words}");
    };
    let work = || {
        unshare(CloneFlags::CLONE_NEWNET).expect("this runs as root");
        ip("link set lo up");
        // That of an address comes a moment later.
        ip("-6 route add local 2001:db8::/32 dev lo");
        for address in addresses {
            ip(&format!("-6 addr add {address}/128 dev lo nodad"));
        }
        work();
    };
    thread::scope(|scope| scope.spawn(work).join().expect("no panic"));
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

const NOBODY: u32 = 65534;
/// As Debian may have it; any other will do.
const POSTFIX: u32 = 105;
