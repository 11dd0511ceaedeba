//! Config::General's grammar, as mtpolicyd uses it: text becomes a tree of keys, values and blocks.
//!
//! Reading has two steps, as in the original. `lines` turns files into entries: it removes comments, joins lines, collects
//! here documents and follows includes. `tree` nests the entries into blocks and separates keys from values. Source:
//! Config::General 2.65 with `-AllowMultiOptions no`.

mod entry;
mod include;
mod json;
mod lines;
mod text;
mod tree;

use std::{fmt, path::Path, sync::Arc};

use thiserror::Error;

use lines::Lines;

/// A place in a file. Lines and columns count from 1.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The keys of a block, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// The keys with what they have.
    pub entries: Vec<Entry>,
}

/// A key with what it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key, or the type or the name of a block.
    pub key: String,
    /// What it has.
    pub value: Value,
    /// Where it stands.
    pub place: Place,
}

/// What a key has.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing: the key alone.
    Absent,
    /// A text.
    Text(String),
    /// A block. A named block `<Plugin x>` is the block `x` in the block `Plugin`.
    Block(Block),
}

impl Block {
    /// The entry of a key. A key that occurs twice is an error, except for virtual hosts.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

/// A configuration as it stands in its files.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The outermost block.
    pub root: Block,
    /// What disappears without a word in the original: an option without an end, a value cut at `#`.
    pub warnings: Vec<(Place, String)>,
}

impl Parsed {
    /// The tree as JSON: a list of `[key, value]`, a block as `{"block": [...]}`. The outermost keys are sorted, as the original
    /// has them in no order.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::write(&self.root)
    }
}

/// Why a configuration cannot be read.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub struct ParseError {
    /// Where.
    pub place: Place,
    /// The message, in the words of Config::General.
    pub message: String,
}

/// Blocks of this type may have the same name: two virtual hosts on one port.
const REPEATED: &str = "VirtualHost";

/// Reads a file with what it includes. Names of included files are relative to the working directory, or to the directory of
/// this file.
///
/// # Errors
///
/// [`ParseError`]: the first fault, as it is for the original.
///
/// ```
/// use mtpolicyd::config_general::{Value, read_file};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("mtpolicyd.conf");
/// std::fs::write(&path, "port = \"127.0.0.1:12345\"   # a comment\n")?;
/// let parsed = read_file(&path)?;
/// let port = parsed.root.get("port").ok_or("no port")?;
/// assert_eq!(port.value, Value::Text("127.0.0.1:12345".to_owned()));
/// assert_eq!((port.place.line, port.place.column), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_file(path: &Path) -> Result<Parsed, ParseError> {
    let mut lines = Lines::new(path.parent());
    lines.read_main(path)?;
    tree::build(lines)
}

/// Reads a text that is in no file.
///
/// # Errors
///
/// As for [`read_file`].
pub fn read_text(name: &str, text: &str) -> Result<Parsed, ParseError> {
    let mut lines = Lines::new(None);
    lines.read_text(&Arc::from(name), text)?;
    tree::build(lines)
}
