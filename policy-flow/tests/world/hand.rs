//! The driver of one worker: what the state machine says is done to the world.

use std::{io, time::Duration};

use policy_flow::{
    Address, BackendDriver, ClientDriver, ClientEvent, ClientId, Connecting, Event as Said,
    Failure, LinkId, Sent, Slot,
};

use super::{
    laws,
    net::{ClientState, Conn, ConnState, Net, Ready},
    plan::Reads,
    queue::Event,
    trouble::Trouble,
};

pub(crate) struct Hand<'n, 'a> {
    pub(crate) net: &'n mut Net<'a>,
    pub(crate) worker: usize,
}

impl ClientDriver for Hand<'_, '_> {
    fn send_client(&mut self, id: ClientId, bytes: &[u8]) -> io::Result<Sent> {
        let Some(client) = self.net.client_of(self.worker, id) else {
            self.net
                .break_law("a reply goes to a client that is there", || {
                    format!("{id:?}")
                });
            return Ok(Sent::All);
        };
        if self.net.clients[client].is_reset {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        laws::replied(self.net, client, bytes);
        let sends_next = self.net.clients[client].replied;
        self.net.client_has_reply(client, sends_next);
        match self.net.plan.clients[client].reads {
            Reads::AtOnce => Ok(Sent::All),
            Reads::Slowly(time) => {
                self.net.clients[client].owes = true;
                self.net.after(time, Event::ClientTakes(client));
                Ok(Sent::Part)
            }
            Reads::Never => {
                self.net.clients[client].owes = true;
                Ok(Sent::Part)
            }
        }
    }

    fn close_client(&mut self, id: ClientId) {
        if let Some(client) = self.take_client(id) {
            laws::closes_client(self.net, client);
            self.net.clients[client].state = ClientState::Gone;
        }
    }

    fn leave_client(&mut self, id: ClientId) {
        if let Some(client) = self.take_client(id) {
            laws::leaves_client(self.net, client);
            self.net.clients[client].state = ClientState::Gone;
        }
    }

    fn resume_client(&mut self, id: ClientId) {
        if let Some(client) = self.net.client_of(self.worker, id) {
            self.net.tell_client(client);
        }
    }

    fn has_bytes(&mut self, id: ClientId) -> bool {
        let client = self.net.client_of(self.worker, id);
        client.is_some_and(|client| !self.net.clients[client].rx.is_empty())
    }

    fn client_event(&mut self, event: ClientEvent<'_>) {
        laws::client_event(self.net, self.worker, &event);
    }
}

impl Hand<'_, '_> {
    fn take_client(&mut self, id: ClientId) -> Option<usize> {
        let place = self.net.workers[self.worker].clients.get_mut(id.index());
        let client = place.and_then(Option::take);
        if client.is_none() {
            self.net
                .break_law("a client is closed once", || format!("{id:?}"));
        }
        client
    }

