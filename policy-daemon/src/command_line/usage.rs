//! Faults of a command line in one line each, with the option that was probably meant.

use clap::{
    Error,
    error::{ContextKind, ContextValue},
};

/// The error in one line: under spawn(8) Postfix would see the others.
///
/// ```
/// use clap::Parser;
///
/// #[derive(Debug, Parser)]
/// struct Arguments {
///     #[arg(long)]
///     deadline: Option<String>,
/// }
///
/// let error = Arguments::try_parse_from(["hapolicy", "--dedline=5s"]).unwrap_err();
/// let line = policy_daemon::command_line::usage_line(&error);
/// assert_eq!(line, "unexpected argument '--dedline' found: did you mean --deadline?");
/// ```
#[must_use]
pub fn usage_line(error: &Error) -> String {
    let text = error.to_string();
    // The first paragraph says what is wrong; a list of possible values may follow on lines of its own.
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.split_ascii_whitespace().collect();
    let line = words.join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    match suggestion(error) {
        Some(meant) => format!("{line}: did you mean {meant}?"),
        None => line.to_owned(),
    }
}

fn suggestion(error: &Error) -> Option<String> {
    let kinds = [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedValue,
    ];
    let meant = kinds.iter().find_map(|kind| error.get(*kind))?;
    match meant {
        ContextValue::String(meant) => Some(meant.clone()),
        ContextValue::Strings(several) => several.first().cloned(),
        _ => None,
    }
}
