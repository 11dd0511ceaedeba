//! Which other program listens at an address, so that a start would fail. Source: proc_net(5), proc_pid_fd(5).

use std::{
    fs::{self, DirEntry},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    path::Path,
};

use policy_daemon::ListenAddr;
use policy_net::Endpoint;

use crate::process_name;

/// The program that listens at an address of TCP, with its process. None where that is this program, which runs already, or
/// the service manager, and where this user may not look at it.
pub(super) fn other_listener(endpoint: &Endpoint) -> Option<String> {
    let Endpoint::Inet { host, port } = endpoint else {
        return None;
    };
    let wanted: Vec<_> = (host.as_str(), *port).to_socket_addrs().ok()?.collect();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let tables: String = tables.into_iter().flatten().collect();
    let listening = tables.lines().filter_map(listener);
    let sockets: Vec<_> = listening
        .filter(|(address, _)| wanted.iter().any(|wanted| is_taken(wanted, address)))
        .map(|(_, socket)| socket)
        .collect();
    if sockets.is_empty() {
        return None;
    }
    let owners = owners(&sockets);
    // The service manager hands over what it has.
    let is_fine = |(name, process): &(String, String)| process == "1" || process_name::is_own(name);
    if owners.iter().any(is_fine) {
        return None;
    }
    let (name, process) = owners.first()?;
    Some(format!("{name} (process {process})"))
}

/// The address and the socket in a line about one that listens.
fn listener(line: &str) -> Option<(SocketAddr, String)> {
    let fields: Vec<_> = line.split_ascii_whitespace().collect();
    let [_, local, _, LISTEN, _, _, _, _, _, inode, ..] = fields[..] else {
        return None;
    };
    let (address, port) = local.split_once(':')?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    // Each word is as the processor has it in memory.
    let words: Option<Vec<_>> = address
        .as_bytes()
        .chunks(8)
        .map(|word| number(str::from_utf8(word).ok()?))
        .collect();
    let bytes: Vec<_> = words?.into_iter().flat_map(u32::to_ne_bytes).collect();
    let address: IpAddr = match <[u8; 4]>::try_from(&*bytes) {
        Ok(bytes) => Ipv4Addr::from(bytes).into(),
        Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(&*bytes).ok()?).into(),
    };
    let port = u16::try_from(number(port)?).ok()?;
    Some((SocketAddr::new(address, port), format!("socket:[{inode}]")))
}

/// Whether the start would surely not get an address while another program listens at its own.
fn is_taken(wanted: &SocketAddr, other: &SocketAddr) -> bool {
    // It may be for IPv6 alone, which these tables do not show.
    let is_unsure = other.ip() == Ipv6Addr::UNSPECIFIED && wanted.ip().to_canonical().is_ipv4();
    let [wanted, other] = [wanted, other].map(|address| {
        ListenAddr::from(Endpoint::Inet {
            host: address.ip().to_string(),
            port: address.port(),
        })
    });
    !is_unsure && wanted.overlaps(&other)
}

/// The names and the numbers of the processes that have one of these sockets.
fn owners(sockets: &[String]) -> Vec<(String, String)> {
    let is_one = |file: DirEntry| {
        let target = fs::read_link(file.path()).ok();
        target.is_some_and(|target| sockets.iter().any(|socket| target == Path::new(socket)))
    };
    let owner = |process: DirEntry| {
        let mut files = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let number = process.file_name().into_string().ok()?;
        files
            .any(is_one)
            .then(|| Some((process_name::of(&number)?, number)))?
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(owner).collect()
}

/// The state of such a socket.
const LISTEN: &str = "0A";
