//! The form of a line in the system's log: priority, time, tag and text.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::Local;

use super::{
    entry::Record,
    prefix::prefixed,
    printable::shown,
    system_log::{Form, MAIL},
};

/// Lines as `NAME[PID]`, of the facility mail.
#[derive(Debug)]
pub(super) struct Syslog {
    tag: String,
    /// Its texts have prefixes, as Postfix's do.
    is_daemon: bool,
    clock: Clock,
}

impl Syslog {
    pub(super) fn new(name: &str) -> Self {
        Self {
            tag: format!("{name}[{}]", std::process::id()),
            is_daemon: false,
            clock: Clock::default(),
        }
    }

    /// For a daemon.
    pub(super) fn of_daemon(self) -> Self {
        Self {
            is_daemon: true,
            ..self
        }
    }
}

impl Form for Syslog {
    fn message(&mut self, record: &Record<'_>) -> Vec<u8> {
        let text = if self.is_daemon {
            prefixed(record.level, record.text)
        } else {
            shown(record.text)
        };
        let priority = (MAIL << 3 | record.level as u8).to_string();
        let time = self.clock.text();
        // Not by `format!`, since a request may cost a line.
        ["<", &priority, ">", time, " ", &self.tag, ": ", &text]
            .concat()
            .into_bytes()
    }
}

/// The local time as it stands in a line: for a time zone it takes more than the rest of a line, so it is made once a second.
#[derive(Debug, Default)]
struct Clock {
    /// In seconds since 1970.
    second: u64,
    text: String,
}

impl Clock {
    fn text(&mut self) -> &str {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let second = now.unwrap_or_default().as_secs();
        if self.text.is_empty() || self.second != second {
            self.second = second;
            self.text = Local::now().format("%b %e %H:%M:%S").to_string();
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Level;

    #[test]
    fn a_line_has_priority_time_tag_and_text() {
        let record = Record::plain(Level::Info, b"text");
        let line = Syslog::new("hapolicy").message(&record);
        let line = String::from_utf8(line).unwrap();
        let pid = std::process::id();
        assert!(line.starts_with("<22>"), "{line}");
        assert_eq!(
            line[4..]
                .char_indices()
                .nth(15)
                .map(|(at, _)| &line[4 + at..])
                .unwrap(),
            format!(" hapolicy[{pid}]: text")
        );
    }
}
