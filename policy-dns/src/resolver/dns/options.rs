//! The servers that are asked, and the limits.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV6},
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;

/// Which servers are asked, and the limits.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DnsOptions {
    /// The name servers, in the order in which they are asked.
    pub servers: Vec<SocketAddr>,
    /// How long one server has for one try. Default: 5 s, as for resolv.conf. One that says nothing for half of it, or
    /// for 0.9 s, is asked last for half a minute.
    pub timeout: Duration,
    /// How often each server is asked. Default: 2, as for resolv.conf.
    pub attempts: usize,
    /// Whether each question begins with another server. Default: no.
    pub rotate: bool,
    /// How long a question may take with all its tries. Default: 10 s, the two tries at one server. Two silent servers
    /// take all of it: a third one is asked by later questions only, which begin with it.
    pub deadline: Duration,
    /// How many questions may be under way; others wait for their turn, and their deadline runs. Each takes a socket
    /// for each of its tries at worst; those at one time share them, 32 a socket. Default: 256, a quarter of the 1024
    /// descriptors that a process usually has.
    pub max_under_way: usize,
    /// How many bytes the answers that are kept may take, about. Default: 8 MiB, some 20,000 answers.
    pub cache_bytes: usize,
    /// For how long an answer is kept at most, whatever its record says. Default: 1 day, as with unbound.
    pub max_ttl: Duration,
    /// For how long an answer that says no is kept at most. Default: 1 h, within what RFC 2308 recommends (5).
    pub max_negative_ttl: Duration,
    /// For how long a failure is kept. Default: 2 s; RFC 9520 wants at least 1 s (3.2).
    pub failure_ttl: Duration,
}

impl DnsOptions {
    /// Options with these servers and default limits.
    #[must_use]
    pub fn new(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            servers: servers.into_iter().collect(),
            timeout: Duration::from_secs(5),
            attempts: 2,
            rotate: false,
            deadline: Duration::from_secs(10),
            max_under_way: 256,
            cache_bytes: 8 << 20,
            max_ttl: Duration::from_secs(86_400),
            max_negative_ttl: Duration::from_secs(3600),
            failure_ttl: Duration::from_secs(2),
        }
    }

    /// The servers and options of `/etc/resolv.conf`.
    ///
    /// # Errors
    ///
    /// As [`DnsOptions::from_file`].
    pub fn from_system() -> Result<Self, ResolvConfError> {
        Self::from_file("/etc/resolv.conf")
    }

    /// The servers and options of a file like `/etc/resolv.conf`, as glibc reads it: the first three servers; `timeout`
    /// from 1 to 30 s, `attempts` from 1 to 5, and `rotate`; 127.0.0.1 where no server is named. Lines that are wrong or
    /// unknown are passed over, and so is a server at an interface that is not there.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or none of its servers can be asked.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ResolvConfError> {
        let path = path.as_ref();
        let error = |reason| ResolvConfError {
            path: path.into(),
            reason,
        };
        let text = std::fs::read(path).map_err(|cause| error(cause.to_string()))?;
        Self::from_resolv_conf(&text).map_err(error)
    }

    /// How long a server has to say nothing before it is silent: less than the time of a try, and than a second, since
    /// the question may be given up before.
    pub(super) fn min_silence(&self) -> Duration {
        (self.timeout / 2).min(MIN_SILENCE)
    }

    fn from_resolv_conf(text: &[u8]) -> Result<Self, String> {
        // What is wrong in a line is no reason to ask no server: glibc passes it over as well.
        let (config, _) = resolv_conf::Config::parse_with_errors(text);
        let servers = config.nameservers.iter().take(MAX_SERVERS);
        let mut servers: Vec<_> = servers.filter_map(socket_address).collect();
        if let (Some(first), true) = (config.nameservers.first(), servers.is_empty()) {
            return Err(format!("{first} is at an interface that is not there"));
        }
        if servers.is_empty() {
            servers.push((Ipv4Addr::LOCALHOST, DNS_PORT).into());
        }
        let timeout = Duration::from_secs(config.timeout.clamp(1, 30).into());
        let attempts = config.attempts.clamp(1, 5);
        let mut options = Self::new(servers);
        (options.timeout, options.attempts, options.rotate) = (
            timeout,
            usize::try_from(attempts).unwrap_or(1),
            config.rotate,
        );
        Ok(options)
    }
}

