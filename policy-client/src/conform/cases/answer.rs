//! Cases about the answer: its form, and what Postfix makes of its action.

use std::sync::Arc;

use policy_proto::{
    Action,
    ProtocolState::{self, Connect, Data, EndOfMessage, Mail, Rcpt},
    attr,
};

use crate::conform::{
    attributes::Attributes,
    case::{Case, Test::Steps, must, should},
    connection::{Answer, quoted},
    server::Server,
    source::{
        ACTIONS, ANSWER_FORM, CARRIAGE_RETURN, CHARACTERS, CODE, MISSING, NAMED, PREPEND,
        REPLY_LINE, REPLY_TEXT, STATUS_CODES, TARGETS, UTF8,
    },
    verdict::{Miss, Verdict},
};

pub(super) const CASES: &[Case] = &[
    must(
        "3.1",
        "ends each line with a line feed alone",
        CARRIAGE_RETURN,
        Steps(|server| Box::pin(each(server, |_, answer| !answer.0.contains(&b'\r')))),
    ),
    must(
        "3.2",
        "answers with one attribute",
        ANSWER_FORM,
        Steps(|server| Box::pin(each(server, |_, answer| answer.lines().len() == 1))),
    ),
    must(
        "3.3",
        "answers with an attribute whose name is action",
        MISSING,
        Steps(|server| Box::pin(each(server, |_, answer| answer.0.starts_with(b"action=")))),
    ),
    must(
        "3.4",
        "gives an action that is not empty",
        ACTIONS,
        Steps(|server| {
            Box::pin(each(server, |_, answer| {
                !action(answer).trim_ascii().is_empty()
            }))
        }),
    ),
    must(
        "3.5",
        "sends no NUL",
        CHARACTERS,
        Steps(|server| Box::pin(each(server, |_, answer| !answer.0.contains(&0)))),
    ),
    must(
        "3.6",
        "gives an action in UTF-8",
        UTF8,
        Steps(|server| {
            Box::pin(each(server, |_, answer| {
                str::from_utf8(action(answer)).is_ok()
            }))
        }),
    ),
    must(
        "3.7",
        "gives an action that Postfix knows, or what may be the name of a restriction",
        ACTIONS,
        Steps(|server| Box::pin(each(server, |_, answer| is_action_or_name(action(answer))))),
    ),
    should(
        "3.8",
        "names no restriction but those of Postfix",
        NAMED,
        Steps(|server| Box::pin(each(server, |_, answer| is_action_or_known(action(answer))))),
    ),
    must(
        "3.9",
        "gives a text with the code 4NN or 5NN",
        CODE,
        Steps(|server| Box::pin(each(server, |_, answer| has_text(action(answer))))),
    ),
    must(
        "3.10",
        "gives FILTER, PREPEND, REDIRECT and BCC what they need",
        TARGETS,
        Steps(|server| Box::pin(each(server, |_, answer| has_target(action(answer))))),
    ),
    must(
        "3.11",
        "gives no PREPEND once the message has come",
        PREPEND,
        Steps(|server| Box::pin(each(server, may_prepend))),
    ),
    should(
        "3.12",
        "gives an enhanced status code of the same class as the action",
        STATUS_CODES,
        Steps(|server| Box::pin(each(server, |_, answer| is_of_one_class(action(answer))))),
    ),
    should(
        "3.13",
        "gives a text without control characters",
        REPLY_TEXT,
        Steps(|server| Box::pin(each(server, |_, answer| is_text(action(answer))))),
    ),
    should(
        "3.14",
        "gives a text that fits into an SMTP reply",
        REPLY_LINE,
        Steps(|server| Box::pin(each(server, |_, answer| action(answer).len() <= MAX_REPLY))),
    ),
    must(
        "3.15",
        "gives an action in UTF-8 also where the request is not",
        UTF8,
        Steps(|server| Box::pin(is_utf8_for_other_bytes(server))),
    ),
];

/// Whether nothing of such a request comes back in the action, as in a text that names the sender.
async fn is_utf8_for_other_bytes(server: Arc<Server>) -> Verdict {
    let request = Attributes::at(Rcpt)
        .with(attr::HELO_NAME, b"caf\xe9.example.net")
        .with(attr::SENDER, b"\xe9t\xe9@example.net")
        .with(attr::RECIPIENT, b"\xff\xfe@example.org");
    let answer = match server.ask(&request.bytes()).await {
        Ok(answer) => answer,
        Err(Miss::Failed(reason)) => return Err(Miss::Skipped(reason)),
        Err(other) => return Err(other),
    };
    if str::from_utf8(action(&answer)).is_err() {
        return Miss::failed(format!("answered {}", quoted(&answer.0)));
    }
    Ok(())
}

/// Whether this holds for the answers at several stages.
async fn each(server: Arc<Server>, holds: fn(ProtocolState, &Answer) -> bool) -> Verdict {
    for stage in [Connect, Mail, Rcpt, Data, EndOfMessage] {
        let answer = server.ask(&Attributes::at(stage).bytes()).await?;
        if !holds(stage, &answer) {
            let stage = stage.as_str();
            return Miss::failed(format!("answered {} at {stage}", quoted(&answer.0)));
        }
    }
    Ok(())
}

