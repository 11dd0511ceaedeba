//! A daemon's line per request (`-l`), as `key=value`.

use policy_daemon::log::{Entry, Field, Level, MessageId, append_field};
use policy_proto::{Request, Response, attr};

use super::{
    escape::{MAX_TEXT, MAX_VALUE},
    millis,
};
use crate::journal::{Journal, Outcome};

/// The line.
pub(in crate::journal) fn line(
    journal: &Journal,
    request: &Request,
    outcome: &Outcome<'_>,
) -> String {
    let mut line = String::with_capacity(512);
    for (name, limit) in ATTRIBUTES {
        let value = request.get(name).unwrap_or_default();
        append_field(&mut line, name, value, limit);
    }
    if let Some(name) = journal.group_name(outcome.group) {
        append_field(&mut line, "group", name.as_bytes(), MAX_NAME);
    }
    let service = service(journal, outcome).as_bytes();
    append_field(&mut line, "service", service, MAX_NAME);
    let attempts = attempts(outcome);
    append_field(&mut line, "attempts", attempts.as_bytes(), MAX_WORD);
    let failed = failed(journal, outcome);
    append_field(&mut line, "failed", failed.as_bytes(), MAX_NAMES);
    append_field(&mut line, "ms", millis(outcome.took).as_bytes(), MAX_WORD);
    append_field(&mut line, "action", action(outcome), MAX_TEXT);
    append_field(&mut line, "default", default(outcome).as_bytes(), MAX_WORD);
    line
}

/// The entry with this line, which has each of its values as a field.
pub(in crate::journal) fn entry(
    journal: &Journal,
    line: String,
    request: &Request,
    outcome: &Outcome<'_>,
) -> Entry {
    let entry = Entry::new(Level::Info, line).with_id(MessageId::REQUEST);
    entry
        .with_request(|name| request.get(name))
        .with(
            Field::Group,
            journal.group_name(outcome.group).unwrap_or_default(),
        )
        .with(Field::Service, service(journal, outcome))
        .with(Field::Attempts, attempts(outcome))
        .with(Field::Failed, failed(journal, outcome))
        .with(Field::Ms, millis(outcome.took))
        .with(Field::Action, action(outcome))
        .with(Field::Default, default(outcome))
}

/// The name of the service that answered.
fn service<'j>(journal: &'j Journal, outcome: &Outcome<'_>) -> &'j str {
    let answered = outcome.answered;
    let service = answered.and_then(|backend| journal.name_of(backend.index()));
    service.unwrap_or_default()
}

/// How many were asked.
fn attempts(outcome: &Outcome<'_>) -> String {
    let attempts = outcome.failed.count_ones() + u32::from(outcome.answered.is_some());
    attempts.to_string()
}

/// The names of those that did not answer.
fn failed(journal: &Journal, outcome: &Outcome<'_>) -> String {
    let is_failed = |index: &usize| outcome.failed & (1 << index) != 0;
    let names = (0..64).filter(is_failed);
    let names: Vec<&str> = names.filter_map(|index| journal.name_of(index)).collect();
    names.join(",")
}

fn action<'o>(outcome: &Outcome<'o>) -> &'o [u8] {
    let response = outcome.response;
    response.map(Response::as_bytes).unwrap_or_default()
}

