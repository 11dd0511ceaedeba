//! Commands in the running text: each of them is run, too.

use std::collections::BTreeSet;

use crate::{
    block::{Kind, blocks, spans},
    follow::Reader,
};

#[test]
fn each_command_in_the_running_text_is_run_or_says_why_not() {
    let mut reader = Reader::new();
    reader.install();
    // What the manual has a reader put there.
    let files = blocks().into_iter();
    let files: Vec<_> = files
        .filter(|block| matches!(block.kind, Ok(Kind::File(_))))
        .collect();
    reader.follow(&files);
    // As where a syslogd writes it.
    reader
        .machine
        .must("journalctl --sync; journalctl --no-pager --output=short --facility=mail >/var/log/mail.log");

    let spans: Vec<_> = spans()
        .into_iter()
        .filter(|span| !is_setting(&span.text))
        .collect();
    let firsts: BTreeSet<&str> = spans
        .iter()
        .filter_map(|span| first_of_several(&span.text))
        .collect();
    let firsts: Vec<&str> = firsts.into_iter().collect();
    let programs = reader.machine.must(&format!(
        "for word in {}; do
             for place in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin .; do
                 if test -f \"$place/$word\" && test -x \"$place/$word\"; then echo \"$word\"; fi
             done
         done",
        firsts
            .iter()
            .map(|word| format!("'{word}'"))
            .collect::<Vec<_>>()
            .join(" ")
    ));
    let programs: BTreeSet<&str> = programs.lines().collect();

    let is_command =
        |text: &str| first_of_several(text).is_some_and(|word| programs.contains(word));
    let mut commands: Vec<_> = spans.iter().filter(|span| is_command(&span.text)).collect();
    for (text, why) in NOT_RUN {
        assert!(
            commands.iter().any(|span| span.text == text),
            "no document has `{text}` ({why})"
        );
    }
    commands.retain(|span| NOT_RUN.iter().all(|(text, _)| *text != span.text));
    let run: BTreeSet<&str> = commands.iter().map(|span| &*span.text).collect();
    let mut failures = Vec::new();
    for text in &run {
        println!("`{text}`");
        if let Err(why) = reader.shell(text) {
            let places = commands.iter().filter(|span| span.text == *text);
            let places: Vec<&str> = places.map(|span| &*span.place).collect();
            failures.push(format!("{places:?}: `{text}`: {why}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(run.contains("postfix reload") && run.len() > 5, "{run:?}");
    reader.finish();
}

/// Of `main.cf`, which is no command: `timeout` is a program as well.
fn is_setting(text: &str) -> bool {
    text.split(' ').nth(1) == Some("=")
}

/// The first word, where there are others and it could be a program's name.
fn first_of_several(text: &str) -> Option<&str> {
    let (first, _) = text.split_once(' ')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    (!first.starts_with('-') && first.chars().all(plain)).then_some(first)
}

/// Begin with a program's name, and are not run; and why.
const NOT_RUN: [(&str, &str); 14] = [
    ("timeout client", "a setting of HAProxy's"),
    ("timeout server", "a setting of HAProxy's"),
    ("mtpolicyd --explain", "the page to begin with it runs it"),
    (
        "policyd-weight --explain",
        "the page to begin with it runs it",
    ),
    ("hapolicy ctl", "a name: the blocks have its commands"),
    ("hapolicy ctl drain", "the blocks have it with a service"),
    ("hapolicy ctl trace", "the block has it with an end"),
    (
        "hapolicy ctl weight",
        "of the table of counterparts: a test of the daemon has it",
    ),
    ("haproxy -c", "another program's counterpart"),
    ("service NAME: KEY ...", "a line of the log"),
    (
        "hapolicy VERSION starts as a daemon, workers: N",
        "a line of the log",
    ),
    (
        "service 'NAME' (ADDRESS): MODE, STATE, answered: N, failed: N",
        "a line of the log",
    ),
    (
        "service 'NAME': it was given before: the later address counts",
        "a line of the log",
    ),
    (
        "service 'NAME': more fields than ..., ignoring the rest",
        "a line of the log",
    ),
];
