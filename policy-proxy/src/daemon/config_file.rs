//! A configuration file that a daemon can read again.

use std::fmt;

use crate::{config::Config, options::Options};

/// Reads a configuration file.
///
/// It need not be `Debug`: that would bring the code which prints all arguments into the program.
pub trait ConfigSource: Send + Sync {
    /// Reads the file again; `passed` says whether a service manager has passed listening sockets.
    ///
    /// # Errors
    ///
    /// What is wrong with it, a line each.
    fn read(&self, passed: bool) -> Result<FileOptions, Vec<String>>;
}

/// The options that a configuration file says.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// The options.
    pub options: Options,
    /// What the file says.
    pub config: Config,
    /// All settings as a file, to be compared with others.
    pub shown: String,
}

/// A configuration file that can be read again.
pub struct ConfigFile {
    /// All settings of the start as a file.
    pub shown: String,
    /// Reads it.
    pub source: Box<dyn ConfigSource>,
}

impl fmt::Debug for ConfigFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConfigFile")
            .field("shown", &self.shown)
            .finish_non_exhaustive()
    }
}
