//! The daemon at full speed for minutes, while its services fail at random and its clients leave at
//! random. Each answer carries its request's own mark, so that one that went to another request is seen.
//!
//! ```text
//! scripts/soak 30
//! ```
//!
//! Fails on a wrong answer, on a request without one, on an answer by default although a service was well that
//! answers this request, on growth of the daemon (`watch.rs` says how much that is), and if it does not end as it
//! should: at once, since nothing is under way any more.

mod client;
#[cfg(test)]
mod false_daemons;
mod health;
mod service;
mod watch;

use std::{
    env,
    error::Error,
    io,
    process::{Command, Stdio},
    thread::{self, sleep},
    time::{Duration, Instant},
};

use clap::{Parser, Subcommand};
use fastrand::Rng;
use policy_benches::{
    endpoint::{Endpoint, Endpoints},
    machine,
    process::{Process, raise_descriptors},
    stub,
};
use rustix::process::Signal;

use crate::{
    client::{Client, Tally},
    health::Health,
    service::Service,
    watch::Watch,
};

/// Runs the daemon at full speed, while its services fail at random.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Options {
    /// How long. Growth is not looked at in less than a quarter of a minute
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Client connections at a time
    #[arg(long, default_value_t = 100)]
    clients: usize,
    /// What decides who fails when; printed at the start [default: another each time]
    #[arg(long)]
    seed: Option<u64>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Be one of the services
    Service { endpoint: Endpoint, number: usize },
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    match options.role {
        Some(Role::Service { endpoint, number }) => Ok(stub::run(&[endpoint], |request| {
            service::reply(request, number)
        })?),
        None => soak(&options),
    }
}

fn soak(options: &Options) -> Result<(), Box<dyn Error>> {
    raise_descriptors()?;
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("{}, seed {seed}", machine::description());
    let mut chance = Rng::with_seed(seed);
    let mut endpoints = Endpoints::new()?;
    let mut services = Vec::new();
    for number in 0..SERVICES {
        let is_tcp = number % 2 == 0;
        let endpoint = if is_tcp {
            endpoints.tcp()?
        } else {
            endpoints.unix()
        };
        services.push(Service::start(endpoint, number, chance.fork())?);
    }
    let listen = [endpoints.tcp()?, endpoints.unix()];
    let mut daemon = daemon(&services, &listen)?;
    for endpoint in &listen {
        daemon.wait_for(endpoint)?;
        client::ask_once(endpoint)?;
    }

    let end = Instant::now() + Duration::from_secs_f64(options.minutes * 60.0);
    let tally = Tally::new(Health::new(services.len()));
    let mut watch = Watch::new(&daemon)?;
    thread::scope(|scope| {
        let fail = |service: &mut Service| service.fail_until(end, tally.health());
        let failing: Vec<_> = services
            .iter_mut()
            .map(|service| scope.spawn(move || fail(service)))
            .collect();
        let mut asking = Vec::new();
        for (number, endpoint) in (0..options.clients).zip(listen.iter().cycle()) {
            let client = Client {
                number,
                endpoint,
                chance: chance.fork(),
                tally: &tally,
                patience: client::PATIENCE,
            };
            asking.push(scope.spawn(move || client.ask_until(end)));
        }
        while Instant::now() < end {
            sleep(watch::INTERVAL.min(end.saturating_duration_since(Instant::now())));
            watch.look(&daemon, &tally)?;
        }
        asking
            .into_iter()
            .try_for_each(|asking| asking.join().expect("no panic in a client's thread"))?;
        failing
            .into_iter()
            .try_for_each(|failing| failing.join().expect("no panic in a service's thread"))
    })?;
    // The services run until here, so that the daemon meets them well again.
    watch.wait_for_rest(&daemon)?;
    println!("{tally}");
    println!("{watch}");
    let faults: usize = services.iter().map(|service| service.faults).sum();
    println!("{faults} times a service was killed or stopped");
    let failures = [tally.failure(), watch.failure(), stop(daemon)?];
    let failures: Vec<_> = failures.into_iter().flatten().collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("; ").into())
    }
}

/// Short time-outs, so that there is much trouble in a minute.
fn daemon(services: &[Service], listen: &[Endpoint]) -> Result<Process, Box<dyn Error>> {
    let mut command = Command::new(env::current_exe()?.with_file_name("hapolicy"));
    for endpoint in listen {
        command.args(["--listen", &endpoint.to_string()]);
    }
    for (number, service) in services.iter().enumerate() {
        let service = format!("s{number}={}:10:1:1", service.endpoint.service());
        command.args(["-s", &service]);
    }
    command.args([
        "--deadline",
        "10s",
        "--drain",
        "600s",
        "-d",
        client::DEFAULT,
    ]);
    Ok(Process::start(command.stdin(Stdio::null()))?)
}

/// Ends the daemon. It waits for each connection's task before it does: one that was left over, though its
/// client has gone, would hold it for as long as `--drain`.
fn stop(mut daemon: Process) -> io::Result<Option<String>> {
    if let Some(status) = daemon.status()? {
        return Ok(Some(format!("the daemon has ended before: {status}")));
    }
    daemon.signal(Signal::TERM)?;
    let begin = Instant::now();
    while begin.elapsed() < END {
        match daemon.status()? {
            None => sleep(Duration::from_millis(10)),
            Some(status) if status.success() => {
                println!("the daemon ended after {:?}", begin.elapsed());
                return Ok(None);
            }
            Some(status) => return Ok(Some(format!("the daemon ended with {status}"))),
        }
    }
    Ok(Some(format!("the daemon has not ended after {END:?}")))
}

const SERVICES: usize = 4;
/// Far more than it needs with nothing to wait for, and far less than its `--drain`.
const END: Duration = Duration::from_secs(60);
