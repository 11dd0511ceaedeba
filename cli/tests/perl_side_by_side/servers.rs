//! The policy servers of one run, and their names in place of their ports.

use std::path::Path;

use crate::case::{Case, Step};
use crate::expect::Expect;
use crate::{Port, Script, Stub};

/// A server of a case.
#[derive(Clone, Debug)]
pub enum Listen {
    Tcp(Script),
    /// `{A}` is `unix:/path`.
    Unix(Script),
    /// A port that refuses.
    Refusing,
}

/// Fresh ones for each program.
pub struct Servers(Vec<(&'static str, Server)>);

enum Server {
    Stub(Stub),
    /// Bound, so that nothing else gets the port, but not listening.
    Refusing(Port),
}

impl Servers {
    /// UNIX sockets are put into the directory.
    pub fn start(case: &Case, directory: &Path) -> Self {
        let servers = case.stubs.iter().map(|(name, listen)| {
            let server = match listen {
                Listen::Tcp(script) => Server::Stub(Stub::tcp(script.clone())),
                Listen::Unix(script) => {
                    Server::Stub(Stub::unix(directory.join(name), script.clone()))
                }
                Listen::Refusing => Server::Refusing(Port::any()),
            };
            (*name, server)
        });
        Self(servers.collect())
    }

    /// The steps that concern servers.
    pub fn step(&self, step: &Step) {
        match step {
            Step::Arrived(name, count) => {
                // If they do not come, the comparison shows it.
                self.stub(name).wait_requests(*count);
            }
            Step::Release(name) => self.stub(name).release(),
            Step::Stop(name) => self.stub(name).stop(),
            Step::Restart(name) => self.stub(name).restart(),
            Step::Set(name, scripts) => self.stub(name).set_sequence(scripts.clone()),
            other => unreachable!("{other:?} concerns the program"),
        }
    }

    /// Puts addresses and ports in place of `{A}`, `{A.port}` and `{A.port + 65536}`.
    pub fn fill_in(&self, text: &[u8]) -> Vec<u8> {
        let places = self.places();
        places.iter().fold(text.to_vec(), |text, (place, value)| {
            replace(&text, place, value)
        })
    }

    /// The reverse, and the seconds of a delay as `N`.
    pub fn abstracted(&self, text: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        for (place, value) in self.places() {
            text = replace(&text, &value, &place);
        }
        for seconds in 0..60 {
            text = replace(&text, &format!(", delay: {seconds}s, "), ", delay: Ns, ");
        }
        text
    }

    /// Whole addresses come before the ports that are a part of them.
    fn places(&self) -> Vec<(String, String)> {
        let mut places = Vec::new();
        for (name, server) in &self.0 {
            let address = match server {
                Server::Stub(stub) => stub.address(),
                Server::Refusing(port) => format!("127.0.0.1:{}", port.number()),
            };
            places.push((format!("{{{name}}}"), address.clone()));
            let port = address.strip_prefix("127.0.0.1:");
            if let Some(port) = port.and_then(|port| port.parse::<u16>().ok()) {
                let over = u32::from(port) + 65_536;
                places.push((format!("{{{name}.port}}"), port.to_string()));
                places.push((format!("{{{name}.port + 65536}}"), over.to_string()));
            }
        }
        places
    }

    /// Adds what came to the stubs, and stops them.
    pub fn report(&self, seen: &mut Expect) {
        for (name, server) in &self.0 {
            let Server::Stub(stub) = server else { continue };
            // A connection that was made is accepted, if a moment later.
            stub.stop();
            seen.received.insert(name, stub.requests());
            seen.connections.insert(name, stub.connections());
        }
    }

    fn stub(&self, name: &str) -> &Stub {
        match self.0.iter().find(|(n, _)| *n == name) {
            Some((_, Server::Stub(stub))) => stub,
            _ => panic!("no stub {name} in this case"),
        }
    }
}

fn replace(text: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.windows(from.len()).position(|w| w == from.as_bytes()) {
        result.extend_from_slice(&rest[..place]);
        result.extend_from_slice(to.as_bytes());
        rest = &rest[place + from.len()..];
    }
    result.extend_from_slice(rest);
    result
}
