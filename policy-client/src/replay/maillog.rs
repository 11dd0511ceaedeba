//! Requests out of a mail log of Postfix: what its lines tell of each recipient, at the stage RCPT or where it was rejected.
//!
//! A log does not say what Postfix asked a policy server. Each recipient that was accepted or rejected becomes a request,
//! with the attributes that the log has and those of a preset for the others.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use policy_proto::{ProtocolState, Request, attr};

use super::timestamp::Clock;
use crate::{
    input::{
        capture::{Captured, Facts},
        lines::{Fault, Lines, until_fault},
    },
    request::preset::{Version, attributes},
};

/// The requests of a log.
pub(super) fn requests(
    lines: Lines,
    postfix: Version,
) -> impl Iterator<Item = Result<Captured, Fault>> {
    let mut log = Log::new(lines, postfix);
    until_fault(move || log.read())
}

/// A log that is read.
struct Log {
    lines: Lines,
    postfix: Version,
    clock: Clock,
    /// Messages whose recipients are still to come, by queue ID.
    messages: HashMap<String, Message>,
    /// Their queue IDs, the oldest first.
    ages: VecDeque<String>,
    count: u64,
}

/// What is known of a message.
#[derive(Debug, Default)]
struct Message {
    time: Duration,
    client: Vec<(&'static str, String)>,
    sender: String,
    size: String,
    /// Those that became requests: one that is deferred is logged again and again.
    recipients: Vec<String>,
}

impl Log {
    fn new(lines: Lines, postfix: Version) -> Self {
        Self {
            lines,
            postfix,
            clock: Clock::default(),
            messages: HashMap::new(),
            ages: VecDeque::new(),
            count: 0,
        }
    }

    fn read(&mut self) -> Result<Option<Captured>, Fault> {
        loop {
            let line = self.lines.next()?;
            if line.is_empty() {
                return Ok(None);
            }
            let Some((time, rest)) = self.clock.read(&line) else {
                continue;
            };
            let rest = String::from_utf8_lossy(rest);
            let Some((stage, instance, attributes, time)) = self.line(time, rest.trim()) else {
                continue;
            };
            let Ok(request) = self.request(stage, &instance, attributes) else {
                continue;
            };
            return Ok(Some(Captured {
                request,
                facts: Facts {
                    time: Some(time),
                    ..Facts::default()
                },
                read: self.lines.read,
            }));
        }
    }

    /// The request that a line completes.
    fn line(&mut self, time: Duration, rest: &str) -> Option<Completed> {
        // `HOST NAME/DAEMON[PID]: TEXT`
        let (head, text) = rest.split_once("]: ")?;
        let (program, _) = head
            .rsplit_once(' ')
            .map_or(head, |(_, program)| program)
            .split_once('[')?;
        let (_, daemon) = program.rsplit_once('/')?;
        let (id, text) = text.split_once(": ")?;
        if daemon == "smtpd" {
            if let Some(rejected) = text.strip_prefix("reject: ") {
                self.count += 1;
                let (stage, attributes) = reject(rejected)?;
                return Some((stage, format!("log.{}", self.count), attributes, time));
            }
            if let Some(client) = text.strip_prefix("client=") {
                self.accept(id, time, client);
            }
            return None;
        }
        if text == "removed" {
            self.messages.remove(id);
            return None;
        }
        let message = self.messages.get_mut(id)?;
        if daemon == "qmgr" {
            message.sender = between(text, "from=<", ">")?.to_owned();
            message.size = between(text, "size=", ",").unwrap_or_default().to_owned();
            return None;
        }
        let delivered = between(text, "to=<", ">").filter(|_| text.starts_with("to=<"))?;
        // As the mail client named it, before aliases.
        let recipient = between(text, " orig_to=<", ">").unwrap_or(delivered);
        if message.recipients.len() >= MAX_RECIPIENTS
            || message.recipients.iter().any(|known| known == recipient)
        {
            return None;
        }
        message.recipients.push(recipient.to_owned());
        let mut attributes = message.client.clone();
        attributes.push((attr::SENDER, message.sender.clone()));
        attributes.push((attr::RECIPIENT, recipient.to_owned()));
        attributes.push((attr::SIZE, message.size.clone()));
        Some((
            ProtocolState::Rcpt,
            format!("log.{id}"),
            attributes,
            message.time,
        ))
    }

