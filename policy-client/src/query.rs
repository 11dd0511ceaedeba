//! `policy-client query`: asks a policy server, and says what it answered.

use std::{
    error::Error,
    ffi::OsString,
    os::unix::ffi::OsStrExt,
    process::{self, ExitCode},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::BytesMut;
use clap::Args;
use policy_daemon::{command_line::parse_duration, log::printable};
use policy_net::{
    AttemptError, BackendConfig, Connector, Endpoint, TimedOut, Upstream, UpstreamOptions,
};
use policy_proto::{MessageDecoder, ProtocolState, Request, Response, attr};
use regex::bytes::{Regex, RegexBuilder};
use tokio::io::{AsyncReadExt, Stdin, stdin};

use crate::{
    output::Output,
    preset::{Version, attributes, stage},
    status::{Status, fail},
};

/// Asks a policy server and prints its action, one line per request.
///
/// The attributes request, protocol_state and instance are added where they are missing, or with
/// --preset all that Postfix sends at that stage. The exit status is 0 when every request was answered,
/// 69 when one was not, and 1 when an answer was not as --expect says.
#[derive(Args, Debug)]
pub(crate) struct Query {
    /// Whom to ask.
    #[arg(help = "inet:host:port, host:port, [v6]:port or unix:/path")]
    endpoint: String,
    /// Attributes of one request; `-` reads whole requests from standard input instead
    #[arg(value_name = "NAME=VALUE")]
    attributes: Vec<OsString>,
    /// How long to wait for each answer
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    timeout: Duration,
    /// Print an object with action, elapsed_ms, endpoint and error per request
    #[arg(long)]
    json: bool,
    /// Send all that Postfix sends at this stage; attributes on the command line replace its values
    #[arg(long, value_name = "STAGE", value_parser = stage())]
    preset: Option<ProtocolState>,
    /// The Postfix whose attributes --preset sends
    #[arg(
        long,
        value_name = "VERSION",
        default_value = "3.12",
        requires = "preset"
    )]
    postfix: Version,
    /// Status 1 unless the whole action or a part of it is matched by this regular expression
    #[arg(long, value_name = "REGEX", value_parser = expression)]
    expect: Option<Regex>,
}

impl Query {
    pub(crate) async fn run(self) -> ExitCode {
        let endpoint: Endpoint = match self.endpoint.parse() {
            Ok(endpoint) => endpoint,
            Err(error) => return fail(&format!("{}: {error}", self.endpoint), Status::Usage),
        };
        let mut requests = match self.requests() {
            Ok(requests) => requests,
            Err(text) => return fail(&text, Status::Usage),
        };
        let mut settings = UpstreamOptions::default();
        settings.deadline = self.timeout;
        settings.connect = None;
        let connector = Connector::new(endpoint.clone());
        let backend = BackendConfig::new("server", connector).timeout(self.timeout);
        let upstream = match Upstream::new(settings, [backend]) {
            Ok(upstream) => upstream,
            Err(error) => return fail(&error, Status::Usage),
        };
        let mut status = Status::Success;
        loop {
            let request = match requests.next(&self).await {
                Ok(Some(request)) => request,
                Ok(None) => return status.into(),
                Err(text) => return fail(&format!("standard input: {text}"), Status::Data),
            };
            let since = Instant::now();
            let answer = upstream.ask(&request).await;
            let elapsed = since.elapsed();
            let answer = answer.map(|answer| answer.response).map_err(|exhausted| {
                let reason = exhausted
                    .attempts
                    .first()
                    .map(|attempt| match &attempt.error {
                        AttemptError::TimedOut(TimedOut::Answer { .. }) => {
                            format!("timed out after {:?}", self.timeout)
                        }
                        error => reason(error),
                    });
                reason.unwrap_or_else(|| "timed out".to_owned())
            });
            status = status.max(self.status(&answer));
            if self.print(&endpoint, &answer, elapsed).is_err() {
                // Nobody reads any more.
                return status.into();
            }
        }
    }

