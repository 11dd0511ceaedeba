//! The options in the manual page and in the manual, which are written from their one description in `cli/src/args`.
//!
//! `WRITE_OPTIONS=1 cargo test -p hapolicy --test command_line described` writes them.

use std::{env, fs, path::PathBuf};

use clap::{Arg, CommandFactory};
use hapolicy::Arguments;

#[test]
fn the_manual_page_describes_the_options_as_the_program_does() {
    compare(
        "hapolicy.1",
        ".Sh OPTIONS\n",
        ".Pp\nThe first five",
        |options| {
            let mut page = String::new();
            for (heading, options) in options {
                let items: String = options.iter().map(item).collect();
                page += &format!(".Ss {heading}\n.Bl -tag -width Ds\n{items}.El\n");
            }
            page
        },
    );
}

#[test]
fn the_manual_lists_the_options_as_the_program_does() {
    compare(
        "hapolicy.md",
        "## Options\n",
        "\nThe first five",
        |options| {
            let mut tables = String::new();
            for (heading, options) in options {
                let rows: String = options.iter().map(row).collect();
                tables +=
                    &format!("\n| {heading} | meaning | default |\n| --- | --- | --- |\n{rows}");
            }
            tables
        },
    );
}

type Heading = (String, Vec<Arg>);

/// Compares the part of a document between two texts with what is written from the options, or writes it.
fn compare(name: &str, begin: &str, end: &str, written: impl Fn(&[Heading]) -> String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(begin).expect(begin);
    let (part, after) = rest.split_once(end).expect(end);
    let mut command = Arguments::command();
    command.build();
    let mut options: Vec<Heading> = Vec::new();
    for option in command.get_arguments() {
        let heading = option.get_help_heading().unwrap();
        match options.iter_mut().find(|(known, _)| known == heading) {
            Some((_, options)) => options.push(option.clone()),
            None => options.push((heading.to_owned(), vec![option.clone()])),
        }
    }
    let expected = written(&options);
    if env::var_os("WRITE_OPTIONS").is_some() {
        fs::write(&path, [before, begin, &expected, end, after].concat()).unwrap();
    } else {
        let how = "WRITE_OPTIONS=1 cargo test -p hapolicy --test command_line described";
        assert_eq!(part, expected, "docs/{name} is to be written: {how}");
    }
}

/// An option in mdoc(7).
fn item(option: &Arg) -> String {
    let long = option.get_long().unwrap();
    let value = match value(option) {
        Some(value) if option.get_num_args().unwrap().min_values() == 0 => {
            format!(" Op Ar {value}")
        }
        Some(value) => format!(" Ar {value}"),
        None => String::new(),
    };
    let short = option
        .get_short()
        .map(|short| format!("Fl {short}{value} , "));
    let short = short.unwrap_or_default();
    let (help, default) = help(option);
    let mut text = format!("{help}.");
    if !default.is_empty() {
        text += &format!(" The default is {default}.");
    }
    if let Some(long) = option.get_long_help() {
        let long = long.to_string();
        let paragraphs = long.split_once("\n\n");
        text += &paragraphs.map_or_else(String::new, |(_, more)| format!(" {more}"));
    }
    format!(".It {short}Fl -{long}{value}\n{}", mdoc(&text))
}

/// A row of a table.
fn row(option: &Arg) -> String {
    let long = option.get_long().unwrap();
    let value = value(option).map(|value| match option.get_num_args().unwrap().min_values() {
        0 => format!(" [{value}]"),
        _ => format!(" {}", value.replace('|', "\\|")),
    });
    let value = value.unwrap_or_default();
    let short = option.get_short().map(|short| format!("`-{short}`, "));
    let short = short.unwrap_or_default();
    let (help, default) = help(option);
    format!("| {short}`--{long}{value}` | {help} | {default} |\n")
}

fn value(option: &Arg) -> Option<String> {
    let takes_values = option.get_action().takes_values();
    takes_values.then(|| option.get_value_names().unwrap()[0].to_string())
}

/// The help text, and the default beside it.
fn help(option: &Arg) -> (String, String) {
    let help = option.get_help().unwrap().to_string();
    let given = option.get_default_values().first();
    let given = given.filter(|_| option.get_action().takes_values());
    let given = given.map_or_else(String::new, |value| {
        format!("`{}`", value.to_str().unwrap())
    });
    match help.split_once(" [default: ") {
        None => (help, given),
        Some((text, rest)) => {
            let (default, rest) = rest.split_once(']').unwrap();
            (format!("{text}{rest}"), default.to_owned())
        }
    }
}

/// A text in mdoc(7): a line for each sentence, options and texts in `` ` `` and names such as spawn(8) marked up.
fn mdoc(text: &str) -> String {
    let mut lines = vec![String::new()];
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        let mut word = word.to_owned();
        // What stands in ` may have blanks.
        while word.matches('`').count() == 1 {
            word = format!("{word} {}", words.next().unwrap());
        }
        let end = word.trim_end_matches(['.', ',', ';', ':']).len();
        let (core, punctuation) = word.split_at(end);
        let macros = marked(core);
        let ends_sentence = punctuation == ".";
        match macros {
            Some(mut line) => {
                for sign in punctuation.chars() {
                    line.extend([' ', sign]);
                }
                lines.push(line);
                lines.push(String::new());
            }
            None => {
                let line = lines.last_mut().unwrap();
                if !line.is_empty() && line.len() + word.len() >= 80 {
                    lines.push(word);
                } else {
                    line.push_str(if line.is_empty() { "" } else { " " });
                    line.push_str(&word);
                }
                if ends_sentence {
                    lines.push(String::new());
                }
            }
        }
    }
    let lines = lines.into_iter().filter(|line| !line.is_empty());
    lines.map(|line| format!("{line}\n")).collect()
}

/// A word as a macro, if it is more than text.
fn marked(word: &str) -> Option<String> {
    let code = word.trim_matches('`');
    if let Some(option) = code.strip_prefix('-').filter(|option| !option.is_empty()) {
        return Some(match option.split_once(' ') {
            Some((option, value)) => format!(".Fl {option} Ar {value}"),
            None => format!(".Fl {option}"),
        });
    }
    if code.len() < word.len() {
        return Some(format!(".Li {code}").replace("hash:", "hash:\\&"));
    }
    let (name, rest) = word.split_once('(')?;
    let section = rest
        .strip_suffix(')')
        .filter(|section| section.len() == 1)?;
    Some(format!(".Xr {name} {section}"))
}
