//! A worker that is woken: as the loop of a driver, it tells the state machine what it has heard, and then the time.

use std::{io, time::Duration};

use policy_flow::{Failure, LinkId, Peer, Slot};

use super::{
    hand::address_of,
    laws,
    net::{ClientState, ConnState, Net, Ready},
    run::{MOST_IN_A_ROW, World},
};

impl<'a> World<'a> {
    /// A worker is woken: it does what a loop of a driver does.
    pub(crate) fn wake(&mut self, worker: usize) {
        let net = &mut self.net;
        let state = &mut net.workers[worker];
        match state.last_wake == net.now {
            true => state.in_a_row += 1,
            false => state.in_a_row = 0,
        }
        state.last_wake = net.now;
        if state.in_a_row > MOST_IN_A_ROW {
            return net.break_law("a worker rests when there is nothing to do", || {
                format!("worker {worker}")
            });
        }
        while !self.net.workers[worker].ready.is_empty() && self.net.broken.is_none() {
            // In whichever order the system says it.
            let count = self.net.workers[worker].ready.len();
            let place = self.net.chance.usize(0..count);
            let ready = self.net.workers[worker].ready.swap_remove(place);
            self.hears(worker, ready);
        }
        let (flow, mut hand) = self.flow(worker);
        flow.tick(&mut hand);
        let next = flow.next_timer();
        laws::after_wake(&mut self.net, worker, &self.flows[worker]);
        if let Some(next) = next {
            let at = next.saturating_duration_since(self.net.epoch);
            let late = self.net.plan.late.as_micros() as u64;
            let late = Duration::from_micros(self.net.chance.u64(0..=late));
            self.net.wake(worker, at + late);
        }
        if !self.net.workers[worker].ready.is_empty() {
            self.net.wake(worker, self.net.now);
        }
    }

    fn hears(&mut self, worker: usize, ready: Ready) {
        match ready {
            Ready::Accept(client) => self.accept(worker, client),
            Ready::Client(client) => self.read_client(worker, client),
            Ready::Taken(client) => {
                let state = &mut self.net.clients[client];
                if let Some(id) = state.id
                    && state.state == ClientState::Served
                {
                    state.owes = false;
                    state.active = self.net.now;
                    let (flow, mut hand) = self.flow(worker);
                    flow.client_flushed(id, &mut hand);
                }
            }
            Ready::Connected(conn) => {
                let state = &mut self.net.conns[conn];
                if state.state == ConnState::Open {
                    state.told = true;
                    let link = state.link;
                    if let Some(counts) = self.net.counts_of(conn) {
                        counts.connecting -= 1;
                        counts.open += 1;
                    }
                    let (flow, mut hand) = self.flow(worker);
                    flow.connected(link, &mut hand);
                    self.net.tell_link_again(conn);
                }
            }
            Ready::Link(conn) => self.read_link(worker, conn),
            Ready::LinkTakes(conn) => {
                if self.net.takes_rest(conn) {
                    let link = self.net.conns[conn].link;
                    let (flow, _) = self.flow(worker);
                    flow.link_flushed(link);
                }
            }
            Ready::Found(slot) => self.found(worker, slot),
            Ready::Called => {
                let (flow, mut hand) = self.flow(worker);
                flow.woken(&mut hand);
            }
        }
    }

    fn accept(&mut self, worker: usize, client: usize) {
        let peer = Peer::User(self.net.plan.clients[client].user);
        if self.net.clients[client].is_reset {
            self.net.clients[client].state = ClientState::Gone;
            return;
        }
        let (flow, mut hand) = self.flow(worker);
        let accepted = flow.accept(peer, &mut hand);
        let net = &mut self.net;
        let now = net.now;
        let state = &mut net.clients[client];
        match accepted {
            Ok(id) => {
                state.id = Some(id);
                state.state = ClientState::Served;
                state.active = now;
                net.note(|| format!("client {client} is accepted"));
                let clients = &mut net.workers[worker].clients;
                if clients.len() <= id.index() {
                    clients.resize(id.index() + 1, None);
                }
                if clients[id.index()].replace(client).is_some() {
                    net.break_law("a number is given once", || format!("{id:?}"));
                }
                net.tell_client(client);
            }
            Err(refusal) => {
                state.state = ClientState::Gone;
                net.note(|| format!("client {client}: {refusal}"));
                let is_full = net.places.taken() >= net.plan.settings.places;
                if !is_full && net.plan.settings.per_user.is_none() {
                    net.break_law("nobody is refused while there are places", || {
                        refusal.to_string()
                    });
                }
            }
        }
    }

