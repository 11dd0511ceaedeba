//! The manual's table of the log, beside the lines that the sources write.

use std::{fs, path::Path};

use super::manual;

/// The calls that write a line into the log, and the text of each: the next one, or the last one before the call.
fn lines_of_sources() -> Vec<(String, String)> {
    let mut files = vec![];
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.push(path);
            }
        }
    }
    let mut lines = vec![];
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        for call in [
            ".info(",
            ".line(Level::",
            ".line(\n",
            ".tell(Level::",
            ".tell(\n",
        ] {
            for (at, _) in text.match_indices(call) {
                let end = text[at..]
                    .find(";\n")
                    .or_else(|| text[at..].find(",\n"))
                    .unwrap();
                let literal = literals(&text[at..at + end])
                    .into_iter()
                    .next()
                    .or_else(|| literals(&text[text[..at].rfind("fn ").unwrap()..at]).pop());
                let place = format!("{}: {}", path.display(), &text[at..at + end]);
                lines.push((place, literal.unwrap_or_default()));
            }
        }
    }
    lines
}

/// The texts in quotes that are words of a line.
fn literals(source: &str) -> Vec<String> {
    let parts: Vec<&str> = source.split('"').collect();
    let odd = parts.iter().skip(1).step_by(2);
    odd.filter(|text| text.contains(' '))
        .map(|text| (*text).to_owned())
        .collect()
}

/// Each line of the log that the sources write has its row in the manual, and each row its line.
#[test]
fn each_line_of_the_log_has_its_row() {
    let manual = manual();
    let log = manual.split("\n## Log\n").nth(1).unwrap();
    let log = log.split("\n## ").next().unwrap();
    // What stands for itself below the calls of the sources.
    let own = [
        "decided action=",
        "weighted check: ",
        "unrecognized request type: '",
        "closing a connection from ADDRESS",
        "FILE:LINE:COLUMN: warning: TEXT",
        // Of all daemons: policy-daemon writes them.
        "control: CHANGE, as USER (uid UID) has asked",
        "--control refuses user UID: only root",
    ];
    let mut known: Vec<String> = own.iter().map(|text| (*text).to_owned()).collect();
    let lines = lines_of_sources();
    assert!(lines.len() > 15, "{lines:?}");
    for (place, literal) in lines {
        // One of `own`: its text is made elsewhere.
        let made = [
            "error.to_string()",
            "bytes(line)",
            "answer.rs: .info(line)",
            "one_line(&report)",
        ];
        if made.iter().any(|made| place.contains(made)) {
            continue;
        }
        // The longest part without a value.
        let fixed = literal
            .split(['{', '}'])
            .step_by(2)
            .max_by_key(|part| part.len());
        let fixed = fixed.unwrap_or_default().trim_end().to_owned();
        assert!(!fixed.is_empty(), "no text: {place}");
        assert!(log.contains(&fixed), "no row of '{fixed}': {place}");
        known.push(fixed);
    }
    let texts = log
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'));
    for row in texts {
        let cell = row.split(" | ").nth(1).unwrap();
        assert!(
            known.iter().any(|text| cell.contains(text.as_str())),
            "no line of {cell}"
        );
    }
}
