//! Options on what a daemon grants its clients.

use std::{net::IpAddr, num::NonZeroUsize, time::Duration};

use clap::Args;
use ipnet::IpNet;
use policy_flow::ClientOptions;
use policy_proto::Limits;

use crate::args::parse_duration;

/// What a daemon grants its clients: a part of [`Options`](crate::args::Options).
#[derive(Args, Clone, Debug)]
#[non_exhaustive]
pub struct ClientArgs {
    /// TCP clients that are served; needed where --listen is not on loopback
    #[arg(long, value_name = "NET[,NET]", value_delimiter = ',', value_parser = network)]
    pub allow: Vec<IpNet>,
    /// Client connections at once; for one more the one that has been idle for longest is closed
    /// [default: what the limit of descriptors leaves, at most 16384]
    #[arg(long, value_name = "N")]
    pub max_clients: Option<NonZeroUsize>,
    /// Connections at once from one TCP client's address, with IPv6 from one network of 64 bits
    /// [default: no limit]
    #[arg(long, value_name = "N")]
    pub max_clients_per_address: Option<NonZeroUsize>,
    /// Connections at once from one user over UNIX sockets [default: no limit]
    #[arg(long, value_name = "N")]
    pub max_clients_per_user: Option<NonZeroUsize>,
    /// The largest request in bytes; K, M and G stand for powers of 1024
    #[arg(long, value_name = "SIZE", default_value = "128K", value_parser = request)]
    pub max_request: usize,
    /// The memory of all requests under way, with their answers; beyond it new requests wait
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = memory)]
    pub max_memory: usize,
    /// How long a client may take for the rest of a request, or to read its answer
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = some_time)]
    pub request_timeout: Duration,
    /// How long a connection may be idle
    #[arg(long, value_name = "DURATION", default_value = "1200s", value_parser = some_time)]
    pub idle: Duration,
}

impl Default for ClientArgs {
    /// What holds without any option; a test compares it with clap's.
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            max_clients: None,
            max_clients_per_address: None,
            max_clients_per_user: None,
            max_request: Limits::default().message,
            max_memory: 256 << 20,
            request_timeout: Duration::from_secs(30),
            idle: Duration::from_secs(1200),
        }
    }
}

impl ClientArgs {
    /// What a client is granted. What waits for memory for longer than the deadline would be answered to nobody.
    #[must_use]
    pub fn of_clients(&self, deadline: Duration) -> ClientOptions {
        let mut options = ClientOptions::default();
        options.limits = Limits::default().with_message(self.max_request);
        options.idle = self.idle;
        options.request = self.request_timeout;
        options.memory_wait = deadline;
        // A quarter is for answers.
        options.memory = Some(self.max_memory / 4 * 3);
        options
    }

    /// What is wrong with sizes that do not fit together.
    pub(crate) fn fault(&self) -> Option<String> {
        let (memory, request) = (shown(self.max_memory), shown(self.max_request));
        let is_enough = self.max_memory / REQUESTS >= self.max_request;
        (!is_enough).then(|| {
            format!("--max-memory {memory} is less than {REQUESTS} times --max-request {request}")
        })
    }
}

/// A size as it can be written on the command line, such as `256M`.
pub(crate) fn shown(bytes: usize) -> String {
    let units = UNITS.iter().rev();
    let mut fitting = units.filter(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    match fitting.next() {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

/// An address, or a network in CIDR notation. IPv4 that is mapped into IPv6 means IPv4: a socket that
/// serves both sees such clients.
fn network(text: &str) -> Result<IpNet, String> {
    let net = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(net), _) => net,
        (_, Ok(address)) => address.into(),
        _ => return Err("neither an address nor a network such as 192.0.2.0/24".to_owned()),
    };
    // Most likely a slip, and then it would be anybody's guess which end of it.
    if net.trunc() != net {
        return Err(format!("not a network: {} is one", net.trunc()));
    }
    match (net.addr().to_canonical(), net.prefix_len()) {
        (IpAddr::V4(address), length @ 96..) if net.addr().is_ipv6() => {
            IpNet::new(address.into(), length - 96).map_err(|error| error.to_string())
        }
        _ => Ok(net),
    }
}

fn request(text: &str) -> Result<usize, String> {
    match size(text)? {
        size @ LEAST_REQUEST..=MOST_REQUEST => Ok(size),
        _ => Err("not between 4K and 16384K".to_owned()),
    }
}

fn memory(text: &str) -> Result<usize, String> {
    match size(text)? {
        size @ LEAST_MEMORY.. => Ok(size),
        _ => Err("less than 1M".to_owned()),
    }
}

fn size(text: &str) -> Result<usize, String> {
    let suffix = |(name, unit)| Some((text.strip_suffix(name)?, unit));
    let (number, unit) = UNITS.into_iter().find_map(suffix).unwrap_or((text, 1));
    let number: usize = number.parse().map_err(|_| "not a size")?;
    Ok(number.saturating_mul(unit))
}

fn some_time(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        time => Ok(time),
    }
}

/// What a real Postfix sends with long addresses.
const LEAST_REQUEST: usize = 4 * 1024;
/// Less would serve a few requests at a time.
const LEAST_MEMORY: usize = 1 << 20;
/// Many times what any Postfix sends; each client could have so much memory.
const MOST_REQUEST: usize = 16 * 1024 * 1024;

/// As many of the largest requests and answers have to fit into all memory: a quarter of it is for large
/// requests, and one takes twice its size while it is read.
const REQUESTS: usize = 8;
const UNITS: [(char, usize); 3] = [('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30)];

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        limits: ClientArgs,
    }

    #[test]
    fn the_defaults_are_the_same_with_and_without_clap() {
        let parsed = Command::try_parse_from(["hapolicy"]).unwrap().limits;
        assert_eq!(
            format!("{parsed:?}"),
            format!("{:?}", ClientArgs::default())
        );
    }

    #[test]
    fn networks_are_addresses_or_cidr() {
        for (text, expected) in [
            ("192.0.2.1", "192.0.2.1/32"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("::ffff:192.0.2.1", "192.0.2.1/32"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            let net = network(text).map(|net| net.to_string());
            assert_eq!(net.as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "localhost",
            "192.0.2",
            "192.0.2.0/33",
            "192.0.2.1/24",
            "2001:db8::1/32",
            "::/129",
            "192.0.2.0/",
            "/24",
            " 192.0.2.1",
        ] {
            assert!(network(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("128K", 131_072),
            ("256M", 268_435_456),
            ("3G", 3_221_225_472),
            ("18446744073709551615K", usize::MAX),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "K",
            "-1",
            "1k",
            "1KB",
            "1 K",
            "1.5M",
            "99999999999999999999",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_is_shown_as_it_is_written() {
        for text in ["0", "4097", "5K", "1M", "256M", "1025M", "4G"] {
            assert_eq!(shown(size(text).unwrap()), text);
        }
        assert_eq!(shown(1 << 20), "1M");
    }

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
            ("256M", "16384K", true),
            ("127M", "16384K", false),
        ] {
            let words = ["hapolicy", "--max-memory", memory, "--max-request", request];
            let fault = Command::try_parse_from(words).unwrap().limits.fault();
            let text =
                format!("--max-memory {memory} is less than 8 times --max-request {request}");
            let text = text.replace("16384K", "16M");
            assert_eq!(fault, (!fits).then_some(text));
        }
    }
}
