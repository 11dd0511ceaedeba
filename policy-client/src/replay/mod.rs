//! `policy-client replay`: asks a policy server what was captured, and compares two servers.

use std::{
    io::{IsTerminal, stderr},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use policy_net::Endpoint;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

mod action;
mod maillog;
mod order;
mod pace;
mod report;
mod source;
mod timestamp;
mod worker;

use pace::Pace;
use report::Report;
use source::{Entry, Source};
use worker::{Asked, Compared, Worker};

use crate::{
    exchange::Server,
    input,
    output::ended,
    request::preset::Version,
    status::{Status, fail, interrupted},
    values::{number, server, some_time},
};

/// Asks a policy server the requests of a file, at the pace at which they were recorded.
///
/// Requests of one recorded connection, or of one message where no connection is known, stay in their order on one
/// connection. Of a mail log each recipient that was accepted or rejected becomes a request. The report counts the actions
/// by kind, and with --diff groups the requests whose answers differ.
///
/// The status is 0 when every request was answered, 69 when one was not, and 1 when two answers differ.
#[derive(Args, Debug)]
pub(crate) struct Replay {
    /// A record of tap, requests as they are on the wire, or a mail log of Postfix; `-` is standard input
    file: PathBuf,
    /// Whom to ask.
    #[arg(help = "inet:host:port, host:port, [v6]:port or unix:/path")]
    endpoint: String,
    /// Ask this one as well, or take the answers that were `recorded`, and report where answers differ
    #[arg(long, value_name = "ENDPOINT", value_parser = other)]
    diff: Option<Other>,
    /// Compare the kinds of actions only, not their texts
    #[arg(long, requires = "diff")]
    ignore_text: bool,
    /// How many times as fast as recorded
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor, conflicts_with = "full_speed")]
    speed: f64,
    /// As fast as the answers come
    #[arg(long)]
    full_speed: bool,
    /// Connections at once
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = number::<u16>(1..=1000))]
    connections: u16,
    /// How long to wait for each answer
    #[arg(long, default_value = "10s", value_parser = some_time)]
    timeout: Duration,
    /// What the file is, unless it says so by its first line
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    format: Format,
    /// The Postfix whose attributes the requests of a mail log have
    #[arg(long, value_name = "VERSION", default_value = "3.12")]
    postfix: Version,
    /// Print an object at the end
    #[arg(long)]
    json: bool,
}

/// What a file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// As the first line says
    Auto,
    /// Requests, as tap records them or as they are on the wire
    Requests,
    /// A mail log of Postfix
    Log,
}

/// What the answers are compared with.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Other {
    Recorded,
    Server(Endpoint),
}

impl Replay {
    pub(crate) async fn run(self) -> ExitCode {
        let endpoint = match server(&self.endpoint) {
            Ok(endpoint) => endpoint,
            Err(error) => return fail(&error, Status::Usage),
        };
        let mut source = match Source::start(&self.file, self.format, self.postfix) {
            Ok(source) => source,
            Err(error) => {
                let text = format!("{}: {error}", input::name(&self.file));
                return fail(&text, Status::NoInput);
            }
        };
        let interrupted = match interrupted() {
            Ok(interrupted) => interrupted,
            Err(error) => return fail(&error, Status::System),
        };
        let other = self.diff.as_ref().map(|other| match other {
            Other::Recorded => "recorded".to_owned(),
            Other::Server(endpoint) => endpoint.to_string(),
        });
        let mut report = Report::new(endpoint.to_string(), other, self.ignore_text);
        let (workers, mut asked) = self.workers(&endpoint);
        let progress = progress(source.length());
        let mut fault = None;
        let dispatch = self.dispatch(&mut source, workers);
        let mut dispatch = Box::pin(dispatch);
        let mut interrupted = Box::pin(interrupted);
        let mut dispatched = false;
        loop {
            tokio::select! {
                biased;
                () = &mut interrupted => {
                    // What has been answered already is told.
                    while let Ok(done) = asked.try_recv() {
                        report.add(done);
                    }
                    report.interrupt();
                    break;
                }
                done = asked.recv() => {
                    let Some(done) = done else { break };
                    progress.set_position(done.read);
                    progress.set_message(report.add(done));
                }
                done = &mut dispatch, if !dispatched => {
                    dispatched = true;
                    match done {
                        Ok(late) => report.set_late(late),
                        Err(text) => fault = Some(text),
                    }
                }
            }
        }
        progress.finish_and_clear();
        let fault = fault.or_else(|| report.lacks().map(str::to_owned));
        // The fault says it all where nobody was asked.
        let printed = if self.json || fault.is_none() || report.has_asked() {
            report.print(self.json)
        } else {
            Ok(())
        };
        let status = match fault {
            Some(text) => {
                let text = format!("{}: {text}", input::name(&self.file));
                Status::Data.say(&text).max(report.status())
            }
            None => report.status(),
        };
        ended(printed, status).into()
    }

    /// As many workers as there are connections, and what they have asked.
    fn workers(&self, endpoint: &Endpoint) -> (Vec<mpsc::Sender<Entry>>, mpsc::Receiver<Asked>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let workers = (0..self.connections).map(|_| {
            let compared = match &self.diff {
                None => Compared::Nothing,
                Some(Other::Recorded) => Compared::Recorded,
                Some(Other::Server(other)) => {
                    Compared::Server(Box::new(Server::new(other.clone(), self.timeout)))
                }
            };
            let worker = Worker {
                server: Server::new(endpoint.clone(), self.timeout),
                compared,
            };
            let (entries, waiting) = mpsc::channel(WAITING);
            tokio::spawn(worker.run(waiting, sender.clone()));
            entries
        });
        (workers.collect(), receiver)
    }

    /// Gives each request to the worker of its connection when its time has come. By how much the last was late at most.
    async fn dispatch(
        &self,
        source: &mut Source,
        workers: Vec<mpsc::Sender<Entry>>,
    ) -> Result<Duration, String> {
        let begin = Instant::now();
        let mut pace = Pace::new((!self.full_speed).then_some(self.speed));
        let mut latest = Duration::ZERO;
        while let Some(entry) = source.next().await {
            let entry = entry?;
            if let Some(due) = pace.due(entry.facts.time) {
                sleep_until(begin + due).await;
                latest = latest.max(begin.elapsed().saturating_sub(due));
            }
            let index = entry.connection % u64::from(self.connections);
            let worker = usize::try_from(index)
                .ok()
                .and_then(|index| workers.get(index));
            // A worker ends after its channel.
            if let Some(worker) = worker {
                _ = worker.send(entry).await;
            }
        }
        Ok(latest)
    }
}

/// A bar on a terminal, and else nothing.
fn progress(length: Option<u64>) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = match length {
        Some(length) => ProgressBar::new(length),
        None => ProgressBar::no_length(),
    };
    let template = "{bar:30} {percent:>3}% {elapsed_precise} {msg}";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

fn other(text: &str) -> Result<Other, String> {
    if text == "recorded" {
        return Ok(Other::Recorded);
    }
    server(text).map(Other::Server)
}

fn factor(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('x').parse() {
        Ok(factor) if (0.001..=1_000_000.0).contains(&factor) => Ok(factor),
        _ => Err("not a number from 0.001 to 1000000".to_owned()),
    }
}

/// Requests that wait for a worker, and answers that wait for the report.
const WAITING: usize = 16;