    fn conn(&mut self, link: LinkId, what: &'static str) -> Option<usize> {
        let conn = self.net.conn_of(self.worker, link);
        if conn.is_none() {
            self.net.break_law(
                "what is done to a connection is done to one that is there",
                || format!("{what} {link:?}"),
            );
        }
        conn
    }
}

impl BackendDriver for Hand<'_, '_> {
    fn connect(
        &mut self,
        link: LinkId,
        backend: Slot,
        address: Address,
    ) -> Result<Connecting, Failure> {
        let (worker, net) = (self.worker, &mut *self.net);
        if net.conn_of(worker, link).is_some() {
            net.break_law("a number is given once", || format!("{link:?}"));
        }
        net.counts.connects += 1;
        let service = net.workers[worker].slots[backend.index()];
        let Some(number) = server_of(address) else {
            return Err(Failure::Peer(io::ErrorKind::AddrNotAvailable.into()));
        };
        laws::connects(net, worker, service, number);
        if net.is_scarce() {
            net.note(|| format!("worker {worker}: no descriptor for service {service}"));
            return Err(Failure::Local(io::Error::other("no descriptor is left")));
        }
        let server = net.server(number);
        let trouble = server.trouble(net.now);
        let is_away = net.servers[number].away_until > net.now;
        let conn = net.conns.len();
        net.note(|| format!("worker {worker}: connection {conn} to server {number} of service {service}, {link:?}"));
        match trouble {
            Some(Trouble::Unreachable) => {
                return Err(Failure::Peer(io::ErrorKind::NetworkUnreachable.into()));
            }
            Some(Trouble::Refuses | Trouble::Away) if server.is_unix => {
                return Err(Failure::Peer(io::ErrorKind::ConnectionRefused.into()));
            }
            _ if is_away && server.is_unix => {
                return Err(Failure::Peer(io::ErrorKind::ConnectionRefused.into()));
            }
            _ => {}
        }
        let is_full = net.is_full(number) || trouble == Some(Trouble::Swallows);
        if server.is_unix && is_full {
            return Ok(Connecting::Full);
        }
        net.conns.push(Conn {
            worker,
            link,
            service,
            era: net.workers[worker].eras[backend.index()],
            server: number,
            began: net.now,
            state: match server.is_unix {
                true => ConnState::Open,
                false => ConnState::Connecting,
            },
            is_over: false,
            is_dead: false,
            is_accepted: false,
            is_ready: false,
            refused: false,
            is_off: false,
            told: server.is_unix,
            is_busy: false,
            was_used: false,
            request: None,
            arrived: 0,
            wanted: 0,
            rest: 0,
            answers: 0,
            wire: Default::default(),
            last_arrival: net.now,
            last_to: net.now,
            rx: Vec::new(),
            eof: false,
            reset: false,
            unread: false,
        });
        let links = &mut net.workers[worker].links;
        if links.len() <= link.index() {
            links.resize(link.index() + 1, None);
        }
        links[link.index()] = Some(conn);
        match (server.is_unix, net.counts_of(conn)) {
            (true, Some(counts)) => counts.open += 1,
            (false, Some(counts)) => counts.connecting += 1,
            _ => {}
        }
        if server.is_unix {
            net.accept(conn);
            return Ok(Connecting::Done);
        }
        let delay = net.delay(server.way);
        net.after(delay, Event::Syn(conn, 0));
        Ok(Connecting::Pending)
    }

    fn send(&mut self, link: LinkId, bytes: &[u8]) -> Result<Sent, Failure> {
        let Some(conn) = self.conn(link, "send over") else {
            return Ok(Sent::All);
        };
        let net = &mut *self.net;
        if net.conns[conn].reset {
            return Err(Failure::Peer(io::ErrorKind::BrokenPipe.into()));
        }
        let Some(request) = laws::sends(net, conn, bytes) else {
            return Ok(Sent::All);
        };
        let server = net.server(net.conns[conn].server);
        let state = &mut net.conns[conn];
        state.request = Some(request);
        state.wanted = bytes.len();
        let all = bytes.len();
        let is_stuck = server.trouble(net.now) == Some(Trouble::ReadsNot);
        // Now and then the system takes a part only.
        let takes = match net.chance.u32(0..16) {
            _ if is_stuck => all / 2,
            0 if all > 1 => net.chance.usize(1..all),
            _ => all,
        };
        net.note(|| format!("  request {request} over connection {conn}, {takes} of {all} bytes"));
        net.conns[conn].rest = all - takes;
        net.deliver(conn, takes);
        if takes == all {
            return Ok(Sent::All);
        }
        let at = match is_stuck {
            true => server.well_again(net.now),
            false => net.now + Duration::from_micros(net.chance.u64(0..3000)),
        };
        net.queue.push(at, Event::HasRoom(conn));
        net.requests[request].sends.last_mut().unwrap().1 = true;
        Ok(Sent::Part)
    }