    /// A message has been accepted from this client.
    fn accept(&mut self, id: &str, time: Duration, client: &str) {
        if self.ages.len() >= MAX_MESSAGES
            && let Some(oldest) = self.ages.pop_front()
        {
            self.messages.remove(&oldest);
        }
        let mut fields = client.split(", ");
        let mut attributes = fields.next().and_then(host).unwrap_or_default();
        for field in fields {
            for name in [attr::SASL_METHOD, attr::SASL_USERNAME, attr::SASL_SENDER] {
                if let Some(value) = field
                    .strip_prefix(name)
                    .and_then(|rest| rest.strip_prefix('='))
                {
                    attributes.push((name, value.to_owned()));
                }
            }
        }
        let message = Message {
            time,
            client: attributes,
            ..Message::default()
        };
        self.messages.insert(id.to_owned(), message);
        self.ages.push_back(id.to_owned());
    }

    /// What Postfix sends at that stage, with these values.
    fn request(
        &self,
        stage: ProtocolState,
        instance: &str,
        known: Vec<(&'static str, String)>,
    ) -> Result<Request, policy_proto::InvalidAttribute> {
        let mut all = attributes(stage, self.postfix, instance);
        for (name, value) in known {
            if let Some((_, preset)) = all.iter_mut().find(|(preset, _)| *preset == name) {
                *preset = value;
            }
        }
        Request::from_attributes(all)
    }
}

/// A stage, an instance, attributes, and when they were sent.
type Completed = (ProtocolState, String, Vec<(&'static str, String)>, Duration);

/// `RCPT from NAME[ADDRESS]: 450 ...; from=<A> to=<B> proto=ESMTP helo=<C>`
fn reject(text: &str) -> Option<(ProtocolState, Vec<(&'static str, String)>)> {
    let (stage, rest) = text.split_once(" from ")?;
    let stage = ProtocolState::parse(stage.as_bytes())?;
    let (client, rest) = rest.split_once(": ")?;
    let mut attributes = host(client)?;
    let (_, fields) = rest.rsplit_once("; ")?;
    for (name, begin, end) in [
        (attr::SENDER, "from=<", ">"),
        (attr::RECIPIENT, "to=<", ">"),
        (attr::PROTOCOL_NAME, "proto=", " "),
        (attr::HELO_NAME, "helo=<", ">"),
    ] {
        if let Some(value) = between(fields, begin, end) {
            attributes.push((name, value.to_owned()));
        }
    }
    Some((stage, attributes))
}

/// `NAME[ADDRESS]` or `NAME[ADDRESS]:PORT`
fn host(text: &str) -> Option<Vec<(&'static str, String)>> {
    let (name, rest) = text.split_once('[')?;
    let (address, port) = rest.split_once(']')?;
    let mut attributes = vec![
        (attr::CLIENT_NAME, name.to_owned()),
        (attr::REVERSE_CLIENT_NAME, name.to_owned()),
        (attr::CLIENT_ADDRESS, address.to_owned()),
    ];
    if let Some(port) = port.strip_prefix(':') {
        attributes.push((attr::CLIENT_PORT, port.to_owned()));
    }
    Some(attributes)
}

/// The text between these; to the end where the last one is missing.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    Some(rest.split_once(end).map_or(rest, |(value, _)| value))
}

/// Messages of which recipients are waited for; the oldest is given up.
const MAX_MESSAGES: usize = 10_000;
/// Recipients of one message.
const MAX_RECIPIENTS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_recipient_of_a_log_becomes_one_request() {
        let all: Vec<_> = log(LOG).map(Result::unwrap).collect();
        let value = |index: usize, name: &str| {
            let value = all[index].request.get(name).unwrap();
            String::from_utf8(value.to_vec()).unwrap()
        };
        let told: Vec<_> = (0..all.len())
            .map(|index| {
                [
                    attr::PROTOCOL_STATE,
                    attr::CLIENT_ADDRESS,
                    attr::SENDER,
                    attr::RECIPIENT,
                ]
                .map(|name| value(index, name))
                .join(" ")
            })
            .collect();
        assert_eq!(
            told,
            [
                "RCPT 192.0.2.9 a@example.com b@example.org",
                "RCPT 192.0.2.1 c@example.com d@example.org",
                "RCPT 192.0.2.1 c@example.com alias@example.org",
                "HELO 192.0.2.9  ",
            ]
        );
        assert_eq!(value(0, attr::HELO_NAME), "foo");
        assert_eq!(value(0, attr::CLIENT_NAME), "unknown");
        assert_eq!(value(1, attr::SASL_USERNAME), "alice");
        assert_eq!(value(1, attr::SIZE), "1234");
        assert_eq!(value(1, attr::INSTANCE), value(2, attr::INSTANCE));
        assert_ne!(value(0, attr::INSTANCE), value(1, attr::INSTANCE));
        // When the client was there, and not when the mail was delivered.
        let since = all[1].facts.time.unwrap() - all[0].facts.time.unwrap();
        assert_eq!(since, Duration::from_secs(1));
    }

    #[test]
    fn what_is_no_line_of_postfix_is_left_out() {
        for line in [
            "rubbish",
            "Nov 29 12:00:01 mail sshd[1]: client=x",
            "Nov 29 12:00:01 mail postfix/smtpd[1]: NOQUEUE: reject: RCPT from x: 450",
            "Nov 29 12:00:01 mail postfix/lmtp[1]: 4F: to=<a@b>, relay=x",
            "Nov 29 12:00:01 mail postfix/smtpd[1]: warning: problem talking to server x: y",
        ] {
            assert_eq!(log(line).count(), 0, "{line}");
        }
    }

    fn log(text: &str) -> impl Iterator<Item = Result<Captured, Fault>> + use<> {
        let lines = Lines::of(Box::new(std::io::Cursor::new(text.to_owned())));
        requests(lines, "3.12".parse().unwrap())
    }

    const LOG: &str = "\
Nov 29 12:00:01 mail postfix/smtpd[9]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 450 4.7.1 <foo>: Helo; from=<a@example.com> to=<b@example.org> proto=ESMTP helo=<foo>
Nov 29 12:00:02 mail postfix/submission/smtpd[9]: 4F0B098E7FB: client=mail.example.com[192.0.2.1], sasl_method=PLAIN, sasl_username=alice
Nov 29 12:00:02 mail postfix/cleanup[9]: 4F0B098E7FB: message-id=<x@example.com>
Nov 29 12:00:02 mail postfix/qmgr[9]: 4F0B098E7FB: from=<c@example.com>, size=1234, nrcpt=2 (queue active)
Nov 29 12:00:09 mail postfix/lmtp[9]: 4F0B098E7FB: to=<d@example.org>, relay=x, status=deferred
Nov 29 12:00:19 mail postfix/lmtp[9]: 4F0B098E7FB: to=<d@example.org>, relay=x, status=sent
Nov 29 12:00:20 mail postfix/local[9]: 4F0B098E7FB: to=<e@example.org>, orig_to=<alias@example.org>, relay=local, status=sent
Nov 29 12:00:20 mail postfix/qmgr[9]: 4F0B098E7FB: removed
Nov 29 12:00:21 mail postfix/smtpd[9]: NOQUEUE: reject: HELO from unknown[192.0.2.9]: 504 5.5.2 <x>: Helo command rejected; proto=SMTP helo=<x>
";
}
