//! The programs that are compared, and how each is started: with as little to do as its configuration allows.

use std::{
    env,
    error::Error,
    fs, io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use policy_benches::{
    endpoint::Endpoint,
    process::{Errors, Process, raise_descriptors},
    samples::typical,
    stub::ACTION,
};
use policy_client::{ClosedLoop, Target};

use crate::{
    case::Case,
    options::{Part, Transport},
};

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Contestant {
    /// No proxy at all.
    Direct,
    /// TCP mode.
    Haproxy { threads: usize },
    /// The stream module, one worker.
    Nginx,
    /// The Perl script as `spawn(8)` runs it: a process for each connection, which is a socket pair.
    Perl,
    /// hapolicy --listen.
    Ours { program: PathBuf, workers: usize },
}

/// One that runs.
#[derive(Debug)]
pub(crate) struct Running {
    /// All that belongs to it.
    pub(crate) processes: Vec<Process>,
    way: Way,
}

/// How to reach it.
#[derive(Debug)]
enum Way {
    To(Endpoint),
    /// Our end of each socket pair.
    Pairs(Vec<UnixStream>, Vec<Endpoint>),
}

impl Contestant {
    /// What all are compared with.
    pub(crate) const HAPROXY: Self = Self::Haproxy { threads: 1 };

    pub(crate) fn name(&self) -> String {
        match self {
            Self::Direct => "direct".to_owned(),
            Self::Haproxy { threads: 1 } => "HAProxy".to_owned(),
            Self::Haproxy { threads } => format!("HAProxy, {threads} threads"),
            Self::Nginx => "nginx stream".to_owned(),
            Self::Perl => "Perl hapolicy".to_owned(),
            Self::Ours { workers, program } => {
                // The one that was built with this, or another.
                let own = env::current_exe().map(|own| own.with_file_name("hapolicy"));
                let is_own = own.is_ok_and(|own| own == *program);
                let name = if is_own {
                    "hapolicy".to_owned()
                } else {
                    program.display().to_string()
                };
                if *workers == 1 {
                    name
                } else {
                    format!("{name}, {workers} workers")
                }
            }
        }
    }

    /// Perl is a process per connection: a start for each request is another measurement (`--bin
    /// spawn`), and for hundreds there is no room. It knows no servers on UNIX sockets.
    pub(crate) fn is_fit_for(&self, case: &Case) -> bool {
        *self != Self::Perl
            || (case.part != Part::New
                && case.connections <= 16
                && case.transport == Transport::Tcp)
    }

    /// The one that the goals are about.
    pub(crate) const fn is_ours(&self) -> bool {
        matches!(self, Self::Ours { workers: 1, .. })
    }

    /// Whether it is the same program with more workers than this one's single one.
    pub(crate) fn has_more_workers_than(&self, one: &Self) -> bool {
        let [more, one] = [self, one].map(|contestant| match contestant {
            Self::Ours { program, workers } => Some((program, *workers)),
            _ => None,
        });
        more.zip(one)
            .is_some_and(|(more, one)| more.0 == one.0 && more.1 > 1 && one.1 == 1)
    }

    /// Whether it is one process for all connections.
    pub(crate) const fn has_own_process(&self) -> bool {
        !matches!(self, Self::Direct | Self::Perl)
    }

    /// How many idle connections it can have with so many descriptors. Those that do not share
    /// connections to the servers need two for each, and all have others open.
    pub(crate) const fn most_connections(&self, descriptors: u64) -> usize {
        let each = if matches!(self, Self::Ours { .. }) {
            1
        } else {
            2
        };
        let most = descriptors.saturating_sub(500) / each;
        if most < 50_000 { most as usize } else { 50_000 }
    }

    /// Starts it in front of these servers. Its files go into `directory`.
    pub(crate) fn start(
        &self,
        servers: &[Endpoint],
        listen: &Endpoint,
        directory: &Path,
    ) -> Result<Running, Box<dyn Error>> {
        let mut command = match self {
            Self::Direct => return Ok(Running::at(servers[0].clone())),
            Self::Perl => {
                let way = Way::Pairs(Vec::new(), servers.to_vec());
                return Ok(Running {
                    processes: Vec::new(),
                    way,
                });
            }
            Self::Haproxy { threads } => {
                let path = directory.join("haproxy.cfg");
                fs::write(
                    &path,
                    haproxy(*threads, servers, listen, raise_descriptors()?),
                )?;
                let mut command = Command::new("/usr/sbin/haproxy");
                command.arg("-db").arg("-f").arg(path);
                command
            }
            Self::Nginx => {
                let path = directory.join("nginx.conf");
                fs::write(&path, nginx(servers, listen, directory))?;
                let mut command = Command::new("/usr/sbin/nginx");
                command.args(["-e", "stderr", "-c"]).arg(path);
                command
            }
            Self::Ours { program, workers } => {
                let mut command = Command::new(program);
                command.args(["--listen", &listen.to_string()]);
                command.args(["--workers", &workers.to_string()]);
                command.args(services(servers));
                command
            }
        };
        let mut process = Process::start(command.stdin(Stdio::null()))?;
        process.wait_for(listen)?;
        Ok(Running {
            processes: vec![process],
            way: Way::To(listen.clone()),
        })
    }
}

impl Running {
    /// What listens there already.
    pub(crate) const fn at(endpoint: Endpoint) -> Self {
        Self {
            processes: Vec::new(),
            way: Way::To(endpoint),
        }
    }

    /// Has something ready for so many connections: for Perl, a process for each.
    pub(crate) fn prepare(&mut self, connections: usize) -> io::Result<()> {
        let Way::Pairs(pairs, servers) = &mut self.way else {
            return Ok(());
        };
        while pairs.len() < connections {
            let (near, process) =
                Process::on_pair(Command::new(PERL).args(services(servers)), Errors::Nowhere)?;
            self.processes.push(process);
            pairs.push(near);
        }
        Ok(())
    }

    /// The numbers of its processes.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        self.processes.iter().map(Process::id)
    }

    /// The load on it over so many connections. One thread that never waits for one of them, so that it takes little from
    /// what is measured.
    pub(crate) fn load(&self, connections: usize, is_new_each: bool) -> io::Result<ClosedLoop> {
        let target = match &self.way {
            Way::To(Endpoint::Tcp(address)) => Target::Tcp(*address),
            Way::To(Endpoint::Unix(path)) => Target::Unix(path.clone()),
            Way::Pairs(pairs, _) => {
                let pairs = pairs.iter().take(connections).map(UnixStream::try_clone);
                Target::Open(pairs.collect::<Result<_, _>>()?)
            }
        };
        ClosedLoop::new(target, connections, is_new_each, &typical(REQUESTS), ACTION)
    }
}

