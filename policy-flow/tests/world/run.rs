//! Runs a world: what happens goes to the workers' state machines, in the way in which a driver does it.

use std::{io, time::Duration};

use policy_flow::{
    BackendConfig, Check, ClientOptions, Clients, Failure, Flow, FlowOptions, LinkId, Peer,
    PlaceLimits, Places, Shared, Slot, Upstream, UpstreamOptions,
};
use policy_ha::{Backend, BackendId, Config};
use policy_proto::Response;

use super::{
    hand::{Hand, address_of},
    laws,
    net::{
        Broken, Client, ClientState, ConnState, Counts, Listed, Net, Ready, ServerState, Worker,
    },
    plan::{Plan, Service, Trouble, secs},
    queue::{Event, Queue},
};

/// What a world came to, or which law it broke; and what happened in it, line by line, if it is to be told.
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) broken: Option<Broken>,
    pub(crate) story: Vec<String>,
}

pub(crate) fn run(plan: &Plan, is_told: bool) -> Outcome {
    let mut world = World::new(plan, is_told);
    world.run();
    Outcome {
        counts: world.net.counts,
        broken: world.net.broken,
        story: world.net.story.unwrap_or_default(),
    }
}

pub(crate) struct World<'a> {
    pub(crate) net: Net<'a>,
    pub(crate) flows: Vec<Flow>,
}

impl<'a> World<'a> {
    pub(crate) fn new(plan: &'a Plan, is_told: bool) -> Self {
        let epoch = epoch();
        let all = || plan.services.iter().enumerate();
        let backends = all().map(|(at, service)| backend(at, service));
        let shared = Shared::new(balancer(plan), backends, plan.workers).unwrap();
        let settings = &plan.settings;
        let places = Places::new(PlaceLimits {
            all: settings.places,
            per_address: None,
            per_user: settings.per_user.and_then(|limit| limit.try_into().ok()),
        });
        let mut first_server = Vec::new();
        let mut servers = 0;
        for service in &plan.services {
            first_server.push(servers);
            servers += service.servers.len();
        }
        let known = all().map(|(at, service)| match service.look_up {
            None => service
                .name(Duration::ZERO)
                .iter()
                .map(|server| first_server[at] + server)
                .collect(),
            Some(_) => Vec::new(),
        });
        let known: Vec<Vec<usize>> = known.collect();
        let worker = |_| Worker {
            slots: (0..plan.services.len()).collect(),
            known: known.clone(),
            took: vec![Duration::ZERO; plan.services.len()],
            ..Worker::default()
        };
        let firsts = first_server.clone();
        let flow = |worker: usize| {
            let configs = all().map(|(at, service)| config(service, firsts[at]));
            let mut upstream = Upstream::new(epoch, options(plan), configs, &shared, worker);
            if let Some(every) = settings.check
                && worker == 0
            {
                upstream.check(Check::new(every));
            }
            let mut flow = FlowOptions::default();
            flow.affinity = settings.affinity;
            flow.default = settings.default.then(Response::dunno);
            let clients = Clients::new(epoch, client_options(plan), places.clone());
            Flow::new(flow, clients, Some(upstream))
        };
        let ids: Vec<BackendId> = shared.balancer().ids().collect();
        let mut net = Net {
            plan,
            epoch,
            now: Duration::ZERO,
            queue: Queue::default(),
            chance: fastrand::Rng::with_seed(plan.seed),
            workers: (0..plan.workers).map(worker).collect(),
            clients: (0..plan.clients.len()).map(|at| client(plan, at)).collect(),
            requests: Vec::new(),
            servers: (0..servers).map(|_| ServerState::default()).collect(),
            first_server,
            conns: Vec::new(),
            listed: all().map(|(at, _)| listed(ids.get(at).copied())).collect(),
            is_draining: false,
            broken: None,
            counts: Counts {
                worlds: 1,
                ..Counts::default()
            },
            story: is_told.then(Vec::new),
            places: places.clone(),
            shared: shared.clone(),
        };
        for (at, client) in plan.clients.iter().enumerate() {
            net.queue.push(client.at, Event::ClientConnects(at));
        }
        for number in 0..servers {
            for (at, (span, trouble)) in net.server(number).troubles.iter().enumerate() {
                if matches!(trouble, Trouble::Away | Trouble::Forgets) {
                    net.queue.push(span.from, Event::TroubleBegins(number, at));
                }
            }
        }
        if let Some(at) = plan.drain {
            net.queue.push(at, Event::Drain);
        }
        for (at, (when, _)) in plan.exchanges.iter().enumerate() {
            net.queue.push(*when, Event::Exchange(at));
        }
        for worker in 0..plan.workers {
            net.wake(worker, Duration::ZERO);
        }
        let flows = (0..plan.workers).map(flow).collect();
        Self { net, flows }
    }