    fn read_client(&mut self, worker: usize, client: usize) {
        self.net.clients[client].is_ready = false;
        loop {
            let state = &self.net.clients[client];
            let (Some(id), ClientState::Served) = (state.id, state.state) else {
                return;
            };
            let (is_reset, has_ended) = (state.is_reset, state.has_ended);
            if is_reset {
                let (flow, mut hand) = self.flow(worker);
                return flow.client_gone(id, &mut hand);
            }
            let clients = self.flows[worker].clients();
            let room = match clients.is_reading(id) || self.net.plan.settings.reads_ahead {
                true => clients.room(id),
                false => 0,
            };
            let state = &mut self.net.clients[client];
            let bytes = room.min(state.rx.len());
            if bytes == 0 {
                if state.rx.is_empty() && has_ended && !std::mem::replace(&mut state.told_end, true)
                {
                    let (flow, mut hand) = self.flow(worker);
                    flow.client_ended(id, &mut hand);
                }
                return;
            }
            let mut data = std::mem::take(&mut state.rx);
            state.rx = data.split_off(bytes);
            // The time for the rest of a request begins with its first byte, which is none of a blank line.
            let is_blank = data.iter().all(|byte| *byte == b'\n');
            let last = state
                .whole
                .checked_sub(1)
                .and_then(|last| state.asked.get(last));
            let is_begun = state.read > last.map_or(0, |(_, end)| *end);
            if !state.owes && !is_begun && !is_blank {
                state.active = self.net.now;
            }
            state.read += bytes;
            while state
                .asked
                .get(state.whole)
                .is_some_and(|(_, end)| *end <= state.read)
            {
                state.whole += 1;
            }
            let (flow, mut hand) = self.flow(worker);
            flow.client_data(id, &data, &mut hand);
        }
    }

    fn read_link(&mut self, worker: usize, conn: usize) {
        self.net.conns[conn].is_ready = false;
        loop {
            let state = &mut self.net.conns[conn];
            let link = state.link;
            if state.state == ConnState::Closed {
                return self.says_what_is_old(worker, link);
            }
            if state.refused {
                return self.link_failed(worker, link, io::ErrorKind::ConnectionRefused);
            }
            // What comes before it is said that the connection is open is read afterwards.
            if !state.told {
                return;
            }
            let room = self.flows[worker].link_room(link);
            let bytes = room.min(state.rx.len());
            if bytes > 0 {
                let mut data = std::mem::take(&mut state.rx);
                state.rx = data.split_off(bytes);
                let (flow, mut hand) = self.flow(worker);
                flow.link_data(link, &data, &mut hand);
                continue;
            }
            if !state.rx.is_empty() {
                return;
            }
            if state.reset {
                let (unread, request) = (state.unread, state.request);
                if unread
                    && let Some(request) = request
                    && let Some(send) = self.net.requests[request].sends.last_mut()
                {
                    send.1 = true;
                }
                if !unread {
                    return self.link_failed(worker, link, io::ErrorKind::ConnectionReset);
                }
                let failure = Failure::Unread(io::ErrorKind::ConnectionReset.into());
                let (flow, mut hand) = self.flow(worker);
                return flow.link_failed(link, failure, &mut hand);
            }
            if state.eof {
                let (flow, mut hand) = self.flow(worker);
                flow.link_ended(link, &mut hand);
            }
            return;
        }
    }

    /// What a driver has heard of a connection before it was closed reaches nobody.
    fn says_what_is_old(&mut self, worker: usize, link: LinkId) {
        if self.net.conn_of(worker, link).is_some() {
            return;
        }
        let what = self.net.chance.u32(0..4);
        let (flow, mut hand) = self.flow(worker);
        match what {
            0 => flow.connected(link, &mut hand),
            1 => flow.link_data(link, b"action=ok of yesterday\n\n", &mut hand),
            2 => flow.link_ended(link, &mut hand),
            _ => flow.link_flushed(link),
        }
    }

    fn link_failed(&mut self, worker: usize, link: LinkId, kind: io::ErrorKind) {
        let (flow, mut hand) = self.flow(worker);
        flow.link_failed(link, Failure::Peer(kind.into()), &mut hand);
    }

    fn found(&mut self, worker: usize, slot: Slot) {
        let net = &mut self.net;
        let service = net.workers[worker].slots[slot.index()];
        let first = net.first_server[service];
        let name = net.service(service).name(net.now);
        let servers: Vec<usize> = name.iter().map(|server| first + server).collect();
        net.note(|| format!("worker {worker}: service {service} is at {servers:?}"));
        let found = match servers.is_empty() {
            true => Err(Failure::Peer(io::Error::other("no such name"))),
            false => {
                let address = |server: &usize| address_of(*server, net.server(*server).is_unix);
                Ok(servers.iter().map(address).collect())
            }
        };
        if found.is_ok() {
            let worker = &mut net.workers[worker];
            let old = std::mem::replace(&mut worker.known[service], servers);
            worker.knew[service].push((net.now, old));
        }
        let (flow, mut hand) = self.flow(worker);
        flow.resolved(slot, found, &mut hand);
    }
}

impl Net<'_> {
    /// What came before a worker knew that a connection was open.
    fn tell_link_again(&mut self, conn: usize) {
        let state = &self.conns[conn];
        if !state.rx.is_empty() || state.eof || state.reset {
            self.tell_link(conn);
        }
    }
}
