//! Makes a failing world small: parts are taken out for as long as it fails by the same law.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use super::{
    net::Broken,
    plan::{Cut, End, Plan, Reads, Server, Service, Settings},
    run::run,
};

/// The law that a world breaks, if it breaks one. A panic breaks one.
pub(crate) fn fails(plan: &Plan) -> Option<Broken> {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(plan, false)));
    match outcome {
        Ok(outcome) => outcome.broken,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
            Some(Broken {
                law: "nothing panics",
                at: Duration::ZERO,
                what: text.unwrap_or_default(),
            })
        }
    }
}

/// The smallest world that was found.
pub(crate) fn shrink(plan: &Plan, law: &str) -> Plan {
    let mut small = plan.clone();
    let still = |plan: &Plan| fails(plan).is_some_and(|broken| broken.law == law);
    loop {
        let smaller = smaller(&small).into_iter().find(still);
        match smaller {
            Some(smaller) => small = smaller,
            None => return small,
        }
    }
}

/// Worlds with one part less.
fn smaller(plan: &Plan) -> Vec<Plan> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Plan)| {
        let mut other = plan.clone();
        change(&mut other);
        if format!("{other:?}") != format!("{plan:?}") {
            all.push(other);
        }
    };
    let half = plan.clients.len() / 2;
    with(&|plan| plan.clients.truncate(half));
    with(&|plan| _ = plan.clients.drain(..half));
    for at in 0..plan.clients.len() {
        with(&|plan| _ = plan.clients.remove(at));
    }
    for at in 0..plan.services.len() {
        with(&|plan| {
            if plan.services.len() > 1 {
                plan.services.remove(at);
                plan.exchanges.clear();
            }
        });
    }
    with(&|plan| plan.pauses.clear());
    with(&|plan| plan.scarce.clear());
    with(&|plan| plan.exchanges.clear());
    with(&|plan| plan.drain = None);
    with(&|plan| plan.groups = 1);
    for at in 0..plan.pauses.len() {
        with(&|plan| _ = plan.pauses.remove(at));
    }
    for at in 0..plan.scarce.len() {
        with(&|plan| _ = plan.scarce.remove(at));
    }
    for at in 0..plan.exchanges.len() {
        with(&|plan| _ = plan.exchanges.remove(at));
    }
    with(&|plan| {
        plan.workers = 1;
        plan.pauses.iter_mut().for_each(|(worker, _)| *worker = 0);
    });
    with(&|plan| plan.settings = Settings::default());
    for change in settings() {
        with(&|plan| change(&mut plan.settings));
    }
    with(&|plan| plan.jitter = Duration::ZERO);
    with(&|plan| plan.late = Duration::ZERO);
    for at in 0..plan.clients.len() {
        let half = plan.clients[at].asks.len() / 2;
        with(&|plan| plan.clients[at].asks.truncate(half));
        with(&|plan| _ = plan.clients[at].asks.drain(..half));
        for ask in 0..plan.clients[at].asks.len() {
            with(&|plan| _ = plan.clients[at].asks.remove(ask));
            with(&|plan| plan.clients[at].asks[ask].think = Duration::ZERO);
        }
        with(&|plan| plan.clients[at].at = Duration::ZERO);
        with(&|plan| plan.clients[at].pipelines = false);
        with(&|plan| plan.clients[at].cut = Cut::Whole);
        with(&|plan| plan.clients[at].reads = Reads::AtOnce);
        with(&|plan| plan.clients[at].end = End::Leaves);
        with(&|plan| plan.clients[at].user = 0);
    }
    for at in 0..plan.services.len() {
        let usual = Service::default();
        let count = plan.services[at].servers.len();
        with(&|plan| {
            plan.services[at].servers.truncate(1);
            plan.services[at].names = usual.names.clone();
        });
        with(&|plan| plan.services[at].names = vec![(Duration::ZERO, (0..count).collect())]);
        with(&|plan| plan.services[at].look_up = None);
        with(&|plan| plan.services[at].priority = usual.priority);
        with(&|plan| plan.services[at].weight = usual.weight);
        with(&|plan| plan.services[at].timeout = usual.timeout);
        with(&|plan| plan.services[at].keep = usual.keep);
        with(&|plan| plan.services[at].refresh = usual.refresh);
        for server in 0..count {
            with(&|plan| plan.services[at].servers[server] = Server::default());
            for change in servers() {
                with(&|plan| change(&mut plan.services[at].servers[server]));
            }
            for trouble in 0..plan.services[at].servers[server].troubles.len() {
                with(&|plan| _ = plan.services[at].servers[server].troubles.remove(trouble));
            }
        }
    }
    all
}

fn settings() -> Vec<fn(&mut Settings)> {
    vec![
        |settings| settings.retry = Settings::default().retry,
        |settings| settings.strategy = Settings::default().strategy,
        |settings| settings.deadline = Settings::default().deadline,
        |settings| settings.connect = Settings::default().connect,
        |settings| settings.wait = Settings::default().wait,
        |settings| settings.last_resort = Settings::default().last_resort,
        |settings| settings.max_connections = Settings::default().max_connections,
        |settings| settings.max_opening = Settings::default().max_opening,
        |settings| settings.max_age = Settings::default().max_age,
        |settings| settings.max_failures = Settings::default().max_failures,
        |settings| settings.answer_memory = None,
        |settings| settings.default = true,
        |settings| settings.affinity = true,
        |settings| settings.idle = Settings::default().idle,
        |settings| settings.request = Settings::default().request,
        |settings| settings.memory_wait = Settings::default().memory_wait,
        |settings| settings.memory = None,
        |settings| settings.places = Settings::default().places,
        |settings| settings.per_user = None,
        |settings| settings.check = None,
        |settings| settings.probes = false,
        |settings| settings.reads_ahead = true,
    ]
}

fn servers() -> Vec<fn(&mut Server)> {
    vec![
        |server| server.is_unix = false,
        |server| server.way = Server::default().way,
        |server| server.works = Server::default().works,
        |server| server.closes_after = None,
        |server| server.closes_idle = None,
        |server| server.processes = None,
        |server| server.backlog = Server::default().backlog,
        |server| server.cuts = None,
        |server| server.dies = None,
        |server| server.pad = 0,
        |server| server.troubles.clear(),
    ]
}
