//! The form of an entry as a JSON object in a line.

use std::fmt::Write;

use chrono::{SecondsFormat, Utc};

use super::{
    entry::Record,
    printable::{is_misleading, printable},
};

/// Entries of a program.
#[derive(Debug)]
pub(super) struct Json {
    name: String,
}

impl Json {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: printable(name),
        }
    }

    /// The object, with its line feed. What a client sends stands in strings only, each of which ends where it should.
    pub(super) fn line(&self, record: &Record<'_>) -> String {
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        let mut line = String::with_capacity(record.text.len() + 512);
        line.push('{');
        append(&mut line, "time", &time);
        append(&mut line, "level", record.level.as_str());
        append(&mut line, "program", &self.name);
        append_number(&mut line, "pid", &std::process::id().to_string());
        append(&mut line, "message", &printable(record.text));
        if let Some(id) = record.id {
            append(&mut line, "message_id", &id.to_string());
        }
        for (field, value) in record.fields {
            let value = String::from_utf8_lossy(value);
            if field.is_number() && is_number(&value) {
                append_number(&mut line, field.name(), &value);
            } else {
                append(&mut line, field.name(), &value);
            }
        }
        line.push_str("}\n");
        line
    }
}

fn append(line: &mut String, key: &str, value: &str) {
    append_key(line, key);
    line.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            // Each is one unit of UTF-16. Writing to a string does not fail.
            c if c.is_ascii_control() || is_misleading(c) => {
                _ = write!(line, "\\u{:04x}", u32::from(c));
            }
            c => line.push(c),
        }
    }
    line.push('"');
}

fn append_number(line: &mut String, key: &str, number: &str) {
    append_key(line, key);
    line.push_str(number);
}

fn append_key(line: &mut String, key: &str) {
    if !line.ends_with('{') {
        line.push(',');
    }
    line.extend(["\"", key, "\":"]);
}

/// Whether JSON takes this for a number: digits, and perhaps a point between them.
fn is_number(text: &str) -> bool {
    let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    is_digits(whole) && is_digits(fraction) && (whole == "0" || !whole.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::log::{Entry, Field, Level, MessageId};

    #[test]
    fn an_entry_is_one_object_in_one_line_whatever_its_values_are() {
        for (value, read) in [
            (&b"a@example.com"[..], "a@example.com"),
            (br#"","level":"fatal"#, r#"","level":"fatal"#),
            (b"a\n{\"level\":\"fatal\"}\n", "a\n{\"level\":\"fatal\"}\n"),
            (b"\\", "\\"),
            (b"\0\x1b[2J\x7f", "\0\x1b[2J\x7f"),
            (
                "gr\u{fc}n \u{202e}\u{2028}\u{9b}".as_bytes(),
                "gr\u{fc}n \u{202e}\u{2028}\u{9b}",
            ),
            (b"\xffx", "\u{fffd}x"),
        ] {
            let entry = Entry::new(Level::Notice, "te\"xt\n")
                .with_id(MessageId::REQUEST)
                .with(Field::Sender, value)
                .with(Field::Ms, "0.4")
                .with(Field::Attempts, "2");
            let line = Json::new("hapolicy").line(&entry.record());
            let object = line.strip_suffix('\n').unwrap();
            assert!(
                !object.contains(|c: char| c.is_control() || is_misleading(c)),
                "{object}"
            );
            let object: Value = serde_json::from_str(object).expect(object);
            let mut keys: Vec<&str> = object
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            let mut known = [
                "time",
                "level",
                "program",
                "pid",
                "message",
                "message_id",
                "sender",
                "ms",
                "attempts",
            ];
            keys.sort_unstable();
            known.sort_unstable();
            assert_eq!(keys, known);
            assert_eq!(object["level"], "notice");
            assert_eq!(object["message"], "te\"xt?");
            assert_eq!(object["pid"], std::process::id());
            assert_eq!(object["sender"], read);
            assert_eq!(
                (&object["ms"], &object["attempts"]),
                (&0.4.into(), &2.into())
            );
        }
    }

    #[test]
    fn what_is_no_number_is_a_text() {
        for (value, is_a_number) in [
            ("0", true),
            ("12.5", true),
            ("0.1", true),
            ("01", false),
            ("1.", false),
            (".5", false),
            ("1e5", false),
            ("-1", false),
            ("1,\"level\":2", false),
        ] {
            let entry = Entry::new(Level::Info, "").with(Field::Ms, value);
            let line = Json::new("x").line(&entry.record());
            let object: Value = serde_json::from_str(&line).expect(&line);
            assert_eq!(object["ms"].is_number(), is_a_number, "{value}");
        }
    }
}
