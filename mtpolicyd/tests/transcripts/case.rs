//! A case of `tests/data/transcripts.txt`.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::run::Manner;

/// A case.
#[derive(Debug, Default)]
pub(crate) struct Case {
    pub(crate) number: String,
    pub(crate) name: String,
    pub(crate) config: String,
    /// What it needs, by the word before the colon.
    pub(crate) needs: Vec<(String, String)>,
    pub(crate) steps: Vec<Step>,
}

/// What is done, in its order.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A request: how it differs from the common one, or its bytes; the connection; the answers.
    Ask {
        changes: String,
        connection: usize,
        answers: Answers,
    },
    /// The clock is set forward.
    Clock(u64),
    /// A query and its rows; whether they are ours by default, or the original's.
    Sql(String, Value, Rows),
    /// Something else, as JSON.
    Other(Value),
}

/// The answers to a request, `None` for none, where the connection is closed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    original: Option<String>,
    compat: Option<Option<String>>,
    default: Option<Option<String>>,
    /// The row of the manual's table that says why ours differs.
    pub(crate) row: Option<u32>,
}

impl Answers {
    pub(crate) fn of(&self, manner: Manner) -> Option<&str> {
        let own = match manner {
            Manner::Original => None,
            Manner::Compat => self.compat.as_ref(),
            Manner::Default => self.default.as_ref(),
        };
        own.unwrap_or(&self.original).as_deref()
    }

    /// Whether `--compat` answers as the original, where the default does not.
    pub(crate) fn is_compat_alike(&self) -> bool {
        self.compat.is_none()
    }
}

/// When rows are expected: `sql*` has those that differ by default.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rows {
    Original,
    CompatOnly,
    DefaultOnly,
}

impl Rows {
    pub(crate) fn count(self, manner: Manner) -> bool {
        match self {
            Self::Original => true,
            Self::CompatOnly => manner != Manner::Default,
            Self::DefaultOnly => manner == Manner::Default,
        }
    }
}

impl Case {
    pub(crate) fn all() -> Vec<Self> {
        Self::read("transcripts.txt")
    }

    /// The cases of a file of `tests/data`.
    pub(crate) fn read(file: &str) -> Vec<Self> {
        let text = fs::read_to_string(data(file)).unwrap();
        let mut all: Vec<Self> = Vec::new();
        for line in text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            if let Some(rest) = line.strip_prefix("   ") {
                all.last_mut().expect("a name comes first").add(rest);
            } else {
                let (number, name) = line.split_once(' ').expect("a number and a name");
                all.push(Self {
                    number: number.to_owned(),
                    name: name.to_owned(),
                    ..Self::default()
                });
            }
        }
        all
    }

    pub(crate) fn find(number: &str) -> Self {
        let found = Self::all().into_iter().find(|case| case.number == number);
        found.unwrap_or_else(|| panic!("no case {number}"))
    }

    pub(crate) fn need(&self, kind: &str) -> Option<Value> {
        let text = &self.needs.iter().find(|(name, _)| name == kind)?.1;
        Some(serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}")))
    }

    /// The lines of a zone.
    pub(crate) fn zone(&self) -> Vec<&str> {
        let lines = self.needs.iter().filter(|(name, _)| name == "dns");
        lines.map(|(_, text)| text.as_str()).collect()
    }

    /// The answers to the last request.
    fn answers(&mut self) -> &mut Answers {
        match self.steps.last_mut() {
            Some(Step::Ask { answers, .. }) => answers,
            other => panic!("an answer after {other:?}"),
        }
    }

    fn add(&mut self, line: &str) {
        if let Some(config) = line.strip_prefix('|') {
            self.config
                .push_str(config.strip_prefix(' ').unwrap_or(config));
            self.config.push('\n');
        } else if let Some(changes) = line.strip_prefix("> ") {
            let (changes, connection) = match changes.split_once(" [connection ") {
                Some((changes, number)) => (changes, number.trim_end_matches(']').parse().unwrap()),
                None => (changes, 0),
            };
            self.steps.push(Step::Ask {
                changes: changes.to_owned(),
                connection,
                answers: Answers::default(),
            });
        } else if let Some(text) = line.strip_prefix("<* ") {
            let (row, text) = row_of(text);
            let answers = self.answers();
            answers.default = Some(answer_of(text));
            answers.row = row;
        } else if let Some(text) = line.strip_prefix("<+ ") {
            let (row, text) = row_of(text);
            let answers = self.answers();
            answers.default = Some(answer_of(text));
            answers.compat = Some(answer_of(text));
            answers.row = row;
        } else if let Some(text) = line.strip_prefix("< ") {
            self.answers().original = answer_of(text);
        } else if let Some(seconds) = line.strip_prefix("(clock + ") {
            self.steps.push(Step::Clock(
                seconds.trim_end_matches(" s)").parse().unwrap(),
            ));
        } else if let Some(query) = line.strip_prefix("sql: ") {
            self.steps.push(sql(query, Rows::Original));
        } else if let Some(query) = line.strip_prefix("sql*: ") {
            if let Some(Step::Sql(_, _, rows)) = self.steps.last_mut() {
                *rows = Rows::CompatOnly;
            }
            self.steps.push(sql(query, Rows::DefaultOnly));
        } else if line.starts_with('{') {
            self.steps
                .push(Step::Other(serde_json::from_str(line).unwrap()));
        } else {
            let (kind, text) = line.split_once(": ").unwrap_or_else(|| panic!("{line}"));
            self.needs.push((kind.to_owned(), text.to_owned()));
        }
    }
}

