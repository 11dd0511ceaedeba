//! What Postfix would make of a request without an answer: the lines of its log, and its reply to the mail client.
//!
//! Read in Postfix's `attr_clnt.c`, `auto_clnt.c`, `attr_scan_plain.c`, `inet_connect.c` and `smtpd_check.c`.

use std::io;

use policy_net::Endpoint;
use policy_proto::{ProtocolState, Request, attr};

use super::Failure;
use crate::answer::{Fault, Flaw, is_within_value, names_table, restriction, text};

/// What Postfix logs and replies, with its default settings.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Postfix {
    /// The warnings of one try, and of the last try.
    pub(crate) log: Vec<String>,
    /// The reply to the mail client; `None` where it goes on as after `OK`.
    pub(crate) reply: Option<String>,
    /// How long it takes until then.
    pub(crate) after: &'static str,
}

impl Postfix {
    /// What Postfix makes of this failure; `None` where it was not the server's.
    pub(crate) fn on(failure: &Failure, endpoint: &Endpoint, request: &Request) -> Option<Self> {
        let name = name(endpoint);
        let talk = |error: &str| format!("warning: problem talking to server {name}: {error}");
        // Before the first byte of an answer its reader says nothing of its own.
        let within = |what, line: &[u8], error: &str| {
            let part = part(line).map(|part| {
                format!("warning: {what} on {name} while reading input attribute {part}")
            });
            part.into_iter().chain([talk(error)]).collect()
        };
        let (log, after) = match failure {
            Failure::Connect(error) => on_connect(error, &name),
            Failure::Connection { error, line } => (within(END, line, &plain(error)), TWO_TRIES),
            Failure::Closed => (within(END, b"", NO_ERROR), TWO_TRIES),
            Failure::Half(line) => (within(END, line, NO_ERROR), TWO_TRIES),
            Failure::TimedOut { line, .. } => (
                within("timeout", line, "Connection timed out"),
                TWO_TIME_OUTS,
            ),
            Failure::Invalid(Fault { flaw, line }) => match flaw {
                Flaw::NoAction => {
                    let missing = format!("warning: missing attribute action in input from {name}");
                    (vec![missing, talk(NO_ERROR)], TWO_TRIES)
                }
                Flaw::NoValue => {
                    let missing =
                        format!("warning: missing value for string attribute action from {name}");
                    (vec![missing, talk(NO_ERROR)], TWO_TRIES)
                }
                Flaw::NotUtf8 => (vec![on_malformed(text(line), endpoint)], ""),
                Flaw::Blank => return Some(on_blank(text(line), endpoint)),
                Flaw::Unknown => return on_unknown(text(line), endpoint),
            },
        };
        let reply = Some(format!("{CODE} {}{TEXT}", rejected(request)));
        Some(Self { log, reply, after })
    }
}

/// What Postfix logs of an action that is not UTF-8, with `smtputf8_enable` on.
fn on_malformed(action: &[u8], endpoint: &Endpoint) -> String {
    format!(
        "warning: malformed UTF-8 in policy server {} response: \"{}\"",
        table(endpoint),
        shown(action)
    )
}

fn on_blank(action: &[u8], endpoint: &Endpoint) -> Postfix {
    let (table, action) = (table(endpoint), shown(action));
    let log = format!("warning: access table {table} entry {action} has empty value");
    Postfix {
        log: vec![log],
        reply: None,
        after: "",
    }
}

/// What Postfix makes of an action that it does not know.
fn on_unknown(action: &[u8], endpoint: &Endpoint) -> Option<Postfix> {
    let log = if names_table(action) {
        let (table, action) = (table(endpoint), shown(action));
        vec![
            format!("warning: access table {table} has entry with lookup table: {action}"),
            "warning: do not specify lookup tables inside SMTPD access maps".to_owned(),
            "warning: define a restriction class and specify its name instead.".to_owned(),
        ]
    } else {
        let name = shown(restriction(action)?);
        vec![format!("warning: unknown smtpd restriction: \"{name}\"")]
    };
    Some(Postfix {
        log,
        reply: Some(format!("{CODE} {ERROR}")),
        after: "",
    })
}

