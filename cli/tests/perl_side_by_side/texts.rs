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

/// A request that can be told from others.
pub fn ask(mark: impl std::fmt::Display) -> String {
    policy(&format!("queue_id={mark}\n"))
}

/// As many of them, each with its number, from 1.
pub fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(ask).collect()
}

/// A request with these lines after its type.
pub fn policy(lines: &str) -> String {
    format!("request=smtpd_access_policy\n{lines}\n")
}

/// 100 kB.
pub fn big_request() -> String {
    let line = |number| format!("attribute_{number}={}\n", "x".repeat(500));
    policy(&(0..200).map(line).collect::<String>())
}

/// The line of `-l` about [`FULL`], with these counts.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    name: &'static str,
    prio: u32,
    weight: u32,
    counts: (u32, u32, u32),
    action: &'static str,
}

/// The first answer of a service that answers its name.
pub fn first(name: &'static str) -> Attempt {
    Attempt {
        name,
        prio: 10,
        weight: 1,
        counts: (1, 1, 0),
        action: name,
    }
}

/// The first attempt, without an answer.
pub fn failed(name: &'static str) -> Attempt {
    first(name).counts(1, 0, 1).action("")
}

impl Attempt {
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
    pub fn counts(mut self, queries: u32, answers: u32, failed: u32) -> Self {
        self.counts = (queries, answers, failed);
        self
    }

    pub fn line(self) -> String {
        self.line_about(
            "client: mx.example.com[192.0.2.1], helo: <helo.example.com>, \
            from: <s@example.com>, to: <r@example.org>",
        )
    }

    /// With another request's particulars.
    pub fn line_about(self, request: &str) -> String {
        let (queries, answers, failed) = self.counts;
        let Self {
            name,
            prio,
            weight,
            action,
            ..
        } = self;
        format!(
            "info: [{name}] ({{{name}}}), prio: {prio}, weight: {weight}, queries: {queries}, \
            answers: {answers}, failed: {failed}, delay: Ns, {request}, action: '{action}'"
        )
    }
}

/// The particulars of a request without any.
pub const NOTHING: &str = "client: [], helo: <>, from: <>, to: <>";

/// Parts of the log, one after the other.
pub fn lines<const N: usize>(parts: [Vec<String>; N]) -> Vec<String> {
    parts.concat()
}

/// The lines of `-v` about a request's attributes.
pub fn attributes(request: &str) -> Vec<String> {
    let lines = request.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| format!("info: Attribute: {line}"))
        .collect()
}

/// The line of `-v` before a connection is made.
pub fn opening(name: &str) -> String {
    format!("info: Opening socket to '{name}' ({{{name}}})")
}

/// The lines of `-v` about an attempt until the answer is awaited.
pub fn opened(name: &str) -> Vec<String> {
    let established = format!("info: Connection established to '{name}' ({{{name}}})");
    vec![opening(name), established]
}

/// The lines of `-v` about an attempt that is answered.
pub fn answered(attempt: Attempt) -> Vec<String> {
    let (name, action) = (attempt.name, attempt.action);
    let answer = format!("info: Answer from '{name}' -> '{action}'");
    lines([opened(name), vec![answer, attempt.line(), taken(action)]])
}

/// The last line of `-v` about a request.
pub fn taken(action: &str) -> String {
    format!("info: Action: {action}")
}

/// All lines of `-v` about [`FULL`], answered at the first attempt by a service that says its name.
pub fn verbose(name: &'static str) -> Vec<String> {
    lines([attributes(FULL), answered(first(name))])
}

/// Where nothing listens.
pub fn refused(name: &str) -> String {
    format!("warning: Could not open socket to '{name}' ({{{name}}})")
}

pub fn timed_out(name: &str) -> String {
    format!("warning: Timeout for '{name}' ({{{name}}})")
}

pub fn invalid(name: &str, text: &str) -> String {
    format!("warning: Invalid answer from '{name}' -> '{text}'")
}

pub fn unrecognized(kind: &str) -> String {
    format!("notice: ignoring unrecognized request type: '{kind}'")
}

pub fn garbage(line: &str) -> String {
    format!("notice: error: ignoring garbage \"{line}\"")
}

pub fn invalid_service(service: &str) -> String {
    format!("warning: ignoring invalid service '{service}'")
}

/// The text is ours to choose.
pub const ERROR_AT_START: &str = "error: …";
