//! The first of two policy services: it is well, until its trouble begins, and once that has ended.

use std::{
    fs,
    net::UdpSocket,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use rustix::process::Signal;

use super::{Fault, Network, Trouble, well};
use crate::{server::Server, stub::Stub};

/// Where and by what the first service is made.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    /// For UNIX sockets; anybody may enter it.
    pub home: &'a Path,
    pub policy_client: &'a Path,
    /// From 10 to 99, and its own among those that run at a time: the last part of a far address.
    pub number: u8,
}

/// It ends when it is dropped.
#[derive(Debug)]
pub struct First {
    trouble: &'static Trouble,
    address: String,
    site: Site,
}

#[derive(Debug)]
enum Site {
    Stub(Stub),
    Unix(Stub, PathBuf),
    Process(Mutex<Server>),
    /// In the far network.
    Far(Server),
    Nowhere,
}

impl First {
    pub fn start(fault: &'static Fault, means: Means<'_>) -> Self {
        let Means {
            home,
            policy_client,
            number,
        } = means;
        let far = || {
            let address = format!("10.77.0.{number}:10031");
            Site::Far(Server::start_far(policy_client, &address, "first"))
        };
        let site = match fault.trouble {
            Trouble::Unlinked | Trouble::Forbidden | Trouble::RestartsUnix(_) => {
                let path = home.join(format!("first-{number}.sock"));
                let stub = Stub::unix(&path, well("first"));
                allow(&path, 0o666);
                Site::Unix(stub, path)
            }
            Trouble::Gets(_) => Site::Process(Mutex::new(Server::start(policy_client, "first"))),
            Trouble::Far(Network::KnowsNoName | Network::HasNoNameServer) => Site::Nowhere,
            Trouble::Far(_) => far(),
            _ => Site::Stub(Stub::tcp(well("first"))),
        };
        let address = match (&fault.trouble, &site) {
            (Trouble::Far(Network::KnowsNoName), _) => "unknown.test:10031".to_owned(),
            (Trouble::Far(Network::HasNoNameServer), _) => "silent.test:10031".to_owned(),
            (Trouble::Far(Network::HasADeadAddressFirst), _) => format!("two-{number}.test:10031"),
            (_, Site::Stub(stub) | Site::Unix(stub, _)) => stub.address(),
            (_, Site::Process(server)) => server.lock().expect("no panic").address().to_owned(),
            (_, Site::Far(server)) => server.address().to_owned(),
            (_, Site::Nowhere) => unreachable!("it has a name"),
        };
        Self {
            trouble: &fault.trouble,
            address,
            site,
        }
    }

    /// `host:port` or `unix:/path`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether it is in trouble from its start to its end.
    pub fn is_always_in_trouble(&self) -> bool {
        use Network::{HasADeadAddressFirst, HasNoNameServer, KnowsNoName};
        matches!(
            self.trouble,
            Trouble::Far(HasADeadAddressFirst | HasNoNameServer | KnowsNoName)
        )
    }

    pub fn begin(&self) {
        match (self.trouble, &self.site) {
            (Trouble::Meets(script), Site::Stub(stub)) => stub.set(script()),
            (
                Trouble::Restarts(script) | Trouble::RestartsUnix(script),
                Site::Stub(stub) | Site::Unix(stub, _),
            ) => {
                stub.set(script());
                self.restart(stub);
            }
            (Trouble::Stops, Site::Stub(stub)) => stub.stop(),
            (Trouble::Unplugged, Site::Stub(stub)) => stub.drop_packets(true),
            (Trouble::Says(bytes), Site::Stub(stub)) => stub.say(bytes),
            (Trouble::HangsUp, Site::Stub(stub)) => stub.hang_up(),
            (Trouble::Resets, Site::Stub(stub)) => stub.reset(),
            (Trouble::Gets(signal), Site::Process(server)) => {
                server.lock().expect("no panic").signal(*signal);
            }
            (Trouble::Unlinked, Site::Unix(_, path)) => fs::remove_file(path).expect("it is ours"),
            (Trouble::Forbidden, Site::Unix(_, path)) => allow(path, 0o000),
            (Trouble::Far(Network::SwallowsPackets), Site::Far(_)) => {
                // Its link layer address is that of nobody.
                ip(
                    "neigh replace",
                    self.host(),
                    "lladdr 02:00:00:00:00:99 dev near nud permanent",
                );
            }
            (Trouble::Far(Network::HasNoRoute), Site::Far(_)) => {
                ip("route add unreachable", self.host(), "");
            }
            (Trouble::Far(_), _) => {}
            (trouble, site) => unreachable!("{trouble:?} of {site:?}"),
        }
    }

    /// A client that asks it from now on is answered, if it is not always in trouble.
    pub fn end(&self) {
        match (self.trouble, &self.site) {
            (Trouble::Unplugged, Site::Stub(stub)) => stub.drop_packets(false),
            (Trouble::Gets(Signal::STOP), Site::Process(server)) => {
                server.lock().expect("no panic").signal(Signal::CONT);
            }
            (_, Site::Process(server)) => server.lock().expect("no panic").restart(),
            (Trouble::Forbidden, Site::Unix(_, path)) => allow(path, 0o666),
            (_, Site::Stub(stub) | Site::Unix(stub, _)) => {
                stub.set(well("first"));
                self.restart(stub);
            }
            (Trouble::Far(Network::SwallowsPackets), Site::Far(_)) => {
                ip("neigh del", self.host(), "dev near");
            }
            (Trouble::Far(Network::HasNoRoute), Site::Far(_)) => {
                ip("route del unreachable", self.host(), "");
            }
            (_, Site::Far(_) | Site::Nowhere) => {}
        }
    }

    fn restart(&self, stub: &Stub) {
        stub.restart();
        if let Site::Unix(_, path) = &self.site {
            allow(path, 0o666);
        }
    }

    fn host(&self) -> &str {
        self.address.split(':').next().unwrap_or_default()
    }
}

/// A name server that knows no name, and says nothing where it is asked for one that begins with
/// `silent`. It ends with its process.
pub fn answer_names(socket: &UdpSocket) {
    let mut query = [0; 512];
    while let Ok((length, client)) = socket.recv_from(&mut query) {
        let query = &mut query[..length];
        if length < 12 || query.windows(6).any(|part| part == b"silent") {
            continue;
        }
        // The question comes back as an answer, with "no such name".
        query[2] |= 0x80;
        query[3] = query[3] & 0xf0 | 3;
        // Who has gone needs no answer.
        _ = socket.send_to(query, client);
    }
}

fn allow(path: &Path, mode: u32) {
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, mode).expect("it is ours");
}

fn ip(before: &str, host: &str, after: &str) {
    let words = before.split(' ').chain([host]);
    let words = words.chain(after.split_whitespace());
    let status = Command::new("ip").args(words).status();
    assert!(
        status.expect("ip(8)").success(),
        "ip {before} {host} {after}"
    );
}
