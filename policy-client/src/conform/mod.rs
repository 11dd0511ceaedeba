//! `policy-client conform`: whether a policy server keeps to the protocol, case by case.

use std::{
    io,
    pin::pin,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use clap::Args;
use policy_daemon::command_line::parse_duration;
use policy_net::{Connector, Endpoint};
use serde_json::{Map, Value};

use crate::{
    output::report::{Counts, Format, Outcome, Record, Reporter},
    output::{ended, print},
    status::{Status, fail, interrupted},
    values::{number, server, some_time},
};

mod attributes;
mod case;
mod cases;
mod connection;
mod run;
mod server;
mod source;
mod times;
mod verdict;

use attributes::Attributes;
use case::{Case, Level};
use cases::{GROUPS, Group};
use run::{Ended, Run};
use server::Server;
use times::Times;
use verdict::Miss;

/// Tests whether a policy server keeps to the protocol, in numbered cases.
///
/// Each case has the sentence of Postfix's documents that it rests on. A server that closes a connection, or
/// answers something else than an action, fails; which action it answers with does not matter. The exit
/// status is 1 when a case with MUST fails.
#[derive(Args, Debug)]
pub(crate) struct Conform {
    /// The server to test.
    #[arg(
        help = "inet:host:port, host:port, [v6]:port or unix:/path",
        required_unless_present = "list"
    )]
    endpoint: Option<String>,
    /// These cases or groups alone: `2,4.13`
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    only: Vec<String>,
    /// All but these cases or groups
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    except: Vec<String>,
    /// Count cases with SHOULD as those with MUST
    #[arg(long)]
    strict: bool,
    /// How to print the results
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Print an object per case, with number, level, title, document and sentence, and unless it is for --list also outcome,
    /// reason and elapsed_ms
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// How long to wait for a connection, and for each answer
    #[arg(long, default_value = "10s", value_parser = some_time)]
    timeout: Duration,
    /// How long a connection is idle in the cases about that; Postfix keeps one for 300 s
    #[arg(long, default_value = "3s", value_parser = parse_duration)]
    idle: Duration,
    /// How long to look whether something comes that must not
    #[arg(long, default_value = "300ms", value_parser = some_time)]
    silence: Duration,
    /// How many connections are open at once in the cases about many
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = number::<usize>(1..=u64::MAX))]
    connections: usize,
    /// How many cases run side by side
    #[arg(long, value_name = "COUNT", default_value = "8", value_parser = number::<usize>(1..=u64::MAX))]
    jobs: usize,
    /// Print the cases and the sentences behind them, and ask nothing
    #[arg(long)]
    list: bool,
}

impl Conform {
    pub(crate) async fn run(self) -> ExitCode {
        let cases = match self.cases() {
            Ok(cases) => cases,
            Err(text) => return fail(&text, Status::Usage),
        };
        let Some(text) = self.endpoint.as_ref().filter(|_| !self.list) else {
            let list = if self.json {
                objects(&cases)
            } else {
                list(&cases)
            };
            return ended(print(list.as_bytes()), Status::Success).into();
        };
        let endpoint = match server(text) {
            Ok(endpoint) => endpoint,
            Err(error) => return fail(&error, Status::Usage),
        };
        let server = Arc::new(self.server(&endpoint));
        let stopped = match interrupted() {
            Ok(stopped) => stopped,
            Err(error) => return fail(&error, Status::System),
        };
        let mut stopped = pin!(stopped);
        let total = cases.len();
        let stopped_after = |count: usize| {
            let text = format!("stopped after {count} of {total} cases");
            fail(&text, Status::Unexpected)
        };
        let jobs = tokio::select! {
            jobs = self.jobs(&server) => jobs,
            () = &mut stopped => return stopped_after(0),
        };
        let jobs = match jobs {
            Ok(jobs) => jobs,
            Err(why) => return fail(&format!("{endpoint}: {why}"), Status::Unavailable),
        };
        let run = Run::new(server, jobs, cases);
        match self.report(run, stopped, &endpoint, total).await {
            Ok(counts) if counts.total() < total => stopped_after(counts.total()),
            Ok(Counts { failed: 0, .. }) => Status::Success.into(),
            Ok(_) => Status::Unexpected.into(),
            Err(error) => ended(Err(error), Status::Success).into(),
        }
    }