/// `[7] action=...`: the row of the manual that an answer of ours has.
fn row_of(text: &str) -> (Option<u32>, &str) {
    let found = text
        .strip_prefix('[')
        .and_then(|text| text.split_once("] "));
    found.map_or((None, text), |(row, text)| (row.parse().ok(), text))
}

fn sql(query: &str, rows_of: Rows) -> Step {
    let (query, rows) = query.split_once(" -> ").expect("a query and rows");
    Step::Sql(
        query.to_owned(),
        serde_json::from_str(rows).unwrap(),
        rows_of,
    )
}

fn answer_of(text: &str) -> Option<String> {
    (text != "(connection closed, no answer)").then(|| text.to_owned())
}

/// The bytes of a request.
pub(crate) fn request(changes: &str) -> Vec<u8> {
    if let Some(raw) = changes
        .strip_prefix('\'')
        .and_then(|raw| raw.strip_suffix('\''))
    {
        return raw.replace("\\r", "\r").replace("\\n", "\n").into_bytes();
    }
    let common = fs::read_to_string(data("common.req")).unwrap();
    let mut lines: Vec<String> = common.lines().map(str::to_owned).collect();
    for (name, value) in changed(changes) {
        let at = lines
            .iter()
            .position(|line| line.split('=').next() == Some(&name));
        let at = at.unwrap_or_else(|| panic!("no attribute {name}"));
        if value == "(absent)" {
            lines.remove(at);
        } else {
            lines[at] = format!("{name}={value}");
        }
    }
    (lines.join("\n") + "\n\n").into_bytes()
}

/// `a=1 b=2`. A value may have blanks: what has no `=` after an attribute's name belongs to the value before.
fn changed(changes: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    if changes == "(common request)" {
        return all;
    }
    for word in changes.split(' ') {
        match word.split_once('=') {
            Some((name, value))
                if name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_') =>
            {
                all.push((name.to_owned(), value.to_owned()));
            }
            _ => {
                let last = &mut all.last_mut().expect("an attribute").1;
                last.push(' ');
                last.push_str(word);
            }
        }
    }
    all
}

pub(crate) fn data(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/data", name]
        .iter()
        .collect()
}
