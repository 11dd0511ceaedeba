//! The daemon at full speed for minutes, while its services fail at random and its clients leave at
//! random. Each answer carries its request's own mark, so that one that went to another request is seen.
//!
//! ```text
//! cargo build --release -p hapolicy && cargo run --release -p policy-benches --bin soak -- --minutes 30
//! ```
//!
//! Fails on a wrong answer, on a request without one, on growth of the daemon (`watch.rs` says how much that
//! is), and if it does not end as it should: at once, since nothing is under way any more.

mod client;
mod service;
mod trouble;
mod watch;

use std::{
    env,
    error::Error,
    io,
    process::{Command, Stdio},
    rc::Rc,
    time::Duration,
};

use clap::{Parser, Subcommand};
use policy_benches::{
    endpoint::{Endpoint, Ground},
    machine,
    process::{Process, raise_descriptors},
};
use rustix::process::Signal;
use tokio::{
    runtime,
    task::{JoinSet, LocalSet},
    time::{Instant, sleep, sleep_until},
};

use crate::{client::Tally, trouble::Service, watch::Watch};

#[derive(Debug, Parser)]
#[command(about, args_conflicts_with_subcommands = true)]
struct Options {
    /// How long
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
    Service { endpoint: Endpoint, seed: u64 },
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match options.role {
        Some(Role::Service { endpoint, seed }) => {
            LocalSet::new().block_on(&runtime, service::serve(&endpoint, seed))
        }
        None => LocalSet::new().block_on(&runtime, soak(&options)),
    }
}

async fn soak(options: &Options) -> Result<(), Box<dyn Error>> {
    raise_descriptors()?;
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("{}, seed {seed}", machine::description());
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut ground = Ground::new()?;
    let mut services = Vec::new();
    for number in 0..SERVICES {
        let endpoint = match number % 2 {
            0 => ground.tcp()?,
            _ => ground.unix(),
        };
        services.push(Service::start(endpoint, chance.fork())?);
    }
    let listen = [ground.tcp()?, ground.unix()];
    let mut daemon = daemon(&services, &listen)?;
    for endpoint in &listen {
        daemon.wait_for(endpoint)?;
    }

    let end = Instant::now() + Duration::from_secs_f64(options.minutes * 60.0);
    let tally = Rc::new(Tally::default());
    let mut watch = Watch::new(&daemon)?;
    let mut failing = JoinSet::new();
    for service in services {
        failing.spawn_local(service.fail_until(end));
    }
    let mut clients = JoinSet::new();
    for (number, endpoint) in (0..options.clients).zip(listen.iter().cycle()) {
        let (endpoint, tally) = (endpoint.clone(), tally.clone());
        clients.spawn_local(client::ask_until(
            end,
            number,
            endpoint,
            chance.fork(),
            tally,
        ));
    }
    while Instant::now() < end {
        sleep_until(end.min(Instant::now() + watch::INTERVAL)).await;
        watch.look(&daemon, &tally)?;
    }
    while let Some(ended) = clients.join_next().await {
        ended?;
    }
    // Kept until the end, so that the daemon meets them well again.
    let mut services = Vec::new();
    while let Some(ended) = failing.join_next().await {
        services.push(ended??);
    }
    watch.wait_for_rest(&daemon).await?;
    println!("{tally}");
    println!("{watch}");
    let faults: usize = services.iter().map(|service| service.faults).sum();
    println!("{faults} times a service was killed or stopped");
    let failures = [tally.failure(), watch.failure(), stop(daemon).await?];
    match failures
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; ")
    {
        none if none.is_empty() => Ok(()),
        failures => Err(failures.into()),
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
async fn stop(mut daemon: Process) -> io::Result<Option<String>> {
    if let Some(status) = daemon.status()? {
        return Ok(Some(format!("the daemon has ended before: {status}")));
    }
    daemon.signal(Signal::TERM)?;
    let begin = Instant::now();
    while begin.elapsed() < END {
        match daemon.status()? {
            None => sleep(Duration::from_millis(10)).await,
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
