//! An entry of the log: a text with fields, by which a program finds it in systemd's journal or among JSON lines.

use super::{Level, MessageId};

/// A line of the log with what belongs to it.
///
/// The system's log and plain standard output have the text alone. systemd's journal has each field as one of its own,
/// and a JSON line has it as a key.
///
/// ```
/// use policy_daemon::log::{Entry, Field, Level, Log};
///
/// let entry = Entry::new(Level::Info, "action=dunno")
///     .with(Field::QueueId, "3Yx1")
///     .with(Field::Sender, "a@example.com");
/// let log = Log::buffered();
/// log.entry(&entry);
/// assert_eq!(log.take_buffered(), b"[LOG info]: action=dunno\n");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    pub(super) level: Level,
    pub(super) text: Vec<u8>,
    pub(super) id: Option<MessageId>,
    pub(super) fields: Vec<(Field, Vec<u8>)>,
}

impl Entry {
    /// A text without fields.
    pub fn new(level: Level, text: impl Into<Vec<u8>>) -> Self {
        Self {
            level,
            text: text.into(),
            id: None,
            fields: Vec::new(),
        }
    }

    /// With the kind of the line, where programs look for it.
    #[must_use]
    pub fn with_id(self, id: MessageId) -> Self {
        Self {
            id: Some(id),
            ..self
        }
    }

    /// With a field. The last value of a field counts, an empty one is left out, and of a long one the first 1024 bytes
    /// stay, up to a whole character.
    #[must_use]
    pub fn with(mut self, field: Field, value: impl AsRef<[u8]>) -> Self {
        self.fields.retain(|(known, _)| *known != field);
        let value = shortened(value.as_ref());
        if !value.is_empty() {
            self.fields.push((field, value.to_vec()));
        }
        self
    }

    /// With the attributes that identify a request of Postfix, from the queue ID to the recipient.
    #[must_use]
    pub fn with_request<'a>(self, attribute: impl Fn(&str) -> Option<&'a [u8]>) -> Self {
        let add = |entry: Self, field: Field| {
            let value = attribute(field.name());
            entry.with(field, value.unwrap_or_default())
        };
        OF_REQUESTS.into_iter().fold(self, add)
    }

    pub(super) fn record(&self) -> Record<'_> {
        let Self {
            level,
            text,
            id,
            fields,
        } = self;
        Record {
            level: *level,
            text,
            id: *id,
            fields,
        }
    }
}

/// A field of an entry. Its [`name`](Self::name) is that of Postfix's attribute, where it is one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Field {
    /// The queue ID of the message.
    QueueId,
    /// What Postfix calls the message in all its requests.
    Instance,
    /// The stage of SMTP.
    ProtocolState,
    /// The name of the SMTP client.
    ClientName,
    /// The address of the SMTP client.
    ClientAddress,
    /// The name that the client gives itself.
    HeloName,
    /// The envelope sender.
    Sender,
    /// The envelope recipient.
    Recipient,
    /// The group of services that a request went to.
    Group,
    /// The service that the line is about: the one that answered.
    Service,
    /// The virtual host of the configuration.
    VirtualHost,
    /// The plugin that decided.
    Plugin,
    /// How many services were asked.
    Attempts,
    /// The services that did not answer.
    Failed,
    /// How long the request took, in milliseconds.
    Ms,
    /// The answer.
    Action,
    /// Whether the answer is the default action.
    Default,
}

impl Field {
    /// The key in a JSON line. In systemd's journal it is written in capitals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueueId => "queue_id",
            Self::Instance => "instance",
            Self::ProtocolState => "protocol_state",
            Self::ClientName => "client_name",
            Self::ClientAddress => "client_address",
            Self::HeloName => "helo_name",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Group => "group",
            Self::Service => "service",
            Self::VirtualHost => "virtual_host",
            Self::Plugin => "plugin",
            Self::Attempts => "attempts",
            Self::Failed => "failed",
            Self::Ms => "ms",
            Self::Action => "action",
            Self::Default => "default",
        }
    }

    /// Whether a JSON line has its value as a number.
    pub(super) const fn is_number(self) -> bool {
        matches!(self, Self::Attempts | Self::Ms)
    }
}

/// A line as a place of the log takes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) level: Level,
    /// Not yet printable.
    pub(super) text: &'a [u8],
    pub(super) id: Option<MessageId>,
    pub(super) fields: &'a [(Field, Vec<u8>)],
}

impl<'a> Record<'a> {
    pub(super) const fn plain(level: Level, text: &'a [u8]) -> Self {
        Self {
            level,
            text,
            id: None,
            fields: &[],
        }
    }
}

/// The beginning of a value that is too long.
fn shortened(value: &[u8]) -> &[u8] {
    let Some(cut) = value.get(..MAX_VALUE) else {
        return value;
    };
    // A character has up to three bytes after its first.
    let is_begin = |byte: &u8| *byte & 0xc0 != 0x80;
    let tail = cut.len().saturating_sub(3);
    match value.get(MAX_VALUE) {
        None => value,
        Some(next) if is_begin(next) => cut,
        Some(_) => {
            let last = cut.get(tail..).unwrap_or_default();
            let end = last
                .iter()
                .rposition(is_begin)
                .map_or(cut.len(), |at| tail + at);
            cut.get(..end).unwrap_or(cut)
        }
    }
}

const OF_REQUESTS: [Field; 8] = [
    Field::QueueId,
    Field::Instance,
    Field::ProtocolState,
    Field::ClientName,
    Field::ClientAddress,
    Field::HeloName,
    Field::Sender,
    Field::Recipient,
];
/// The longest value in bytes: four times the longest path of SMTP.
const MAX_VALUE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_a_limit_and_ends_in_a_whole_character() {
        let half = [vec![b'x'; MAX_VALUE - 1], "é".into()].concat();
        for (value, length) in [
            (vec![b'x'; MAX_VALUE], Some(MAX_VALUE)),
            (vec![b'x'; MAX_VALUE + 1], Some(MAX_VALUE)),
            (half, Some(MAX_VALUE - 1)),
            // Bytes that are no text are cut where the limit is.
            (vec![0x80; MAX_VALUE + 9], Some(MAX_VALUE)),
            (Vec::new(), None),
        ] {
            let entry = Entry::new(Level::Info, "").with(Field::Sender, &value);
            let written = entry.fields.first().map(|(_, value)| value.len());
            assert_eq!(written, length, "of {} bytes", value.len());
        }
    }

    #[test]
    fn the_last_value_of_a_field_counts() {
        let entry = Entry::new(Level::Info, "")
            .with(Field::Sender, "a")
            .with(Field::Recipient, "b")
            .with(Field::Sender, "c");
        let expected = [
            (Field::Recipient, b"b".to_vec()),
            (Field::Sender, b"c".to_vec()),
        ];
        assert_eq!(entry.fields, expected);
    }
}
