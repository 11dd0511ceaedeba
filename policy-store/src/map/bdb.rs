//! `hash:`: Berkeley DB's hash files, as `postmap` writes them. No key is looked for in the file: all are read.
//!
//! A file is a sequence of pages. The first one says how large they are; each begins with 26 bytes that say its kind and
//! how many entries it has, and then come the entries' places. Keys and values stand in turn. What does not fit on a page
//! is in a chain of pages of its own. Source: `db_page.h` of Berkeley DB 5.3.

use std::{borrow::Cow, cell::Cell};

use super::{MapError, Pairs};

/// Where the first page says what the file is.
const MAGIC_AT: usize = 12;
const HASH_MAGIC: u32 = 0x0006_1561;
const BTREE_MAGIC: u32 = 0x0005_3162;

/// Kinds of pages.
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH: u8 = 13;

/// Kinds of entries.
const KEY_DATA: u8 = 1;
const OFF_PAGE: u8 = 3;

/// Where the entries' places begin.
const HEADER: usize = 26;

/// How large a key or a value may be.
const MAX_ENTRY: usize = 16 << 20;

pub(super) fn read(bytes: &[u8]) -> Result<Pairs<'_>, MapError> {
    let file = File::open(bytes)?;
    let mut pairs = Pairs::new();
    for number in 0..file.pages() {
        let page = file
            .page(number)
            .ok_or_else(|| wrong("a page is missing"))?;
        if matches!(page.get(25), Some(&HASH | &HASH_UNSORTED)) {
            file.read_page(page, &mut pairs)?;
        }
    }
    Ok(pairs)
}

struct File<'a> {
    bytes: &'a [u8],
    page_size: usize,
    is_big_endian: bool,
    /// How many bytes chains may still have: pages of one entry are of no other.
    left: Cell<usize>,
}

impl<'a> File<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, MapError> {
        let magic: [u8; 4] = array(bytes, MAGIC_AT).ok_or_else(|| wrong("too short"))?;
        let is_big_endian = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
            (HASH_MAGIC, _) => false,
            (_, HASH_MAGIC) => true,
            (BTREE_MAGIC, _) | (_, BTREE_MAGIC) => return Err(wrong("it is a btree")),
            _ => return Err(wrong("another magic number")),
        };
        let mut file = Self {
            bytes,
            page_size: 0,
            is_big_endian,
            left: Cell::new(bytes.len()),
        };
        let version = file.u32(bytes, 16);
        if !matches!(version, Some(7..=10)) {
            return Err(wrong("another version"));
        }
        // Of the file of an encrypted database only the first page could be read.
        if bytes.get(24) != Some(&0) {
            return Err(wrong("it is encrypted"));
        }
        file.page_size = file.u32(bytes, 20).unwrap_or_default() as usize;
        let is_size = file.page_size.is_power_of_two() && (512..=65_536).contains(&file.page_size);
        if !is_size {
            return Err(wrong("another size of pages"));
        }
        if !bytes.len().is_multiple_of(file.page_size) {
            return Err(wrong("it does not end with a page"));
        }
        Ok(file)
    }

    fn pages(&self) -> u32 {
        u32::try_from(self.bytes.len() / self.page_size).unwrap_or(u32::MAX)
    }

    fn page(&self, number: u32) -> Option<&'a [u8]> {
        let begin = (number as usize).checked_mul(self.page_size)?;
        self.bytes.get(begin..begin.checked_add(self.page_size)?)
    }

    /// Entries are laid from the page's end on, so that each ends where the one before it begins.
    fn read_page(&self, page: &'a [u8], pairs: &mut Pairs<'a>) -> Result<(), MapError> {
        let entries = self.u16(page, 20).unwrap_or_default();
        if !entries.is_multiple_of(2) {
            return Err(wrong("a key without a value"));
        }
        let mut end = self.page_size;
        let mut key = None;
        for index in 0..usize::from(entries) {
            let begin = self.u16(page, HEADER + 2 * index).map(usize::from);
            let entry = begin.and_then(|begin| page.get(begin..end));
            let entry = entry.ok_or_else(|| wrong("an entry that is not on its page"))?;
            end -= entry.len();
            let value = self.entry(entry)?;
            match key.take() {
                None => key = Some(value),
                Some(key) => pairs.push((key, value)),
            }
        }
        Ok(())
    }

    fn entry(&self, entry: &'a [u8]) -> Result<Cow<'a, [u8]>, MapError> {
        match entry.split_first() {
            Some((&KEY_DATA, data)) => Ok(Cow::Borrowed(data)),
            Some((&OFF_PAGE, _)) => self.chain(entry).map(Cow::Owned),
            _ => Err(wrong("an entry of another kind: are there duplicates?")),
        }
    }

    /// A kind, three unused bytes, the first page of a chain, and the length of all.
    fn chain(&self, entry: &[u8]) -> Result<Vec<u8>, MapError> {
        let (Some(mut number), Some(length)) = (self.u32(entry, 4), self.u32(entry, 8)) else {
            return Err(wrong("an entry that is too short"));
        };
        let length = length as usize;
        // More than the file has would have a page come twice.
        let left = self
            .left
            .get()
            .checked_sub(length)
            .filter(|_| length <= MAX_ENTRY);
        self.left
            .set(left.ok_or_else(|| wrong("an entry that is too long"))?);
        let mut value = Vec::new();
        while value.len() < length {
            let page = self
                .page(number)
                .filter(|page| page.get(25) == Some(&OVERFLOW));
            let page = page.ok_or_else(|| wrong("a page of an entry is missing"))?;
            let part = self.u16(page, 22).map(usize::from).unwrap_or_default();
            let part = page
                .get(HEADER..HEADER + part)
                .filter(|part| !part.is_empty());
            value.extend_from_slice(part.ok_or_else(|| wrong("a page of an entry is wrong"))?);
            number = self.u32(page, 16).unwrap_or_default();
        }
        if value.len() != length {
            return Err(wrong("an entry of another length"));
        }
        Ok(value)
    }

    fn u16(&self, bytes: &[u8], at: usize) -> Option<u16> {
        let number = array(bytes, at)?;
        Some(if self.is_big_endian {
            u16::from_be_bytes(number)
        } else {
            u16::from_le_bytes(number)
        })
    }

    fn u32(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let number = array(bytes, at)?;
        Some(if self.is_big_endian {
            u32::from_be_bytes(number)
        } else {
            u32::from_le_bytes(number)
        })
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn wrong(what: &'static str) -> MapError {
    MapError::Format {
        format: "Berkeley DB hash file",
        what,
    }
}
