//! Options on what a daemon grants its clients.

use std::{num::NonZeroUsize, time::Duration};

use clap::Args;
use ipnet::IpNet;
use policy_proxy::options::{ClientLimits, parse_size, shown_size};

use super::{DAEMON, network::network, values::positive_duration};

/// The part of [`Arguments`](crate::args::Arguments) on what a daemon grants its clients.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = DAEMON)]
#[non_exhaustive]
pub struct ClientArgs {
    /// TCP clients that are served, as addresses or networks in CIDR notation [default: loopback]
    ///
    /// A listener on a loopback address serves loopback in any case. Any other needs this option: there is no
    /// password, and a policy port that is open to all tells strangers who mails whom, and lets them fill
    /// greylists and quotas. Connections that outlive a restart stay if they are from a loopback address, or from
    /// one of these.
    #[arg(long, value_name = "NET[,NET]", value_delimiter = ',', value_parser = network)]
    pub allow: Vec<IpNet>,
    /// Client connections at once; for one more the one that has been idle for longest is closed
    /// [default: what the limit of descriptors leaves, at most 16384]
    ///
    /// The limit of descriptors is raised as far as the system allows, and `--max-connections` for each service, at
    /// most half of all, are kept free of clients. If no connection is idle, one whose request has come in part
    /// only is closed; if there is none, the new one is. An address or a user that has more than half of them
    /// drives out none of the others. A connection beyond one of the next two limits is closed at once.
    #[arg(long, value_name = "N")]
    pub max_clients: Option<NonZeroUsize>,
    /// Connections at once from one TCP client's address, with IPv6 from one network of 64 bits
    /// [default: no limit]
    ///
    /// Loopback has no such limit, since each user of the machine has all of its addresses. There is none by
    /// default, since all of Postfix may sit at one address.
    #[arg(long, value_name = "N")]
    pub max_clients_per_address: Option<NonZeroUsize>,
    /// Connections at once from one user over UNIX sockets [default: no limit]
    ///
    /// The user is the one that the process had when it connected. There is no limit by default, since all of
    /// Postfix is one user.
    #[arg(long, value_name = "N")]
    pub max_clients_per_user: Option<NonZeroUsize>,
    /// The largest request in bytes, 4K to 16384K; K, M and G stand for powers of 1024
    #[arg(long, value_name = "SIZE", default_value = "128K", value_parser = request)]
    pub max_request: usize,
    /// The memory of all requests under way, with their answers; beyond it new requests wait
    ///
    /// It is at least 1M, and 8 times `--max-request`. Requests wait in the order in which they came. They are not
    /// read until others have been answered, and have their connections closed when they have waited for as long as
    /// `--deadline`. A half is for usual requests, 8K each, so that large requests and large answers hold up no
    /// others.
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = memory)]
    pub max_memory: usize,
    /// How long a client may take for the rest of a request, or to read its answer
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = positive_duration)]
    pub request_timeout: Duration,
    /// How long a connection may be idle
    ///
    /// By default Postfix closes first, after 1000s.
    #[arg(long, value_name = "DURATION", default_value = "1200s", value_parser = positive_duration)]
    pub idle: Duration,
}

impl Default for ClientArgs {
    fn default() -> Self {
        let limits = ClientLimits::default();
        Self {
            allow: Vec::new(),
            max_clients: None,
            max_clients_per_address: limits.max_per_address,
            max_clients_per_user: limits.max_per_user,
            max_request: limits.max_request,
            max_memory: limits.max_memory,
            request_timeout: limits.request_timeout,
            idle: limits.idle,
        }
    }
}

impl ClientArgs {
    /// These limits as the proxy takes them.
    pub(super) fn limits(&self) -> ClientLimits {
        ClientLimits {
            max_per_address: self.max_clients_per_address,
            max_per_user: self.max_clients_per_user,
            max_request: self.max_request,
            max_memory: self.max_memory,
            request_timeout: self.request_timeout,
            idle: self.idle,
        }
    }

    /// A line about sizes that do not fit together.
    pub(crate) fn fault(&self) -> Option<String> {
        let (memory, request) = (shown_size(self.max_memory), shown_size(self.max_request));
        let is_enough = self.max_memory / REQUESTS >= self.max_request;
        (!is_enough).then(|| {
            format!("--max-memory {memory} is less than {REQUESTS} times --max-request {request}")
        })
    }
}

fn request(text: &str) -> Result<usize, String> {
    match parse_size(text)? {
        size @ MIN_REQUEST..=MAX_REQUEST => Ok(size),
        _ => Err("not between 4K and 16384K".to_owned()),
    }
}

fn memory(text: &str) -> Result<usize, String> {
    match parse_size(text)? {
        size @ MIN_MEMORY.. => Ok(size),
        _ => Err("less than 1M".to_owned()),
    }
}

/// A real Postfix sends so much with long addresses.
const MIN_REQUEST: usize = 4 * 1024;
/// Less would serve a few requests at a time.
const MIN_MEMORY: usize = 1 << 20;
/// Many times what any Postfix sends; each client could have so much memory.
const MAX_REQUEST: usize = 16 * 1024 * 1024;

/// As many of the largest requests and answers have to fit into all memory: a quarter of it is for large
/// requests, and one takes twice its size while it is read.
const REQUESTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_bounds() {
        assert_eq!(request("4K"), Ok(4096));
        assert_eq!(request("16M"), Ok(16_777_216));
        for text in ["4095", "3K", "16385K", "1G"] {
            assert!(request(text).is_err(), "{text}");
        }
        assert_eq!(memory("1M"), Ok(1 << 20));
        assert_eq!(memory("1024K"), Ok(1 << 20));
        for text in ["0", "1048575", "1023K"] {
            assert!(memory(text).is_err(), "{text}");
        }
    }

    #[test]
    fn eight_of_the_largest_requests_have_to_fit_into_all_memory() {
        for (memory, request, fits) in [
            ("1M", "128K", true),
            ("1M", "129K", false),
            ("256M", "16M", true),
            ("127M", "16M", false),
        ] {
            let args = ClientArgs {
                max_memory: parse_size(memory).unwrap(),
                max_request: parse_size(request).unwrap(),
                ..ClientArgs::default()
            };
            let text =
                format!("--max-memory {memory} is less than 8 times --max-request {request}");
            assert_eq!(args.fault(), (!fits).then_some(text));
        }
    }
}
