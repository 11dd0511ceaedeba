//! mtpolicyd beside the Perl daemon of that name: CPU for a request, requests per second and memory, for a chain of seven plugins
//! without I/O ("simple7"), and for a fixed answer. Both in one run, round by round.
//!
//! ```text
//! cargo build --release -p mtpolicyd && cargo run --release -p policy-benches --bin mtpolicyd-beside-perl
//! ```
//!
//! `-- --record` writes the report below `benches/record/`; `-- --million` also asks ours a million times, for its memory.

use std::{
    error::Error,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use policy_benches::{
    machine,
    process::Process,
    report::{Report, Table, median, number, records},
};

/// How long each round lasts.
const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;

const ACTION: &str = "<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n";
const SIMPLE7: &str = "\
<Plugin c1>\nmodule=Condition\nkey=client_name\nre_match=\"^dyn[0-9]+\\.\"\nscore=3\n</Plugin>
<Plugin c2>\nmodule=Condition\nkey=helo_name\nre_match=\"\\.\"\ninvert=1\nscore=2\n</Plugin>
<Plugin c3>\nmodule=RegexList\nkey=sender\nregex=\"^spam[0-9]*@\"\nscore=5\n</Plugin>
<Plugin s>\nmodule=SetField\nkey=mark\nvalue=1\n</Plugin>
<Plugin c4>\nmodule=Condition\nkey=recipient\nre_match=\"@\"\nscore=1\n</Plugin>
<Plugin sa>\nmodule=ScoreAction\nthreshold=15\naction=reject %SCORE%\n</Plugin>
<Plugin h>\nmodule=AddScoreHeader\n</Plugin>
";

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| words.iter().any(|given| given == word);
    let ours = std::env::current_exe()?.with_file_name("mtpolicyd");
    let mut programs = vec![("mtpolicyd", ours)];
    let perl = PathBuf::from("/usr/bin/mtpolicyd");
    if perl.exists() {
        programs.push(("Perl mtpolicyd", perl));
    }
    let directory = tempfile::tempdir()?;
    let mut table = Table::new(
        "Medians of the rounds",
        ["connections", "requests/s", "CPU us/request", "memory MB"],
    );
    for (chain, plugins) in [("Action", ACTION), ("simple7", SIMPLE7)] {
        for connections in [1, 16] {
            let mut samples: Vec<_> = programs.iter().map(|_| Vec::new()).collect();
            let mut daemons = Vec::new();
            for (index, (_, program)) in programs.iter().enumerate() {
                daemons.push(Daemon::start(program, plugins, directory.path(), index)?);
            }
            for _ in 0..ROUNDS {
                for (daemon, samples) in daemons.iter().zip(&mut samples) {
                    samples.push(daemon.round(connections)?);
                }
            }
            for ((name, _), samples) in programs.iter().zip(&samples) {
                table.row(
                    format!("{name}, {chain}"),
                    [
                        connections.to_string(),
                        number(median(samples.iter().map(|sample| sample.rate)), 0),
                        number(median(samples.iter().map(|sample| sample.cpu)), 1),
                        number(median(samples.iter().map(|sample| sample.memory)), 1),
                    ],
                );
            }
        }
    }
    let command = "cargo run --release -p policy-benches --bin mtpolicyd-beside-perl";
    let mut report = Report::new("mtpolicyd beside the Perl daemon", &[], command);
    report.table(table);
    if has("--million") {
        let daemon = Daemon::start(&programs[0].1, SIMPLE7, directory.path(), 9)?;
        let before = daemon.usage()?.1;
        let mut asked = 0;
        while asked < 1_000_000 {
            asked += daemon.count(16, ROUND)?;
        }
        let after = daemon.usage()?.1;
        report.text(&format!(
            "Memory of ours before {asked} requests: {before:.1} MB, after them: {after:.1} MB."
        ));
    }
    print!("{report}");
    if has("--record") {
        let name = format!("{}-mtpolicyd", machine::today());
        report.write(&records(), &name, &[])?;
    }
    Ok(())
}

struct Daemon {
    process: Process,
    port: u16,
}

struct Sample {
    rate: f64,
    cpu: f64,
    memory: f64,
}

impl Daemon {
    fn start(
        program: &Path,
        plugins: &str,
        directory: &Path,
        index: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let config = directory.join(format!("{index}.conf"));
        let text = format!(
            "port = 127.0.0.1:{port}\nlog_level = 1\nlog_file = /dev/null\nmax_servers = 25\n<VirtualHost {port}>\nname=bench\n\
             {plugins}</VirtualHost>\n"
        );
        fs::write(&config, text)?;
        let mut command = Command::new(program);
        command
            .arg("-f")
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null());
        let daemon = Self {
            process: Process::start(&mut command)?,
            port,
        };
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begin.elapsed() > Duration::from_secs(20) {
                return Err(format!("{} does not listen", program.display()).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(daemon)
    }

    fn round(&self, connections: usize) -> Result<Sample, Box<dyn Error>> {
        let (cpu_before, _) = self.usage()?;
        let begin = Instant::now();
        let count = self.count(connections, ROUND)?;
        let elapsed = begin.elapsed();
        let (cpu, memory) = self.usage()?;
        Ok(Sample {
            rate: count as f64 / elapsed.as_secs_f64(),
            cpu: (cpu - cpu_before) * 1e6 / count as f64,
            memory,
        })
    }

    /// Asks over so many connections at once; how many answers came.
    fn count(&self, connections: usize, time: Duration) -> Result<u64, Box<dyn Error>> {
        let port = self.port;
        let clients: Vec<_> = (0..connections)
            .map(|number| thread::spawn(move || ask(port, number, time)))
            .collect();
        let mut count = 0;
        for client in clients {
            count += client.join().map_err(|_| "a client has panicked")??;
        }
        Ok(count)
    }

    /// Seconds of CPU and megabytes of memory (PSS) of the process and its children.
    fn usage(&self) -> Result<(f64, f64), Box<dyn Error>> {
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

fn ask(port: u16, number: usize, time: Duration) -> Result<u64, String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
    let mut stream = stream;
    let (begin, mut count, mut bytes) = (Instant::now(), 0, [0; 4096]);
    while begin.elapsed() < time {
        let request = format!(
            "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nhelo_name=mail.acme.example\nqueue_id=\n\
             sender=carol@acme.example\nrecipient=dave@ours.example\nrecipient_count=0\nclient_address=192.0.2.10\n\
             client_name=mail.acme.example\nreverse_client_name=mail.acme.example\ninstance={number}.{count}\nsize=12345\n\n"
        );
        stream
            .write_all(request.as_bytes())
            .map_err(|error| error.to_string())?;
        let read = stream.read(&mut bytes).map_err(|error| error.to_string())?;
        if !bytes.get(..read).unwrap_or_default().ends_with(b"\n\n") {
            return Err("no whole answer".to_owned());
        }
        count += 1;
    }
    Ok(count)
}

/// Of the clock in `/proc/PID/stat`.
const TICKS: f64 = 100.0;
