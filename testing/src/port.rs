//! A port of the system's choice that nobody else can get.

use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{Domain, Socket, Type};

/// A port of 127.0.0.1 that stays ours while nobody listens there: a socket that is bound to it.
/// Who connects is refused until another socket listens there as well.
#[derive(Debug)]
pub struct Port(Socket);

impl Port {
    /// One of the system's choice.
    pub fn any() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        // Both sockets have to say that they share.
        socket.set_reuse_address(true).expect("SO_REUSEADDR");
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        socket.bind(&address.into()).expect("a port is free");
        Self(socket)
    }

    pub fn number(&self) -> u16 {
        let address = self.0.local_addr().expect("it is bound");
        address.as_socket().expect("it is TCP").port()
    }
}
