//! `GeoIP.dat` and `GeoIPv6.dat`: a binary tree of addresses' bits, whose leaves are numbers of countries.
//!
//! Each node has two numbers of three bytes, the lowest first. One from 16,776,960 on is a country. What a file is stands
//! behind three bytes of ones near its end. MaxMind ended this format in 2022; Debian still has such files.

use std::net::IpAddr;

use super::{Country, GeoError, names::NAMES};

/// From here on a number is a country.
const COUNTRIES: u32 = 16_776_960;

/// Kinds of files.
const COUNTRY_V4: u8 = 1;
const COUNTRY_V6: u8 = 12;

/// Kinds below this have 105 added in newer files.
const NEW: u8 = 106;

const NODE: usize = 6;

/// How far from the end the kind may stand.
const MAX_TRAILER: usize = 20;

#[derive(Debug)]
pub(super) struct Legacy {
    bytes: Vec<u8>,
    is_v6: bool,
}

impl Legacy {
    pub(super) fn read(bytes: Vec<u8>) -> Result<Self, GeoError> {
        let trailer = bytes.len().saturating_sub(MAX_TRAILER);
        let trailer = bytes.get(trailer..).unwrap_or_default();
        let mark = trailer
            .windows(4)
            .rev()
            .find_map(|window| window.strip_prefix(&[0xff; 3]));
        // Older files have no mark, and countries of IPv4.
        let kind = mark
            .and_then(|kind| kind.first().copied())
            .unwrap_or(COUNTRY_V4);
        let kind = if kind >= NEW { kind - 105 } else { kind };
        let is_v6 = match kind {
            COUNTRY_V4 => false,
            COUNTRY_V6 => true,
            other => return Err(GeoError::Format(format!("a GeoIP.dat of kind {other}"))),
        };
        let file = Self { bytes, is_v6 };
        // The first node, and one country: else it is something else.
        let has_root = file.branch(0, false).is_some() && file.branch(0, true).is_some();
        let is_tree = has_root && [false, true].into_iter().any(|side| file.is_inner(0, side));
        if is_tree {
            Ok(file)
        } else {
            Err(GeoError::Format("neither mmdb nor GeoIP.dat".into()))
        }
    }

    pub(super) fn country(&self, address: IpAddr) -> Option<Country> {
        let (bits, length) = match (address, self.is_v6) {
            (IpAddr::V4(address), false) => (u128::from(u32::from(address)) << 96, 32),
            (IpAddr::V6(address), true) => (u128::from(address), 128),
            _ => return None,
        };
        let mut node = 0;
        for depth in 0..length {
            let side = bits << depth >> 127 == 1;
            node = self.branch(node, side)?;
            if node >= COUNTRIES {
                let code = NAMES
                    .as_bytes()
                    .chunks_exact(2)
                    .nth((node - COUNTRIES) as usize)?;
                // The first ones are none: unknown.
                return Country::new(str::from_utf8(code).ok()?).filter(|_| node > COUNTRIES);
            }
        }
        None
    }

    fn is_inner(&self, node: u32, side: bool) -> bool {
        let branch = self.branch(node, side).unwrap_or_default();
        branch >= COUNTRIES || self.branch(branch, false).is_some()
    }

    fn branch(&self, node: u32, side: bool) -> Option<u32> {
        let begin = (node as usize).checked_mul(NODE)? + if side { 3 } else { 0 };
        let [low, middle, high] = self.bytes.get(begin..)?.first_chunk().copied()?;
        Some(u32::from_le_bytes([low, middle, high, 0]))
    }
}
