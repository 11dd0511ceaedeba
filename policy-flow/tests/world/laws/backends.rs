//! Laws about connections to servers, and about what is said of them.

use policy_flow::{AttemptError, Event as Said, Retry};
use policy_ha::Transition;

use super::{id_of, text};
use crate::{
    net::{Conn, Net},
    oracle,
    plan::{AskKind, Span},
};

/// A connection to this server is to be opened.
pub(crate) fn connects(net: &mut Net<'_>, worker: usize, service: usize, server: usize) {
    // A request of an earlier list may still go by what was known of a service that has been listed again since.
    let is_anew = net.listed[service].era > 0;
    let is_known = is_anew || net.workers[worker].known[service].contains(&server);
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
    let is_probe = net.requests[request].kind == AskKind::Probe;
    if is_probe {
        net.requests[request].sends.clear();
    }
    if !is_probe && (net.requests[request].replied || net.requests[request].begun.is_none()) {
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
        let is_anew = net.listed[service].era > 0;
        if !is_anew && !net.workers[worker].known[service].contains(&server) {
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
    goes_to(net, request, service);
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

/// A request is put to this service: the first one is who answered the last of its message.
fn goes_to(net: &mut Net<'_>, request: usize, service: usize) {
    let group = net.plan.group_of(service);
    if net.requests[request].kind != AskKind::Probe && net.requests[request].group != group {
        net.break_law("a request goes to its group", || {
            format!("request {request} goes to service {service}")
        });
    }
    let state = &mut net.requests[request];
    let is_first = !std::mem::replace(&mut state.is_asked, true);
    if is_first && state.stick.is_some_and(|stick| stick != service) {
        let stick = state.stick;
        net.break_law("the requests of a message go to one service", || {
            format!("request {request} goes to service {service}, not {stick:?}")
        });
    }
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
            let is_stray = net.conns[conn].is_off;
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
            goes_to(net, id, service);
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
            ..
        } => {
            let service = net.workers[worker].slots[backend.index()];
            net.note(|| format!("service {service}: {transition:?} because of {because:?}"));
            if matches!(transition, Transition::Down { .. }) {
                net.counts.downs += 1;
                let took = net.workers[worker].took[service];
                // Who has closed a connection is blamed when the request is done with.
                let is_end = matches!(because, Some(AttemptError::Closed | AttemptError::Io(_)));
                let since = if is_end {
                    took.max(net.plan.settings.deadline)
                } else {
                    took
                };
                let during = Span {
                    from: net.now.saturating_sub(since),
                    until: net.now,
                };
                let is_late = matches!(because, Some(AttemptError::TimedOut(_)))
                    && took / 2 <= oracle::needs(net, service);
                let is_late = is_late || !net.paused(worker, during).is_zero();
                // Who is blamed for a request that kills is known at its end.
                let since = during.from.saturating_sub(net.plan.settings.deadline);
                let was_killed = oracle::was_killed(net, service, since);
                if oracle::is_well(net, service, during) && !is_late && !was_killed {
                    net.break_law("a healthy backend does not go down", || {
                        format!("service {service}: {because:?}")
                    });
                }
                // Requests under way go by that from now on.
                let requests = net.requests.iter_mut();
                for request in requests.filter(|request| !request.replied) {
                    request.up &= !(1 << service);
                }
            }
        }
        Said::Harmful {
            request, backends, ..
        } => {
            net.counts.harmful += 1;
            net.note(|| format!("a harmful request, {backends:b}"));
            if backends.count_ones() < 2 {
                net.break_law("two services prove that a request does harm", || {
                    format!("{:?}", text(request.as_bytes()))
                });
            }
        }
        Said::Checked { backend, error, .. } => {
            let service = net.workers[worker].slots[backend.index()];
            net.note(|| format!("service {service} was looked at: {error:?}"));
            if net.plan.settings.probes {
                let asked = |conn: &&mut Conn| conn.service == service && conn.request == Some(0);
                net.conns
                    .iter_mut()
                    .filter(asked)
                    .for_each(|conn| conn.is_busy = false);
            }
        }
        Said::Crowded { backend, limit, .. } => {
            net.counts.crowded += 1;
            let service = net.workers[worker].slots[backend.index()];
            net.note(|| format!("service {service} is crowded beyond {limit}"));
            let during = Span {
                from: net.now.saturating_sub(net.service(service).timeout),
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
