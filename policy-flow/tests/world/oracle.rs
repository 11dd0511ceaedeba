//! The oracle knows all servers: which of them were well, and which could have answered.

use std::time::Duration;

use policy_flow::{AttemptError, Retry, attempt_limit};
use policy_ha::Status;

use super::{
    net::Net,
    plan::{AskKind, Service, Span, millis, secs},
    trouble::{HARMLESS, Trouble},
};

/// Services that are up.
pub(crate) fn up(net: &Net<'_>) -> u64 {
    let is_up = |service: usize, id| {
        let shared = &net.shared[net.plan.group_of(service)];
        matches!(shared.balancer().status(id), Status::Up)
    };
    let up = net.listed.iter().enumerate();
    let up = up.filter(|(service, listed)| listed.id.is_some_and(|id| is_up(*service, id)));
    up.fold(0, |set, (service, _)| set | 1 << service)
}

/// How long a service that is well takes at most, the connection included.
pub(crate) fn needs(net: &Net<'_>, service: usize) -> Duration {
    let plan = net.service(service);
    let server = |server: &super::plan::Server| {
        server.works + server.cuts.unwrap_or_default() + (server.way + net.plan.jitter) * 5
    };
    let slowest = plan.servers.iter().map(server).max().unwrap_or_default();
    plan.look_up.unwrap_or_default() + slowest + HARMLESS + net.plan.late * 2 + millis(5)
}

/// Whether all that a service has done in this time was to answer soon.
pub(crate) fn is_well(net: &Net<'_>, service: usize, during: Span) -> bool {
    let plan = net.service(service);
    if net.listed[service].since > during.from && net.listed[service].since > Duration::ZERO {
        return false;
    }
    let first = net.first_server[service];
    let is_found = named(plan, during).all(|list| !list.is_empty());
    let named = named(plan, during).flatten().map(|server| first + server);
    // A look-up is done where a request needs it: what is known may be old.
    let known = net.workers.iter().flat_map(|worker| {
        let knew = worker.knew[service].iter();
        let knew = knew.filter(|(until, _)| *until >= during.from);
        let knew = knew.flat_map(|(_, servers)| servers);
        worker.known[service].iter().chain(knew).copied()
    });
    let mut servers = named.chain(known);
    is_found && servers.all(|server| server_is_well(net, server, during))
}

/// The lists of servers that may be found in this time.
fn named(service: &Service, during: Span) -> impl Iterator<Item = &[usize]> {
    let before = service.refresh + service.look_up.unwrap_or_default() + secs(1);
    let from = during.from.saturating_sub(before);
    let changes = service
        .names
        .iter()
        .filter(move |(at, _)| from < *at && *at <= during.until);
    let changes = changes.map(|(_, servers)| &servers[..]);
    std::iter::once(service.name(from)).chain(changes)
}

fn server_is_well(net: &Net<'_>, number: usize, during: Span) -> bool {
    let plan = net.server(number);
    let is_ill = plan.troubles.iter().any(|(span, trouble)| {
        let until = span.until + trouble.lingers() + holds_places(net, *trouble);
        !trouble.is_harmless() && Span { until, ..*span }.meets(during)
    });
    // Answers that were begun before come later.
    let mut killed = net.servers[number].killed.iter();
    let is_killed = killed.any(|at| {
        let end = *at + plan.dies.unwrap_or_default() + millis(100);
        *at <= during.until && during.from <= end
    });
    let settings = &net.plan.settings;
    // One more may come before the server knows that the last one is closed.
    let is_small = (plan.processes).is_some_and(|processes| processes <= settings.max_connections);
    let is_large = plan.pad > 1000 && settings.answer_memory.is_some() || plan.pad > 100_000;
    !is_ill && !is_killed && !is_small && !is_large
}

/// How long requests that were begun in a trouble have the places for connections after it, if there are fewer of these
/// than clients.
fn holds_places(net: &Net<'_>, trouble: Trouble) -> Duration {
    let settings = &net.plan.settings;
    let are_fewer = |places: usize| places < net.clients.len();
    let timeouts = net.plan.services.iter().map(|service| service.timeout);
    match trouble {
        Trouble::Swallows if are_fewer(settings.max_opening.min(settings.max_connections)) => {
            NEXT_SYN
        }
        Trouble::Forgets | Trouble::Hangs | Trouble::ReadsNot | Trouble::Drips(_)
            if are_fewer(settings.max_connections) =>
        {
            timeouts.max().unwrap_or_default()
        }
        _ => Duration::ZERO,
    }
}

/// Whether a request has killed something of a service since then.
pub(crate) fn was_killed(net: &Net<'_>, service: usize, since: Duration) -> bool {
    let first = net.first_server[service];
    let count = net.service(service).servers.len();
    let mut servers = net.servers[first..first + count].iter();
    servers.any(|server| server.killed.iter().any(|at| *at >= since))
}

