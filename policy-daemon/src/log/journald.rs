//! The form of an entry in systemd's journal: its native protocol, with a field in each line. Source: systemd's
//! documentation "Native Journal Protocol".

use super::{
    entry::Record,
    prefix::prefixed,
    printable::printable,
    system_log::{Form, MAIL},
};

/// Entries of a program.
#[derive(Debug)]
pub(super) struct Journald {
    name: String,
}

impl Journald {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: printable(name),
        }
    }
}

impl Form for Journald {
    fn message(&mut self, record: &Record<'_>) -> Vec<u8> {
        // With the prefix of its level: the journal may pass it on to the system's log, whose readers look for that.
        let text = prefixed(record.level, record.text);
        let mut message = Vec::with_capacity(text.len() + 512);
        let mut field = |name: &str, value: &[u8]| append(&mut message, name, value);
        field("PRIORITY", (record.level as u8).to_string().as_bytes());
        field("SYSLOG_FACILITY", MAIL.to_string().as_bytes());
        field("SYSLOG_IDENTIFIER", self.name.as_bytes());
        field("SYSLOG_PID", std::process::id().to_string().as_bytes());
        field("MESSAGE", text.as_bytes());
        if let Some(id) = record.id {
            field("MESSAGE_ID", id.to_string().as_bytes());
        }
        for (name, value) in record.fields {
            field(&name.name().to_ascii_uppercase(), value);
        }
        message
    }
}

/// Appends a field. A value in which a line could end has its length before it, so that it can write no other field.
fn append(message: &mut Vec<u8>, name: &str, value: &[u8]) {
    message.extend_from_slice(name.as_bytes());
    if value.iter().any(u8::is_ascii_control) {
        message.push(b'\n');
        message.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        message.push(b'=');
    }
    message.extend_from_slice(value);
    message.push(b'\n');
}

/// Where systemd's journal listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::log::{Entry, Field, Level, MessageId};

    #[test]
    fn each_field_of_an_entry_is_one_of_the_journal_whatever_its_value_is() {
        let pid = std::process::id().to_string();
        for value in [
            &b"a@example.com"[..],
            b"a=b",
            b"a\nMESSAGE=forged\n",
            b"\n",
            b"a\tb",
            b"\xff\0\xfe",
            "gr\u{fc}n \u{202e}".as_bytes(),
        ] {
            let entry = Entry::new(Level::Warning, "te\nxt")
                .with_id(MessageId::DOWN)
                .with(Field::Sender, value)
                .with(Field::QueueId, "3Yx1");
            let id = MessageId::DOWN.to_string();
            let expected: Vec<(&str, &[u8])> = vec![
                ("MESSAGE", b"warning: te?xt"),
                ("MESSAGE_ID", id.as_bytes()),
                ("PRIORITY", b"4"),
                ("QUEUE_ID", b"3Yx1"),
                ("SENDER", value),
                ("SYSLOG_FACILITY", b"2"),
                ("SYSLOG_IDENTIFIER", b"hapolicy"),
                ("SYSLOG_PID", pid.as_bytes()),
            ];
            let message = Journald::new("hapolicy").message(&entry.record());
            let read = fields(&message).expect("the protocol");
            let read: Vec<_> = read
                .iter()
                .map(|(name, value)| (&**name, &**value))
                .collect();
            assert_eq!(read, expected, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn the_longest_entry_fits_into_a_datagram() {
        let long = vec![b'\n'; 100_000];
        let mut entry = Entry::new(Level::Info, long.clone());
        for field in [
            Field::QueueId,
            Field::Instance,
            Field::ClientName,
            Field::ClientAddress,
            Field::HeloName,
            Field::Sender,
            Field::Recipient,
            Field::Group,
            Field::Service,
            Field::Failed,
            Field::Action,
        ] {
            entry = entry.with(field, &long);
        }
        let length = Journald::new("hapolicy").message(&entry.record()).len();
        assert!(length < 32_768, "{length} bytes");
    }

    /// A strict reader of the protocol: names of capitals, digits and `_`, each once, and nothing that is left over.
    fn fields(mut rest: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
        let mut fields = BTreeMap::new();
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| b"=\n".contains(byte))?;
            let (name, value) = rest.split_at(end);
            let is_name = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'_';
            if name.is_empty() || name.starts_with(b"_") || !name.iter().all(is_name) {
                return None;
            }
            let (value, after) = if let Some(value) = value.strip_prefix(b"=") {
                value.split_at(value.iter().position(|byte| *byte == b'\n')?)
            } else {
                let (length, value) = value.get(1..)?.split_first_chunk::<8>()?;
                value.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?
            };
            rest = after.strip_prefix(b"\n")?;
            let name = String::from_utf8(name.to_vec()).ok()?;
            if fields.insert(name, value.to_vec()).is_some() {
                return None;
            }
        }
        Some(fields)
    }
}
