//! The command line: the Perl program's letters and actions, and our own long options.

use std::path::PathBuf;

use crate::config::DefaultSet;

/// What is to be done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Action {
    /// Requests on standard input.
    #[default]
    Spawn,
    /// The daemon starts.
    Start,
    /// The daemon stops.
    Stop,
    /// The daemon stops, and starts.
    Restart,
    /// The daemon reads its file again.
    Reload,
    /// The options and their defaults are printed.
    Defaults,
    /// A file is checked.
    CheckConfig,
    /// A file's options are printed as JSON.
    ParseConfig,
    /// The score of a request is printed.
    Explain,
    /// The help is printed.
    Help,
    /// The version is printed.
    Version,
}

/// The command line.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Args {
    /// What is to be done.
    pub action: Action,
    /// `-f`: the file.
    pub file: Option<PathBuf>,
    /// `-D`: the daemon stays in the foreground.
    pub foreground: bool,
    /// `-d`: the log on standard output, another port, and no other user.
    pub debug: bool,
    /// `-k`: the cache is emptied.
    pub empties_cache: bool,
    /// `-s`: the cache is printed.
    pub shows_cache: bool,
    /// `--compat`: everything as the Perl program does it.
    pub compat: bool,
    /// `--defaults SET`.
    pub defaults: Option<DefaultSet>,
    /// `--json`, with `--explain`.
    pub json: bool,
    /// `--admin`: where metrics are shown, beside what the file says.
    pub admin: Vec<String>,
    /// `--control`: where commands come, instead of what the file says.
    pub control: Option<String>,
    /// The process is the daemon that `start` has started.
    pub detached: bool,
}

impl Args {
    /// Reads the command line, without the program's name.
    ///
    /// # Errors
    ///
    /// What to print; the exit status is 1, or 255 for a file that is not there.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, WrongArgs> {
        let mut args = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value = |what: &str| {
                words.next().ok_or_else(|| {
                    WrongArgs::usage(format!("policyd-weight: {what} is missing after {word}"))
                })
            };
            match word.as_str() {
                "-d" => args.debug = true,
                "-D" => args.foreground = true,
                "-k" => args.empties_cache = true,
                "-s" => args.shows_cache = true,
                "-f" => args.file = Some(existing(value("a file")?)?),
                "--compat" => args.compat = true,
                "--json" => args.json = true,
                "--admin" => args.admin.push(value("an address")?),
                "--control" => args.control = Some(value("an address")?),
                "--detached" => args.detached = true,
                "--defaults" => {
                    let set = value("a set of defaults")?;
                    args.defaults =
                        Some(set.parse().map_err(|error| {
                            WrongArgs::usage(format!("policyd-weight: {error}"))
                        })?);
                }
                "--parse-config" => {
                    args.file = Some(existing(value("a file")?)?);
                    args.act(Action::ParseConfig)?;
                }
                "--check-config" | "--check" => args.act(Action::CheckConfig)?,
                "--explain" => args.act(Action::Explain)?,
                "-h" | "--help" => args.act(Action::Help)?,
                "-v" | "--version" => args.act(Action::Version)?,
                "start" => args.act(Action::Start)?,
                "stop" => args.act(Action::Stop)?,
                "restart" => args.act(Action::Restart)?,
                "reload" => args.act(Action::Reload)?,
                "defaults" => args.act(Action::Defaults)?,
                _ => {
                    let hint = match word.as_str() {
                        "ctl" => ": it comes first, policyd-weight ctl COMMAND",
                        "status" => ": see policyd-weight ctl status",
                        _ => "",
                    };
                    return Err(WrongArgs::usage(format!(
                        "policyd-weight: unknown option {word}{hint}"
                    )));
                }
            }
            // The first of these two is all that is done, whatever follows.
            if matches!(args.action, Action::Help | Action::Version) {
                return Ok(args);
            }
        }
        if args.json && args.action != Action::Explain {
            return Err(WrongArgs::usage(
                "policyd-weight: --json is for --explain".into(),
            ));
        }
        Ok(args)
    }

    fn act(&mut self, action: Action) -> Result<(), WrongArgs> {
        if self.action != Action::Spawn && self.action != action {
            return Err(WrongArgs::usage(
                "policyd-weight: one action at a time".into(),
            ));
        }
        self.action = action;
        Ok(())
    }
}

