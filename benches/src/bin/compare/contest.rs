//! The rounds: each contestant in turn, so that a busy machine is as unkind to each.

use std::{
    env,
    error::Error,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{Command, Stdio},
    thread::{available_parallelism, sleep},
    time::Duration,
};

use rustix::thread::CpuSet;
use tempfile::TempDir;

use crate::{
    contestant::{Contestant, Running},
    load::Load,
    options::{Options, Part, Place, Transport},
    process::{Process, Usage, cpus, last_of, pin, resident},
    report,
    stream::Endpoint,
};

pub(crate) struct Contest<'a> {
    options: &'a Options,
    cpus: CpuSet,
    contestants: Vec<Contestant>,
    /// For sockets and configurations.
    room: TempDir,
    /// How many names have been given in it.
    names: u32,
}

/// One table: all that is the same for all who take part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) place: Place,
    pub(crate) transport: Transport,
    pub(crate) part: Part,
    pub(crate) connections: usize,
}

/// What one contestant did in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Per second.
    pub(crate) requests: f64,
    /// Microseconds: p50, p99, p99.9.
    pub(crate) latency: [f64; 3],
    /// Microseconds of the proxy per request.
    pub(crate) cpu: f64,
    /// Context switches of the proxy per request.
    pub(crate) switches: f64,
    /// kB, with the connections open.
    pub(crate) resident: u64,
}

/// What one contestant did in all rounds of a case.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) contestant: Contestant,
    pub(crate) samples: Vec<Sample>,
}

impl<'a> Contest<'a> {
    pub(crate) fn new(options: &'a Options) -> Result<Self, Box<dyn Error>> {
        let ours = env::current_exe()?.with_file_name("hapolicy");
        let workers = available_parallelism().map_or(1, usize::from);
        let mut contestants = vec![
            Contestant::Direct,
            Contestant::Haproxy { threads: 1 },
            Contestant::Nginx,
            Contestant::Perl,
        ];
        let programs: Vec<PathBuf> = [ours].into_iter().chain(options.beside.clone()).collect();
        for workers in [1, workers] {
            for program in &programs {
                let program = program.clone();
                contestants.push(Contestant::Ours { program, workers });
            }
        }
        contestants.push(Contestant::Haproxy { threads: workers });
        contestants.dedup();
        let wanted = &options.contestant;
        contestants.retain(|contestant| {
            *contestant == Contestant::Haproxy { threads: 1 }
                || wanted.is_empty()
                || wanted.contains(&contestant.name())
        });
        Ok(Self {
            options,
            cpus: cpus()?,
            contestants,
            room: TempDir::new()?,
            names: 0,
        })
    }

    pub(crate) fn run(&mut self) -> Result<(), Box<dyn Error>> {
        for &place in &self.options.place {
            for &transport in &self.options.transport {
                self.run_at(place, transport)?;
            }
        }
        Ok(())
    }

    fn run_at(&mut self, place: Place, transport: Transport) -> Result<(), Box<dyn Error>> {
        pin(
            (place == Place::Pinned).then(|| last_of(&self.cpus)),
            &self.cpus,
        )?;
        let servers = [self.endpoint(transport)?, self.endpoint(transport)?];
        let _stub = stub(&servers)?;
        let mut running = Vec::new();
        for contestant in self.contestants.clone() {
            let listen = self.endpoint(transport)?;
            running.push((
                contestant.clone(),
                contestant.start(&servers, &listen, self.room.path())?,
            ));
        }
        for &part in &self.options.only {
            let several = match part {
                Part::Kept => self.options.connections.clone(),
                Part::New => vec![AT_A_TIME],
            };
            for connections in several {
                let case = Case {
                    place,
                    transport,
                    part,
                    connections,
                };
                let rows = self.rounds(case, &mut running)?;
                report::print(&case, &rows);
            }
        }
        Ok(())
    }

    fn rounds(
        &self,
        case: Case,
        running: &mut [(Contestant, Running)],
    ) -> Result<Vec<Row>, Box<dyn Error>> {
        let mut rows: Vec<Row> = Vec::new();
        for round in 0..self.options.rounds {
            let taking_part = running
                .iter_mut()
                .filter(|(contestant, _)| case.fits(contestant));
            for (number, (contestant, running)) in taking_part.enumerate() {
                if round == 0 {
                    rows.push(Row {
                        contestant: contestant.clone(),
                        samples: Vec::new(),
                    });
                }
                let sample = self
                    .measure(case, running)
                    .map_err(|error| format!("{}: {error}", contestant.name()))?;
                rows[number].samples.push(sample);
                // What was closed is cleared away.
                sleep(Duration::from_millis(50));
            }
        }
        Ok(rows)
    }

    fn measure(&self, case: Case, running: &mut Running) -> Result<Sample, Box<dyn Error>> {
        let time = Duration::from_secs_f64(self.options.seconds);
        running.prepare(case.connections)?;
        let mut load = Load::open(case.connections, running)?;
        if case.part == Part::New {
            load = load.each_its_own();
        }
        load.run(time / 5)?;
        let before = Usage::of(&running.processes)?;
        let answered = load.run(time)?;
        let used = Usage::of(&running.processes)? - before;
        let requests = answered.requests as f64;
        Ok(Sample {
            requests: requests / answered.time.as_secs_f64(),
            latency: answered.percentiles(),
            cpu: used.cpu.as_secs_f64() * 1e6 / requests,
            switches: used.switches as f64 / requests,
            resident: resident(&running.processes)?,
        })
    }

    /// A place to listen at that nobody has. Ports below those that the system gives to clients, of
    /// which thousands come and go here.
    fn endpoint(&mut self, transport: Transport) -> Result<Endpoint, Box<dyn Error>> {
        loop {
            self.names += 1;
            if transport == Transport::Unix {
                let name = self.names.to_string();
                return Ok(Endpoint::Unix(self.room.path().join(name)));
            }
            let port = 10_000 + (self.names + std::process::id()) % 20_000;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port)?));
            match TcpListener::bind(address) {
                Ok(_) => return Ok(Endpoint::Tcp(address)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Case {
    /// Perl is a process per connection: a start for each request is another measurement
    /// (`--bin spawn`), and for thousands there is no room.
    fn fits(&self, contestant: &Contestant) -> bool {
        *contestant != Contestant::Perl
            || (self.part == Part::Kept && self.connections <= AT_A_TIME)
    }
}

fn stub(servers: &[Endpoint]) -> Result<Process, Box<dyn Error>> {
    let mut command = Command::new(env::current_exe()?);
    command
        .arg("stub")
        .args(servers.iter().map(Endpoint::to_string));
    let mut process = Process::start_quiet(command.stdin(Stdio::piped()))?;
    for server in servers {
        process.wait_for(server)?;
    }
    Ok(process)
}

/// Connections, where each is for one request.
const AT_A_TIME: usize = 16;
