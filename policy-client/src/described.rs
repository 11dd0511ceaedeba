//! The subcommands in the manual page, which are written from their one description, where the command line is read.
//!
//! `WRITE_OPTIONS=1 cargo test -p policy-client --lib described` writes them.

use std::{env, fs, path::PathBuf};

use clap::{Arg, Command, CommandFactory};

#[test]
fn the_manual_page_describes_the_subcommands_as_the_program_does() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/policy-client.1");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect(BEGIN);
    let (part, after) = rest.split_once(END).expect(END);
    let mut command = crate::Arguments::command();
    command.build();
    let subcommands = command.get_subcommands();
    let subcommands =
        subcommands.filter(|command| !command.is_hide_set() && command.get_name() != "help");
    let expected: String = subcommands.map(section).collect();
    if env::var_os("WRITE_OPTIONS").is_some() {
        fs::write(&path, [before, BEGIN, &expected, END, after].concat()).unwrap();
    } else {
        let how = "WRITE_OPTIONS=1 cargo test -p policy-client --lib described";
        assert_eq!(
            part, expected,
            "docs/policy-client.1 is to be written: {how}"
        );
    }
}

/// A subcommand: its synopsis, its text and its options.
fn section(command: &Command) -> String {
    let name = command.get_name();
    let positional: Vec<_> = command.get_positionals().collect();
    let options: Vec<_> = command
        .get_opts()
        .filter(|option| !option.is_hide_set() && option.get_id() != "help")
        .collect();
    let flags: Vec<_> = command
        .get_arguments()
        .filter(|flag| !flag.is_positional() && !flag.get_action().takes_values())
        .filter(|flag| !flag.is_hide_set() && flag.get_id() != "help")
        .collect();
    let mut text = format!(".Ss {name}\n.Nm\n.Cm {name}\n");
    if !options.is_empty() || !flags.is_empty() {
        text += ".Op Ar options\n";
    }
    for argument in &positional {
        let name = value(argument).to_lowercase();
        let many = match argument.get_num_args() {
            Some(range) if range.max_values() > 1 => " ...",
            _ => "",
        };
        text += &if argument.is_required_set() {
            format!(".Ar {name}{many}\n")
        } else {
            format!(".Op Ar {name}{many}\n")
        };
    }
    text += ".Pp\n";
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let paragraphs: Vec<_> = about
        .split("\n\n")
        .map(|paragraph| lines(&full(paragraph)))
        .collect();
    text += &paragraphs.join(".Pp\n");
    let all = command.get_arguments();
    let shown: Vec<_> = all
        .filter(|argument| !argument.is_hide_set() && argument.get_id() != "help")
        .collect();
    if !shown.is_empty() {
        let items: String = shown.iter().map(|argument| item(argument)).collect();
        text += &format!(".Bl -tag -width Ds\n{items}.El\n");
    }
    text
}

fn item(argument: &Arg) -> String {
    let value = match argument.get_action().takes_values() {
        true if argument.is_positional() => format!("Ar {}", value(argument).to_lowercase()),
        true => format!(" Ar {}", value(argument).to_lowercase()),
        false => String::new(),
    };
    let mut text = match (argument.get_short(), argument.get_long()) {
        (Some(short), Some(long)) => format!(".It Fl {short} , Fl -{long}{value}\n"),
        (Some(short), None) => format!(".It Fl {short}{value}\n"),
        (None, Some(long)) => format!(".It Fl -{long}{value}\n"),
        (None, None) => format!(".It {value}\n"),
    };
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let paragraphs: Vec<_> = help.split("\n\n").map(full).collect();
    text += &lines(&paragraphs.join(" "));
    let values = argument.get_possible_values();
    let takes_values = argument.get_action().takes_values();
    if takes_values && !values.is_empty() && !argument.is_hide_possible_values_set() {
        let names: Vec<_> = values
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| value.get_name())
            .collect();
        text += &lines(&format!("One of {}.", names.join(", ")));
    }
    let default = argument
        .get_default_values()
        .first()
        .filter(|_| takes_values);
    if let Some(default) = default
        .and_then(|default| default.to_str())
        .filter(|text| !text.is_empty())
    {
        text += &lines(&format!("The default is {default}."));
    }
    text
}

fn value(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    match names.first() {
        Some(name) => name.to_string(),
        None => argument.get_id().to_string(),
    }
}

/// A sentence has a full stop.
fn full(text: &str) -> String {
    let text = text.trim();
    if text.ends_with('.') {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

/// A line of mdoc(7) for each sentence, or more; no word is taken for a macro, and a minus stays one.
fn lines(text: &str) -> String {
    let text = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('`', "'");
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().unwrap();
        if line.len() + word.len() >= 80 {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if word.ends_with(['.', ':']) && word.len() > 2 {
            lines.push(String::new());
        }
    }
    let lines = lines.iter().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let is_macro = line.starts_with(['.', '\'']);
            format!("{}{line}\n", if is_macro { "\\&" } else { "" })
        })
        .collect()
}

const BEGIN: &str = ".Sh SUBCOMMANDS\n";
const END: &str = ".Sh EXIT STATUS\n";
