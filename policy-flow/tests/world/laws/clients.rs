//! Laws about clients and their requests.

use std::time::Duration;

use policy_flow::{ClientError, ClientEvent, Waiting};
use policy_proto::DecodeError;

use super::{id_of, text};
use crate::{
    net::{ClientState, Net},
    oracle,
    plan::{AskKind, Span, millis},
    queue::Event,
};

/// A reply goes to a client: it is the one to its next request.
pub(crate) fn replied(net: &mut Net<'_>, client: usize, bytes: &[u8]) {
    let state = &mut net.clients[client];
    let Some(&(request, end)) = state.asked.get(state.replied) else {
        return net.break_law("one reply to a request", || {
            format!("client {client}: {bytes:?}")
        });
    };
    let is_early = state.read < end;
    state.replied += 1;
    state.active = net.now;
    net.note(|| {
        format!(
            "client {client} has the reply to request {request}: {:?}",
            text(bytes)
        )
    });
    if is_early || net.requests[request].begun.is_none() {
        net.break_law("no reply before the request", || {
            format!("request {request}")
        });
    }
    if std::mem::replace(&mut net.requests[request].replied, true) {
        net.break_law("one reply to a request", || format!("request {request}"));
    }
    let is_default = bytes.eq_ignore_ascii_case(b"action=DUNNO\n\n");
    if is_default {
        net.counts.defaults += 1;
        if !net.plan.settings.default {
            net.break_law(
                "the default action is given where the settings ask for it",
                || format!("request {request}"),
            );
        }
        return;
    }
    net.counts.answered += 1;
    let last = net.requests[request].sends.last();
    let is_stray = last.is_some_and(|(conn, _)| net.conns[*conn].is_off);
    let answered = id_of(bytes, b"action=ok ");
    if answered != Some(request) && !is_stray || !bytes.ends_with(b"\n\n") {
        net.break_law("an answer goes to its own request", || {
            format!("request {request} of client {client} got {:?}", text(bytes))
        });
    }
}

/// The machine closes the connection of a client.
pub(crate) fn closes_client(net: &mut Net<'_>, client: usize) {
    let (state, settings) = (&net.clients[client], &net.plan.settings);
    let (now, excuse) = (net.now, state.excuse);
    let waits_for = now.saturating_sub(state.active);
    let is_due = match () {
        () if state.owes => waits_for >= settings.request,
        () => state.told_end || waits_for >= settings.idle,
    };
    let unreplied = state.whole - state.replied;
    net.note(|| format!("client {client} is closed: {excuse:?}"));
    if excuse.is_some() {
        return;
    }
    if unreplied > 0 && !net.clients[client].owes {
        net.break_law("each request is replied to", || {
            format!("client {client} is closed with {unreplied} requests unanswered")
        });
    }
    if !is_due {
        net.break_law("a client is closed for a reason", || {
            format!("client {client}, after {waits_for:?}")
        });
    }
}

/// A client is let go, between two requests.
pub(crate) fn leaves_client(net: &mut Net<'_>, client: usize) {
    net.note(|| format!("client {client} is let go"));
    let state = &net.clients[client];
    if !net.is_draining || state.whole > state.replied || state.owes {
        net.break_law("a client leaves between two requests, in a drain", || {
            format!("client {client}")
        });
    }
}

