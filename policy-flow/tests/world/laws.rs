//! The laws, checked as things happen.

mod backends;
pub(crate) use backends::{connects, said, sends};

mod clients;
pub(crate) use clients::{client_event, closes_client, is_due, leaves_client, replied};

use policy_flow::Flow;

use super::{
    net::{ClientState, ConnState, Net, Request},
    plan::AskKind,
    trouble::Trouble,
};

/// A worker has done all that there was to be done.
pub(crate) fn after_wake(net: &mut Net<'_>, worker: usize, flow: &Flow) {
    let settings = &net.plan.settings;
    for client in 0..net.clients.len() {
        let state = &net.clients[client];
        if state.worker != worker || state.state != ClientState::Served || state.owes {
            continue;
        }
        if state.begun < state.whole && state.begun == state.replied && settings.memory.is_none() {
            return net.break_law("a request that has come whole is begun", || {
                format!("client {client}")
            });
        }
        let start = state.asked.get(state.whole);
        let is_partial = match start {
            Some((request, end)) => state.read > end - net.requests[*request].bytes.len(),
            None => net.plan.clients[client].asks[..state.next_ask]
                .iter()
                .any(|ask| matches!(ask.kind, AskKind::Garbage | AskKind::Unfinished)),
        };
        if net.is_draining && state.whole == state.replied && state.rx.is_empty() && !is_partial {
            return net.break_law("a drain ends", || {
                format!("client {client} is idle and stays")
            });
        }
    }
    if let Some(memory) = settings.memory {
        let large = 160 * 1024;
        let most = (memory / 3 * 2).max(8 * 1024) + (memory / 3).max(large);
        if flow.clients().memory() > most {
            net.break_law("memory has its limit", || {
                format!("{}", flow.clients().memory())
            });
        }
    }
    nobody_waits_in_vain(net);
    let settings = &net.plan.settings;
    for service in 0..net.listed.len() {
        let listed = net.listed[service];
        let Some(id) = listed.id else {
            continue;
        };
        let open = net.shared[net.plan.group_of(service)].open(id);
        if open > settings.max_connections {
            return net.break_law("no backend has more connections than its limit", || {
                format!("service {service} has {open}")
            });
        }
        if listed.open > open {
            return net.break_law("each connection has a permit", || {
                format!("service {service} has {} and {open} permits", listed.open)
            });
        }
    }
}

/// Where there is one service and one worker, it can be told who waits for whom.
fn nobody_waits_in_vain(net: &mut Net<'_>) {
    let [listed] = &net.listed[..] else {
        return;
    };
    if net.workers.len() > 1 || listed.connecting > 0 || net.service(0).look_up.is_some() {
        return;
    }
    // A connection whose blank line is late is not idle, and that cannot be seen from here.
    let is_late = |trouble: &Trouble| matches!(trouble, Trouble::LateBlank(_));
    let mut servers = net.service(0).servers.iter();
    if servers.any(|server| server.troubles.iter().any(|(_, trouble)| is_late(trouble))) {
        return;
    }
    // A trial, and a request that lost a connection that was kept, want a new one.
    let takes_any = |request: &Request| request.up & 1 != 0 && request.sends.is_empty();
    let clients = net.clients.iter();
    let clients = clients.filter(|client| client.state == ClientState::Served);
    let waiting = clients.filter(|client| {
        let next = client.asked.get(client.replied);
        client.begun > client.replied
            && next.is_some_and(|(request, _)| takes_any(&net.requests[*request]))
    });
    let open = || {
        net.conns
            .iter()
            .filter(|conn| conn.state == ConnState::Open)
    };
    let idle = open().position(|conn| {
        // A server that is killed takes the end of its answer back, and the worker waits for that until it knows.
        let has_news = conn.is_over || !conn.rx.is_empty() || !conn.wire.is_empty();
        conn.told && conn.was_used && !conn.is_busy && !has_news
    });
    if waiting.count() > 0 && idle.is_some() {
        net.break_law("nobody waits while a connection is idle", String::new);
    }
}

/// Nothing happens any more.
pub(crate) fn at_end(net: &mut Net<'_>, flows: &[Flow]) {
    for client in 0..net.clients.len() {
        if matches!(
            net.clients[client].state,
            ClientState::Served | ClientState::Waits
        ) {
            return net.break_law("in the end nobody is left", || format!("client {client}"));
        }
    }
    for service in 0..net.listed.len() {
        let listed = net.listed[service];
        let permits = listed
            .id
            .map_or(0, |id| net.shared[net.plan.group_of(service)].open(id));
        if listed.open + listed.connecting + permits > 0 {
            return net.break_law("no connection and no permit is lost", || {
                format!("service {service} has {permits} permits, {listed:?}")
            });
        }
    }
    if let Some(conn) = net
        .conns
        .iter()
        .position(|conn| conn.state != ConnState::Closed)
    {
        return net.break_law("no connection and no permit is lost", || {
            format!("connection {conn}")
        });
    }
    let taken = net.places.taken();
    for flow in flows {
        let under_way = flow.upstream().map_or(0, policy_flow::Upstream::under_way);
        let (memory, clients) = (flow.clients().memory(), flow.clients().len());
        if under_way + memory + clients + taken > 0 {
            return net.break_law("in the end nothing is left", || {
                format!("{under_way} requests, {memory} bytes, {clients} clients, {taken} places")
            });
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(&bytes[..bytes.len().min(80)])
}

pub(crate) fn id_of(bytes: &[u8], before: &[u8]) -> Option<usize> {
    let at = bytes
        .windows(before.len())
        .position(|window| window == before)?;
    let digits = bytes[at + before.len()..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    digits.fold(None, |sum, digit| {
        Some(sum.unwrap_or(0) * 10 + usize::from(digit - b'0'))
    })
}
