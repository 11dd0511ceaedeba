//! Runs a world: what happens goes to the workers' state machines, in the way in which a driver does it.

use std::time::Duration;

use policy_flow::{
    BackendGroup, Check, Clients, Flow, FlowOptions, GroupRules, PlaceLimits, Places, Probe, Route,
    Routing, Shared, Unanswered, Upstream,
};
use policy_ha::BackendId;
use policy_proto::{MessageDecoder, Request, Response};

use super::{
    clients::probe,
    hand::Hand,
    laws,
    net::{
        Broken, Client, ClientState, ConnState, Counts, Listed, Net, Ready, ServerState, Worker,
    },
    options::{backend, balancer, client_options, config, options},
    plan::{Plan, secs},
    queue::{Event, Queue},
    trouble::Trouble,
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
        let mut shared: Vec<Shared> = Vec::new();
        for group in 0..plan.groups() {
            let of_group = all().filter(|(at, _)| plan.group_of(*at) == group);
            let backends = of_group.map(|(at, service)| backend(at, service));
            shared.push(match shared.first() {
                None => Shared::new(balancer(plan), backends, plan.workers).unwrap(),
                Some(first) => first.beside(balancer(plan), backends).unwrap(),
            });
        }
        // Slots are given group by group.
        let slots: Vec<usize> = (0..plan.groups())
            .flat_map(|group| all().filter(move |(at, _)| plan.group_of(*at) == group))
            .map(|(at, _)| at)
            .collect();
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
            slots: slots.clone(),
            eras: vec![0; plan.services.len()],
            known: known.clone(),
            knew: vec![Vec::new(); plan.services.len()],
            took: vec![Duration::ZERO; plan.services.len()],
            ..Worker::default()
        };
        let firsts = first_server.clone();
        let flow = |worker: usize| {
            let mut groups = shared.iter().enumerate().map(|(group, shared)| {
                let of_group = all().filter(|(at, _)| plan.group_of(*at) == group);
                let configs = of_group.map(|(at, service)| (config(service, firsts[at]), None));
                BackendGroup::new(options(plan), shared, configs)
            });
            let first = groups.next().unwrap();
            let mut upstream = Upstream::with_groups(epoch, first, groups.collect(), worker);
            if let Some(every) = settings.check
                && worker == 0
            {
                let check = Check::new(every);
                upstream.check(match settings.probes {
                    true => check.with_probe(Probe::new(request_of(&probe().bytes))),
                    false => check,
                });
            }
            let mut flow = FlowOptions::default();
            flow.affinity = settings.affinity;
            flow.default = settings.default.then(Response::dunno);
            flow.routing = (plan.groups() > 1).then(|| routing(plan).into());
            let clients = Clients::new(epoch, client_options(plan), places.clone());
            Flow::new(flow, clients, Some(upstream))
        };
        let id_of = |at: usize| BackendId::new(at / plan.groups());
        let mut net = Net {
            plan,
            epoch,
            now: Duration::ZERO,
            queue: Queue::default(),
            chance: fastrand::Rng::with_seed(plan.seed),
            workers: (0..plan.workers).map(worker).collect(),
            clients: (0..plan.clients.len())
                .map(|at| Client::new(plan, at))
                .collect(),
            requests: settings.probes.then(probe).into_iter().collect(),
            servers: (0..servers).map(|_| ServerState::default()).collect(),
            first_server,
            conns: Vec::new(),
            listed: all().map(|(at, _)| Listed::new(id_of(at))).collect(),
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
            && net.conns.iter().all(|conn| conn.state == ConnState::Closed)
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
            Event::ToServer(conn, bytes) => net.reaches_server(conn, bytes),
            Event::HasRoom(conn) => net.has_room(conn),
            Event::FromServer(conn, bytes) => net.reaches_worker(conn, bytes),
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

    pub(crate) fn flow(&mut self, worker: usize) -> (&mut Flow, Hand<'_, 'a>) {
        let net = &mut self.net;
        let flow = &mut self.flows[worker];
        flow.set_now(net.instant());
        (flow, Hand { net, worker })
    }
}

/// The second group has the requests of its context.
fn routing(plan: &Plan) -> Routing {
    let mut routing = Routing::default();
    for _ in 0..plan.groups() {
        let mut rules = GroupRules::default();
        rules.affinity = plan.settings.affinity;
        if !plan.settings.default {
            rules.default = Unanswered::Close;
        }
        routing.groups.push(rules);
    }
    let mut route = Route::to(1);
    route.contexts = vec![b"g1".to_vec()];
    routing.routes.push(route);
    routing
}

fn request_of(bytes: &[u8]) -> Request {
    MessageDecoder::new()
        .request(&mut bytes.into())
        .unwrap()
        .unwrap()
}

/// Time begins somewhere: nothing depends on where.
#[expect(clippy::disallowed_methods, reason = "the one look at a clock")]
pub(crate) fn epoch() -> std::time::Instant {
    std::time::Instant::now()
}

/// No world has as many.
const MOST_EVENTS: u64 = 300_000;
/// A worker is woken so often at one moment, as new things are heard.
pub(crate) const MOST_IN_A_ROW: u32 = 200;
