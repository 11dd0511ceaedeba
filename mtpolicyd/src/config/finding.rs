//! Findings of a check of the configuration.

use std::{fmt, path::Path};

use super::later::LaterFile;
use crate::config_general::Place;

/// Something that is wrong in a configuration, or will surprise.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Whether the daemon does not start.
    pub is_error: bool,
    /// Where.
    pub place: Place,
    /// What was found, and what was meant.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.is_error { "error" } else { "warning" };
        write!(f, "{}: {severity}: {}", self.place, self.text)
    }
}

/// All findings of a check, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    all: Vec<Finding>,
    /// What is looked at later.
    files: Vec<LaterFile>,
}

impl Findings {
    /// Adds an error: the daemon does not start.
    pub fn error(&mut self, place: &Place, text: impl Into<String>) {
        self.push(true, place, text.into());
    }

    /// Adds a warning.
    pub fn warning(&mut self, place: &Place, text: impl Into<String>) {
        self.push(false, place, text.into());
    }

    /// Whether there is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.all.iter().any(|finding| finding.is_error)
    }

    /// All of them, by file and line.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Finding> {
        let mut all: Vec<_> = self.all.iter().collect();
        all.sort_by(|a, b| {
            let key = |finding: &Finding| (finding.place.line, finding.place.column);
            a.place.file.cmp(&b.place.file).then(key(a).cmp(&key(b)))
        });
        all
    }

    pub(super) fn note(&mut self, file: LaterFile) {
        self.files.push(file);
    }

    /// Looks at the files that the daemon opens later. To be called with the rights of the daemon, in its root.
    pub(crate) fn check_files(&mut self, has_rights: bool, root: Option<&Path>) {
        for file in std::mem::take(&mut self.files) {
            if let Some((is_error, mut text)) = file.fault(has_rights) {
                if let Some(root) = root {
                    text += &format!(", below the root directory {}", root.display());
                }
                self.push(is_error, &file.place, text);
            }
        }
    }

    fn push(&mut self, is_error: bool, place: &Place, text: String) {
        self.all.push(Finding {
            is_error,
            place: place.clone(),
            text,
        });
    }
}
