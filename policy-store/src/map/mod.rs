//! Look-up tables in files, as Postfix has them.

mod bdb;
mod cdb;
mod cidr;
mod file;
mod lines;
#[cfg(feature = "regexp")]
mod regexp;
mod texthash;

use std::{
    borrow::Cow,
    collections::HashMap,
    fs::File,
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

pub use self::file::MapFile;
use crate::file::{open_file, read_open_file};

/// How large a file of a map may be: 256 MiB.
const MAX_FILE: u64 = 256 << 20;

/// The kind of a table, by Postfix's names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum MapKind {
    /// `hash:`, a Berkeley DB file; `FILE.db` is read for `FILE`.
    Hash,
    /// `cdb:`; `FILE.cdb` is read for `FILE`.
    Cdb,
    /// `texthash:`, the text that `postmap` reads.
    Texthash,
    /// `cidr:`, networks.
    Cidr,
    /// `regexp:` and `pcre:`, regular expressions with Perl's meaning. A look-up tries one after the other on the thread
    /// of its caller, about a microsecond each: for some thousand addresses or names take `hash:` or `cidr:`.
    #[cfg(feature = "regexp")]
    Regexp,
    /// Regular expressions, one a line; what is found is the line's own text.
    #[cfg(feature = "regexp")]
    RegexpList,
}

impl MapKind {
    /// The file of a path in Postfix's terms: without `.db` or `.cdb`, which are added where they are missing.
    #[must_use]
    pub fn file(self, path: &Path) -> PathBuf {
        let mut path = path.as_os_str().to_owned();
        if !path.as_encoded_bytes().ends_with(self.suffix().as_bytes()) {
            path.push(self.suffix());
        }
        path.into()
    }

    /// The suffix that Postfix adds to a file's name.
    fn suffix(self) -> &'static str {
        match self {
            Self::Hash => ".db",
            Self::Cdb => ".cdb",
            _ => "",
        }
    }
}

impl FromStr for MapKind {
    type Err = MapError;

    fn from_str(name: &str) -> Result<Self, MapError> {
        match name {
            "hash" => Ok(Self::Hash),
            "cdb" => Ok(Self::Cdb),
            "texthash" => Ok(Self::Texthash),
            "cidr" => Ok(Self::Cidr),
            #[cfg(feature = "regexp")]
            "regexp" | "pcre" => Ok(Self::Regexp),
            #[cfg(feature = "regexp")]
            "list" => Ok(Self::RegexpList),
            _ => Err(MapError::Kind(name.chars().take(40).collect())),
        }
    }
}

/// A table in memory.
///
/// ```
/// use policy_store::{Map, MapKind};
///
/// let map = Map::parse(MapKind::Cidr, b"192.0.2.0/24 REJECT spam\n2001:db8::/32 OK\n")?;
/// assert_eq!(map.get(b"192.0.2.7").as_deref(), Some(&b"REJECT spam"[..]));
/// assert_eq!(map.get(b"2001:db8::1").as_deref(), Some(&b"OK"[..]));
/// assert_eq!(map.get(b"198.51.100.1"), None);
/// # Ok::<(), policy_store::MapError>(())
/// ```
#[derive(Debug)]
pub struct Map(Table);

#[derive(Debug)]
enum Table {
    Keys(HashMap<Vec<u8>, Vec<u8>>),
    Cidr(cidr::Cidr),
    #[cfg(feature = "regexp")]
    Regexp(regexp::Regexp),
}

impl Map {
    /// Reads a table out of a file's bytes.
    ///
    /// # Errors
    ///
    /// Bytes that are no table of this kind, with the line if the file has lines.
    pub fn parse(kind: MapKind, bytes: &[u8]) -> Result<Self, MapError> {
        Ok(Self(match kind {
            MapKind::Hash => Table::Keys(without_zeros(bdb::read(bytes)?)),
            MapKind::Cdb => Table::Keys(without_zeros(cdb::read(bytes)?)),
            MapKind::Texthash => Table::Keys(texthash::read(bytes)?),
            MapKind::Cidr => Table::Cidr(cidr::Cidr::read(bytes)?),
            #[cfg(feature = "regexp")]
            MapKind::Regexp => Table::Regexp(regexp::Regexp::read(bytes)?),
            #[cfg(feature = "regexp")]
            MapKind::RegexpList => Table::Regexp(regexp::Regexp::read_list(bytes)?),
        }))
    }

    /// Reads the table of a path in Postfix's terms, as it is now. That blocks: it is for a check.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or is no such table.
    pub fn open(kind: MapKind, path: impl AsRef<Path>) -> Result<Self, MapError> {
        let file = open_file(kind.file(path.as_ref()))?;
        Self::parse(kind, &read_open(&file)?)
    }

    /// The value of a key: none if the table has none. Keys of tables with keys are looked up in lower case, as Postfix
    /// does; what they are in the file was made so by `postmap`. `$1` in the text of an expression is replaced.
    pub fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        match &self.0 {
            Table::Keys(keys) => {
                let value = keys
                    .get(key)
                    .or_else(|| keys.get(&key.to_ascii_lowercase()));
                value.map(|value| Cow::Borrowed(value.as_slice()))
            }
            Table::Cidr(cidr) => {
                let address: IpAddr = str::from_utf8(key).ok()?.parse().ok()?;
                cidr.get(address).map(Cow::Borrowed)
            }
            #[cfg(feature = "regexp")]
            Table::Regexp(regexp) => regexp.get(key),
        }
    }

    /// How many keys, networks or expressions it has.
    pub fn len(&self) -> usize {
        match &self.0 {
            Table::Keys(keys) => keys.len(),
            Table::Cidr(cidr) => cidr.len(),
            #[cfg(feature = "regexp")]
            Table::Regexp(regexp) => regexp.len(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Keys and values in a file.
type Pairs<'a> = Vec<(Cow<'a, [u8]>, Cow<'a, [u8]>)>;

/// `postmap` writes a zero byte after keys and values, other programs do not; Postfix takes both.
fn without_zeros(pairs: Pairs<'_>) -> HashMap<Vec<u8>, Vec<u8>> {
    let trimmed = |bytes: &[u8]| bytes.strip_suffix(b"\0").unwrap_or(bytes).to_vec();
    pairs
        .into_iter()
        .map(|(key, value)| (trimmed(&key), trimmed(&value)))
        .collect()
}

fn read_open(file: &File) -> Result<Vec<u8>, MapError> {
    read_open_file(file, MAX_FILE).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => MapError::TooLarge(MAX_FILE),
        _ => error.into(),
    })
}

/// Why a file is no table.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(Arc<io::Error>),
    /// It is larger than so many bytes.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// `postmap`, or another program, has had it locked for so long that it was not waited for any more.
    #[error("locked by another program")]
    Locked,
    /// No such kind of table.
    #[error("`{0}` is no kind of table that is known")]
    Kind(String),
    /// A binary file that is not of this format, or not whole.
    #[error("no {format}: {what}")]
    Format {
        /// Which format.
        format: &'static str,
        /// The fault.
        what: &'static str,
    },
    /// A line that is none of this kind.
    #[error("line {line}: {what}")]
    Line {
        /// The line's number, from 1 on.
        line: usize,
        /// The fault.
        what: String,
    },
}

impl From<io::Error> for MapError {
    fn from(error: io::Error) -> Self {
        Self::Read(Arc::new(error))
    }
}

#[cfg(test)]
mod tests;