fn action(answer: &Answer) -> &[u8] {
    answer.action().unwrap_or_default()
}

/// The names of restrictions where it is no action of access(5).
fn names(action: &[u8]) -> Option<Vec<&[u8]>> {
    let Action::Other(text) = Action::parse(action) else {
        return None;
    };
    let names = text.split(|byte| b", \t".contains(byte));
    Some(names.filter(|name| !name.is_empty()).collect())
}

fn is_action_or_name(action: &[u8]) -> bool {
    // A table that a restriction looks up stands after it: `check_client_access cidr:/etc/...`.
    let is_name = |name: &[u8]| {
        let is_letter =
            |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(byte);
        name.contains(&b':') || name.contains(&b'.') || name.iter().all(is_letter)
    };
    names(action).is_none_or(|names| names.into_iter().all(is_name))
}

fn is_action_or_known(action: &[u8]) -> bool {
    let is_known = |name: &[u8]| {
        name.contains(&b':')
            || name.contains(&b'.')
            || ["permit", "reject", "defer", "warn_if_reject", "sleep"]
                .iter()
                .any(|known| known.as_bytes() == name)
            || RESTRICTIONS
                .iter()
                .any(|begin| name.starts_with(begin.as_bytes()))
    };
    names(action).is_none_or(|names| names.into_iter().all(is_known))
}

fn has_text(action: &[u8]) -> bool {
    match Action::parse(action) {
        Action::Status { text, .. } => !text.trim_ascii().is_empty(),
        // A code alone means OK.
        Action::Ok => !is_code(action),
        _ => true,
    }
}

/// Three digits of a code that refuses.
fn is_code(action: &[u8]) -> bool {
    matches!(action.trim_ascii(), [b'4' | b'5', rest @ ..] if rest.len() == 2 && rest.iter().all(u8::is_ascii_digit))
}

fn has_target(action: &[u8]) -> bool {
    let begins_with_a_name = |text: &[u8]| {
        text.iter()
            .position(|&byte| byte == b':')
            .is_some_and(|place| place > 0)
    };
    match Action::parse(action) {
        Action::Filter(text) | Action::Prepend(text) => begins_with_a_name(text),
        Action::Redirect(text) | Action::Bcc(text) => text.contains(&b'@'),
        _ => true,
    }
}

fn may_prepend(stage: ProtocolState, answer: &Answer) -> bool {
    stage != EndOfMessage || !matches!(Action::parse(action(answer)), Action::Prepend(_))
}

fn is_of_one_class(action: &[u8]) -> bool {
    let (class, text) = match Action::parse(action) {
        Action::Reject(text) => (b'5', text),
        Action::Defer(text) | Action::DeferIfPermit(text) | Action::DeferIfReject(text) => {
            (b'4', text)
        }
        Action::Status { code, text } => (if code < 500 { b'4' } else { b'5' }, text),
        _ => return true,
    };
    // A text may begin with another number.
    match text {
        [first @ (b'2' | b'4' | b'5'), b'.', digit, ..] if digit.is_ascii_digit() => {
            *first == class
        }
        _ => true,
    }
}

fn is_text(action: &[u8]) -> bool {
    let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    !action.iter().any(is_control)
}

/// Names of restrictions begin with one of these.
const RESTRICTIONS: [&str; 6] = [
    "permit_", "reject_", "defer_", "check_", "warn_if_", "sleep_",
];
/// The code, a blank and CR LF stand around the text.
const MAX_REPLY: usize = 512 - 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_judged_as_postfix_reads_them() {
        type Rule = fn(&[u8]) -> bool;
        let rules: [(&str, Rule); 6] = [
            ("name", is_action_or_name),
            ("known", is_action_or_known),
            ("text", has_text),
            ("target", has_target),
            ("class", is_of_one_class),
            ("control", is_text),
        ];
        for (action, broken) in [
            ("dunno", &[][..]),
            ("DEFER_IF_PERMIT 4.2.0 Greylisted", &[]),
            ("permit_mynetworks, reject", &[]),
            ("check_client_access cidr:/etc/postfix/a", &[]),
            ("greylist", &["known"]),
            ("ACCEPT", &["name", "known"]),
            ("GO away", &["name", "known"]),
            ("450", &["text"]),
            ("450 4.7.1 later", &[]),
            ("550 4.7.1 later", &["class"]),
            ("REJECT 4.7.1 no", &["class"]),
            ("REJECT 5 times", &[]),
            ("PREPEND X-A: b", &[]),
            ("PREPEND X-A b", &["target"]),
            ("FILTER smtp:", &[]),
            ("FILTER smtp", &["target"]),
            ("REDIRECT postmaster", &["target"]),
            ("BCC a@example.org", &[]),
            ("REJECT \x1b[2J", &["control"]),
        ] {
            let failed = rules.iter().filter(|(_, holds)| !holds(action.as_bytes()));
            let failed: Vec<_> = failed.map(|(name, _)| *name).collect();
            assert_eq!(failed, broken, "{action}");
        }
    }
}
