//! The servers that are asked, and the limits.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
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
    /// The file cannot be read.
    pub fn from_system() -> Result<Self, ResolvConfError> {
        Self::from_file("/etc/resolv.conf")
    }

    /// The servers and options of a file like `/etc/resolv.conf`.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ResolvConfError> {
        let path = path.as_ref();
        let error = |source| ResolvConfError {
            path: path.into(),
            source,
        };
        let text = std::fs::read(path).map_err(error)?;
        Self::from_resolv_conf(&text)
            .map_err(|message| error(io::Error::new(io::ErrorKind::InvalidData, message)))
    }

    /// How long a server has to say nothing before it is silent: less than the time of a try, and than a second, since
    /// the question may be given up before.
    pub(super) fn min_silence(&self) -> Duration {
        (self.timeout / 2).min(MIN_SILENCE)
    }

    /// `nameserver`, and of the options `timeout`, `attempts` and `rotate`, with their limits in glibc: three
    /// servers, 30 s, 5 attempts. Without a server it is the one on this host.
    fn from_resolv_conf(text: &[u8]) -> Result<Self, String> {
        let config = resolv_conf::Config::parse(text).map_err(|error| error.to_string())?;
        let servers = config.nameservers.iter().filter_map(|address| {
            let address = match address {
                resolv_conf::ScopedIp::V4(address) => (*address).into(),
                resolv_conf::ScopedIp::V6(address, None) => (*address).into(),
                // The number of an interface takes a system call; such servers are rare.
                resolv_conf::ScopedIp::V6(_, Some(_)) => return None,
            };
            Some(SocketAddr::new(address, DNS_PORT))
        });
        let mut servers: Vec<_> = servers.take(MAX_SERVERS).collect();
        if servers.is_empty() {
            servers.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DNS_PORT));
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

/// A file like `/etc/resolv.conf` that cannot be read.
#[derive(Debug, Error)]
#[error("cannot read {}", path.display())]
pub struct ResolvConfError {
    path: PathBuf,
    source: io::Error,
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
        assert_eq!(error.to_string(), "cannot read /nonexistent/resolv.conf");
    }
}
