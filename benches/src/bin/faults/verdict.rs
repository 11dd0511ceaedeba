//! The worth of an answer, and the blame in a log.

use std::time::Duration;

use crate::{
    client::{Got, Try},
    program::Program,
};

/// What a request came to, best first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Worth {
    /// The answer of a service to this request.
    Answer,
    /// The default action of the proxy.
    Default,
    /// None: Postfix rejects with 451, "server configuration problem".
    Nothing,
    /// Something else that Postfix takes for an action.
    Wrong,
}

impl Worth {
    /// Of the last of these tries about `sender`.
    pub(crate) fn of(tries: &[Try], sender: &str) -> Self {
        match tries.last().map(|last| &last.got) {
            Some(Got::Action(action)) => match action.split_once(' ').unwrap_or((action, sender)) {
                ("first" | "second", about) if about == sender => Self::Answer,
                ("default", _) => Self::Default,
                _ => Self::Wrong,
            },
            _ => Self::Nothing,
        }
    }
}

/// Each try with its seconds; in bold what is no answer of a service.
pub(crate) fn text(tries: &[Try], sender: &str) -> String {
    let one = |one: &Try| format!("{} {}", what(&one.got, sender), seconds(one.took));
    let all = tries.iter().map(one).collect::<Vec<_>>().join(" → ");
    match Worth::of(tries, sender) {
        Worth::Answer => all,
        Worth::Default | Worth::Wrong => format!("**{all}**"),
        Worth::Nothing => format!("**{all}: 451**"),
    }
}

/// What somebody got who asked about `sender`, in a word or two.
pub(crate) fn what(got: &Got, sender: &str) -> String {
    let action = match got {
        Got::Action(action) => action,
        Got::NoAction => return "no action".to_owned(),
        Got::Closed => return "closed".to_owned(),
        Got::Silence => return "nothing".to_owned(),
        Got::NoConnection => return "no connection".to_owned(),
    };
    match action.split_once(' ') {
        Some((name, about)) if about == sender => name.to_owned(),
        Some((name @ ("first" | "second"), "before" | "during" | "next" | "check")) => {
            format!("{name} to another request")
        }
        None if ["first", "second", "default"].contains(&&**action) => action.clone(),
        None if action.is_empty() => "empty action".to_owned(),
        _ => format!("`{}`", shortened(action).escape_debug()),
    }
}

/// With one decimal.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}

/// What the lines of a program's log say of its services, shortened to who and why.
pub(crate) fn blame(program: Program, log: &[String]) -> String {
    let mut blames: Vec<String> = Vec::new();
    for line in log {
        let blame = match program {
            Program::Daemon => daemon(line),
            Program::DropIn | Program::Perl => spawned(line),
            Program::Haproxy => haproxy(line),
        };
        // What repeats is said once.
        if let Some(blame) = blame.filter(|blame| !blames.contains(blame)) {
            blames.push(blame);
        }
    }
    if blames.is_empty() {
        "nobody".to_owned()
    } else {
        blames.join("; ")
    }
}

/// `'NAME' (ADDRESS) is down: WHY, next trial in N s`.
fn daemon(line: &str) -> Option<String> {
    let (before, after) = line.split_once(" is down: ")?;
    let why = after.rsplit_once(", next trial")?.0;
    Some(format!("{} down: {}", name(before)?, without_number(why)))
}

/// `WHAT 'NAME' ...`, where WHAT is one of those that the Perl script warns of.
fn spawned(line: &str) -> Option<String> {
    let text = line.split_once("]: ")?.1;
    let what = [
        ("Could not open socket to", "not connected"),
        ("Timeout for", "timed out"),
        ("Invalid answer from", "invalid answer"),
        ("ignoring invalid service", "invalid service"),
    ];
    let (_, what) = what.iter().find(|(words, _)| text.starts_with(words))?;
    let name = name(text)?;
    Some(format!("{}: {what}", name.split('=').next()?))
}

/// Sessions that did not end well, with HAProxy's code for the end, and the servers that went down.
fn haproxy(line: &str) -> Option<String> {
    if let Some(session) = line.split("session ").nth(1) {
        let mut words = session.split(' ');
        let (server, state, retries) = (words.next()?, words.next()?, words.next()?);
        let retries = retries.strip_prefix("retries=")?;
        return match (state, retries) {
            // The client ended it, as ours does.
            _ if state.starts_with(['-', 'C', 'c']) => match retries {
                "0" => None,
                _ => Some("redispatched".to_owned()),
            },
            _ => Some(format!("{server} `{state}`")),
        };
    }
    let (server, rest) = line
        .split_once("Server policy/")?
        .1
        .split_once(" is DOWN")?;
    let why = rest.strip_prefix(", reason: ").unwrap_or_default();
    let why = why.split(", check duration").next().unwrap_or_default();
    Some(format!("{server} down: {}", why.split(", info").next()?))
}

fn name(text: &str) -> Option<&str> {
    text.split('\'').nth(1)
}

fn without_number(text: &str) -> &str {
    text.split(" (os error").next().unwrap_or(text)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(16) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}
