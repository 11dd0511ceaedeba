//! What happens to a service: it is killed and started again, or stopped and continued.

use std::{
    env, io,
    process::{Command, Stdio},
    time::Duration,
};

use fastrand::Rng;
use policy_benches::{endpoint::Endpoint, process::Process};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

/// One that runs, but for the times when it does not.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) endpoint: Endpoint,
    /// How often it has been killed or stopped.
    pub(crate) faults: usize,
    process: Process,
    chance: Rng,
}

impl Service {
    pub(crate) fn start(endpoint: Endpoint, mut chance: Rng) -> io::Result<Self> {
        Ok(Self {
            process: start(&endpoint, chance.u64(..))?,
            endpoint,
            faults: 0,
            chance,
        })
    }

    /// Lets it fail each few seconds. It is well again in the end.
    pub(crate) async fn fail_until(mut self, end: Instant) -> io::Result<Self> {
        loop {
            let well = Duration::from_millis(self.chance.u64(500..8000));
            if Instant::now() + well >= end {
                return Ok(self);
            }
            sleep(well).await;
            self.faults += 1;
            let ill = Duration::from_millis(self.chance.u64(50..3000));
            match self.chance.bool() {
                true => {
                    self.process.signal(Signal::KILL)?;
                    self.process.wait()?;
                    sleep(ill).await;
                    self.process = start(&self.endpoint, self.chance.u64(..))?;
                }
                false => {
                    self.process.signal(Signal::STOP)?;
                    sleep(ill).await;
                    self.process.signal(Signal::CONT)?;
                }
            }
        }
    }
}

fn start(endpoint: &Endpoint, seed: u64) -> io::Result<Process> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["service", &endpoint.to_string(), &seed.to_string()]);
    Process::start(command.stdin(Stdio::piped()))
}
