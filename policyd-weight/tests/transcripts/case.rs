//! A transcript: a configuration, a zone, and requests with their answers.

/// What a case does, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Attributes that differ from the common request; none is taken away.
    Request(Vec<(String, Option<String>)>),
    /// The answer; none if the connection is closed.
    Answer(Option<String>),
    /// The line of the score.
    Log(String),
    /// The line of the answer, which follows each one. Transcripts do not repeat it.
    Decided(String),
    /// The questions that the name server got; none is given as an empty list.
    Questions(Vec<String>),
    /// Seconds to wait: the program counts them.
    Wait(f64),
    /// Another zone.
    Zone { line: String, is_removed: bool },
}

/// A transcript.
#[derive(Clone, Debug, Default)]
pub struct Case {
    pub name: String,
    pub config: String,
    pub zone: Vec<String>,
    pub steps: Vec<Step>,
}

/// Reads all cases of a file.
pub fn read(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = vec![];
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if !line.starts_with(' ') {
            let name = line.split(':').next().unwrap_or(line).replace(' ', "-");
            cases.push(Case {
                name,
                ..Case::default()
            });
            continue;
        }
        let case = cases.last_mut().expect("a case begins with its name");
        let line = line.trim_start();
        if let Some(config) = line.strip_prefix("config: ") {
            case.config.push_str(config);
            case.config.push('\n');
        } else if let Some(zone) = line.strip_prefix("dns: ") {
            case.zone.push(zone.to_owned());
        } else {
            case.steps.push(step(line));
        }
    }
    cases
}

fn step(line: &str) -> Step {
    if let Some(request) = line.strip_prefix('>') {
        return Step::Request(attributes(request.trim()));
    }
    if let Some(answer) = line.strip_prefix("< ") {
        return Step::Answer(answer.strip_prefix("action=").map(with_reject_message));
    }
    if let Some(log) = line.strip_prefix("L: ") {
        return Step::Log(log.to_owned());
    }
    if let Some(questions) = line.strip_prefix("DNS questions since: ") {
        let questions = questions.split(' ').filter(|question| *question != "none");
        return Step::Questions(questions.map(str::to_owned).collect());
    }
    let inner = line
        .strip_prefix('(')
        .and_then(|line| line.strip_suffix(')'))
        .expect("a step");
    if let Some(seconds) = inner.strip_prefix("wait ") {
        return Step::Wait(seconds.trim_end_matches(" s").parse().expect("seconds"));
    }
    let zone = inner
        .strip_prefix("zone change: ")
        .expect("a step in parentheses");
    let is_removed = zone.ends_with(" removed");
    Step::Zone {
        line: zone.trim_end_matches(" removed").to_owned(),
        is_removed,
    }
}

/// `name=value` pairs; a value may have blanks in it.
fn attributes(text: &str) -> Vec<(String, Option<String>)> {
    let mut all: Vec<(String, Option<String>)> = vec![];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match word
            .split_once('=')
            .filter(|(name, _)| NAMES.contains(name))
        {
            Some((name, "(absent)")) => all.push((name.to_owned(), None)),
            Some((name, value)) => all.push((name.to_owned(), Some(value.to_owned()))),
            None => {
                let (_, value) = all.last_mut().expect("an attribute");
                let value = value.get_or_insert_default();
                value.push(' ');
                value.push_str(word);
            }
        }
    }
    all
}

fn with_reject_message(text: &str) -> String {
    text.replace("<REJECTMSG>", REJECT_MESSAGE)
}

/// What `$REJECTMSG` says behind its code.
pub const REJECT_MESSAGE: &str = "Mail appeared to be SPAM or forged. Ask your Mail/DNS-Administrator to correct HELO and DNS MX settings or to get removed from DNSBLs";

const NAMES: [&str; 8] = [
    "request",
    "helo_name",
    "sender",
    "recipient",
    "client_address",
    "client_name",
    "instance",
    "reverse_client_name",
];

/// The common request.
pub const COMMON: [(&str, &str); 23] = [
    ("request", "smtpd_access_policy"),
    ("protocol_state", "RCPT"),
    ("protocol_name", "ESMTP"),
    ("helo_name", "mail.acme.test"),
    ("queue_id", ""),
    ("sender", "carol@acme.test"),
    ("recipient", "dave@rcpt.test"),
    ("recipient_count", "0"),
    ("client_address", "100.64.2.10"),
    ("client_name", "mail.acme.test"),
    ("reverse_client_name", "mail.acme.test"),
    ("instance", "1a2b.5f3e1c02.a1b2c.0"),
    ("sasl_method", ""),
    ("sasl_username", ""),
    ("sasl_sender", ""),
    ("size", "12345"),
    ("ccert_subject", ""),
    ("ccert_issuer", ""),
    ("ccert_fingerprint", ""),
    ("encryption_protocol", ""),
    ("encryption_keysize", "0"),
    ("etrn_domain", ""),
    ("stress", ""),
];
