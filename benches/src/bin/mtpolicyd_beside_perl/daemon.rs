//! A daemon with a case's configuration, and what it uses.

use std::{
    env,
    error::Error,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use policy_benches::{endpoint::Endpoint, process::Process};
use policy_testing::{
    load::{Answers, Clients, Load},
    port::Port,
};
use tempfile::TempDir;

use crate::{
    case::{Asked, Case, Need},
    peers::Peers,
    request::request,
    sample::Sample,
};

pub(crate) struct Daemon {
    process: Process,
    port: Port,
    _directory: TempDir,
}

impl Daemon {
    pub(crate) fn start(
        program: &Path,
        case: &Case,
        peers: &Peers,
    ) -> Result<Self, Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        let port = Port::any();
        let number = port.number();
        let is_ours = program != Path::new("/usr/bin/mtpolicyd");
        let (kept, left_out) = if is_ours {
            ("@OURS@", "@PERL@")
        } else {
            ("@PERL@", "@OURS@")
        };
        let plugins: String = case
            .plugins
            .lines()
            .filter(|line| !line.starts_with(left_out))
            .map(|line| line.trim_start_matches(kept).to_owned() + "\n")
            .collect();
        let before = peers
            .fill(case.before)
            .replace("@TMP@", &directory.path().display().to_string());
        let text = format!(
            "port = 127.0.0.1:{number}\nlog_level = 1\nlog_file = /dev/null\nmax_servers = 25\nmax_requests = 1000000\n\
             {before}<VirtualHost {number}>\nname=bench\n{plugins}</VirtualHost>\n"
        );
        let config = directory.path().join("mt.conf");
        fs::write(&config, text)?;
        let mut command = if case.needs == Need::Lists {
            peers.with_lists(program, directory.path())?
        } else {
            Command::new(program)
        };
        let endpoint = format!("inet:127.0.0.1:{number}");
        if program == env::current_exe()? {
            // It ends with its standard input.
            command.args(["--serve", &endpoint]).stdin(Stdio::piped());
        } else {
            command
                .arg("-f")
                .arg("-c")
                .arg(&config)
                .stdin(Stdio::null());
        }
        let mut process = Process::start(&mut command)?;
        process.wait_for(&endpoint.parse::<Endpoint>()?)?;
        Ok(Self {
            process,
            port,
            _directory: directory,
        })
    }

    /// Load over so many connections for one round.
    pub(crate) fn ask(&self, asked: Asked, clients: Clients) -> Result<Answers, Box<dyn Error>> {
        let load = Load {
            server: ([127, 0, 0, 1], self.port.number()).into(),
            clients,
            time: ROUND,
        };
        let run = fastrand::u64(..1 << 40);
        Ok(load.run(|number, count| request(asked, run, number, count))?)
    }

    /// What one round costs.
    pub(crate) fn round(&self, asked: Asked, clients: Clients) -> Result<Sample, Box<dyn Error>> {
        let (cpu_before, _) = self.usage()?;
        let begin = Instant::now();
        let answers = self.ask(asked, clients)?;
        let elapsed = begin.elapsed();
        let (cpu, memory) = self.usage()?;
        let ms = |quantile| answers.times.value_at_quantile(quantile) as f64 / 1e3;
        Ok(Sample {
            rate: answers.answered as f64 / elapsed.as_secs_f64(),
            p50: ms(0.5),
            p99: ms(0.99),
            cpu: (cpu - cpu_before) * 1e6 / answers.answered as f64,
            memory,
            failed: answers.failed,
            served: answers.served,
        })
    }

    /// Seconds of CPU and megabytes of memory (PSS) of the process and its children.
    pub(crate) fn usage(&self) -> Result<(f64, f64), Box<dyn Error>> {
        let (mut ticks, mut kilobytes) = (0.0, 0.0);
        for process in family(self.process.id()) {
            let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else {
                continue;
            };
            let fields: Vec<&str> = stat
                .rsplit(')')
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .collect();
            // utime, stime, and those of children that have ended.
            for index in 11..15 {
                ticks += fields
                    .get(index)
                    .and_then(|field| field.parse().ok())
                    .unwrap_or(0.0);
            }
            let smaps =
                fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
            let pss = smaps.lines().find_map(|line| line.strip_prefix("Pss:"));
            let pss = pss.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok());
            kilobytes += pss.unwrap_or(0.0);
        }
        Ok((ticks / TICKS, kilobytes / 1024.0))
    }
}

fn family(process: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let children = children.unwrap_or_default();
    let mut all = vec![process];
    all.extend(
        children
            .split_whitespace()
            .filter_map(|child| child.parse::<u32>().ok()),
    );
    all
}

/// How long each round lasts.
pub(crate) const ROUND: Duration = Duration::from_secs(2);
/// Of the clock in `/proc/PID/stat`.
const TICKS: f64 = 100.0;