    pub(crate) fn run(&mut self) {
        let end = secs(4 * 3600);
        while self.net.broken.is_none()
            && let Some((at, event)) = self.net.queue.pop()
        {
            if at > end || self.is_over() {
                break;
            }
            self.net.now = at;
            self.net.counts.events += u64::from(!matches!(event, Event::Due(_)));
            if self.net.counts.events > MOST_EVENTS {
                self.net.break_law("a world comes to its end", String::new);
            }
            self.happens(event);
        }
        if self.net.broken.is_none() {
            laws::at_end(&mut self.net, &self.flows);
        }
    }

    /// Whether all that is left is to look at servers that are down.
    fn is_over(&self) -> bool {
        let net = &self.net;
        let mut listed = net.listed.iter();
        net.queue.is_quiet()
            && net.places.taken() == 0
            && net
                .clients
                .iter()
                .all(|client| client.state == ClientState::Gone)
            && listed.all(|listed| listed.open + listed.connecting == 0)
            && self.flows.iter().all(|flow| {
                flow.upstream()
                    .is_none_or(|upstream| upstream.under_way() == 0)
            })
    }

    fn happens(&mut self, event: Event) {
        let net = &mut self.net;
        match event {
            Event::Wake(worker) => {
                if net.workers[worker].wake_at == Some(net.now) {
                    net.workers[worker].wake_at = None;
                    self.wake(worker);
                }
            }
            Event::ClientConnects(client) => net.client_connects(client),
            Event::ClientSends(client) => net.client_sends(client),
            Event::ClientBytes(client, bytes) => net.client_bytes(client, bytes),
            Event::ClientEnds(client) => net.client_ends(client),
            Event::ClientResets(client) => net.client_resets(client),
            Event::ClientTakes(client) => net.client_takes(client),
            Event::Due(request) => laws::is_due(net, request),
            Event::Syn(conn, turn) => net.syn(conn, turn),
            Event::Established(conn) => net.established(conn),
            Event::Refused(conn) => net.refused(conn),
            Event::ToServer(conn, bytes) => net.to_server(conn, bytes),
            Event::TakesRest(conn) => net.takes_rest(conn),
            Event::FromServer(conn, bytes) => net.from_server(conn, bytes),
            Event::ServerCloses(conn, by_reset) => net.server_closes(conn, by_reset),
            Event::Closed(conn, by_reset) => net.closed(conn, by_reset),
            Event::PeerCloses(conn) => net.peer_closes(conn),
            Event::IdleTooLong(conn, answers) => net.idle_too_long(conn, answers),
            Event::TroubleBegins(server, trouble) => net.trouble_begins(server, trouble),
            Event::Found(worker, place) => {
                let slot = net.workers[worker].look_ups[place as usize].take();
                if let Some(slot) = slot {
                    net.tell(worker, Ready::Found(slot));
                }
            }
            Event::Drain => {
                net.is_draining = true;
                net.note(|| "drain".into());
                for worker in 0..self.flows.len() {
                    let (flow, mut hand) = self.flow(worker);
                    flow.drain(&mut hand);
                    self.net.wake(worker, self.net.now);
                }
            }
            Event::Exchange(at) => self.exchange(at),
        }
    }

    fn flow(&mut self, worker: usize) -> (&mut Flow, Hand<'_, 'a>) {
        let net = &mut self.net;
        let flow = &mut self.flows[worker];
        flow.set_now(net.instant());
        (flow, Hand { net, worker })
    }

