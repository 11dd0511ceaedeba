//! The setting of a comparison: some CPUs, one transport, and the policy servers behind everything.

use std::{
    env,
    error::Error,
    io,
    process::{Command, Stdio},
};

use policy_benches::{
    endpoint::{Endpoint, Endpoints},
    process::{Process, last_of, pin},
};
use rustix::thread::CpuSet;

use crate::{
    contestant::{Contestant, Running},
    options::{Place, Transport},
};

pub(crate) struct Arena {
    pub(crate) place: Place,
    pub(crate) transport: Transport,
    servers: [Endpoint; 2],
    pub(crate) stub: Process,
    endpoints: Endpoints,
}

impl Arena {
    /// Moves this process there, and starts the servers. `cpus` are all that there are.
    pub(crate) fn open(
        place: Place,
        transport: Transport,
        cpus: &CpuSet,
    ) -> Result<Self, Box<dyn Error>> {
        pin((place == Place::Pinned).then(|| last_of(cpus)), cpus)?;
        let mut endpoints = Endpoints::new()?;
        let servers = [
            endpoint(&mut endpoints, transport)?,
            endpoint(&mut endpoints, transport)?,
        ];
        let stub = stub(&servers)?;
        Ok(Self {
            place,
            transport,
            servers,
            stub,
            endpoints,
        })
    }

    pub(crate) fn start(&mut self, contestant: &Contestant) -> Result<Running, Box<dyn Error>> {
        let listen = endpoint(&mut self.endpoints, self.transport)?;
        contestant.start(&self.servers, &listen, &self.endpoints.directory())
    }
}

fn endpoint(endpoints: &mut Endpoints, transport: Transport) -> io::Result<Endpoint> {
    match transport {
        Transport::Tcp => endpoints.tcp(),
        Transport::Unix => Ok(endpoints.unix()),
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