/// An attempt at a service failed that was well all the while.
pub(crate) fn is_blamed_wrongly(
    net: &Net<'_>,
    worker: usize,
    request: usize,
    service: usize,
    error: &AttemptError,
    took: Duration,
) -> bool {
    let during = Span {
        from: net.now.saturating_sub(took),
        until: net.now,
    };
    let settings = &net.plan.settings;
    // It may close a connection that is kept, which is nobody's fault.
    let was_closed = settings.retry == Retry::Unsent && closes(net.service(service));
    let was_late = matches!(error, AttemptError::TimedOut(_))
        && took <= needs(net, service) + crowd(net, service);
    let was_late = was_late || !net.paused(worker, during).is_zero();
    net.requests[request].kind != AskKind::Poison
        && is_well(net, service, during)
        && !was_late
        && !was_closed
}

/// Whether connections to a service that are kept may be closed at any time.
fn closes(service: &Service) -> bool {
    let mut servers = service.servers.iter();
    servers.any(|server| server.closes_idle.is_some() || server.closes_after.is_some())
}

/// How long a request waits at most for others that are put to the same service.
fn crowd(net: &Net<'_>, service: usize) -> Duration {
    let settings = &net.plan.settings;
    let clients = net.clients.len() as u32;
    let at_once = settings.max_connections.min(settings.max_opening).max(1) as u32;
    match clients <= at_once {
        true => Duration::ZERO,
        false => (needs(net, service) + millis(25)) * (clients / at_once + 1),
    }
}

/// No service has answered a request: none could have.
pub(crate) fn nobody_answered(net: &mut Net<'_>, request: usize) {
    let state = &net.requests[request];
    let during = Span {
        from: state.begun.unwrap_or_default(),
        until: net.now,
    };
    let is_scarce = net.plan.scarce.iter().any(|span| span.meets(during));
    if state.kind == AskKind::Poison || is_scarce {
        return;
    }
    // Another worker may keep what is needed.
    let paused = (0..net.plan.workers)
        .map(|worker| net.paused(worker, during))
        .sum();
    let could =
        (0..net.listed.len()).find(|service| could_answer(net, request, *service, during, paused));
    if let Some(service) = could {
        net.break_law("answered by a server that can", || {
            format!("request {request} got no answer, and service {service} was well")
        });
    }
}

fn could_answer(
    net: &Net<'_>,
    request: usize,
    service: usize,
    during: Span,
    paused: Duration,
) -> bool {
    let settings = &net.plan.settings;
    let is_up = net.requests[request].up & 1 << service != 0;
    let plan = net.service(service);
    let group = net.plan.group_of(service);
    let is_listed = net.listed[service].id.is_some() && group == net.requests[request].group;
    if !is_listed || !paused.is_zero() || !is_well(net, service, during) {
        return false;
    }
    let needs = needs(net, service) + crowd(net, service);
    // The list may be another one, by which the others are asked.
    let others = net
        .plan
        .services
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != service && net.plan.group_of(*other) == group);
    let mut rest = others.clone();
    let mut are_harmless =
        || !closes(plan) && rest.all(|(other, _)| is_harmless(net, other, during));
    if settings.retry == Retry::Unsent && !are_harmless() {
        return false;
    }
    let (mut left, mut unasked) = (settings.deadline, net.plan.services.len());
    for (_, other) in others {
        left = left.saturating_sub(attempt_limit(other.timeout, left, unasked));
        unasked -= 1;
    }
    let mut limit = attempt_limit(plan.timeout, left, unasked);
    if !is_up {
        // It is asked when no other is left, for its share of what there is for all of those.
        limit = limit.min(settings.last_resort / net.plan.services.len() as u32);
    }
    let connect = settings.connect.unwrap_or(limit);
    needs < limit.min(settings.wait).min(connect)
}

/// No request that was put to this service in this time was read by anybody who did not answer it.
fn is_harmless(net: &Net<'_>, service: usize, during: Span) -> bool {
    let plan = net.service(service);
    if is_well(net, service, during) {
        return !closes(plan);
    }
    let during = Span {
        from: during.from.saturating_sub(secs(90)),
        ..during
    };
    let servers = plan.servers.iter();
    servers.clone().all(|server| {
        let troubles = server
            .troubles
            .iter()
            .filter(|(span, _)| span.meets(during));
        let has_dead = server
            .troubles
            .iter()
            .any(|(_, trouble)| *trouble == Trouble::Forgets);
        troubles.clone().all(|(_, trouble)| trouble.reads_nothing())
            && !has_dead
            && server.processes.is_none()
            && !closes(plan)
            && server.dies.is_none()
    })
}

/// How long it takes at most until the system tries again to open a connection of which an attempt of ten seconds is not
/// over.
const NEXT_SYN: Duration = secs(8);
