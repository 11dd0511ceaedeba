//! System calls per request, counted by the kernel's tracepoints: under strace a proxy is so slow that
//! it finds more to do each time that it looks, and makes fewer of them.

use std::{
    error::Error,
    fs,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use policy_benches::process::Process;
use rustix::process::Signal;
use tempfile::NamedTempFile;

use crate::{
    case::Case,
    contestant::{Contestant, Running},
    options::Part,
};

/// Those of one contestant in one case.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) case: Case,
    pub(crate) contestant: Contestant,
    /// Per request.
    pub(crate) all: f64,
    /// Per request, by name, the most frequent first; less than one in a hundred left out.
    pub(crate) each: Vec<(String, f64)>,
}

impl Calls {
    /// With connections that are open already; or all of it, where each is for one request.
    pub(crate) fn count(
        case: Case,
        contestant: &Contestant,
        running: &mut Running,
        time: Duration,
    ) -> Result<Self, Box<dyn Error>> {
        running.prepare(case.connections)?;
        let mut load = running.load(case.connections, case.part == Part::New)?;
        load.run(time / 5)?;
        let output = NamedTempFile::new()?;
        let processes: Vec<_> = running.ids().map(|id| id.to_string()).collect();
        let events = CALLS.split(' ').filter(|call| !call.is_empty());
        let events: Vec<_> = events
            .map(|call| format!("syscalls:sys_enter_{call}"))
            .collect();
        let mut command = Command::new(PERF);
        command.args(["stat", "-x,", "-e", ALL, "-e", &events.join(",")]);
        command.arg("-o").arg(output.path());
        command
            .args(["-p", &processes.join(",")])
            .stdin(Stdio::null());
        let mut perf = Process::start(&mut command)?;
        // It says nowhere that it has begun.
        sleep(ATTACH);
        let answered = load.run(time)?;
        perf.signal(Signal::INT)?;
        perf.wait()?;
        let text = fs::read_to_string(output.path())?;
        let counts = parse(&text).map(|(name, count)| (name, count / answered.answers as f64));
        let mut each: Vec<_> = counts.collect();
        let all = each.iter().position(|(name, _)| name == ALL);
        let (_, all) = each.swap_remove(all.ok_or_else(|| format!("perf stat: {text}"))?);
        each.retain(|(_, count)| *count >= 0.01);
        each.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        Ok(Self {
            case,
            contestant: contestant.clone(),
            all,
            each,
        })
    }
}

/// The name and the count of each line: `123,,syscalls:sys_enter_read,...`.
fn parse(text: &str) -> impl Iterator<Item = (String, f64)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(',');
        let count = fields.next()?.parse().ok()?;
        let name = fields.nth(1)?;
        let name = name.strip_prefix("syscalls:sys_enter_").unwrap_or(name);
        Some((name.to_owned(), count))
    })
}

/// From Debian's package linux-perf.
const PERF: &str = "/usr/bin/perf";
const ALL: &str = "raw_syscalls:sys_enter";
/// What a proxy may do for a request. All calls are counted in any case; these are told apart.
const CALLS: &str = "accept4 bind clock_gettime close connect epoll_ctl epoll_wait fcntl futex getsockname getsockopt ioctl \
    io_uring_enter poll read readv recvfrom recvmsg sendmsg sendto setsockopt shutdown socket splice write writev";
const ATTACH: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_and_comments_are_not() {
        let text = "# started on Sat\n\n29,,raw_syscalls:sys_enter,974315,100.00,,\n\
                    7,,syscalls:sys_enter_read,974315,100.00,,\n\
                    <not supported>,,syscalls:sys_enter_poll,0,100.00,,\n";
        let counts: Vec<_> = parse(text).collect();
        assert_eq!(counts, [(ALL.to_owned(), 29.0), ("read".to_owned(), 7.0)]);
    }
}