    fn close(&mut self, link: LinkId) {
        let Some(conn) = self.conn(link, "close") else {
            return;
        };
        self.net.note(|| format!("  connection {conn} is closed"));
        self.net.workers[self.worker].links[link.index()] = None;
        let state = &mut self.net.conns[conn];
        let was_open = state.state == ConnState::Open;
        state.state = ConnState::Closed;
        let told = state.told;
        match (told, self.net.counts_of(conn)) {
            (true, Some(counts)) => counts.open -= 1,
            (false, Some(counts)) => counts.connecting -= 1,
            _ => {}
        }
        let state = &mut self.net.conns[conn];
        if was_open || state.last_arrival > state.began {
            let way = self.net.server(self.net.conns[conn].server).way;
            let delay = self.net.delay(way);
            let at = (self.net.now + delay).max(self.net.conns[conn].last_to);
            self.net.queue.push(at, Event::PeerCloses(conn));
        }
    }

    fn resume(&mut self, link: LinkId) {
        if let Some(conn) = self.conn(link, "resume") {
            self.net.tell_link(conn);
        }
    }

    fn is_open(&mut self, link: LinkId) -> bool {
        let Some(conn) = self.conn(link, "look at") else {
            return false;
        };
        let state = &self.net.conns[conn];
        state.rx.is_empty() && !state.eof && !state.reset
    }

    fn resolve(&mut self, backend: Slot) {
        let (worker, net) = (self.worker, &mut *self.net);
        let service = net.workers[worker].slots[backend.index()];
        let time = net.service(service).look_up.unwrap_or_default();
        let look_ups = &mut net.workers[worker].look_ups;
        if look_ups.contains(&Some(backend)) {
            net.break_law("one look-up of a name at a time", || {
                format!("service {service}")
            });
        }
        let look_ups = &mut net.workers[worker].look_ups;
        look_ups.push(Some(backend));
        let place = look_ups.len() as u32 - 1;
        net.after(time, Event::Found(worker, place));
    }

    fn wake(&mut self, worker: usize) {
        self.net.note(|| format!("worker {worker} is called"));
        self.net.tell(worker, Ready::Called);
    }

    fn event(&mut self, event: Said<'_>) {
        laws::said(self.net, self.worker, &event);
    }
}

impl Net<'_> {
    /// So many bytes of a request go to the server.
    pub(crate) fn deliver(&mut self, conn: usize, bytes: usize) {
        let way = self.server(self.conns[conn].server).way;
        let delay = self.delay(way);
        let now = self.now;
        let state = &mut self.conns[conn];
        state.last_to = state.last_to.max(now + delay);
        let at = state.last_to;
        self.queue.push(at, Event::ToServer(conn, bytes));
    }

    /// There is room for the rest of a request.
    pub(crate) fn has_room(&mut self, conn: usize) {
        let worker = self.conns[conn].worker;
        self.tell(worker, Ready::LinkTakes(conn));
    }

    /// The driver has written it: whether there was any left to be written.
    pub(crate) fn takes_rest(&mut self, conn: usize) -> bool {
        let state = &mut self.conns[conn];
        let rest = std::mem::take(&mut state.rest);
        let is_open = state.state == ConnState::Open && rest > 0 && !state.reset;
        if is_open {
            let request = state.request.and_then(|at| self.requests.get_mut(at));
            if let Some(send) = request.and_then(|request| request.sends.last_mut()) {
                send.1 = false;
            }
            self.deliver(conn, rest);
        }
        is_open
    }
}

/// The address of a server, which is its number in the world.
pub(crate) fn address_of(server: usize, is_unix: bool) -> Address {
    match is_unix {
        true => Address::Unix {
            device: 1,
            inode: server as u64,
        },
        false => Address::Other(server as u64),
    }
}

fn server_of(address: Address) -> Option<usize> {
    match address {
        Address::Other(number) | Address::Unix { inode: number, .. } => Some(number as usize),
        _ => None,
    }
}
