//! MaxMind's format of today.

use std::{fmt, net::IpAddr};

use maxminddb::{PathElement, Reader};

use super::{Country, GeoError};

/// The mark before a file's description of itself, within its last 128 KiB.
const MARK: &[u8] = b"\xab\xcd\xefMaxMind.com";

pub(super) fn is_mmdb(bytes: &[u8]) -> bool {
    let tail = bytes
        .get(bytes.len().saturating_sub(128 << 10)..)
        .unwrap_or_default();
    tail.windows(MARK.len()).any(|window| window == MARK)
}

pub(super) struct Mmdb(Reader<Vec<u8>>);

impl Mmdb {
    pub(super) fn read(bytes: Vec<u8>) -> Result<Self, GeoError> {
        let reader =
            Reader::from_source(bytes).map_err(|error| GeoError::Format(error.to_string()))?;
        Ok(Self(reader))
    }

    /// Where the address is, else where it is registered.
    pub(super) fn country(&self, address: IpAddr) -> Option<Country> {
        let found = self.0.lookup(address).ok()?;
        let code = |record: &'static str| {
            let path = [PathElement::Key(record), PathElement::Key("iso_code")];
            found
                .decode_path::<&str>(&path)
                .ok()
                .flatten()
                .and_then(Country::new)
        };
        code("country").or_else(|| code("registered_country"))
    }
}

impl fmt::Debug for Mmdb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mmdb").finish_non_exhaustive()
    }
}
