//! The names of options in messages: each program calls them as its users do.

/// What a program calls the options that messages name. By default they are words of a command line, as `hapolicy` has them.
///
/// ```
/// use policy_daemon::{DaemonOptions, OptionNames};
///
/// let mut options = DaemonOptions::new("x");
/// options.user = Some("no-such-user".to_owned());
/// let said = options.check_user().unwrap_err().line();
/// assert_eq!(said, "--user no-such-user: unknown user or group");
/// options.names = OptionNames { user: "$USER", ..OptionNames::default() };
/// let said = options.check_user().unwrap_err().line();
/// assert_eq!(said, "$USER no-such-user: unknown user or group");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OptionNames {
    /// Where it listens: `--listen`.
    pub listen: &'static str,
    /// The user to run as: `--user`.
    pub user: &'static str,
    /// How many clients there may be at once: `--max-clients`. `None`: the program has no such option.
    pub max_clients: Option<&'static str>,
}

impl Default for OptionNames {
    fn default() -> Self {
        Self {
            listen: "--listen",
            user: "--user",
            max_clients: Some(MAX_CLIENTS),
        }
    }
}

pub(crate) const MAX_CLIENTS: &str = "--max-clients";
