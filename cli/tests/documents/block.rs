//! The blocks of the documents: what a reader copies, and what it is.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

/// A block of a document.
#[derive(Clone, Debug)]
pub struct Block {
    /// The document's name, from the repository's root.
    pub document: String,
    /// Its first line there.
    pub line: usize,
    /// How many headings come before it: the section that it is in.
    pub section: usize,
    pub kind: Result<Kind, String>,
    pub text: String,
}

/// What a block is, by the words behind its fence, or in the comment `block:` before it in a manual page.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `main.cf`: settings of Postfix.
    Main,
    /// `main.cf NAME`: settings that have Postfix ask the daemon of this name in the log, with no policy server behind it.
    MainOf(String),
    /// `master.cf`: services of Postfix.
    Master,
    /// `sh`: commands that end well.
    Shell,
    /// `sh daemon`: commands that go on, as in a terminal of their own, until the section ends.
    Daemon,
    /// `console`: commands, each after `$ `, with what they print.
    Console,
    /// `ini PATH` or `toml PATH`: a file of settings, such as a unit, to be put there.
    File(String),
    /// `Dockerfile`: one, in the directory of the clone.
    Dockerfile,
    /// `probe`: a file for `--probe`.
    Probe,
    /// `options`: words of a command line of hapolicy.
    Options,
    /// `text`: what is shown, and not copied.
    Text,
    /// `mtpolicyd.conf`, `zone` and `exchange`: a configuration of mtpolicyd, what DNS knows, and what is answered.
    /// mtpolicyd's tests run them; and `perl`, a file of policyd-weight, which its tests read.
    OfOthers,
    /// `nagios`: a definition for Nagios or Icinga. The tests of `policy-client check` run its commands.
    Nagios,
}

impl Kind {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(
            match text.split_whitespace().collect::<Vec<_>>().as_slice() {
                ["main.cf"] => Self::Main,
                ["main.cf", program] => Self::MainOf((*program).to_owned()),
                ["master.cf"] => Self::Master,
                ["sh"] => Self::Shell,
                ["sh", "daemon"] => Self::Daemon,
                ["console"] => Self::Console,
                ["ini" | "toml", path] => Self::File((*path).to_owned()),
                ["Dockerfile"] => Self::Dockerfile,
                ["probe"] => Self::Probe,
                ["options"] => Self::Options,
                ["text"] => Self::Text,
                ["mtpolicyd.conf" | "exchange" | "zone" | "perl"] => Self::OfOthers,
                ["nagios"] => Self::Nagios,
                _ => return Err(text.to_owned()),
            },
        )
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.document, self.line)
    }
}

/// README.md, the pages and the manual pages: their names and texts.
pub fn documents() -> Vec<(String, String)> {
    let root = root();
    let pages = fs::read_dir(root.join("docs")).expect("the documents");
    let pages = pages.map(|entry| entry.expect("a document").path());
    let is_document = |path: &PathBuf| {
        let extension = path.extension();
        // Those of the other programs are tested with them.
        let is_ours = !path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("policyd-weight"));
        is_ours && extension.is_some_and(|extension| extension == "md" || extension == "1")
            || path.ends_with("hapolicy.toml.5")
    };
    let mut paths: Vec<_> = pages.filter(is_document).collect();
    paths.sort();
    paths.insert(0, root.join("README.md"));
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(&root).expect("it is in there");
        let text = fs::read_to_string(path).expect("a document");
        (name.display().to_string(), text)
    };
    paths.iter().map(read).collect()
}

/// All blocks, in their order.
pub fn blocks() -> Vec<Block> {
    let documents = documents();
    let blocks = documents.iter().flat_map(|(name, text)| {
        if name.ends_with(".1") || name.ends_with(".5") {
            of_manual_page(name, text)
        } else {
            of_markdown(name, text)
        }
    });
    blocks.collect()
}

/// Code in the running text.
#[derive(Clone, Debug)]
pub struct Span {
    /// Where it begins.
    pub place: String,
    /// On one line.
    pub text: String,
}

/// All code in the running text, in its order; in a manual page what is set in a literal font.
pub fn spans() -> Vec<Span> {
    let documents = documents();
    let spans = documents.iter().flat_map(|(name, text)| {
        let found = match name.ends_with(".1") || name.ends_with(".5") {
            true => literals(text),
            false => code(text),
        };
        found.into_iter().map(move |(line, text)| Span {
            place: format!("{name}:{line}"),
            text,
        })
    });
    spans.collect()
}

/// What stands between backticks, which may be on two lines.
fn code(text: &str) -> Vec<(usize, String)> {
    let mut spans = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let mut in_block = false;
    for (number, line) in (1..).zip(text.lines()) {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        if in_block || is_fence {
            continue;
        }
        // A paragraph ends what nobody has closed.
        if line.is_empty() {
            assert!(open.is_none(), "a backtick is missing before line {number}");
        }
        for (index, part) in line.split('`').enumerate() {
            if index > 0 {
                match open.take() {
                    Some(span) => spans.push(span),
                    None => open = Some((number, String::new())),
                }
            }
            if let Some((_, text)) = &mut open {
                text.push_str(part.trim_start());
            }
        }
        if let Some((_, text)) = &mut open {
            text.push(' ');
        }
    }
    spans
}

/// The arguments of `.Li`, `.Ql` and `.Dl`.
fn literals(text: &str) -> Vec<(usize, String)> {
    let literal = |line: &str| {
        let (request, rest) = line.split_once(' ')?;
        [".Li", ".Ql", ".Dl"]
            .contains(&request)
            .then(|| rest.replace('"', ""))
    };
    let lines = (1..).zip(text.lines());
    lines
        .filter_map(|(number, line)| Some((number, literal(line)?)))
        .collect()
}

/// The blocks between fences, which may be indented, as in a list.
pub fn of_markdown(document: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    let mut section = 0;
    for (number, line) in (1..).zip(text.lines()) {
        let words = line.trim_start();
        let fence = words.strip_prefix("```");
        match (&mut open, fence) {
            (Some(_), Some(_)) => blocks.extend(open.take().map(|(block, _)| block)),
            (Some((block, indent)), None) => {
                block.text.push_str(line.get(*indent..).unwrap_or_default());
                block.text.push('\n');
            }
            (None, Some(kind)) => {
                let block = Block {
                    document: document.to_owned(),
                    line: number,
                    section,
                    kind: Kind::parse(kind),
                    text: String::new(),
                };
                open = Some((block, line.len() - words.len()));
            }
            (None, None) => section += usize::from(line.starts_with('#')),
        }
    }
    assert!(open.is_none(), "{document}: a block does not end");
    blocks
}

/// The displays of a page in mdoc(7): `.Bd` to `.Ed`.
fn of_manual_page(document: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    let mut kind = "";
    let mut section = 0;
    for (number, line) in (1..).zip(text.lines()) {
        if line == ".Ed" {
            blocks.extend(open.take());
        } else if let Some(block) = &mut open {
            block.text.push_str(&line.replace("\\e", "\\"));
            block.text.push('\n');
        } else if line.starts_with(".Bd") {
            open = Some(Block {
                document: document.to_owned(),
                line: number,
                section,
                kind: Kind::parse(std::mem::take(&mut kind)),
                text: String::new(),
            });
        } else {
            section += usize::from(line.starts_with(".Sh"));
            kind = line.strip_prefix(".\\\" block: ").unwrap_or_default();
        }
    }
    assert!(open.is_none(), "{document}: a block does not end");
    blocks
}

/// The repository's root.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the workspace").to_owned()
}
