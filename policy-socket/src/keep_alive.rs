//! Keepalive of TCP connections.

use std::{io, os::fd::AsFd, time::Duration};

use socket2::{SockRef, TcpKeepalive};

/// Has the system notice a TCP peer that is gone without a word: a router between may forget an idle connection, and
/// what is sent over it is lost.
///
/// The peer is asked after 15 s without data, and every 15 s then. Data that is not acknowledged for 30 s ends the
/// connection (Linux).
///
/// # Errors
///
/// Errors of the system.
pub fn keep_alive(socket: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(socket);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    #[cfg(not(target_os = "openbsd"))]
    let keepalive = keepalive.with_interval(KEEPALIVE);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}

/// Shorter than routers remember idle connections.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Longer than any attempt waits for an acknowledgement.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_asks_its_peer_for_a_sign_of_life() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = SockRef::from(&stream);
        assert!(!socket.keepalive().unwrap());
        keep_alive(&stream).unwrap();
        assert!(socket.keepalive().unwrap());
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
    }
}
