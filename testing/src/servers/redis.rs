//! redis-server: alone, with a replica and sentinels, and as a cluster.

use super::{Server, free_port, run};
use crate::free_port_and_bus;

const QUIET: [&str; 6] = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"];

/// One server.
pub fn one() -> Server {
    with(&[])
}

/// One server with more options.
pub fn with(options: &[&str]) -> Server {
    with_port(free_port(), options)
}

fn with_port(port: u16, options: &[&str]) -> Server {
    let port = port.to_string();
    let command = [&["redis-server", "--port", &port], &QUIET[..], options].concat();
    Server::start(&format!("127.0.0.1:{port}"), &command)
}

/// A primary, its replica, and three sentinels that call it `mail`.
#[derive(Debug)]
pub struct Watched {
    pub primary: Server,
    pub replica: Server,
    pub sentinels: Vec<Server>,
}

pub const PASSWORD: &str = "geheim-7";

pub fn watched() -> Watched {
    let secret = ["--requirepass", PASSWORD, "--masterauth", PASSWORD];
    let primary = with(&secret);
    let port = primary.port().to_string();
    let replica = with(&[&secret[..], &["--replicaof", "127.0.0.1", &port]].concat());
    let sentinels = (0..3).map(|_| sentinel(&port)).collect();
    Watched {
        primary,
        replica,
        sentinels,
    }
}

fn sentinel(primary: &str) -> Server {
    let port = free_port().to_string();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sentinel.conf");
    let text = format!(
        "port {port}\nbind 127.0.0.1\nsentinel monitor mail 127.0.0.1 {primary} 2\n\
         sentinel auth-pass mail {PASSWORD}\nsentinel down-after-milliseconds mail 1000\n\
         sentinel failover-timeout mail 3000\n"
    );
    std::fs::write(&file, text).unwrap();
    let file = super::text(&file);
    let address = format!("127.0.0.1:{port}");
    Server::start_in(directory, &address, &["redis-server", &file, "--sentinel"])
}

/// Three servers that share the keys, each a third of the slots in their order. Where one is away, the others serve theirs.
pub fn cluster() -> Vec<Server> {
    let servers: Vec<_> = (0..3).map(|_| node()).collect();
    let addresses = servers.iter().map(Server::address);
    let create = ["--cluster", "create"]
        .into_iter()
        .chain(addresses)
        .chain(["--cluster-yes"]);
    run("redis-cli", &create.collect::<Vec<_>>());
    servers
}

/// A server that is to belong to a cluster: it talks with the others at the port that is 10,000 above its own.
pub fn node() -> Server {
    let options = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "2000",
        "--cluster-require-full-coverage",
        "no",
    ];
    with_port(free_port_and_bus(), &options)
}
