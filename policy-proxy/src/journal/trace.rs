//! Traces of requests, which `hapolicy ctl trace` asks for: each step of a request, with its time and its reason.

use std::{fmt, time::Instant};

use policy_daemon::trace::request_line;
use policy_flow::Event;
use policy_proto::{Request, Response};

use super::{
    Journal, Outcome, State,
    line::{Place, escape, millis},
    services::reason,
    states::summary,
};

/// The place of a request's client: its worker, and its number there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientPlace {
    pub(crate) worker: usize,
    pub(crate) client: u64,
}

impl fmt::Display for ClientPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.worker, self.client)
    }
}

impl Journal {
    /// Whether a request is to tell its story.
    #[inline]
    pub(crate) fn is_traced(&self) -> bool {
        self.traces.is_on()
    }

    /// A request has come, while the services are as they are.
    #[cold]
    pub(crate) fn trace_request(
        &self,
        place: ClientPlace,
        request: &Request,
        states: impl FnOnce() -> Vec<State>,
    ) {
        if !self.traces.has(|name| request.get(name)) {
            return;
        }
        self.trace(place, request, || request_line(request.attributes()));
        let states = states();
        self.trace(place, request, || {
            format!("services: {}", self.status(&states, Instant::now()))
        });
    }

    /// An attempt has ended.
    #[cold]
    pub(crate) fn trace_event(&self, place: impl FnOnce(u64) -> ClientPlace, event: &Event<'_>) {
        match event {
            Event::Answered {
                backend,
                request,
                owner,
                response,
                took,
                ..
            } => self.trace(place(*owner), request, || {
                let (service, took) = (self.place_of(backend.index()), millis(*took));
                format!("{service} answered after {took}ms: {}", action(response))
            }),
            Event::Failed {
                backend,
                request,
                owner,
                error,
                took,
                ..
            } => self.trace(place(*owner), request, || {
                let (service, took) = (self.place_of(backend.index()), millis(*took));
                format!("{service} failed after {took}ms{}", reason(error))
            }),
            _ => {}
        }
    }

    /// A request has its outcome.
    #[cold]
    pub(crate) fn trace_outcome(
        &self,
        place: ClientPlace,
        request: &Request,
        outcome: &Outcome<'_>,
        states: impl FnOnce() -> Vec<State>,
    ) {
        self.trace(place, request, || {
            let took = millis(outcome.took);
            let what = match outcome.response {
                Some(response) => format!("reply after {took}ms: {}", action(response)),
                None => format!("the connection is closed after {took}ms"),
            };
            let why = match outcome.answered {
                Some(backend) => format!("the answer of {}", self.place_of(backend.index())),
                None if !request.is_access_policy() => {
                    "the default action, since this is no request for a policy server".to_owned()
                }
                None => format!(
                    "the default action, since no service answered ({})",
                    summary(&states())
                ),
            };
            format!("{what}, {why}")
        });
    }

    fn trace(&self, place: ClientPlace, request: &Request, text: impl FnOnce() -> String) {
        self.traces.line(|name| request.get(name), place, text);
    }

    fn place_of(&self, index: usize) -> String {
        let counted = self.services.get(index);
        counted.map(|counted| counted.place()).unwrap_or_default()
    }
}

fn action(response: &Response) -> String {
    format!("'{}'", escape(response.as_bytes(), Place::Quoted('\'')))
}
