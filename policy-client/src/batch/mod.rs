//! `policy-client batch`: requests of a file, and whether each is answered as the file says.

use std::{io, path::PathBuf, pin::pin, process::ExitCode, time::Duration};

use clap::Args;
use policy_net::Endpoint;
use serde_json::{Map, json};
use tokio::time::sleep;

use crate::{
    exchange::{Failure, Server},
    input,
    input::text_file,
    output::ended,
    output::report::{Counts, Format, Outcome, Record, Reporter},
    status::{Status, fail, interrupted},
    values::{server, some_time},
};

mod expectation;
mod script;
mod words;

use script::{Question, Script, Step};

/// Sends the requests of a file, and compares each answer with the expected one.
///
/// The exit status is 1 when one differs. What a server sends besides its answer is a warning, as is an unusual answer. See policy-client(1) for the form of the file.
#[derive(Args, Debug)]
pub(crate) struct Batch {
    /// The file; `-` is standard input
    file: PathBuf,
    /// Whom to ask, unless the file says it.
    #[arg(help = "inet:host:port, host:port, [v6]:port or unix:/path; in place of the file's own")]
    endpoint: Option<String>,
    /// How to print the results
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Print an object per request, with test, line, title, expected, action, excess, unusual, outcome, reason and elapsed_ms
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// How long to wait for each answer, connecting included
    #[arg(long, default_value = "10s", value_parser = some_time)]
    timeout: Duration,
}

impl Batch {
    pub(crate) async fn run(self) -> ExitCode {
        let name = input::name(&self.file);
        let text = match text_file::read(&self.file) {
            Ok(text) => text,
            Err((status, text)) => return fail(&text, status),
        };
        let script = match Script::parse(&text) {
            Ok(script) => script,
            Err(fault) => return fail(&format!("{name}{fault}"), Status::Data),
        };
        let Some(endpoint) = self.endpoint.as_deref().or(script.endpoint.as_deref()) else {
            return fail(
                &format!("{name} has no @endpoint: name one after it"),
                Status::Usage,
            );
        };
        let endpoint = match server(endpoint) {
            Ok(endpoint) => endpoint,
            Err(error) => return fail(&error, Status::Usage),
        };
        let stopped = match interrupted() {
            Ok(stopped) => stopped,
            Err(error) => return fail(&error, Status::System),
        };
        let total = script.questions();
        match self.report(&script, stopped, &endpoint).await {
            Ok(counts) if counts.total() < total => {
                let text = format!("stopped after {} of {total} requests", counts.total());
                fail(&text, Status::Unexpected)
            }
            Ok(Counts { failed: 0, .. }) => Status::Success.into(),
            Ok(_) => Status::Unexpected.into(),
            Err(error) => ended(Err(error), Status::Success).into(),
        }
    }

    async fn report(
        &self,
        script: &Script,
        stopped: impl Future<Output = ()>,
        endpoint: &Endpoint,
    ) -> io::Result<Counts> {
        let format = if self.json { Format::Json } else { self.format };
        let mut reporter = Reporter::new(format, endpoint.to_string(), script.questions())?;
        let mut stopped = pin!(stopped);
        let mut server = Server::new(endpoint.clone(), self.timeout).once();
        for test in &script.tests {
            server.close();
            for step in &test.steps {
                let record = tokio::select! {
                    record = take(step, &test.name, &mut server) => record,
                    () = &mut stopped => return reporter.finish(),
                };
                if let Some(record) = record {
                    reporter.add(record)?;
                }
            }
        }
        reporter.finish()
    }
}

/// Takes a step of a test; a request has a result.
async fn take(step: &Step, test: &str, server: &mut Server) -> Option<Record> {
    let question = match step {
        Step::Ask(question) => question,
        Step::Wait(duration) => {
            sleep(*duration).await;
            return None;
        }
    };
    let exchange = server.ask(&question.request).await;
    let mut notes = exchange.notes();
    let Question { expected, .. } = question;
    let action = exchange.action();
    let outcome = match action {
        // Nobody has kept silent where nobody listens.
        Err(reason @ Failure::Connect(_)) => {
            Outcome::Failed(format!("{reason}, expected {expected}"))
        }
        // A warning has them as its reason.
        _ if expected.is_met(action.ok()) => match std::mem::take(&mut notes) {
            none if none.is_empty() => Outcome::Passed,
            notes => Outcome::Warned(notes.join("; ")),
        },
        Ok(action) => {
            let action = action.escape_ascii();
            Outcome::Failed(format!("answered {action}, expected {expected}"))
        }
        Err(reason) => Outcome::Failed(format!("no answer ({reason}), expected {expected}")),
    };
    let mut fields = Map::new();
    fields.insert("test".to_owned(), json!(test));
    fields.insert("line".to_owned(), json!(question.line));
    fields.insert("expected".to_owned(), json!(expected.to_string()));
    fields.insert(
        "action".to_owned(),
        json!(action.ok().map(String::from_utf8_lossy)),
    );
    fields.insert("excess".to_owned(), json!(exchange.shown_excess()));
    fields.insert("unusual".to_owned(), json!(exchange.unusual()));
    Some(Record {
        group: test.to_owned(),
        is_named_by_group: true,
        id: question.line.to_string(),
        title: question.text.clone(),
        outcome,
        notes,
        elapsed: exchange.elapsed,
        fields,
    })
}
