//! The table of the log's lines.

use std::{
    fs,
    path::{Path, PathBuf},
};

use mtpolicyd::chain::Pattern;

use super::docs;

/// Whatever a word in capitals of the manual stands for.
const ANY: &str = "[A-Z]+(:[A-Z]+)*";

/// The texts that the source hands to the log, as patterns of what the manual calls them.
fn texts_of_the_source(directory: &Path, patterns: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts_of_the_source(&path, patterns);
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        for call in [
            ".warning(",
            ".warning_each_time(",
            ".failed(",
            ".warn(",
            "journal.line(",
        ] {
            // A section's warning is a finding, which has a key first.
            for (at, _) in source.match_indices(call) {
                let place = format!("{}: {call}", path.display());
                let receiver = source[..at].rsplit([' ', '\n']).next().unwrap();
                let argument = &source[at + call.len()..];
                let argument = &argument[..argument.find(';').unwrap_or(argument.len())];
                let is_log =
                    receiver.contains("journal") || call.contains("journal") || call == ".warn(";
                if !is_log || receiver.ends_with("fn") {
                    continue;
                }
                let text = if let Some(text) = literal(argument) {
                    text
                } else if argument.contains("&text") || argument.ends_with("text)") {
                    let (_, before) = source[..at].rsplit_once("let text =").unwrap_or_default();
                    let Some(text) = literal(before) else {
                        continue;
                    };
                    text
                } else {
                    continue;
                };
                patterns.push((place, pattern_of(&text)));
            }
        }
    }
}

/// The first text in quotes.
fn literal(code: &str) -> Option<String> {
    let (_, rest) = code.split_once('"')?;
    Some(rest.split('"').next().unwrap().to_owned())
}

fn pattern_of(text: &str) -> String {
    let mut pattern = "^".to_owned();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        pattern.push_str(&escaped(before));
        pattern.push_str(ANY);
        rest = after.split_once('}').unwrap().1;
    }
    pattern + &escaped(rest) + "$"
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        if !char.is_alphanumeric() && char.is_ascii() {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

/// The lines that the manual lists.
fn lines_of_the_manual() -> Vec<String> {
    let manual = fs::read_to_string(docs("mtpolicyd.md")).unwrap();
    let (_, section) = manual.split_once("\n## The log\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(1));
    let lines = rows.flat_map(|cell| cell.split("`, `"));
    let text = |line: &str| line.trim_matches('`').replace("\\`", "`");
    lines
        .map(text)
        .filter(|line| line.contains(char::is_whitespace) || line.contains(':'))
        .collect()
}

/// Lines whose text is made elsewhere: the one of a request, findings, and errors of plugins and sessions.
const MADE_ELSEWHERE: &[&str] = &[
    "NAME: instance=ID, type=TYPE, t=Nms, plugin=PLUGIN, result=ACTION",
    "plugin NAME failed: REASON",
    "connection NAME is back: SERVER",
    "DNS answers again at SERVERS",
    "could not acquire lock for session ID: another request has it, this one goes on without",
    "session cache: REASON: requests go on without sessions",
    "session cache: REASON",
    "closing a connection from ADDRESS without an answer: REASON",
    "FILE:LINE is left out, it is no expression: REASON",
    "FILE:LINE:COLUMN: TEXT",
];

#[test]
fn each_line_of_the_log_has_a_row_and_each_row_a_line() {
    let mut patterns = Vec::new();
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    texts_of_the_source(&source, &mut patterns);
    assert!(patterns.len() > 20, "{patterns:?}");
    let lines = lines_of_the_manual();
    let is_match =
        |pattern: &str, line: &str| Pattern::compile(pattern).unwrap().is_match(line.as_bytes());
    for (place, pattern) in &patterns {
        let has_row = lines.iter().any(|line| is_match(pattern, line));
        assert!(has_row, "no row for {pattern}, {place}");
    }
    for line in &lines {
        let has_source = patterns.iter().any(|(_, pattern)| is_match(pattern, line));
        assert!(
            has_source || MADE_ELSEWHERE.contains(&line.as_str()),
            "no line for `{line}`"
        );
    }
    for line in MADE_ELSEWHERE {
        assert!(lines.iter().any(|other| other == line), "{line}");
    }
}
