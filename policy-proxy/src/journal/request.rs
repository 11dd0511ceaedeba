//! Requests: what has come, and what has come of it.

use policy_daemon::log::Level;
use policy_proto::{Request, SkippedLines, attr};

use crate::{
    journal::{
        ALL, Journal,
        line::{Place, escape, key_value},
        outcome::Outcome,
    },
    options::LogFormat,
};

impl Journal {
    /// A request has come, and whether it is one for a policy server.
    #[inline]
    pub(crate) fn request(&self, request: &Request, is_policy: bool) {
        if self.verbose.requests || !is_policy {
            self.say_request(request, is_policy);
        }
    }

    #[cold]
    fn say_request(&self, request: &Request, is_policy: bool) {
        if self.verbose.requests {
            let mut attributes = request.attributes();
            for (name, value) in attributes.by_ref().take(MAX_ATTRIBUTES) {
                let attribute = escape(&[name, b"=", value].concat(), Place::Last);
                self.log
                    .line(Level::Info, format!("Attribute: {attribute}"));
            }
            // A line each of 64 Ki attributes would keep other clients waiting.
            let more = attributes.count();
            if more > 0 {
                let text = format!("and {more} more attributes");
                self.log.line(Level::Info, text);
            }
        }
        if !is_policy {
            let kind = match request.get(attr::REQUEST) {
                None | Some(b"" | b"0") => b"<undef>",
                Some(kind) => kind,
            };
            let kind = escape(kind, Place::Quoted('\''));
            let text = format!("ignoring unrecognized request type: '{kind}'");
            self.repeatable(Level::Notice, "type", ALL, text);
        }
    }

    /// Lines of a request were no attributes.
    pub(crate) fn ignored(&self, ignored: &SkippedLines) {
        for line in &ignored.lines {
            let line = escape(line, Place::Quoted('"'));
            let text = format!("error: ignoring garbage \"{line}\"");
            self.repeatable(Level::Notice, "garbage", ALL, text);
        }
        if ignored.more > 0 {
            let text = format!("error: ignoring {} more lines of garbage", ignored.more);
            self.repeatable(Level::Notice, "more garbage", ALL, text);
        }
    }

    /// A request has its outcome.
    #[inline]
    pub(crate) fn replied(&self, request: &Request, outcome: &Outcome<'_>) {
        if self.attempts || self.verbose.requests {
            self.say_reply(request, outcome);
        }
    }

    #[cold]
    fn say_reply(&self, request: &Request, outcome: &Outcome<'_>) {
        if self.attempts && self.format == LogFormat::KeyValue {
            self.say_outcome(request, outcome);
        }
        if self.verbose.requests {
            let text = match outcome.response {
                Some(response) => {
                    format!("Action: {}", escape(response.as_bytes(), Place::Last))
                }
                None => "No action: closing the connection".to_owned(),
            };
            self.log.line(Level::Info, text);
        }
    }
}

impl Journal {
    fn say_outcome(&self, request: &Request, outcome: &Outcome<'_>) {
        if !self.is_sampled(request) {
            return;
        }
        let line = key_value::line(self, request, outcome);
        if self.log.has_fields() {
            self.log
                .entry(&key_value::entry(self, line, request, outcome));
        } else {
            self.log.line(Level::Info, line);
        }
    }

    /// Whether the lines of `-l` about this request are to be written.
    pub(super) fn is_sampled(&self, request: &Request) -> bool {
        let instance = || request.get(attr::INSTANCE).unwrap_or_default();
        self.sample.is_all() || self.log.takes_sampled(self.sample, instance())
    }
}

/// Lines of `-v` for one request: Postfix sends about 30 attributes.
const MAX_ATTRIBUTES: usize = 256;
