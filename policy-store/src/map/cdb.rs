//! `cdb:`: constant databases. All records stand one after the other behind 2,048 bytes of tables' places.
//!
//! Source: D. J. Bernstein's description of the format. The records end where the first table of hashes begins.

use std::borrow::Cow;

use super::{MapError, Pairs};

/// 256 places and sizes of hash tables, of 4 bytes each.
const TABLES: usize = 2048;

pub(super) fn read(bytes: &[u8]) -> Result<Pairs<'_>, MapError> {
    let tables = bytes.get(..TABLES).ok_or_else(|| wrong("too short"))?;
    // Each table has a place, also one without entries.
    let places = tables.chunks_exact(8).filter_map(|table| number(table, 0));
    let end = places.min().unwrap_or_default();
    let records = bytes
        .get(TABLES..end)
        .ok_or_else(|| wrong("its tables are not in it"))?;
    let mut pairs = Vec::new();
    let mut rest = records;
    while !rest.is_empty() {
        let (Some(key), Some(data)) = (number(rest, 0), number(rest, 4)) else {
            return Err(wrong("a record without an end"));
        };
        let key = rest.get(8..).and_then(|rest| rest.split_at_checked(key));
        let record = key.and_then(|(key, rest)| Some((key, rest.split_at_checked(data)?)));
        let (key, (data, after)) = record.ok_or_else(|| wrong("a record without an end"))?;
        pairs.push((Cow::Borrowed(key), Cow::Borrowed(data)));
        rest = after;
    }
    // Of two records with one key the first is found; the last one wins in what is made of the pairs.
    pairs.reverse();
    Ok(pairs)
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let number = bytes.get(at..)?.first_chunk().copied()?;
    usize::try_from(u32::from_le_bytes(number)).ok()
}

fn wrong(what: &'static str) -> MapError {
    MapError::Format {
        format: "constant database",
        what,
    }
}
