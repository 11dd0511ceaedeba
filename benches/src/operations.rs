//! Operations of the codec and the balancer, which criterion times and valgrind counts.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use policy_daemon::metrics::{Counter, Durations, RequestMetrics};
use policy_ha::{Backend, Balancer, Config, Outcome, Preference, Tried};
use policy_proto::{Action, MessageDecoder, Request, Response, attr};

use crate::{
    ours,
    samples::{ATTRIBUTES, Pieces, TYPICAL, by_size, typical},
};

/// How often an operation is done at least; three times as often is the most.
pub const TIMES: usize = 50;

/// Each operation by its name: what is to be done so many times, with what has been prepared.
pub const OPERATIONS: &[(&str, Operation)] = &[
    ("decode, all in one buffer", |prepared, times| {
        let mut buf = prepared.buffer.split_to(times * TYPICAL);
        assert_eq!(ours::decode(&mut buf), times);
    }),
    ("decode, warm connection", |p, times| {
        p.arrive(times, TYPICAL)
    }),
    ("decode, ten pipelined", |p, times| {
        p.arrive(times, 10 * TYPICAL)
    }),
    ("decode, 128 B at a time", |p, times| p.arrive(times, 128)),
    ("decode, 16 B at a time", |p, times| p.arrive(times, 16)),
    ("decode, 1 B at a time", |p, times| p.arrive(times, 1)),
    ("decode, CR LF", |p, times| {
        let pieces = [p.cr_lf.as_slice()].into_iter().cycle();
        assert_eq!(ours::arrive(pieces.take(times)), times);
    }),
    ("decode, 64 kB", |p, times| {
        let pieces = [p.huge.as_slice()].into_iter().cycle();
        assert_eq!(ours::arrive(pieces.take(times)), times);
    }),
    ("get the first attribute", |p, times| {
        p.get(times, attr::REQUEST)
    }),
    ("get the middle attribute", |p, times| {
        p.get(times, attr::INSTANCE)
    }),
    ("get the last attribute", |p, times| {
        p.get(times, attr::POLICY_CONTEXT)
    }),
    ("get an absent attribute", |p, times| {
        p.get(times, attr::MAIL_VERSION)
    }),
    ("walk over 29 attributes", |p, times| {
        for _ in 0..times {
            assert_eq!(ours::walk(black_box(&p.request)), ATTRIBUTES);
        }
    }),
    ("from_attributes, 29", |p, times| {
        let attributes: Vec<_> = p.request.attributes().collect();
        for _ in 0..times {
            let built = Request::from_attributes(black_box(&attributes).iter().copied());
            assert_eq!(built.map(|built| built.as_bytes().len()), Ok(TYPICAL));
        }
    }),
    ("parse an action, DUNNO", |_, times| parse(times, b"DUNNO")),
    ("parse an action, REJECT", |_, times| {
        parse(times, b"REJECT No thanks")
    }),
    ("parse an action, 450", |_, times| {
        parse(times, b"450 4.7.1 Try again")
    }),
    ("encode a response", |_, times| {
        let response = Response::new("DEFER_IF_PERMIT Greylisted").expect("a valid response");
        let mut out = BytesMut::with_capacity(1024);
        for _ in 0..times {
            out.clear();
            black_box(&response).encode(&mut out);
            assert_eq!(black_box(&out).len(), 35);
        }
    }),
    ("decode a response", |_, times| {
        let mut decoder = MessageDecoder::new();
        let mut buf = BytesMut::with_capacity(1024);
        for _ in 0..times {
            buf.reserve(35);
            buf.extend_from_slice(black_box(b"action=DEFER_IF_PERMIT Greylisted\n\n"));
            let response = decoder.response(&mut buf).expect("a valid response");
            assert_eq!(response.map(|response| response.as_bytes().len()), Some(26));
            assert_eq!(decoder.skip_rest(&mut buf), Ok(true));
        }
    }),
    ("count a request for the metrics", |_, times| count(times)),
    ("pick and observe, round robin, 4", |_, times| {
        serve(times, Strategy::RoundRobin, 4)
    }),
    ("pick and observe, round robin, 64", |_, times| {
        serve(times, Strategy::RoundRobin, 64)
    }),
    ("pick and observe, least loaded, 4", |_, times| {
        serve(times, Strategy::LeastLoaded, 4)
    }),
    ("pick and observe, least loaded, 64", |_, times| {
        serve(times, Strategy::LeastLoaded, 64)
    }),
    ("pick and observe, hash, 4", |_, times| {
        serve(times, Strategy::Hash, 4)
    }),
    ("pick and observe, hash, 64", |_, times| {
        serve(times, Strategy::Hash, 64)
    }),
    ("key of an address and a sender", |_, times| {
        for _ in 0..times {
            black_box(policy_ha::key(black_box([
                "2001:db8::1:25",
                "someone@example.com",
            ])));
        }
    }),
];

