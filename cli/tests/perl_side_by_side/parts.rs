//! Requests and log lines that many cases share.

/// A request with all that a log line names.
pub const FULL: &str = "request=smtpd_access_policy\n\
    protocol_state=RCPT\n\
    client_address=192.0.2.1\n\
    client_name=mx.example.com\n\
    helo_name=helo.example.com\n\
    sender=s@example.com\n\
    recipient=r@example.org\n\
    instance=1a2b.3c\n\n";

/// The shortest.
pub const ASK: &str = "request=smtpd_access_policy\n\n";

/// Nothing received, nothing logged.
pub const NONE: [&str; 0] = [];

/// A request that can be told from others.
pub fn ask(mark: impl std::fmt::Display) -> String {
    format!("request=smtpd_access_policy\nqueue_id={mark}\n\n")
}

/// The line of `-l` about [`FULL`], with these counts.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    pub name: &'static str,
    pub prio: u32,
    pub weight: u32,
    pub queries: u32,
    pub answers: u32,
    pub failed: u32,
    pub action: &'static str,
}

impl Attempt {
    /// The first answer of a service that answers its name.
    pub fn first(name: &'static str) -> Self {
        Self {
            name,
            prio: 10,
            weight: 1,
            queries: 1,
            answers: 1,
            failed: 0,
            action: name,
        }
    }

    /// The first attempt, without an answer.
    pub fn failed(name: &'static str) -> Self {
        Self {
            answers: 0,
            failed: 1,
            action: "",
            ..Self::first(name)
        }
    }

    pub fn prio(self, prio: u32) -> Self {
        Self { prio, ..self }
    }

    pub fn weight(self, weight: u32) -> Self {
        Self { weight, ..self }
    }

    pub fn action(self, action: &'static str) -> Self {
        Self { action, ..self }
    }

    /// Queries, answers, failures so far.
    pub fn counts(self, queries: u32, answers: u32, failed: u32) -> Self {
        Self {
            queries,
            answers,
            failed,
            ..self
        }
    }

    pub fn line(self) -> String {
        self.line_about(
            "client: mx.example.com[192.0.2.1], helo: <helo.example.com>, \
            from: <s@example.com>, to: <r@example.org>",
        )
    }

    /// With another request's particulars.
    pub fn line_about(self, request: &str) -> String {
        let Self {
            name,
            prio,
            weight,
            queries,
            answers,
            failed,
            action,
        } = self;
        format!(
            "info: [{name}] ({{{name}}}), prio: {prio}, weight: {weight}, queries: {queries}, \
            answers: {answers}, failed: {failed}, delay: Ns, {request}, action: '{action}'"
        )
    }
}

/// The lines of `-v` about a request's attributes.
pub fn attributes(request: &str) -> Vec<String> {
    let lines = request.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| format!("info: Attribute: {line}"))
        .collect()
}

/// The lines of `-v` about an attempt until the answer is awaited.
pub fn opening(name: &str) -> [String; 2] {
    [
        format!("info: Opening socket to '{name}' ({{{name}}})"),
        format!("info: Connection established to '{name}' ({{{name}}})"),
    ]
}

/// All lines of `-v` about [`FULL`], answered at the first attempt by a service that says its name.
pub fn verbose(name: &'static str) -> Vec<String> {
    let mut lines = attributes(FULL);
    lines.extend(opening(name));
    lines.push(format!("info: Answer from '{name}' -> '{name}'"));
    lines.push(Attempt::first(name).line());
    lines.push(format!("info: Action: {name}"));
    lines
}

/// Where nobody listens.
pub fn refused(name: &str) -> String {
    format!("warning: Could not open socket to '{name}' ({{{name}}})")
}

pub fn timed_out(name: &str) -> String {
    format!("warning: Timeout for '{name}' ({{{name}}})")
}

pub fn invalid(name: &str, text: &str) -> String {
    format!("warning: Invalid answer from '{name}' -> '{text}'")
}

/// What Perl's Pod::Usage prints.
pub const USAGE: &str = "…Usage:…Options:…";

/// The text is ours to choose.
pub const ERROR_AT_START: &str = "error: …";
