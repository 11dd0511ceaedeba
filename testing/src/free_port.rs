//! A port for a server that binds it alone, and that may be killed and started again.

use std::{
    net::{Ipv4Addr, TcpListener},
    process,
};

use crate::reserved::is_ours;

/// A port of 127.0.0.1. No connection of anybody can have it while the server is away, since the system chooses the
/// ports of those above; no other test is given it as long as this process lives.
pub fn free_port() -> u16 {
    reserved(|port| vec![port])
}

/// The same for two ports: the one that is 10,000 above belongs to it, as for a node of a Redis cluster.
pub fn free_port_and_bus() -> u16 {
    reserved(|port| vec![port, port + 10_000])
}

/// Ports from 10,000 to 19,999 and from 20,000 to 29,999: the system takes those from 32,768 on for connections.
fn reserved(ports: impl Fn(u16) -> Vec<u16>) -> u16 {
    // Processes that start at the same time begin in different places.
    let first = process::id() * 97;
    let mut candidates = (0..10_000).map(|offset| 10_000 + ((first + offset) % 10_000) as u16);
    candidates
        .find(|&port| ports(port).into_iter().all(reserve))
        .expect("one of ten thousand ports is free")
}

/// Whether nobody listens there, and no other test has it.
fn reserve(port: u16) -> bool {
    is_ours(&format!("port-{port}")) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[test]
fn a_reserved_port_is_given_once_and_never_to_a_connection() {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let lowest: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
    let ports = [free_port(), free_port(), free_port_and_bus()];
    let all = [&ports[..], &[ports[2] + 10_000]].concat();
    for (index, port) in all.iter().enumerate() {
        assert!(*port < lowest && !all[..index].contains(port), "{all:?}");
        assert!(!reserve(*port), "{port} would be given again");
    }
}