/// Whether it is the default action.
const fn default(outcome: &Outcome<'_>) -> &'static str {
    match (outcome.answered, outcome.response) {
        (Some(_), _) => "no",
        (None, Some(_)) => "yes",
        (None, None) => "close",
    }
}

/// The attributes that identify a request, and the bytes that each may have as written.
const ATTRIBUTES: [(&str, usize); 8] = [
    (attr::QUEUE_ID, MAX_WORD),
    (attr::INSTANCE, MAX_WORD),
    (attr::PROTOCOL_STATE, MAX_WORD),
    (attr::CLIENT_NAME, MAX_VALUE),
    (attr::CLIENT_ADDRESS, MAX_WORD),
    (attr::HELO_NAME, MAX_VALUE),
    (attr::SENDER, MAX_VALUE),
    (attr::RECIPIENT, MAX_VALUE),
];
/// No queue ID, instance, stage or address is as long.
const MAX_WORD: usize = 128;
/// The longest name of a service.
const MAX_NAME: usize = 256;
/// The longest list of them: the line has room for all that is before and behind.
const MAX_NAMES: usize = 512;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::time::Duration;

    use policy_daemon::log::{Log, printable};

    use super::*;
    use crate::{
        journal::line::tests::{is_shown, unescaped, value},
        options::Service,
    };

    const KEYS: [&str; 14] = [
        "queue_id",
        "instance",
        "protocol_state",
        "client_name",
        "client_address",
        "helo_name",
        "sender",
        "recipient",
        "service",
        "attempts",
        "failed",
        "ms",
        "action",
        "default",
    ];

    proptest! {
        #[test]
        fn no_value_can_write_a_field(
            values in prop::collection::vec(value(&PIECES), 8),
            action in value(&PIECES),
            name in value(&PIECES),
        ) {
            let line = line_about(&values, &action, &name);
            prop_assert_eq!(&printable(&line), &line, "nothing is left to be escaped or cut");
            let fields = fields(&line).ok_or_else(|| TestCaseError::fail(line.clone()))?;
            let keys: Vec<&str> = fields.iter().map(|(key, _)| &**key).collect();
            prop_assert_eq!(keys, KEYS.to_vec(), "{}", line);
            for (value, (_, field)) in values.iter().zip(&fields) {
                prop_assert!(is_shown(value, field), "{} is not {}", field.escape_ascii(), value.escape_ascii());
            }
            // A reader that looks for a key after a blank finds one place, the right one.
            for key in &KEYS[1..] {
                prop_assert_eq!(line.matches(&format!(" {key}=")).count(), 1, "{}: {}", key, &line);
            }
        }
    }

    #[test]
    fn the_longest_values_leave_the_line_whole() {
        let long = vec![b'"'; 16_000];
        let line = line_about(&vec![long.clone(); 8], &long, &long);
        assert_eq!(printable(&line), line);
        assert_eq!(fields(&line).map(|fields| fields.len()), Some(KEYS.len()));
    }

    fn line_about(values: &[Vec<u8>], action: &[u8], name: &[u8]) -> String {
        let names = ATTRIBUTES.iter().map(|(name, _)| *name);
        let request = Request::from_attributes(names.zip(values)).unwrap();
        let mut services =
            vec![Service::parse(b"a=127.0.0.1:1", Duration::from_secs(1)).unwrap(); 64];
        for service in &mut services {
            service.name = name.to_vec();
        }
        let journal = Journal::new(Log::buffered(), services);
        let response = Response::new([b"x", action].concat()).unwrap();
        let outcome = Outcome {
            group: 0,
            answered: None,
            failed: u64::MAX,
            took: Duration::ZERO,
            response: Some(&response),
        };
        line(&journal, &request, &outcome)
    }

    /// A reader of `key=value` as there are many: a value within quotation marks ends at the next one.
    fn fields(mut rest: &str) -> Option<Vec<(String, Vec<u8>)>> {
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let (key, value) = rest.split_once('=')?;
            let (value, end) = match value.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => value.split_at(value.find(' ').unwrap_or(value.len())),
            };
            fields.push((key.to_owned(), unescaped(value)?));
            rest = match end {
                "" => end,
                end => end.strip_prefix(' ')?,
            };
        }
        Some(fields)
    }

    /// Pieces of the line's own syntax.
    const PIECES: [&str; 8] = [
        "=",
        "\\x22",
        "\u{3000}",
        "sender=",
        " sender=",
        "\" action=",
        " default=no",
        " client_address=203.0.113.8 ",
    ];
}
