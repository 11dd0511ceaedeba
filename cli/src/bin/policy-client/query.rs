use std::{
    error::Error,
    io::{Read, Write},
    process::{self, ExitCode},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::BytesMut;
use clap::Args;
use hapolicy::parse_duration;
use policy_ha::{Backend, Preference};
use policy_net::{Connector, Endpoint, Service, Upstream, UpstreamOptions};
use policy_proto::{Decoder, Request, Response, attr};

use crate::{DATA, UNAVAILABLE, USAGE, fail};

/// Asks a policy server and prints its action, one line per request.
///
/// The attributes request, protocol_state and instance are added where they are missing. The exit
/// status is 0 when every request was answered, and 69 when one was not.
#[derive(Args, Debug)]
pub(crate) struct Query {
    /// Whom to ask.
    #[arg(help = "inet:host:port, host:port, [v6]:port or unix:/path")]
    endpoint: String,
    /// Attributes of one request; `-` reads whole requests from standard input instead
    #[arg(value_name = "NAME=VALUE")]
    attributes: Vec<String>,
    /// How long to wait for each answer
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    timeout: Duration,
    /// Print an object with action, elapsed_ms, endpoint and error per request
    #[arg(long)]
    json: bool,
}

impl Query {
    pub(crate) async fn run(self) -> ExitCode {
        let endpoint: Endpoint = match self.endpoint.parse() {
            Ok(endpoint) => endpoint,
            Err(error) => return fail(&format!("{}: {error}", self.endpoint), USAGE),
        };
        let requests = match self.requests() {
            Ok(requests) => requests,
            Err((text, status)) => return fail(&text, status),
        };
        let mut settings = UpstreamOptions::default();
        settings.deadline = self.timeout;
        settings.connect = None;
        let service = Service {
            connect: Connector::new(endpoint.clone()),
            backend: Backend::default(),
            timeout: self.timeout,
            accepts: None,
        };
        let upstream = match Upstream::new(settings, [service]) {
            Ok(upstream) => upstream,
            Err(error) => return fail(&error, USAGE),
        };
        let mut status = ExitCode::SUCCESS;
        for request in requests {
            let since = Instant::now();
            let answer = upstream.ask(&request, Preference::None, |_| {}).await;
            let elapsed = since.elapsed();
            let answer = match answer {
                Ok(answer) => Ok(answer.response),
                Err(exhausted) => {
                    status = ExitCode::from(UNAVAILABLE);
                    let reason = exhausted.attempts.first().map(|(_, error)| reason(error));
                    Err(reason.unwrap_or_else(|| "timed out".to_owned()))
                }
            };
            if self.print(&endpoint, &answer, elapsed).is_err() {
                // Nobody reads any more.
                return status;
            }
        }
        status
    }

    /// The requests to be sent, or a text and an exit status.
    fn requests(&self) -> Result<Vec<Request>, (String, u8)> {
        if self.attributes == ["-"] {
            let mut input = Vec::new();
            std::io::stdin()
                .read_to_end(&mut input)
                .map_err(|error| (error.to_string(), DATA))?;
            let mut input = BytesMut::from(&*input);
            let mut decoder = Decoder::new();
            let mut requests = Vec::new();
            let invalid = |error| (format!("standard input: {error}"), DATA);
            while let Some(request) = decoder.request(&mut input).map_err(invalid)? {
                let attributes: Vec<_> = request.attributes().collect();
                requests.push(with_defaults(&attributes).map_err(|text| (text, DATA))?);
            }
            decoder.finish(&input).map_err(invalid)?;
            return Ok(requests);
        }
        let pair = |text: &'_ String| match text.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err((format!("'{text}' is not name=value"), USAGE)),
        };
        let pairs = self
            .attributes
            .iter()
            .map(pair)
            .collect::<Result<Vec<_>, _>>()?;
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        Ok(vec![with_defaults(&pairs).map_err(|text| (text, USAGE))?])
    }

    fn print(
        &self,
        endpoint: &Endpoint,
        answer: &Result<Response, String>,
        elapsed: Duration,
    ) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            let action = answer.as_ref().ok();
            let object = serde_json::json!({
                "action": action.map(|response| String::from_utf8_lossy(response.as_bytes())),
                "elapsed_ms": elapsed.as_micros() as f64 / 1000.0,
                "endpoint": endpoint.to_string(),
                "error": answer.as_ref().err(),
            });
            return writeln!(out, "{object}");
        }
        match answer {
            Ok(response) => out.write_all(&[response.as_bytes(), b"\n"].concat()),
            Err(reason) => {
                eprintln!("no answer: {reason}");
                Ok(())
            }
        }
    }
}

/// A request of these attributes, and of the defaults for those that every policy server needs.
fn with_defaults(attributes: &[(&[u8], &[u8])]) -> Result<Request, String> {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let instance = format!("{:x}.{:x}.0", process::id(), since_epoch.as_micros());
    let defaults: [(&str, &str); 3] = [
        (attr::REQUEST, attr::SMTPD_ACCESS_POLICY),
        (attr::PROTOCOL_STATE, "RCPT"),
        (attr::INSTANCE, &instance),
    ];
    let missing = defaults
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .filter(|(name, _)| !attributes.iter().any(|(given, _)| given == name));
    Request::from_attributes(missing.chain(attributes.iter().copied()))
        .map_err(|error| error.to_string())
}

/// An error with its cause.
fn reason(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
