//! The syntax of `--listen`: an address, with the mode and the owner of a UNIX socket.

use std::net::IpAddr;

use policy_socket::{Endpoint, InvalidEndpoint};
use thiserror::Error;

use crate::process::user;

/// An address to listen at: `inet:HOST:PORT`, or `unix:/path[,mode=0660][,owner=USER][,group=GROUP]`.
///
/// ```
/// use policy_daemon::ListenAddr;
///
/// let address: ListenAddr = "unix:/run/policy.sock,mode=0660".parse()?;
/// assert_eq!(address.endpoint.to_string(), "unix:/run/policy.sock");
/// assert!("unix:/run/policy.sock,mode=rw".parse::<ListenAddr>().is_err());
/// # Ok::<(), policy_daemon::InvalidListenAddr>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ListenAddr {
    /// The address.
    pub endpoint: Endpoint,
    /// The mode of a UNIX socket; if not given, the umask decides.
    pub mode: Option<u32>,
    /// Its user ID.
    pub owner: Option<u32>,
    /// Its group ID.
    pub group: Option<u32>,
}

/// A text that is no address to listen at.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum InvalidListenAddr {
    /// Not an address.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// A word after the path that is none of `mode=`, `owner=` and `group=`.
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

impl std::str::FromStr for ListenAddr {
    type Err = InvalidListenAddr;

    fn from_str(text: &str) -> Result<Self, InvalidListenAddr> {
        let mut words = text.split(',');
        let endpoint: Endpoint = words.next().unwrap_or_default().parse()?;
        let mut address = Self::from(endpoint);
        let is_unix = matches!(address.endpoint, Endpoint::Unix(_));
        for word in words {
            match word.split_once('=').filter(|_| is_unix) {
                Some(("mode", mode)) => {
                    // A sign would be taken for a part of the number.
                    let digits = mode.bytes().all(|byte| byte.is_ascii_digit());
                    let octal = u32::from_str_radix(mode, 8)
                        .ok()
                        .filter(|mode| digits && *mode <= 0o777);
                    address.mode =
                        Some(octal.ok_or_else(|| InvalidListenAddr::Mode(mode.to_owned()))?);
                }
                Some(("owner", name)) => {
                    let user =
                        user::user(name).ok_or_else(|| InvalidListenAddr::User(name.to_owned()))?;
                    address.owner = Some(user.as_raw());
                }
                Some(("group", name)) => {
                    let gid = user::group(name)
                        .ok_or_else(|| InvalidListenAddr::Group(name.to_owned()))?;
                    address.group = Some(gid.as_raw());
                }
                _ => return Err(InvalidListenAddr::Option(word.to_owned())),
            }
        }
        Ok(address)
    }
}

impl From<Endpoint> for ListenAddr {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            mode: None,
            owner: None,
            group: None,
        }
    }
}

impl ListenAddr {
    /// Whether it is, or may be, a TCP socket that other machines can reach. A host that is not found is not, nor one that is
    /// not found within 6 s: binding it fails.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let addresses = self.addresses().unwrap_or_default();
        addresses.iter().any(|address| !is_loopback(address.ip()))
    }
}

/// Whether this is a loopback address, also one of IPv4 in the form that IPv6 has for it.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}