/// An endpoint as the name of a table in Postfix's log.
fn table(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Inet { .. } => endpoint.to_string(),
        _ => format!("unix:{}", name(endpoint)),
    }
}

/// Bytes as Postfix logs them: none that a terminal would not show.
fn shown(bytes: &[u8]) -> String {
    let show = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    bytes.iter().map(show).collect()
}

/// The part of an attribute that Postfix reads when so much of a line has come; `None` before the first byte.
fn part(line: &[u8]) -> Option<&'static str> {
    let part = if is_within_value(line) {
        "value"
    } else {
        "name"
    };
    (!line.is_empty()).then_some(part)
}

/// An endpoint in Postfix's log: without its transport.
fn name(endpoint: &Endpoint) -> String {
    let name = endpoint.to_string();
    match name.split_once(':') {
        Some((_, name)) => name.to_owned(),
        None => name,
    }
}

fn on_connect(error: &io::Error, name: &str) -> (Vec<String>, &'static str) {
    let talk = "problem talking to server";
    // The resolver's errors are none of the system's.
    if error.raw_os_error().is_none() && error.kind() != io::ErrorKind::TimedOut {
        let cannot = "Cannot assign requested address";
        return (
            vec![
                format!(
                    "warning: host or service {name} not found: {}",
                    resolver(error)
                ),
                format!("warning: connect to {name}: {cannot}"),
                format!("warning: {talk} {name}: {cannot}"),
            ],
            TWO_TRIES,
        );
    }
    let text = if error.kind() == io::ErrorKind::TimedOut {
        "Connection timed out".to_owned()
    } else {
        plain(error)
    };
    let after = if error.kind() == io::ErrorKind::TimedOut {
        TWO_TIME_OUTS
    } else {
        TWO_TRIES
    };
    (
        vec![
            format!("warning: connect to {name}: {text}"),
            format!("warning: {talk} {name}: {text}"),
        ],
        after,
    )
}

/// An error of the resolver, in the words of gai_strerror(3).
fn resolver(error: &io::Error) -> String {
    let text = error.to_string();
    let prefix = "failed to lookup address information: ";
    text.strip_prefix(prefix).map(str::to_owned).unwrap_or(text)
}

/// An error in the words of strerror(3).
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}

/// The part of the reply that names the stage.
fn rejected(request: &Request) -> String {
    let value =
        |name: &str| String::from_utf8_lossy(request.get(name).unwrap_or_default()).into_owned();
    let (subject, class) = match request.protocol_state() {
        Some(ProtocolState::Connect) => {
            let client = format!(
                "{}[{}]",
                value(attr::CLIENT_NAME),
                value(attr::CLIENT_ADDRESS)
            );
            (client, "Client host")
        }
        Some(ProtocolState::Helo | ProtocolState::Ehlo) => (value(attr::HELO_NAME), "Helo command"),
        Some(ProtocolState::Mail) => (value(attr::SENDER), "Sender address"),
        Some(ProtocolState::Rcpt | ProtocolState::Vrfy) => {
            (value(attr::RECIPIENT), "Recipient address")
        }
        Some(ProtocolState::Data) => ("DATA".to_owned(), "Data command"),
        Some(ProtocolState::EndOfMessage) => ("END-OF-MESSAGE".to_owned(), "End-of-data"),
        Some(ProtocolState::Etrn) => (value(attr::ETRN_DOMAIN), "Etrn command"),
        _ => return String::new(),
    };
    format!("<{subject}>: {class} rejected: ")
}

/// `smtpd_policy_service_default_action`.
const CODE: &str = "451 4.3.5";
const TEXT: &str = "Server configuration problem";
/// What Postfix replies to a restriction that it does not know.
const ERROR: &str = "Server configuration error";
/// What its reader says where the connection ends or fails.
const END: &str = "premature end-of-input";
/// `%m` where no system call has failed.
const NO_ERROR: &str = "Application error";
/// `smtpd_policy_service_try_limit`, `_retry_delay` and `_timeout`.
const TWO_TRIES: &str = "after a second try, 1 s later";
const TWO_TIME_OUTS: &str = "after two tries of 100 s each";
