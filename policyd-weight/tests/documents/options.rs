//! The options of the file and of the command line: each is described in the page, the manual and the help, and no other.

use std::{collections::BTreeSet, process::Command};

use policyd_weight::config::DefaultSet;

use super::{document, manual};

type Words = BTreeSet<String>;

/// Names with a `$` or an `@` before them.
fn names(text: &str) -> Words {
    let starts = text.match_indices(['$', '@']);
    starts
        .map(|(start, sign)| {
            let rest = &text[start + 1..];
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            format!("{sign}{}", &rest[..end])
        })
        .filter(|name| name.len() > 2)
        .collect()
}

#[test]
fn each_option_of_the_file_is_in_its_page_and_no_other() {
    let page = document("policyd-weight.conf.5");
    let lines = page
        .lines()
        .filter(|line| line.starts_with(".Va ") || line.starts_with(".It Va "));
    let mut described = names(&lines.collect::<Vec<_>>().join("\n"));
    described.retain(|name| name != "$NAME" && name != "@name");
    let options = DefaultSet::Debian.options(false).unwrap();
    let scalars = options.scalars.keys().map(|name| format!("${name}"));
    let arrays = options.arrays.keys().map(|name| format!("@{name}"));
    let known: Words = scalars.chain(arrays).collect();
    let differences: Vec<_> = known.symmetric_difference(&described).collect();
    assert!(differences.is_empty(), "{differences:?}");
}

/// An option that the manual names is one, or a variable of its examples.
#[test]
fn the_manual_names_no_option_that_there_is_not() {
    let options = DefaultSet::Modern.options(false).unwrap();
    let own = ["$KEY", "$NAME", "@name", "$name"];
    for name in names(&manual()) {
        let (sign, bare) = name.split_at(1);
        let is_known = if sign == "$" {
            options.scalars.contains_key(bare)
        } else {
            options.arrays.contains_key(bare)
        };
        // `name@domain`, and an array in a text.
        let is_other = own.contains(&name.as_str()) || ["acme", "example"].contains(&bare);
        assert!(is_known || is_other, "{name}");
    }
}

/// Words of the command line at the start of an entry.
fn help() -> Words {
    let printed = Command::new(env!("CARGO_BIN_EXE_policyd-weight"))
        .arg("-h")
        .output()
        .unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    let entries = text.lines().filter_map(|line| line.strip_prefix("    "));
    let entries = entries.filter(|entry| !entry.starts_with(' '));
    let names = entries.flat_map(|entry| entry.split("  ").next().unwrap().split(", "));
    names.map(first_word).collect()
}

fn first_word(text: &str) -> String {
    text.split(' ').next().unwrap().to_owned()
}

/// Those of the page: of the description of the command line alone.
fn page() -> Words {
    let page = document("policyd-weight.8");
    let page = page.split(".Sh COMMANDS").next().unwrap();
    let entries = page.lines().filter_map(|line| line.strip_prefix(".It "));
    let words = entries.flat_map(|entry| entry.split(" , "));
    words
        .filter_map(|word| match word.split_once(' ')? {
            ("Fl", name) => Some(format!("-{}", first_word(name))),
            ("Cm", name) => Some(first_word(name)),
            _ => None,
        })
        .collect()
}

/// Those of the manual's table.
fn table() -> Words {
    let manual = manual();
    let section = manual.split("\n## Command line\n").nth(1).unwrap();
    let table = section.split("| status |").next().unwrap();
    let cells = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = cells.map(|line| line.split(" | ").next().unwrap());
    let words = cells.flat_map(|cell| cell.split(", "));
    words
        .map(|word| first_word(word.trim_matches('`')))
        .collect()
}

#[test]
fn each_word_of_the_command_line_is_in_the_help_the_page_and_the_manual() {
    let (help, mut page, table) = (help(), page(), table());
    // It has a section of its own.
    assert!(document("policyd-weight.8").contains("\n.Nm Cm ctl\n"));
    page.insert("ctl".to_owned());
    // The long names of two letters.
    let long = ["--help", "--version"].map(str::to_owned);
    let short = |words: &Words| {
        words
            .iter()
            .filter(|word| !long.contains(word))
            .cloned()
            .collect::<Words>()
    };
    assert!(help.len() > 15, "{help:?}");
    assert_eq!(short(&page), short(&help));
    assert_eq!(short(&table), short(&help));
}