    /// A worker is woken: it does what a loop of a driver does.
    fn wake(&mut self, worker: usize) {
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
                    let (link, service) = (state.link, state.service);
                    self.net.listed[service].connecting -= 1;
                    self.net.listed[service].open += 1;
                    let (flow, mut hand) = self.flow(worker);
                    flow.connected(link, &mut hand);
                    self.net.tell_link_again(conn);
                }
            }
            Ready::Link(conn) => self.read_link(worker, conn),
            Ready::LinkTaken(conn) => {
                let state = &self.net.conns[conn];
                if state.state == ConnState::Open {
                    let link = state.link;
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
            state.read += bytes;
            if !state.owes {
                state.active = self.net.now;
            }
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
                return;
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
            net.workers[worker].known[service] = servers;
        }
        let (flow, mut hand) = self.flow(worker);
        flow.resolved(slot, found, &mut hand);
    }

    /// The list of services is another one from now on.
    fn exchange(&mut self, at: usize) {
        let (_, without) = self.net.plan.exchanges[at];
        let plan = self.net.plan;
        let all = plan.services.iter().enumerate();
        let stays: Vec<usize> = all
            .filter(|(at, _)| without & 1 << at == 0)
            .map(|(at, _)| at)
            .collect();
        if stays.is_empty() {
            return;
        }
        let listed = &self.net.listed;
        let backends = stays
            .iter()
            .map(|&at| (backend(at, &plan.services[at]), listed[at].id));
        let shared = self
            .net
            .shared
            .renewed(balancer(plan), backends.collect::<Vec<_>>())
            .unwrap();
        let ids: Vec<BackendId> = shared.balancer().ids().collect();
        self.net.note(|| format!("the list is {stays:?}"));
        for worker in 0..self.flows.len() {
            let slot_of = |at: &usize| {
                let id = self.net.listed[*at].id?;
                self.flows[worker].upstream()?.slot(id)
            };
            let slots: Vec<Option<Slot>> = stays.iter().map(slot_of).collect();
            let configs: Vec<_> = stays
                .iter()
                .zip(slots)
                .map(|(&at, slot)| (config(&plan.services[at], self.net.first_server[at]), slot))
                .collect();
            let (flow, mut hand) = self.flow(worker);
            let Some(upstream) = flow.upstream_mut() else {
                continue;
            };
            let slots = upstream.exchange(options(plan), configs, &shared, &mut hand);
            let net = &mut self.net;
            for (slot, &service) in slots.iter().zip(&stays) {
                let known = &mut net.workers[worker].slots;
                if known.len() <= slot.index() {
                    known.resize(slot.index() + 1, 0);
                }
                known[slot.index()] = service;
            }
            net.wake(worker, net.now);
        }
        let now = self.net.now;
        for (service, listed) in self.net.listed.iter_mut().enumerate() {
            let place = stays.iter().position(|other| *other == service);
            if place.is_some() && listed.id.is_none() {
                listed.since = now;
            }
            listed.id = place.and_then(|place| ids.get(place).copied());
        }
        self.net.shared = shared;
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

fn backend(at: usize, service: &Service) -> Backend {
    Backend::new(service.priority, service.weight).with_key(at as u64)
}

fn config(service: &Service, first: usize) -> BackendConfig {
    let mut config = BackendConfig::default();
    config.backend = Backend::new(service.priority, service.weight);
    config.timeout = service.timeout;
    config.keep = service.keep;
    config.refresh = service.refresh;
    config.host = "policy.example.net".into();
    if service.look_up.is_none() {
        let server = service.name(Duration::ZERO).first();
        config.address =
            server.map(|server| address_of(first + server, service.servers[*server].is_unix));
    }
    config
}

fn balancer(plan: &Plan) -> Config {
    Config::default()
        .with_seed(plan.seed)
        .with_max_failures(plan.settings.max_failures)
}

fn options(plan: &Plan) -> UpstreamOptions {
    let settings = &plan.settings;
    let mut options = UpstreamOptions::default();
    options.deadline = settings.deadline;
    options.connect = settings.connect;
    options.wait = settings.wait;
    options.last_resort = settings.last_resort;
    options.retry = settings.retry;
    options.strategy = settings.strategy.clone();
    options.max_connections = settings.max_connections;
    options.max_opening = settings.max_opening;
    options.max_age = settings.max_age;
    options.memory = settings.answer_memory;
    options.balancer = balancer(plan);
    options
}

fn client_options(plan: &Plan) -> ClientOptions {
    let settings = &plan.settings;
    let mut options = ClientOptions::default();
    options.idle = settings.idle;
    options.request = settings.request;
    options.memory_wait = settings.memory_wait;
    options.memory = settings.memory;
    options
}

fn listed(id: Option<BackendId>) -> Listed {
    Listed {
        id,
        since: Duration::ZERO,
        open: 0,
        connecting: 0,
    }
}

fn client(plan: &Plan, at: usize) -> Client {
    Client {
        id: None,
        state: ClientState::Away,
        worker: at % plan.workers,
        chance: fastrand::Rng::with_seed(plan.seed ^ at as u64),
        wire: Default::default(),
        last_arrival: Duration::ZERO,
        rx: Vec::new(),
        has_ended: false,
        is_reset: false,
        told_end: false,
        is_ready: false,
        asked: Vec::new(),
        next_ask: 0,
        sent: 0,
        read: 0,
        whole: 0,
        begun: 0,
        replied: 0,
        owes: false,
        excuse: None,
        active: Duration::ZERO,
        is_short: false,
    }
}

/// Time begins somewhere: nothing depends on where.
#[expect(clippy::disallowed_methods, reason = "the one look at a clock")]
pub(crate) fn epoch() -> std::time::Instant {
    std::time::Instant::now()
}

/// No world has as many.
const MOST_EVENTS: u64 = 300_000;
/// A worker is woken so often at one moment, as new things are heard.
const MOST_IN_A_ROW: u32 = 200;
