//! A daemon under a service manager: sockets that are passed, what it is told, and what it keeps.

mod kept;
mod sockets;
mod told;

use std::{
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
};

use policy_testing::stub::Stub;

fn tcp(address: &str) -> (OwnedFd, String) {
    let socket = TcpListener::bind(address).unwrap();
    let address: SocketAddr = socket.local_addr().unwrap();
    (socket.into(), format!("inet:{address}"))
}

fn service(stub: &Stub) -> String {
    format!("a={}", stub.address())
}