fn existing(file: String) -> Result<PathBuf, WrongArgs> {
    let path = PathBuf::from(&file);
    if path.is_file() {
        return Ok(path);
    }
    Err(WrongArgs {
        message: format!("configfile {file} doesn't exist"),
        with_usage: false,
        status: 255,
    })
}

/// A command line that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WrongArgs {
    /// What is wrong.
    pub message: String,
    /// Whether the usage is printed as well.
    pub with_usage: bool,
    /// The exit status.
    pub status: u8,
}

impl WrongArgs {
    fn usage(message: String) -> Self {
        Self {
            message,
            with_usage: true,
            status: 1,
        }
    }
}

/// The help.
pub const USAGE: &str = "\
Usage: policyd-weight [OPTION ..] [start|stop|restart|reload|defaults]

Without an action it answers requests on standard input, as under spawn(8).

Options
    -f FILE            the configuration; without it the first there is of /etc/policyd-weight.conf,
                       /etc/postfix/policyd-weight.cf, /usr/local/etc/policyd-weight.conf, ./policyd-weight.conf
    -D                 stay in the foreground (with start)
    -d                 debug: the log on standard output, the next port, no other user
    -k                 empty the cache of the daemon, and of processes under spawn(8); with an action, before that
    -s                 print it; with -d that of a debugged daemon
    -v, --version      print the version
    -h, --help         print this help
    --compat           do everything as the Perl program does it, harmful things as well
    --defaults SET     beta2, beta3, debian (with a file), modern (without one)
    --check-config     check the configuration: 0, or 78 with what is wrong
    --parse-config FILE
                       print what a file changes, as JSON
    --admin ENDPOINT   show metrics and the state over HTTP here (with start): inet:HOST:PORT on loopback, or unix:/PATH
    --control ENDPOINT take commands of policyd-weight ctl here (with start): unix:/PATH
    --explain [--json]
                       read a request, and print its score step by step

Actions
    start              start the daemon
    stop               stop it
    restart            stop it, and start it
    reload             have it read its file again
    defaults           print the options with their defaults: a file to begin with
    ctl COMMAND        send a command to the running daemon: status, lists, cache, reload, trace; see ctl --help
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, WrongArgs> {
        Args::parse(line.split_ascii_whitespace().map(str::to_owned))
    }

    #[test]
    fn letters_and_actions_come_in_any_order() {
        let args = parse("-D start --compat -k --defaults beta3").unwrap();
        let expected = Args {
            action: Action::Start,
            foreground: true,
            compat: true,
            empties_cache: true,
            defaults: Some(DefaultSet::Beta3),
            ..Args::default()
        };
        assert_eq!(args, expected);
        assert_eq!(parse("").unwrap(), Args::default());
        assert_eq!(parse("-v nonsense").unwrap().action, Action::Version);
        assert_eq!(parse("--explain --json").unwrap().action, Action::Explain);
    }

    #[test]
    fn wrong_words_are_named() {
        for (line, status, message) in [
            ("-x", 1, "policyd-weight: unknown option -x"),
            (
                "-d ctl status",
                1,
                "policyd-weight: unknown option ctl: it comes first, policyd-weight ctl COMMAND",
            ),
            (
                "status",
                1,
                "policyd-weight: unknown option status: see policyd-weight ctl status",
            ),
            ("start stop", 1, "policyd-weight: one action at a time"),
            ("-f", 1, "policyd-weight: a file is missing after -f"),
            (
                "-f /nonexistent",
                255,
                "configfile /nonexistent doesn't exist",
            ),
            (
                "--defaults gamma",
                1,
                "policyd-weight: 'gamma' is no set of defaults: beta2, beta3, debian and modern are",
            ),
            ("--json", 1, "policyd-weight: --json is for --explain"),
        ] {
            let wrong = parse(line).unwrap_err();
            assert_eq!(
                (wrong.status, wrong.message.as_str()),
                (status, message),
                "{line}"
            );
        }
    }
}