/// `-s` for each server, as both kinds of hapolicy know it.
fn services(servers: &[Endpoint]) -> Vec<String> {
    let servers = servers.iter().enumerate();
    let service = |(number, endpoint): (usize, &Endpoint)| {
        [
            "-s".to_owned(),
            format!("s{number}={}:", endpoint.service()),
        ]
    };
    servers.flat_map(service).collect()
}

/// TCP mode, no log, no checks; all else as it is by default. It does not start without two descriptors
/// for each connection that it may have.
fn haproxy(threads: usize, servers: &[Endpoint], listen: &Endpoint, descriptors: u64) -> String {
    let most = Contestant::HAPROXY.most_connections(descriptors);
    let mut text = format!(
        "global\n  nbthread {threads}\n  maxconn {most}\n\
         defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n\
         listen policy\n  bind {}\n  balance roundrobin\n",
        haproxy_address(listen)
    );
    for (number, server) in servers.iter().enumerate() {
        text += &format!("  server s{number} {}\n", haproxy_address(server));
    }
    text
}

fn haproxy_address(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp(address) => address.to_string(),
        Endpoint::Unix(path) => format!("unix@{}", path.display()),
    }
}

/// One worker, which is the process itself, no log.
fn nginx(servers: &[Endpoint], listen: &Endpoint, directory: &Path) -> String {
    let servers: String = servers
        .iter()
        .map(|server| format!("server {};", server.service()))
        .collect();
    format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n\
         daemon off; master_process off; pid {}/nginx.pid; error_log stderr crit;\n\
         events {{ worker_connections 48000; }}\n\
         stream {{ access_log off; upstream policy {{ {servers} }}\n\
         server {{ listen {} backlog=4096; proxy_pass policy; proxy_timeout 1h; }} }}\n",
        directory.display(),
        listen.service()
    )
}

/// Different ones, one after the other.
const REQUESTS: usize = 1000;
/// From Debian's package.
const PERL: &str = "/usr/sbin/hapolicy";
