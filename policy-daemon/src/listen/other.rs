//! Which other program has an address already, so that a start would fail. Source: proc_net(5), proc_pid_fd(5).

use std::{
    fs::{self, DirEntry},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use policy_socket::Endpoint;

use super::{
    address::ListenAddr,
    overlap::{real, share},
};

impl ListenAddr {
    /// The name and the number of a process of another program that has this address, or one with which it cannot be bound. None
    /// where that is a process of `program`, which may be the daemon itself, of the service manager, which hands over what it
    /// has, or one that this user may not look at.
    ///
    /// ```
    /// use std::net::TcpListener;
    ///
    /// use policy_daemon::ListenAddr;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let text = format!("inet:{}", listener.local_addr()?);
    /// let address: ListenAddr = text.parse().unwrap();
    /// assert_eq!(address.other_listener("x"), None, "it is this program");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn other_listener(&self, program: &str) -> Option<String> {
        let owners = match &self.endpoint {
            Endpoint::Unix(path) => at_path(path),
            _ => at_addresses(&self.addresses().ok()?),
        };
        let own_name = name_of("self");
        let is_fine = |(name, process): &Owner| {
            process == "1" || name == program || Some(name) == own_name.as_ref()
        };
        if owners.iter().any(is_fine) {
            return None;
        }
        let (name, process) = owners.first()?;
        Some(format!("{name} (process {process})"))
    }
}

/// The processes that have a socket bound at a path. A link in it is followed.
fn at_path(path: &Path) -> Vec<Owner> {
    // Where there is no file, what was bound there is reached no more.
    let Some(wanted) = real(path).filter(|path| fs::symlink_metadata(path).is_ok()) else {
        return Vec::new();
    };
    let table = fs::read("/proc/net/unix").unwrap_or_default();
    let lines = table.split(|byte| *byte == b'\n');
    let lines = lines.filter_map(|line| str::from_utf8(line).ok());
    let bound: Vec<_> = lines
        .filter_map(bound)
        .filter(|(_, bound)| Path::new(bound).file_name() == wanted.file_name())
        .collect();
    // Postfix's master, for one, binds by paths from its own directory.
    let is_there = |process: &Path, bound: &str| real(&process.join("cwd").join(bound));
    owners(&bound, |process, bound| {
        is_there(process, bound).as_ref() == Some(&wanted)
    })
}

/// The socket and the path in a line about one that is bound.
fn bound(line: &str) -> Option<(String, &str)> {
    let mut fields = line.splitn(7, ' ').skip(3);
    let (flags, kind, state) = (fields.next()?, fields.next()?, fields.next()?);
    // Connections that a listener has accepted have its path as well. One that does not listen is taken for stale.
    if state != UNCONNECTED || kind == STREAM && flags != LISTENS {
        return None;
    }
    // The number is aligned to the right, and a path may have blanks.
    let (inode, path) = fields.next()?.trim_start().split_once(' ')?;
    Some((of_inode(inode), path))
}

/// The processes that have a socket which listens where one of these addresses would be needed.
fn at_addresses(wanted: &[SocketAddr]) -> Vec<Owner> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let tables: String = tables.into_iter().flatten().collect();
    let listening = tables.lines().filter_map(listener);
    let taken = listening.filter(|(other, _)| wanted.iter().any(|one| is_taken(one, other)));
    let sockets: Vec<_> = taken.map(|(address, socket)| (socket, address)).collect();
    owners(&sockets, |_, _| true)
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
    Some((SocketAddr::new(address, port), of_inode(inode)))
}

/// Whether the start would surely not get an address while another program listens at its own.
fn is_taken(wanted: &SocketAddr, other: &SocketAddr) -> bool {
    // It may be for IPv6 alone, which these tables do not show.
    let is_unsure = other.ip() == Ipv6Addr::UNSPECIFIED && wanted.ip().to_canonical().is_ipv4();
    // Port 0 is any that is free.
    let is_port = wanted.port() == other.port() && wanted.port() != 0;
    is_port && !is_unsure && share(wanted, other)
}

/// How a descriptor of a socket is shown.
fn of_inode(inode: &str) -> String {
    format!("socket:[{inode}]")
}

/// The processes that have one of these sockets, if it is meant.
fn owners<T>(sockets: &[(String, T)], is_meant: impl Fn(&Path, &T) -> bool) -> Vec<Owner> {
    if sockets.is_empty() {
        return Vec::new();
    }
    let owner = |process: DirEntry| {
        let (path, number) = (process.path(), process.file_name().into_string().ok()?);
        let is_one = |file: DirEntry| {
            let target = fs::read_link(file.path()).ok();
            let mut found = sockets
                .iter()
                .filter(|(socket, _)| target.as_deref() == Some(Path::new(socket)));
            found.any(|(_, place)| is_meant(&path, place))
        };
        let mut files = fs::read_dir(path.join("fd")).ok()?.flatten();
        files
            .any(is_one)
            .then(|| Some((name_of(&number)?, number)))?
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(owner).collect()
}

/// The name of a process.
fn name_of(process: &str) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// The name and the number of a process.
type Owner = (String, String);

/// The state of a UNIX socket that listens, or that takes datagrams.
const UNCONNECTED: &str = "01";
/// The type of a UNIX socket that takes a stream, and the flags of one that listens.
const STREAM: &str = "0001";
const LISTENS: &str = "00010000";
/// The state of a TCP socket that listens.
const LISTEN: &str = "0A";