/// The address of a server; none if that is at an interface that is not there.
fn socket_address(server: &resolv_conf::ScopedIp) -> Option<SocketAddr> {
    use resolv_conf::ScopedIp;
    let (address, scope) = match server {
        ScopedIp::V4(address) => return Some((*address, DNS_PORT).into()),
        ScopedIp::V6(address, scope) => (*address, scope.as_deref()),
    };
    let scope = match scope {
        None => 0,
        Some(scope) => scope.parse().ok().or_else(|| interface(scope))?,
    };
    Some(SocketAddrV6::new(address, DNS_PORT, 0, scope).into())
}

/// The number of an interface, by its name, which is one of letters and digits here.
fn interface(name: &str) -> Option<u32> {
    let number = std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex"));
    number.ok()?.trim().parse().ok()
}

/// A file like `/etc/resolv.conf` that cannot be used.
#[derive(Debug, Error)]
#[error("cannot use {}: {reason}", path.display())]
pub struct ResolvConfError {
    path: PathBuf,
    reason: String,
}

const MIN_SILENCE: Duration = Duration::from_millis(900);
const DNS_PORT: u16 = 53;
const MAX_SERVERS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> DnsOptions {
        DnsOptions::from_resolv_conf(text.as_bytes()).unwrap()
    }

    #[test]
    fn resolv_conf_is_read_as_by_glibc() {
        let text = "nameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch acme.test\noptions timeout:1 attempts:3 rotate edns0\n\
                    nameserver 192.0.2.3\nnameserver 192.0.2.4\n";
        let options = read(text);
        let servers: Vec<SocketAddr> = ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.3:53"]
            .map(|text| text.parse().unwrap())
            .into();
        let expected = (servers, Duration::from_secs(1), 3, true);
        assert_eq!(
            (
                options.servers,
                options.timeout,
                options.attempts,
                options.rotate
            ),
            expected
        );
    }

    #[test]
    fn without_a_server_it_is_this_host() {
        let options = read("# nothing\noptions timeout:99 attempts:0\n");
        assert_eq!(options.servers, ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!(
            (options.timeout, options.attempts),
            (Duration::from_secs(30), 1)
        );
        let error = DnsOptions::from_file("/nonexistent/resolv.conf").unwrap_err();
        let expected = "cannot use /nonexistent/resolv.conf: No such file or directory";
        assert!(error.to_string().starts_with(expected), "{error}");
    }

    #[test]
    fn lines_that_are_wrong_cost_nothing_else() {
        let rest = "nameserver 192.0.2.1\noptions timeout:7\n";
        for wrong in [
            &b"options strict-error insecure1 ndots timeout:"[..],
            b"sortlist 10.0.0.0/8",
            b"nameserver mail",
            b"nameserver",
            b"domain a b",
            b"search \xff",
            b"frobnicate yes",
            b"options timeout:x attempts:9999999999 rotate:1",
        ] {
            let text = [wrong, b"\n", rest.as_bytes()].concat();
            let options = DnsOptions::from_resolv_conf(&text).unwrap();
            let expected = (
                vec!["192.0.2.1:53".parse().unwrap()],
                Duration::from_secs(7),
            );
            assert_eq!(
                (options.servers, options.timeout),
                expected,
                "{}",
                text.escape_ascii()
            );
        }
        let options = read("nameserver 192.0.2.1 of the office\n");
        assert_eq!(options.servers, ["192.0.2.1:53".parse().unwrap()]);
    }

    #[test]
    fn a_server_may_be_at_an_interface() {
        for name in ["fe80::1%1", "fe80::1%lo"] {
            let options = read(&format!("nameserver {name}\nnameserver fe80::2%nosuch0\n"));
            assert_eq!(
                options.servers,
                ["[fe80::1%1]:53".parse().unwrap()],
                "{name}"
            );
        }
        let error = DnsOptions::from_resolv_conf(b"nameserver fe80::1%nosuch0");
        let expected = "fe80::1%nosuch0 is at an interface that is not there";
        assert_eq!(error, Err(expected.to_owned()));
    }
}