    /// How many cases may run side by side, or why none can.
    async fn jobs(&self, server: &Arc<Server>) -> Result<usize, String> {
        if let Err(Miss::Failed(why)) = server.connect().await {
            return Err(why);
        }
        let request = Attributes::rcpt().bytes();
        let since = Instant::now();
        // Each case would wait as long.
        if let Err(Miss::Failed(why)) = server.ask(&request).await
            && since.elapsed() >= self.timeout
        {
            return Err(why);
        }
        // Where one connection has to end before the next is served, cases would wait for each other.
        let is_concurrent = server.is_concurrent(&request).await;
        Ok(if is_concurrent { self.jobs } else { 1 })
    }

    async fn report(
        &self,
        mut run: Run,
        mut stopped: impl Future<Output = ()> + Unpin,
        endpoint: &Endpoint,
        total: usize,
    ) -> io::Result<Counts> {
        let format = if self.json { Format::Json } else { self.format };
        let mut reporter = Reporter::new(format, endpoint.to_string(), total)?;
        loop {
            let next = tokio::select! {
                next = run.next() => next,
                () = &mut stopped => None,
            };
            let Some(result) = next else {
                break;
            };
            reporter.add(self.record(result))?;
        }
        for result in run.rest() {
            reporter.add(self.record(result))?;
        }
        reporter.finish()
    }

    /// The cases that were asked for.
    fn cases(&self) -> Result<Vec<(&'static Group, &'static Case)>, String> {
        let is_asked = |case: &Case, number: &str| number == case.number || number == case.group();
        let all = || {
            GROUPS
                .iter()
                .flat_map(|group| group.cases.iter().map(move |case| (group, case)))
        };
        for number in self.only.iter().chain(&self.except) {
            if !all().any(|(_, case)| is_asked(case, number)) {
                return Err(format!("there is no case or group '{number}': see --list"));
            }
        }
        let is_in = |numbers: &[String], case| numbers.iter().any(|number| is_asked(case, number));
        let asked = all().filter(|(_, case)| {
            (self.only.is_empty() || is_in(&self.only, case)) && !is_in(&self.except, case)
        });
        let asked: Vec<_> = asked.collect();
        if asked.is_empty() {
            return Err("--except leaves no case of --only".to_owned());
        }
        Ok(asked)
    }

    fn server(&self, endpoint: &Endpoint) -> Server {
        Server {
            connector: Connector::new(endpoint.clone()),
            times: Times {
                answer: self.timeout,
                silence: self.silence,
                idle: self.idle,
                piece: PIECE,
            },
            connections: self.connections,
            has_ended: AtomicBool::new(false),
        }
    }

    fn record(&self, ended: Ended) -> Record {
        let Ended {
            group,
            case,
            verdict,
            elapsed,
        } = ended;
        let outcome = match verdict {
            Ok(()) => Outcome::Passed,
            Err(Miss::Skipped(why)) => Outcome::Skipped(why),
            Err(Miss::Ended(why)) => Outcome::Failed(why),
            Err(Miss::Failed(why)) if case.level == Level::Must || self.strict => {
                Outcome::Failed(why)
            }
            Err(Miss::Failed(why)) => Outcome::Warned(why),
        };
        Record {
            group: group.title.to_owned(),
            is_named_by_group: false,
            id: case.number.to_owned(),
            title: format!("{} {}", case.level, case.title),
            outcome,
            notes: vec![sentence(case)],
            elapsed,
            fields: fields(case),
        }
    }
}

/// The cases for people, without a server.
fn list(cases: &[(&'static Group, &'static Case)]) -> String {
    let mut list = String::new();
    let mut title = "";
    for (group, case) in cases {
        if title != group.title {
            list += &format!("\n{}\n", group.title);
            title = group.title;
        }
        list += &format!("  {:<6}{:<7}{}\n", case.number, case.level, case.title);
        list += &format!("               {}\n", sentence(case));
    }
    list.trim_start_matches('\n').to_owned()
}

/// The cases for programs, without a server.
fn objects(cases: &[(&'static Group, &'static Case)]) -> String {
    let object = |(_, case): &(_, &'static Case)| format!("{}\n", Value::Object(fields(case)));
    cases.iter().map(object).collect()
}

/// What objects say of a case.
fn fields(case: &Case) -> Map<String, Value> {
    let fields = [
        ("number", case.number.to_owned()),
        ("level", case.level.to_string()),
        ("title", case.title.to_owned()),
        ("document", case.source.document.to_owned()),
        ("sentence", case.source.sentence.to_owned()),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), Value::String(value)));
    fields.into_iter().collect()
}

fn sentence(case: &Case) -> String {
    format!("{}: {}", case.source.document, case.source.sentence)
}

/// Enough for two segments, and for a server that is asleep to read the first.
const PIECE: Duration = Duration::from_millis(2);
