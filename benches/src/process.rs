//! A process as the kernel sees it: its CPUs, what it has used, what it holds.

use std::{
    fs, io,
    ops::Sub,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

use crate::endpoint::Endpoint;

/// A process that was started here, and ends with what holds it.
#[derive(Debug)]
pub struct Process(Child);

/// The place of a spawned program's standard error.
#[derive(Clone, Copy, Debug)]
pub enum Errors {
    /// Its client, as under `spawn(8)`.
    ToClient,
    /// Nowhere: the Perl script complains there if there is no system log.
    Nowhere,
}

/// What all threads of a process have used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// Context switches.
    pub switches: u64,
}

impl Process {
    /// Starts it, and lets nobody read what it says.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        Self::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()))
    }

    /// Starts it as `spawn(8)` does, with one socket for input and output. Our end of that.
    pub fn on_pair(command: &mut Command, errors: Errors) -> io::Result<(UnixStream, Self)> {
        let (near, far) = UnixStream::pair()?;
        let far = OwnedFd::from(far);
        command.stdin(far.try_clone()?).stdout(far.try_clone()?);
        let errors = match errors {
            Errors::ToClient => far.into(),
            Errors::Nowhere => Stdio::null(),
        };
        Ok((near, Self::spawn(command.stderr(errors))?))
    }

    /// Starts it with the inputs and outputs that the command has.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        command.spawn().map(Self).map_err(|error| {
            let program = command.get_program().display();
            io::Error::new(error.kind(), format!("{program}: {error}"))
        })
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Its standard output, if that is a pipe and was not taken before.
    pub const fn stdout(&mut self) -> Option<ChildStdout> {
        self.0.stdout.take()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let number = i32::try_from(self.id()).ok();
        let pid = number.and_then(Pid::from_raw);
        Ok(kill_process(pid.ok_or(Errno::SRCH)?, signal)?)
    }

    /// How it has ended, if it has.
    pub fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Until it ends.
    pub fn wait(&mut self) -> io::Result<()> {
        self.0.wait().map(drop)
    }

    /// Until it listens there.
    pub fn wait_for(&mut self, endpoint: &Endpoint) -> Result<(), String> {
        let begin = Instant::now();
        while endpoint.connect().is_err() {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Err(format!(
                    "what should listen at {endpoint} has ended: {status}"
                ));
            }
            if begin.elapsed() > START {
                return Err(format!("nothing listens at {endpoint} after {START:?}"));
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

impl Usage {
    /// Of several processes together, by their numbers. What threads used that have ended is left out.
    pub fn of(processes: impl IntoIterator<Item = u32>) -> io::Result<Self> {
        let mut usage = Self::default();
        for process in processes {
            for thread in fs::read_dir(format!("/proc/{process}/task"))? {
                let thread = thread?.path();
                // Nanoseconds on a CPU, waiting for one, and how often.
                let schedstat = fs::read_to_string(thread.join("schedstat"))?;
                let on_cpu = schedstat.split(' ').next().and_then(|ns| ns.parse().ok());
                usage.cpu += Duration::from_nanos(on_cpu.unwrap_or(0));
                let status = fs::read_to_string(thread.join("status"))?;
                usage.switches += field(&status, "voluntary_ctxt_switches:")
                    + field(&status, "nonvoluntary_ctxt_switches:");
            }
        }
        Ok(usage)
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            switches: self.switches.saturating_sub(before.switches),
        }
    }
}

/// A silent name server costs HAProxy's start 20 s.
const START: Duration = Duration::from_secs(60);

/// Resident memory of all together in kB.
pub fn resident(processes: &[Process]) -> io::Result<u64> {
    let mut sum = 0;
    for process in processes {
        let status = fs::read_to_string(format!("/proc/{}/status", process.id()))?;
        sum += field(&status, "VmRSS:");
    }
    Ok(sum)
}

/// How many descriptors (`fd`) or threads (`task`) a process has.
pub fn count(process: &Process, of: &str) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{}/{of}", process.id()))?.count())
}

/// Keeps this process, and those that it starts from now on, to one CPU; or to none.
pub fn pin(to: Option<usize>, all: &CpuSet) -> io::Result<()> {
    let mut one = CpuSet::new();
    let cpus = match to {
        None => all,
        Some(cpu) => {
            one.set(cpu);
            &one
        }
    };
    Ok(sched_setaffinity(None, cpus)?)
}

/// The CPUs that this process may use.
pub fn cpus() -> io::Result<CpuSet> {
    Ok(sched_getaffinity(None)?)
}

/// The last of them: the first often has more to do with the machine itself.
#[must_use]
pub fn last_of(cpus: &CpuSet) -> usize {
    let mut numbers = (0..CpuSet::MAX_CPU).rev();
    numbers.find(|cpu| cpus.is_set(*cpu)).unwrap_or(0)
}

/// Lets this process, and those that it starts, have as many descriptors as the system lets it; how
/// many that is.
pub fn raise_descriptors() -> io::Result<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// A number in a file of /proc.
fn field(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let number = value.and_then(|value| value.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
