//! A listening socket on its way from one daemon to the next, and the check that it is the announced one.

use policy_socket::Endpoint;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::address::ListenAddr;
use crate::process::{owner::is_made_by, received::ReceivedSocket};

/// The listening socket of one endpoint.
#[derive(Debug)]
pub(crate) struct HandoverSocket {
    /// The address as both command lines have it. Two sockets may have the same name.
    pub(crate) name: String,
    pub(crate) socket: ReceivedSocket,
    /// Whether a service manager keeps it.
    pub(crate) is_manager_owned: bool,
}

impl HandoverSocket {
    /// The text that goes with its descriptor.
    pub(crate) fn announcement(&self) -> String {
        let word = if self.is_manager_owned { KEEP } else { LISTEN };
        format!("{word} {}", self.name)
    }

    /// An announced socket; `None` unless exactly one descriptor came with the text.
    pub(crate) fn announced(text: &[u8], descriptors: Vec<ReceivedSocket>) -> Option<Self> {
        let [socket] = <[ReceivedSocket; 1]>::try_from(descriptors).ok()?;
        let (word, name) = std::str::from_utf8(text).ok()?.split_once(' ')?;
        [LISTEN, KEEP].contains(&word).then(|| Self {
            name: name.to_owned(),
            socket,
            is_manager_owned: word == KEEP,
        })
    }

    /// Whether it is a socket of this type that one of the trusted users has made, and that listens at this address.
    pub(crate) fn is_expected(&self, address: &ListenAddr, kind: Type, trusted: &[u32]) -> bool {
        let Ok(socket) = self.socket.get() else {
            return false;
        };
        let is_kind = socket.r#type().is_ok_and(|found| found == kind);
        let listens = socket.is_listener().unwrap_or(false);
        // With that option any process of the same user could join the port.
        let is_alone = socket.reuse_port().is_ok_and(|shared| !shared);
        is_made_by(socket, trusted)
            && is_kind
            && listens
            && is_alone
            && is_at(socket, address).unwrap_or(false)
    }
}

fn is_at(socket: &Socket, address: &ListenAddr) -> std::io::Result<bool> {
    let (domain, found) = (socket.domain()?, socket.local_addr()?);
    Ok(match &address.endpoint {
        Endpoint::Inet { .. } => {
            [Domain::IPV4, Domain::IPV6].contains(&domain)
                && socket.protocol()? == Some(Protocol::TCP)
                && found.as_socket().is_some_and(|found| address.may_be(found))
        }
        Endpoint::Unix(path) => domain == Domain::UNIX && is_path(&found, path),
        _ => false,
    })
}

fn is_path(found: &SockAddr, path: &std::path::Path) -> bool {
    found.as_pathname() == Some(path)
}

const LISTEN: &str = "listen";
const KEEP: &str = "keep";

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use super::*;

    fn handed(socket: impl Into<OwnedFd>) -> HandoverSocket {
        HandoverSocket {
            name: "x".to_owned(),
            socket: ReceivedSocket::from(socket.into()),
            is_manager_owned: false,
        }
    }

    #[test]
    fn only_a_stream_socket_that_listens_at_the_address_is_expected_it_is_said_to_be() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = tcp.local_addr().unwrap();
        let connected = TcpStream::connect(here).unwrap();
        let udp = UdpSocket::bind(here).unwrap();
        let unix = UnixListener::bind(path("a")).unwrap();
        let elsewhere = UnixListener::bind(path("b")).unwrap();
        let datagrams = UnixDatagram::bind(path("c")).unwrap();
        let (inet, any_port) = (format!("inet:{here}"), "inet:127.0.0.1:0".to_owned());
        let other_port = format!("inet:127.0.0.1:{}", here.port() ^ 1);
        let at = |name: &str| format!("unix:{}", path(name).display());
        let joinable = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        joinable.set_reuse_port(true).unwrap();
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        joinable.bind(&any.into()).unwrap();
        joinable.listen(1).unwrap();
        let joinable = handed(joinable);
        let tcp = handed(tcp);
        let own = [rustix::process::geteuid().as_raw()];
        for (socket, listen, is_so) in [
            (&tcp, &inet, true),
            (&tcp, &any_port, true),
            (&joinable, &any_port, false),
            (&tcp, &other_port, false),
            (&tcp, &"inet:127.0.0.2:0".to_owned(), false),
            (&tcp, &at("a"), false),
            (&handed(connected), &any_port, false),
            (&handed(udp), &inet, false),
            (&handed(unix), &at("a"), true),
            (&handed(elsewhere), &at("a"), false),
            (&handed(datagrams), &at("c"), false),
        ] {
            let listen: ListenAddr = listen.parse().unwrap();
            assert_eq!(
                socket.is_expected(&listen, Type::STREAM, &own),
                is_so,
                "{socket:?} {listen:?}"
            );
        }
        let listen: ListenAddr = inet.parse().unwrap();
        assert!(!tcp.is_expected(&listen, Type::SEQPACKET, &own));
        let others = [own[0] + 1];
        assert!(
            !tcp.is_expected(&listen, Type::STREAM, &others),
            "made by another user"
        );
    }

    #[test]
    fn an_announcement_has_one_descriptor() {
        let fd = || ReceivedSocket::from(OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap()));
        let announced = HandoverSocket::announced(b"keep unix:/a b", vec![fd()]).unwrap();
        assert!(announced.is_manager_owned);
        assert_eq!(announced.announcement(), "keep unix:/a b");
        for (text, descriptors) in [
            (&b"listen x"[..], vec![]),
            (b"listen x", vec![fd(), fd()]),
            (b"listen", vec![fd()]),
            (b"all x", vec![fd()]),
            (b"listen \xff", vec![fd()]),
        ] {
            assert!(
                HandoverSocket::announced(text, descriptors).is_none(),
                "{text:?}"
            );
        }
    }
}