    /// Where the requests come from, or what is wrong on the command line.
    fn requests(&self) -> Result<Requests, String> {
        if self.attributes == ["-"] {
            return Ok(Requests::Input {
                stdin: stdin(),
                buffer: BytesMut::new(),
                decoder: MessageDecoder::new(),
            });
        }
        let pair = |text: &'_ OsString| {
            let bytes = text.as_bytes();
            let Some(end) = bytes.iter().position(|&byte| byte == b'=') else {
                return Err(format!("'{}' is not name=value", text.display()));
            };
            Ok((bytes[..end].to_vec(), bytes[end + 1..].to_vec()))
        };
        let pairs = self.attributes.iter().map(pair);
        let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
            .collect();
        Ok(Requests::One(Some(self.complete(&pairs)?)))
    }

    /// A request of these attributes, and of those that are missing.
    fn complete(&self, given: &[(&[u8], &[u8])]) -> Result<Request, String> {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let instance = format!("{:x}.{:x}.0", process::id(), since_epoch.as_micros());
        let defaults = match self.preset {
            Some(stage) => attributes(stage, self.postfix, &instance),
            None => vec![
                (attr::REQUEST, attr::SMTPD_ACCESS_POLICY.to_owned()),
                (attr::PROTOCOL_STATE, "RCPT".to_owned()),
                (attr::INSTANCE, instance),
            ],
        };
        let mut all = Vec::new();
        let mut rest = given.to_vec();
        for (name, value) in &defaults {
            let name = name.as_bytes();
            if !given.iter().any(|(given, _)| *given == name) {
                all.push((name, value.as_bytes()));
            } else if self.preset.is_some() {
                // It stands where Postfix has it.
                all.extend(rest.extract_if(.., |(given, _)| *given == name));
            }
        }
        all.extend(rest);
        Request::from_attributes(all).map_err(|error| error.to_string())
    }

    /// The exit status after this answer alone; of several the highest counts.
    fn status(&self, answer: &Result<Response, String>) -> Status {
        let Ok(response) = answer else {
            return Status::Unavailable;
        };
        match &self.expect {
            Some(expected) if !expected.is_match(response.as_bytes()) => Status::Unexpected,
            _ => Status::Success,
        }
    }

    fn print(
        &self,
        endpoint: &Endpoint,
        answer: &Result<Response, String>,
        elapsed: Duration,
    ) -> std::io::Result<()> {
        let object = || {
            let action = answer.as_ref().ok();
            serde_json::json!({
                "action": action.map(|response| String::from_utf8_lossy(response.as_bytes())),
                "elapsed_ms": elapsed.as_micros() as f64 / 1000.0,
                "endpoint": endpoint.to_string(),
                "error": answer.as_ref().err(),
            })
        };
        let output = Output { json: self.json };
        match answer {
            Ok(response) => output.line(response.as_bytes(), object)?,
            Err(_) if self.json => output.line(b"", object)?,
            Err(_) => {}
        }
        match answer {
            Err(reason) if !self.json => eprintln!("no answer: {}", printable(reason)),
            Ok(response) if self.status(answer) == Status::Unexpected => {
                eprintln!("unexpected answer: {}", printable(response.as_bytes()));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Requests in their order: one from the command line, or those on standard input as they come.
enum Requests {
    One(Option<Request>),
    Input {
        stdin: Stdin,
        buffer: BytesMut,
        decoder: MessageDecoder,
    },
}

impl Requests {
    /// The next one; `None` at the end, and a text where there is no request.
    async fn next(&mut self, query: &Query) -> Result<Option<Request>, String> {
        let (stdin, buffer, decoder) = match self {
            Self::One(request) => return Ok(request.take()),
            Self::Input {
                stdin,
                buffer,
                decoder,
            } => (stdin, buffer, decoder),
        };
        loop {
            let request = decoder.request(buffer).map_err(|error| error.to_string())?;
            if let Some(request) = request {
                let attributes: Vec<_> = request.attributes().collect();
                return query.complete(&attributes).map(Some);
            }
            let read = stdin.read_buf(buffer).await;
            if read.map_err(|error| error.to_string())? == 0 {
                let end = decoder.finish(buffer);
                return end.map(|()| None).map_err(|error| error.to_string());
            }
        }
    }
}

/// An action is bytes. Its words are ASCII, so that the tables of Unicode would weigh for nothing.
fn expression(text: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(text);
    let regex = builder.unicode(false).build();
    regex.map_err(|error| error.to_string())
}

/// An error with its cause.
fn reason(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
