//! `policy-client bench`: how fast a policy server answers, and whether it answers all.

mod chart;
mod client;
mod closed_loop;
mod compare;
mod exchange;
mod format;
mod judge;
mod limit;
mod live;
mod load;
mod locale;
mod mix;
mod options;
mod plan;
mod report;
mod screen;
mod snapshot;
mod svg;
mod tally;

pub use client::Target;
pub use closed_loop::{Answered, ClosedLoop};
pub(crate) use options::Bench;

use std::{
    io::{IsTerminal, stderr, stdout},
    process::{self, ExitCode},
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use policy_net::Endpoint;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

use self::{
    compare::compare,
    judge::Judge,
    live::{Live, Watch},
    load::{Load, Outcome, Settings},
    mix::{Manner, Mix},
    plan::{Limit, Plan},
    report::{Latency, Report},
    svg::Plot,
};
use crate::{
    input,
    input::capture,
    output::{self, Output},
    status::Status,
    values::server,
};

/// What is wrong, and the status to end with.
type Fault = (Status, String);

impl Bench {
    pub(crate) fn run(self) -> ExitCode {
        let output = Output { json: self.json };
        if let [a, b] = self.compare.as_slice() {
            return compare(a, b, output, self.plot.as_deref()).into();
        }
        let status = match self.measure() {
            Ok((report, plot)) => print(&report, output, plot),
            Err((status, text)) => status.say(&text),
        };
        status.into()
    }

    /// The report, and the file that it is drawn into.
    fn measure(&self) -> Result<(Report, Option<Plot>), Fault> {
        let text = self.endpoint.as_deref().unwrap_or_default();
        let endpoint = server(text).map_err(|error| (Status::Usage, error))?;
        if self.tui && !stdout().is_terminal() {
            let fault = "--tui needs a terminal as its standard output".to_owned();
            return Err((Status::Usage, fault));
        }
        let mix = self.mix()?;
        limit::raise_to(self.connections).map_err(|error| (Status::System, error))?;
        let target = Target::resolve(&endpoint)
            .map_err(|error| (Status::Unavailable, format!("{endpoint}: {error}")))?;
        let system = |error: std::io::Error| (Status::System, error.to_string());
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The second one does not wait for a report.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))
                .and_then(|_| flag::register(signal, Arc::clone(&stop)))
                .map_err(system)?;
        }
        let plot = self.plot.as_deref().map(Plot::create).transpose()?;
        let mut report = self.report(&endpoint);
        let begin = Instant::now();
        let live = self.live(begin, report.title()).map_err(system)?;
        let plan = Plan::new(begin, self.rate, self.warm_up(), self.limit());
        let settings = Settings {
            target,
            connections: self.connections,
            life: self.life(),
            timeout: self.timeout,
        };
        let judge = Judge::new(self.expect.clone(), self.default.clone());
        precise_timers();
        let mut load = Load::new(settings, plan, mix, judge, &stop, live).map_err(system)?;
        report.add(load.run().map_err(system)?);
        Ok((report, plot))
    }

    fn mix(&self) -> Result<Mix, Fault> {
        if let Some(path) = &self.requests {
            let name = input::name(path);
            let captured = capture::open(path)
                .map_err(|error| (Status::NoInput, format!("{name}: {error}")))?;
            return Mix::from_captured(captured)
                .map_err(|error| (Status::Data, format!("{name}: {error}")));
        }
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let since_epoch = since_epoch.unwrap_or_default().as_micros();
        let manner = Manner {
            seed: self.seed,
            stages: &self.stages,
            postfix: self.postfix,
            recipients: self.recipients,
            run: &format!("{:x}.{since_epoch:x}", process::id()),
        };
        Mix::from_seed(&manner).map_err(|error| (Status::Usage, error))
    }

    fn live(&self, now: Instant, title: String) -> std::io::Result<Option<Live>> {
        let (watch, usual) = if self.tui {
            (Watch::Screen(title), FRAME)
        } else if self.every.is_some() || stderr().is_terminal() {
            (Watch::Lines, Duration::from_secs(1))
        } else {
            return Ok(None);
        };
        Live::start(watch, self.every.unwrap_or(usual), now).map(Some)
    }

    /// What is known before.
    fn report(&self, endpoint: &Endpoint) -> Report {
        Report {
            endpoint: endpoint.to_string(),
            rate: self.rate,
            connections: self.connections,
            life: self.new.map_or("kept", options::New::name),
            source: match &self.requests {
                Some(path) => path.display().to_string(),
                None => format!("seed {}", self.seed),
            },
            ..Report::default()
        }
    }

    fn limit(&self) -> Limit {
        match self.count {
            Some(count) => Limit::Count(count),
            None => Limit::Time(self.duration),
        }
    }

    /// So many requests are exactly so many at the server.
    fn warm_up(&self) -> Duration {
        let usual = match self.count {
            Some(_) => Duration::ZERO,
            None => Duration::from_secs(1),
        };
        self.warm_up.unwrap_or(usual)
    }
}

fn print(report: &Report, output: Output, plot: Option<Plot>) -> Status {
    let printed = if output.json {
        output.line(b"", || report.json())
    } else {
        let size = rustix::termios::tcgetwinsize(stdout());
        let width = size.map_or(WIDTH, |size| usize::from(size.ws_col).clamp(40, WIDTH));
        output::print(report.text(width, locale::is_utf8()).as_bytes())
    };
    let status = output::ended(printed, report.status());
    // After the report: a measurement is not lost with its plot.
    if let Some(plot) = plot {
        let line = (report.endpoint.clone(), report.latency.curve.clone());
        if let Err((fault, error)) = plot.write(&report.title(), &[line]) {
            return fault.say(&error).max(status);
        }
    }
    status
}

impl Report {
    fn add(&mut self, outcome: Outcome<'_>) {
        self.warm_up = outcome.warm_up.as_secs_f64();
        self.elapsed = outcome.elapsed.as_secs_f64();
        self.counts = outcome.tally.counts;
        self.under_way = outcome.under_way;
        self.was_interrupted = outcome.was_interrupted;
        self.knows_default = outcome.judge.knows_default();
        self.actions = outcome.judge.counts();
        self.latency = Latency::of(&outcome.tally.latency);
    }
}

/// Has Linux wake this thread when it wants to, and not up to 50 us later: that would be a latency of our own.
fn precise_timers() {
    #[cfg(target_os = "linux")]
    if let Some(nanosecond) = std::num::NonZeroU64::new(1) {
        // An error costs these 50 us.
        _ = rustix::thread::set_current_timer_slack(Some(nanosecond));
    }
}

/// How often the screen changes.
const FRAME: Duration = Duration::from_millis(250);
/// Of a plot, in columns, on a terminal that is as wide.
const WIDTH: usize = 76;