pub(crate) fn client_event(net: &mut Net<'_>, worker: usize, event: &ClientEvent<'_>) {
    match event {
        ClientEvent::Request {
            client, request, ..
        } => {
            let Some(client) = net.client_of(worker, *client) else {
                return net.break_law("a request is somebody's", String::new);
            };
            let id = id_of(request.as_bytes(), b"id=");
            begins(net, worker, client, id);
        }
        ClientEvent::Replied {
            client,
            answered,
            response,
            request,
            took,
            ..
        } => {
            let Some(client) = net.client_of(worker, *client) else {
                return;
            };
            let Some(id) = id_of(request.as_bytes(), b"id=") else {
                return;
            };
            let (now, late) = (net.now, net.plan.late);
            let begun = net.requests[id].begun.unwrap_or_default();
            let is_policy = net.requests[id].kind != AskKind::Other;
            if is_policy && *took != now - begun {
                net.break_law("what a request took is known", || {
                    format!("request {id}: {took:?}")
                });
            }
            let paused = net.paused(
                worker,
                Span {
                    from: begun,
                    until: now,
                },
            );
            if now - begun > net.plan.settings.deadline + paused + late + millis(1) {
                net.break_law("a reply comes before the deadline", || {
                    format!("request {id}")
                });
            }
            if let Some(slot) = answered {
                let state = &net.workers[worker];
                let (service, era) = (state.slots[slot.index()], state.eras[slot.index()]);
                let message = net.requests[id].message;
                let group = net.requests[id].group;
                net.clients[client].stuck[group] = Some((message, service, era));
            }
            if answered.is_none() && is_policy {
                oracle::nobody_answered(net, id);
            }
            if response.is_none() {
                net.clients[client].excuse = Some("nobody answered");
                if net.plan.settings.default {
                    net.break_law("each request is replied to", || format!("request {id}"));
                }
            }
        }
        ClientEvent::Refused { client, error, .. } => {
            let Some(client) = net.client_of(worker, *client) else {
                return;
            };
            let (state, settings) = (&net.clients[client], &net.plan.settings);
            let waited = net.now - state.active;
            // The rest of a request has 3 s in a drain.
            let drain = net.plan.drain.filter(|_| net.is_draining);
            let is_hurried =
                drain.is_some_and(|at| net.now >= at.max(state.active) + Duration::from_secs(3));
            let asks = &net.plan.clients[client].asks[..state.next_ask];
            let has = |kind| asks.iter().any(|ask| ask.kind == kind);
            let is_due = match error {
                None => has(AskKind::Foreign),
                // It has ended in the middle of one.
                Some(ClientError::Decode(DecodeError::UnexpectedEnd)) => true,
                Some(ClientError::Decode(_)) => has(AskKind::Garbage),
                Some(ClientError::TooSlow) => waited >= settings.request || is_hurried,
                Some(ClientError::NoMemory) => waited >= settings.memory_wait,
                _ => true,
            };
            net.note(|| format!("client {client} is refused: {error:?}"));
            if !is_due {
                net.break_law("a client is refused for a reason", || {
                    format!("client {client}: {error:?}")
                });
            }
            net.clients[client].excuse = Some("refused");
        }
        ClientEvent::Evicted {
            client, waiting, ..
        } => {
            net.counts.evicted += 1;
            let Some(client) = net.client_of(worker, *client) else {
                return;
            };
            let state = &mut net.clients[client];
            state.excuse = Some("evicted");
            if *waiting == Waiting::Idle && !state.rx.is_empty() {
                net.break_law("a client whose request has come keeps its place", || {
                    format!("client {client}")
                });
            }
            let state = &net.clients[client];
            if state.whole > state.replied {
                net.break_law("each request is replied to", || {
                    format!("client {client} is evicted")
                });
            }
            if net.places.taken() < net.plan.settings.places {
                net.break_law("nobody is evicted while there are places", || {
                    format!("client {client}")
                });
            }
        }
        ClientEvent::MemoryUsedUp => {
            net.counts.short += 1;
            if net.plan.settings.memory.is_none() {
                net.break_law("memory has a limit where there is one", String::new);
            }
        }
        _ => {}
    }
}

/// A request has come whole.
fn begins(net: &mut Net<'_>, worker: usize, client: usize, id: Option<usize>) {
    let state = &mut net.clients[client];
    let expected = state.asked.get(state.begun).copied();
    let (begun, replied, read) = (state.begun, state.replied, state.read);
    state.begun += 1;
    let Some((request, end)) = expected.filter(|(request, _)| id == Some(*request)) else {
        return net.break_law("requests are taken in order", || {
            format!("client {client}: {id:?} and not {expected:?}")
        });
    };
    if begun != replied || read < end {
        net.break_law("one request of a client at a time", || {
            format!("request {request}")
        });
    }
    let deadline = net.plan.settings.deadline + net.plan.late + millis(1);
    let (now, up) = (net.now, oracle::up(net));
    net.requests[request].begun = Some(now);
    net.requests[request].up = up;
    let (group, message) = (net.requests[request].group, net.requests[request].message);
    let last = net.clients[client].stuck[group].take();
    // Another message is forgotten in all groups.
    for stuck in &mut net.clients[client].stuck {
        *stuck = stuck.filter(|(other, ..)| *other == message);
    }
    if let Some((message, service, era)) = last
        && net.plan.settings.affinity
        && message == net.requests[request].message
        && net.listed[service].era == era
        && up & 1 << service != 0
        && net.requests[request].kind != AskKind::Other
    {
        net.requests[request].stick = Some(service);
    }
    net.note(|| format!("worker {worker} begins request {request} of client {client}"));
    net.after(deadline, Event::Due(request));
}

/// A request is to be replied to by now.
pub(crate) fn is_due(net: &mut Net<'_>, request: usize) {
    let state = &net.requests[request];
    let client = &net.clients[state.client];
    if state.replied || client.state != ClientState::Served {
        return;
    }
    let worker = client.worker;
    let pauses = net.plan.pauses.iter();
    // The worker was late itself, and may be so still.
    let mut until = state.begun.unwrap_or_default() + net.plan.settings.deadline;
    for (_, span) in pauses.filter(|(who, _)| *who == worker) {
        if span.has(until) || span.has(net.now) {
            until = span.until;
        }
    }
    until += net.plan.late + millis(1);
    match until > net.now {
        true => net.queue.push(until, Event::Due(request)),
        false => net.break_law("a reply comes before the deadline", || {
            format!("request {request}")
        }),
    }
}