/// What is done so many times, with what was prepared.
pub type Operation = fn(&mut Prepared, usize);

/// The same for each operation, and however often it is done.
#[derive(Debug)]
pub struct Prepared {
    stream: Vec<u8>,
    buffer: BytesMut,
    request: Request,
    cr_lf: Vec<u8>,
    huge: Vec<u8>,
}

impl Prepared {
    /// The same each time.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "nothing is a default here")]
    pub fn new() -> Self {
        let stream = typical(3 * TIMES);
        let request = ours::requests(&stream[..TYPICAL]).remove(0);
        let text = String::from_utf8(stream[..TYPICAL].to_vec()).expect("ASCII");
        let [.., (_, huge)] = by_size();
        Self {
            buffer: BytesMut::from(&stream[..]),
            cr_lf: text.replace('\n', "\r\n").into_bytes(),
            huge,
            request,
            stream,
        }
    }

    fn arrive(&self, times: usize, size: usize) {
        let pieces = Pieces::of(&self.stream[..times * TYPICAL], TYPICAL, size);
        assert_eq!(ours::arrive(pieces), times);
    }

    fn get(&self, times: usize, name: &str) {
        for _ in 0..times {
            black_box(black_box(&self.request).get(black_box(name)));
        }
    }
}

fn parse(times: usize, text: &[u8]) {
    for _ in 0..times {
        black_box(Action::parse(black_box(text)));
    }
}

/// Picks one of so many backends, and observes an answer.
/// What hapolicy counts of a request that the first service has answered. It is to be at most 2 % of the whole.
fn count(times: usize) {
    let requests = RequestMetrics::default();
    let [group, service] = [Counter::default(), Counter::default()];
    let attempts = Durations::default();
    let response = Response::new("DUNNO").expect("a valid response");
    let took = Duration::from_micros(350);
    for _ in 0..times {
        requests.replied(Some(black_box(&response)), black_box(took));
        black_box(&group).add(1);
        black_box(&service).add(1);
        attempts.add(black_box(took));
    }
    assert_eq!(service.get(), times as u64);
}

fn serve(times: usize, strategy: Strategy, backends: u16) {
    let list = (0..backends).map(|_| Backend::new(10, 1));
    let mut balancer = Balancer::new(Config::default(), list).expect("1 to 64 backends");
    let loads: Vec<u32> = (0..u32::from(backends)).map(|n| n * n % 7).collect();
    let now = Instant::now();
    for request in 0..times as u64 {
        let mut tried = Tried::new();
        let (tried, none) = (&mut tried, Preference::None);
        let picked = match black_box(strategy) {
            Strategy::RoundRobin => balancer.pick(now, none, tried),
            Strategy::LeastLoaded => {
                balancer.pick_least_loaded(now, none, tried, |id| loads[id.index()])
            }
            Strategy::Hash => balancer.pick(now, Preference::Hash(request), tried),
        };
        balancer.observe(now, picked.expect("all are up"), Outcome::Success);
    }
}

#[derive(Clone, Copy)]
enum Strategy {
    RoundRobin,
    LeastLoaded,
    Hash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_can_be_done() {
        for (_, operation) in OPERATIONS {
            operation(&mut Prepared::new(), 10);
        }
    }
}
