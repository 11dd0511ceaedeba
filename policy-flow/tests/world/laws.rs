//! The laws, checked as things happen.

use policy_flow::{AttemptError, ClientError, ClientEvent, Event as Said, Flow, Retry, Waiting};
use policy_ha::Transition;

use super::{
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
    // A second answer that comes while the next request is under way cannot be told from its answer.
    let is_stray = bytes.ends_with(b" once more\n\n");
    let answered = id_of(bytes, b"action=ok ");
    if answered != Some(request) && !is_stray || !bytes.ends_with(b"\n\n") {
        net.break_law("an answer goes to its own request", || {
            format!("request {request} of client {client} got {:?}", text(bytes))
        });
    }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(&bytes[..bytes.len().min(80)])
}

fn id_of(bytes: &[u8], before: &[u8]) -> Option<usize> {
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
            if answered.is_none() && is_policy {
                oracle::nobody_answered(net, worker, id);
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
            let asks = &net.plan.clients[client].asks[..state.next_ask];
            let has = |kind| asks.iter().any(|ask| ask.kind == kind);
            let is_due = match error {
                None => has(AskKind::Foreign),
                Some(ClientError::Decode(_)) => has(AskKind::Garbage),
                Some(ClientError::TooSlow) => waited >= settings.request,
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

/// A connection to this server is to be opened.
pub(crate) fn connects(net: &mut Net<'_>, worker: usize, service: usize, server: usize) {
    let is_known = net.workers[worker].known[service].contains(&server);
    if !is_known {
        net.break_law("a connection goes to where the service is", || {
            format!("server {server} of service {service}")
        });
    }
}

/// A request is to be sent: the request, if that is one.
pub(crate) fn sends(net: &mut Net<'_>, conn: usize, bytes: &[u8]) -> Option<usize> {
    let request = id_of(bytes, b"id=").filter(|id| *id < net.requests.len());
    let Some(request) = request else {
        net.break_law("what is sent is a request", || format!("{:?}", text(bytes)));
        return None;
    };
    if net.requests[request].bytes != bytes {
        net.break_law("a request is sent as it came", || {
            format!("request {request}: {:?}", text(bytes))
        });
    }
    if net.requests[request].replied || net.requests[request].begun.is_none() {
        net.break_law("nobody is asked what nobody wants to know", || {
            format!("request {request}")
        });
    }
    let settings = &net.plan.settings;
    let state = &mut net.conns[conn];
    let (is_busy, was_used) = (state.is_busy, state.was_used);
    (state.is_busy, state.was_used) = (true, true);
    let (worker, service, server) = (state.worker, state.service, state.server);
    let has_news = !state.rx.is_empty() || state.eof;
    let age = net.now - state.began;
    if is_busy {
        net.break_law("one request at a time over a connection", || {
            format!("connection {conn}")
        });
    }
    if was_used {
        if has_news && settings.retry == Retry::Unsent {
            net.break_law("a connection is looked at before it is used again", || {
                format!("connection {conn}")
            });
        }
        if age > settings.max_age {
            net.break_law("an old connection is not used again", || {
                format!("connection {conn}")
            });
        }
        if !net.workers[worker].known[service].contains(&server) {
            net.break_law(
                "a connection to where the service was is not used again",
                || format!("connection {conn} to server {server}"),
            );
        }
        if net.service(service).keep.is_zero() {
            net.break_law("what is not to be kept is closed", || {
                format!("connection {conn}")
            });
        }
    }
    let sends = net.requests[request].sends.clone();
    if settings.retry == Retry::Unsent && sends.iter().any(|(_, unread)| !unread) {
        net.break_law("nobody is asked again what somebody may have read", || {
            format!("request {request} over connections {sends:?} and {conn}")
        });
    }
    let sends = &net.requests[request].sends;
    let same = sends
        .iter()
        .filter(|(other, _)| net.conns[*other].service == service)
        .count();
    if same > 1 {
        net.break_law(
            "a service is asked once, or again over a new connection",
            || format!("request {request}, service {service}"),
        );
    }
    net.requests[request].sends.push((conn, false));
    Some(request)
}

/// Something was said of a backend.
pub(crate) fn said(net: &mut Net<'_>, worker: usize, event: &Said<'_>) {
    match event {
        Said::Answered {
            backend,
            request,
            response,
            ..
        } => {
            let service = net.workers[worker].slots[backend.index()];
            let Some(id) = id_of(request.as_bytes(), b"id=") else {
                return;
            };
            let Some(&(conn, _)) = net.requests[id].sends.last() else {
                return net.break_law("who answers was asked", || format!("request {id}"));
            };
            net.conns[conn].is_busy = false;
            let is_stray = response.as_bytes().ends_with(b" once more");
            let answered = id_of(response.as_bytes(), b"ok ");
            if net.conns[conn].service != service || answered != Some(id) && !is_stray {
                net.break_law("an answer goes to its own request", || {
                    format!(
                        "request {id} has {:?} of service {service}",
                        text(response.as_bytes())
                    )
                });
            }
        }
        Said::Failed {
            backend,
            request,
            error,
            took,
            ..
        } => {
            let service = net.workers[worker].slots[backend.index()];
            net.workers[worker].took[service] = *took;
            let id = id_of(request.as_bytes(), b"id=");
            net.note(|| {
                format!("request {id:?} failed at service {service} after {took:?}: {error:?}")
            });
            let Some(id) = id else {
                return;
            };
            if error.blames_backend()
                && oracle::is_blamed_wrongly(net, worker, id, service, error, *took)
            {
                net.break_law("blame is where it is due", || {
                    format!("request {id} failed at service {service}, which is well: {error:?}")
                });
            }
        }
        Said::Changed {
            backend,
            transition,
            because,
        } => {
            let service = net.workers[worker].slots[backend.index()];
            net.note(|| format!("service {service}: {transition:?} because of {because:?}"));
            if matches!(transition, Transition::Down { .. }) {
                net.counts.downs += 1;
                let took = net.workers[worker].took[service];
                let during = Span {
                    from: net.now.saturating_sub(took),
                    until: net.now,
                };
                let is_late = matches!(because, Some(AttemptError::TimedOut(_)))
                    && (took <= oracle::needs(net, service)
                        || !net.paused(worker, during).is_zero());
                // Who is blamed for a request that kills is known at its end.
                let since = during.from.saturating_sub(net.plan.settings.deadline);
                let was_killed = oracle::was_killed(net, service, since);
                if oracle::is_well(net, service, during) && !is_late && !was_killed {
                    net.break_law("a healthy backend does not go down", || {
                        format!("service {service}: {because:?}")
                    });
                }
            }
        }
        Said::Harmful { request, backends } => {
            net.counts.harmful += 1;
            net.note(|| format!("a harmful request, {backends:b}"));
            if backends.count_ones() < 2 {
                net.break_law("two services prove that a request does harm", || {
                    format!("{:?}", text(request.as_bytes()))
                });
            }
        }
        Said::Crowded { backend, limit } => {
            net.counts.crowded += 1;
            let service = net.workers[worker].slots[backend.index()];
            net.note(|| format!("service {service} is crowded beyond {limit}"));
            let during = Span {
                from: net.now.saturating_sub(millis(1000)),
                until: net.now,
            };
            if oracle::is_well(net, service, during) && net.paused(worker, during).is_zero() {
                net.break_law("a healthy backend is not crowded", || {
                    format!("service {service}")
                });
            }
        }
        _ => {}
    }
}

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
    for service in 0..net.listed.len() {
        let listed = net.listed[service];
        let Some(id) = listed.id else {
            continue;
        };
        let open = net.shared.open(id);
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
        let permits = listed.id.map_or(0, |id| net.shared.open(id));
        if listed.open + listed.connecting + permits > 0 {
            return net.break_law("no connection and no permit is lost", || {
                format!("service {service} has {permits} permits, {listed:?}")
            });
        }
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
