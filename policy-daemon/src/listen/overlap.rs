//! Two addresses overlap if one process cannot listen at both.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use policy_socket::Endpoint;
use socket2::{Domain, Socket, Type};

use super::address::ListenAddr;

impl ListenAddr {
    /// Whether one process cannot listen here and there: the path is the same, or the port, at an address that both have. All
    /// addresses of a family (`0.0.0.0`, `[::]`) have each of them; `[::]` has those of IPv4 as well, unless the system says
    /// otherwise. Names are resolved.
    ///
    /// ```
    /// use policy_daemon::ListenAddr;
    ///
    /// let address = |text: &str| text.parse::<ListenAddr>().unwrap();
    /// let all = address("inet:0.0.0.0:10040");
    /// assert!(all.overlaps(&address("inet:127.0.0.1:10040")));
    /// assert!(!all.overlaps(&address("inet:127.0.0.1:10041")));
    /// assert!(address("unix:/run/a,mode=0660").overlaps(&address("unix:/run/a")));
    /// ```
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (&self.endpoint, &other.endpoint) {
            (Endpoint::Unix(path), Endpoint::Unix(other)) => {
                path == other || real(path).is_some_and(|path| real(other) == Some(path))
            }
            // Port 0 is any that is free.
            (Endpoint::Inet { port: 0, .. }, _) => false,
            (
                Endpoint::Inet { port, .. },
                Endpoint::Inet {
                    port: other_port, ..
                },
            ) => {
                port == other_port && {
                    let others = other.addresses().unwrap_or_default();
                    let own = self.addresses().unwrap_or_default();
                    // A name that cannot be resolved is the same as itself.
                    self.endpoint == other.endpoint
                        || own
                            .iter()
                            .any(|own| others.iter().any(|other| share(own, other)))
                }
            }
            _ => false,
        }
    }
}

/// The path without links in its directory, where that is there.
pub(super) fn real(path: &Path) -> Option<PathBuf> {
    let directory = path.parent()?.canonicalize().ok()?;
    Some(directory.join(path.file_name()?))
}

/// Whether a connection may be for both.
pub(super) fn share(one: &SocketAddr, other: &SocketAddr) -> bool {
    let (one, other) = (one.ip().to_canonical(), other.ip().to_canonical());
    let has = |all: &std::net::IpAddr, one: &std::net::IpAddr| {
        all.is_unspecified() && (all.is_ipv4() == one.is_ipv4() || all.is_ipv6() && has_ipv4())
    };
    one == other || has(&one, &other) || has(&other, &one)
}

/// Whether a socket for all addresses of IPv6 takes connections over IPv4 as well: the system's default.
fn has_ipv4() -> bool {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None);
    socket
        .and_then(|socket| socket.only_v6())
        .is_ok_and(|only| !only)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said has to be what the system does: each pair is bound as well.
    #[test]
    fn two_addresses_overlap_where_the_system_refuses_the_second() {
        let free = "inet:127.0.0.1:0".parse::<ListenAddr>().unwrap();
        let port = free.bind().unwrap()[0].address().unwrap().port();
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(directory.path(), &link).unwrap();
        let inet = |host: &str| format!("inet:{host}:{port}");
        let unix = |path: &Path, rest: &str| format!("unix:{}{rest}", path.join("s").display());
        let all = [
            inet("127.0.0.1"),
            inet("127.0.0.2"),
            inet("localhost"),
            inet("0.0.0.0"),
            inet("[::1]"),
            inet("[::]"),
            inet("[::ffff:127.0.0.1]"),
            "inet:127.0.0.1:0".to_owned(),
            unix(directory.path(), ""),
            unix(directory.path(), ",mode=0600"),
            unix(&link, ""),
            unix(Path::new("/nonexistent"), ""),
        ];
        for one in &all {
            for other in &all {
                let [one_at, other_at]: [ListenAddr; 2] =
                    [one, other].map(|text| text.parse().unwrap());
                let Ok(_bound) = one_at.bind() else { continue };
                let second = other_at.bind();
                let is_refused =
                    second.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse);
                assert_eq!(one_at.overlaps(&other_at), is_refused, "{one} {other}");
            }
        }
        let [one, other] = ["/nonexistent/a", "/nonexistent too/b"]
            .map(|path| format!("unix:{path}").parse::<ListenAddr>().unwrap());
        assert!(!one.overlaps(&other), "their directories may come");
        let nowhere = "inet:nowhere.invalid:7".parse::<ListenAddr>().unwrap();
        assert!(nowhere.overlaps(&nowhere), "it cannot be bound twice");
    }
}
