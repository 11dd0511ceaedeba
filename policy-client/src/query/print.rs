//! The output of `query`: an action, or what went wrong and what Postfix would make of it.

use std::io;

use policy_daemon::log::printable;
use policy_net::Endpoint;
use policy_proto::Request;
use regex::bytes::Regex;
use serde_json::{Value, json};

use crate::{
    exchange::{Exchange, Link, Postfix},
    output::Output,
    status::Status,
    status::note::note,
};

/// How answers are printed.
#[derive(Debug)]
pub(super) struct Printer<'a> {
    pub(super) output: Output,
    pub(super) is_verbose: bool,
    pub(super) expected: Option<&'a Regex>,
}

impl Printer<'_> {
    /// The exit status after this answer alone; of several the highest counts.
    pub(super) fn status(&self, exchange: &Exchange) -> Status {
        match (exchange.action(), self.expected) {
            (Err(_), _) => Status::Unavailable,
            (Ok(action), Some(expected)) if !expected.is_match(action) => Status::Unexpected,
            _ => Status::Success,
        }
    }

    pub(super) fn print(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        exchange: &Exchange,
    ) -> io::Result<()> {
        let action = exchange.action();
        let postfix = action.err();
        let postfix = postfix.and_then(|failure| Postfix::on(failure, endpoint, request));
        if self.output.json || action.is_ok() {
            let object = || object(endpoint, exchange, postfix.as_ref());
            self.output.line(action.unwrap_or_default(), object)?;
        }
        if self.is_verbose {
            note(&format!("* {}", taken(exchange)));
        }
        if !self.output.json {
            self.explain(exchange, postfix.as_ref());
        }
        Ok(())
    }

    /// Says on standard error what was wrong, in words.
    fn explain(&self, exchange: &Exchange, postfix: Option<&Postfix>) {
        match exchange.action() {
            Err(failure) => note(&format!("no answer: {}", printable(failure.to_string()))),
            Ok(action) if self.status(exchange) == Status::Unexpected => {
                note(&format!("unexpected answer: {}", printable(action)));
            }
            Ok(_) => {}
        }
        for text in exchange.notes() {
            note(&text);
        }
        let Some(postfix) = postfix else { return };
        for line in &postfix.log {
            note(&format!("Postfix logs: {}", printable(line)));
        }
        let after = if postfix.after.is_empty() {
            String::new()
        } else {
            format!(" ({})", postfix.after)
        };
        note(&match &postfix.reply {
            Some(reply) => format!("Postfix replies: {}{after}", printable(reply)),
            None => "Postfix goes on as after OK".to_owned(),
        });
    }
}

/// The time that an exchange took, and over which connection it went.
fn taken(exchange: &Exchange) -> String {
    let milliseconds = exchange.elapsed.as_secs_f64() * 1000.0;
    let outcome = if exchange.answer.is_ok() {
        "answered"
    } else {
        "not answered"
    };
    let connection = match exchange.connection {
        Link::New => "over a new connection",
        Link::Kept => "over the same connection",
        Link::Reopened => {
            "over another connection: the server has closed the one before, which costs Postfix a second for each request"
        }
        Link::Replaced => {
            "over another connection: what came over the one before could be taken for this answer"
        }
    };
    format!("{outcome} after {milliseconds:.3} ms {connection}")
}

fn object(endpoint: &Endpoint, exchange: &Exchange, postfix: Option<&Postfix>) -> Value {
    let action = exchange.action();
    json!({
        "action": action.ok().map(String::from_utf8_lossy),
        "connection": match exchange.connection {
            Link::New => "new",
            Link::Kept => "kept",
            Link::Reopened | Link::Replaced => "reopened",
        },
        "elapsed_ms": exchange.elapsed.as_micros() as f64 / 1000.0,
        "endpoint": endpoint.to_string(),
        "error": action.err().map(ToString::to_string),
        "excess": exchange.shown_excess(),
        "postfix": postfix.map(|postfix| json!({ "log": postfix.log, "reply": postfix.reply })),
        "unusual": exchange.unusual(),
    })
}
