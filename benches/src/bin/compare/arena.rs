//! Where it takes place: some CPUs, one transport, and the policy servers behind everything.

use std::{
    env,
    error::Error,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Command, Stdio, id},
};

use rustix::thread::CpuSet;
use tempfile::TempDir;

use crate::{
    contestant::{Contestant, Running},
    options::{Place, Transport},
    process::{Process, last_of, pin},
    stream::Endpoint,
};

pub(crate) struct Arena {
    pub(crate) place: Place,
    pub(crate) transport: Transport,
    servers: [Endpoint; 2],
    _stub: Process,
    ground: Ground,
}

impl Arena {
    /// Moves this process there, and starts the servers. `cpus` are all that there are.
    pub(crate) fn open(
        place: Place,
        transport: Transport,
        cpus: &CpuSet,
    ) -> Result<Self, Box<dyn Error>> {
        pin((place == Place::Pinned).then(|| last_of(cpus)), cpus)?;
        let mut ground = Ground {
            room: TempDir::new()?,
            given: 0,
        };
        let servers = [ground.endpoint(transport)?, ground.endpoint(transport)?];
        Ok(Self {
            place,
            transport,
            _stub: stub(&servers)?,
            servers,
            ground,
        })
    }

    pub(crate) fn start(&mut self, contestant: &Contestant) -> Result<Running, Box<dyn Error>> {
        let listen = self.ground.endpoint(self.transport)?;
        contestant.start(&self.servers, &listen, self.ground.room.path())
    }
}

/// Gives places to listen at.
struct Ground {
    /// For sockets and configurations.
    room: TempDir,
    given: u32,
}

impl Ground {
    /// One that nobody has. Ports below those that the system gives to clients, of which thousands
    /// come and go here.
    fn endpoint(&mut self, transport: Transport) -> Result<Endpoint, Box<dyn Error>> {
        loop {
            self.given += 1;
            if transport == Transport::Unix {
                let name = self.given.to_string();
                return Ok(Endpoint::Unix(self.room.path().join(name)));
            }
            let port = 10_000 + (self.given + id()) % 20_000;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port)?));
            match TcpListener::bind(address) {
                Ok(_) => return Ok(Endpoint::Tcp(address)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn stub(servers: &[Endpoint]) -> Result<Process, Box<dyn Error>> {
    let mut command = Command::new(env::current_exe()?);
    command
        .arg("stub")
        .args(servers.iter().map(Endpoint::to_string));
    let mut process = Process::start(command.stdin(Stdio::piped()))?;
    for server in servers {
        process.wait_for(server)?;
    }
    Ok(process)
}
