//! The file: where it is found, and how its options are read.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use policy_store::{open_file, read_open_file};

use super::DefaultSet;
use crate::perl::{Variables, evaluate};

/// Where the options come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// The file; the defaults alone without one.
    pub path: Option<PathBuf>,
    /// The set of defaults.
    pub defaults: DefaultSet,
    /// Whether the Perl program's rules hold: its options alone, and its defaults in the place of a file with a fault.
    pub compat: bool,
    /// Whether the program is debugged (`-d`): more is logged, whatever the file says.
    pub debug: bool,
}

impl Source {
    /// With a file the defaults are Debian's, which its owner knows. Without one they are modern, or with `compat` those
    /// of Debian.
    #[must_use]
    pub fn new(path: Option<PathBuf>, defaults: Option<DefaultSet>, compat: bool) -> Self {
        let otherwise = if compat || path.is_some() {
            DefaultSet::Debian
        } else {
            DefaultSet::Modern
        };
        Self {
            path,
            defaults: defaults.unwrap_or(otherwise),
            compat,
            debug: false,
        }
    }

    /// The file's name for the log.
    #[must_use]
    pub fn shown(&self) -> String {
        self.path.as_ref().map_or_else(
            || "default settings".to_owned(),
            |path| path.display().to_string(),
        )
    }

    /// When the file was changed last.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        fs::metadata(self.path.as_ref()?).ok()?.modified().ok()
    }
}

/// The options as they hold.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The options.
    pub options: Variables,
    /// The set's defaults.
    pub defaults: Variables,
    /// Line and column where the file sets an option: `$NAME`, `@NAME`.
    pub places: BTreeMap<String, (usize, usize)>,
    /// `FILE:LINE:COLUMN: warning: ..`, each with its line.
    pub warnings: Vec<String>,
    /// Whether there is nothing but blanks in the file.
    pub is_empty: bool,
    /// The fault for which the whole file is ignored; with `compat` only.
    pub ignored: Option<String>,
}

/// Reads the options. With `compat` a file that is read again changes the options of `before`, as in the Perl program:
/// what it does not name any more stays.
///
/// # Errors
///
/// What is wrong with the file, as `FILE:LINE:COLUMN: error: ..` with the line; with `compat` that is
/// [`Loaded::ignored`].
pub fn load(source: &Source, before: Option<&Variables>) -> Result<Loaded, String> {
    let defaults = source
        .defaults
        .options(source.compat)
        .map_err(|problem| problem.to_string())?;
    let before = before.filter(|_| source.compat);
    let mut loaded = Loaded {
        options: before.unwrap_or(&defaults).clone(),
        defaults,
        places: BTreeMap::new(),
        warnings: vec![],
        is_empty: false,
        ignored: None,
    };
    let Some(path) = &source.path else {
        return Ok(loaded);
    };
    let shown = path.display().to_string();
    let evaluated = read(path).and_then(|text| {
        loaded.is_empty = text.trim_ascii().is_empty();
        evaluate(&text, &loaded.options).map_err(|problem| problem.report(&shown, "error"))
    });
    match evaluated {
        Ok(evaluated) => {
            loaded.options = evaluated.options;
            loaded.places = evaluated.places;
            let reports = evaluated
                .warnings
                .iter()
                .map(|warning| warning.report(&shown, "warning"));
            loaded.warnings = reports.collect();
        }
        Err(error) if source.compat => loaded.ignored = Some(error),
        Err(error) => return Err(error),
    }
    Ok(loaded)
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let error = |error: std::io::Error| format!("{shown}: error: the file cannot be read: {error}");
    let file = open_file(path).map_err(error)?;
    let metadata = file.metadata().map_err(error)?;
    if metadata.permissions().mode() & 0o002 != 0 {
        return Err(format!(
            "{shown}: error: every user can write to the file: chmod o-w {shown}"
        ));
    }
    read_open_file(&file, MAX_FILE).map_err(error)
}

/// The first file there is of those that the Perl program looks for.
#[must_use]
pub fn find() -> Option<PathBuf> {
    let names = [
        "/etc/policyd-weight.conf",
        "/etc/postfix/policyd-weight.cf",
        "/usr/local/etc/policyd-weight.conf",
        "policyd-weight.conf",
    ];
    names
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.is_file())
}

/// How large a file may be.
pub(crate) const MAX_FILE: u64 = 1 << 20;
