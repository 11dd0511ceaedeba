//! Countries of addresses.

mod legacy;
#[cfg(feature = "geo")]
mod mmdb;
mod names;

use std::{fmt, net::IpAddr, path::Path};

use crate::{MapError, read_file};

/// How large a file may be: 512 MiB. GeoLite2's cities have 60.
const MAX_FILE: u64 = 512 << 20;

/// A file that says in which country an address is: MaxMind's `.mmdb` (feature `geo`), or the `GeoIP.dat` and
/// `GeoIPv6.dat` of before.
#[derive(Debug)]
pub struct Countries(Format);

#[derive(Debug)]
enum Format {
    Legacy(legacy::Legacy),
    #[cfg(feature = "geo")]
    Mmdb(mmdb::Mmdb),
}

impl Countries {
    /// Reads a file whole, and tells its format by its contents. That blocks: do it at the start, or on a thread.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or that has no countries.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, GeoError> {
        let bytes = read_file(path, MAX_FILE);
        Self::parse(bytes.map_err(|error| GeoError::Read(error.into()))?)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    ///
    /// Bytes that have no countries.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, GeoError> {
        #[cfg(feature = "geo")]
        if mmdb::is_mmdb(&bytes) {
            return Ok(Self(Format::Mmdb(mmdb::Mmdb::read(bytes)?)));
        }
        Ok(Self(Format::Legacy(legacy::Legacy::read(bytes)?)))
    }

    /// The country of an address: none if it is not known, or the file has no addresses of this kind. An IPv4 address
    /// within IPv6 counts as itself.
    pub fn country(&self, address: IpAddr) -> Option<Country> {
        let address = address.to_canonical();
        match &self.0 {
            Format::Legacy(file) => file.country(address),
            #[cfg(feature = "geo")]
            Format::Mmdb(file) => file.country(address),
        }
    }
}

/// A country: two letters as in ISO 3166, or what else a file has in their place, such as `EU` and `A1`.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Country([u8; 2]);

impl Country {
    fn new(code: &str) -> Option<Self> {
        let code: [u8; 2] = code.as_bytes().try_into().ok()?;
        code.iter()
            .all(u8::is_ascii_alphanumeric)
            .then(|| Self(code.map(|byte| byte.to_ascii_uppercase())))
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Country({self})")
    }
}

/// Why a file has no countries.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GeoError {
    /// It cannot be read.
    #[error(transparent)]
    Read(MapError),
    /// It is neither of the formats, or damaged.
    #[error("no file of countries: {0}")]
    Format(String),
}

#[cfg(test)]
mod tests;
