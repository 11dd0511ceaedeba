//! The syntax of `--listen`: where to listen, and with which mode and owner.

use std::net::{IpAddr, ToSocketAddrs};

use policy_socket::{Endpoint, InvalidEndpoint};
use thiserror::Error;

use crate::daemon::process::user;

/// Where to listen: `inet:HOST:PORT`, or `unix:/path[,mode=0660][,owner=USER][,group=GROUP]`.
///
/// ```
/// use hapolicy::Listen;
///
/// let listen: Listen = "unix:/run/policy.sock,mode=0660".parse()?;
/// assert_eq!(listen.endpoint.to_string(), "unix:/run/policy.sock");
/// assert!("unix:/run/policy.sock,mode=rw".parse::<Listen>().is_err());
/// # Ok::<(), hapolicy::InvalidListen>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Listen {
    /// The address.
    pub endpoint: Endpoint,
    /// The mode of a UNIX socket; what the umask leaves if not given.
    pub mode: Option<u32>,
    /// The user ID that is to own it.
    pub owner: Option<u32>,
    /// Its group ID.
    pub group: Option<u32>,
}

/// Why a text is no place to listen.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum InvalidListen {
    /// Not an address.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// A word behind the path that is none of `mode=`, `owner=` and `group=`.
    #[error("unknown option '{0}'")]
    Option(String),
    /// A mode that is not an octal number up to 0777.
    #[error("invalid mode '{0}'")]
    Mode(String),
    /// No such user.
    #[error("unknown user '{0}'")]
    User(String),
    /// No such group.
    #[error("unknown group '{0}'")]
    Group(String),
}

impl std::str::FromStr for Listen {
    type Err = InvalidListen;

    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        let mut words = text.split(',');
        let endpoint: Endpoint = words.next().unwrap_or_default().parse()?;
        let mut listen = Self::from(endpoint);
        let is_unix = matches!(listen.endpoint, Endpoint::Unix(_));
        for word in words {
            match word.split_once('=').filter(|_| is_unix) {
                Some(("mode", mode)) => {
                    // A sign would be taken for a part of the number.
                    let digits = mode.bytes().all(|byte| byte.is_ascii_digit());
                    let octal = u32::from_str_radix(mode, 8)
                        .ok()
                        .filter(|mode| digits && *mode <= 0o777);
                    listen.mode = Some(octal.ok_or_else(|| InvalidListen::Mode(mode.to_owned()))?);
                }
                Some(("owner", name)) => {
                    let user =
                        user::user(name).ok_or_else(|| InvalidListen::User(name.to_owned()))?;
                    listen.owner = Some(user.as_raw());
                }
                Some(("group", name)) => {
                    let gid =
                        user::group(name).ok_or_else(|| InvalidListen::Group(name.to_owned()))?;
                    listen.group = Some(gid.as_raw());
                }
                _ => return Err(InvalidListen::Option(word.to_owned())),
            }
        }
        Ok(listen)
    }
}

impl From<Endpoint> for Listen {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            mode: None,
            owner: None,
            group: None,
        }
    }
}

impl Listen {
    /// Whether it is, or may be, a TCP socket that other machines can reach. A name that cannot be
    /// resolved is none: binding it will tell.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let Endpoint::Inet { host, port } = &self.endpoint else {
            return false;
        };
        let addresses = (host.as_str(), *port).to_socket_addrs();
        addresses.is_ok_and(|mut addresses| addresses.any(|address| !is_loopback(address.ip())))
    }
}

/// Also as IPv6 knows it.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}
