//! Failover and load balancing as a pure state machine: who is asked next, and who is down?
//!
//! It was made for mail servers that ask policy servers, and fits wherever a request can be
//! answered by any of a few servers: a [`Balancer`] names a server, the caller asks it and says how
//! that went. The crate opens no socket, starts no task, reads no clock, throws no dice, writes no
//! log, and depends on nothing: time is an argument, chance is a seed, and what is worth logging
//! is returned. Same calls, same answers.
//!
//! One law stands above all rules: *being down costs a backend its turn, not its place.* Every
//! request is offered every backend exactly once, those that should answer first. However wrong the
//! balancer is about who is up, no answer that some backend could give is lost.
//!
//! # The failover loop
//!
//! ```
//! use std::{io, time::{Duration, Instant}};
//!
//! use policy_ha::{
//!     Backend, BackendId, Balancer, Config, Outcome, Preference, Status, Transition, Tried,
//! };
//!
//! /// Answers, or fails within this time.
//! type Server = fn(&str, Duration) -> io::Result<&'static str>;
//!
//! /// Asks until a server answers. `None`: none did, and the caller answers by default.
//! fn ask(
//!     balancer: &mut Balancer,
//!     servers: &[Server],
//!     request: &str,
//!     preference: Preference,
//! ) -> Option<(BackendId, &'static str)> {
//!     let mut tried = Tried::new();
//!     loop {
//!         let began = Instant::now();
//!         let id = balancer.pick(began, preference, &mut tried)?;
//!         // Nobody who is down shall cost each request the full time.
//!         let patience = Duration::from_secs(if tried.is_last_resort() { 1 } else { 10 });
//!         let answer = servers[id.index()](request, patience);
//!         let ended = Instant::now();
//!
//!         let outcome = match answer {
//!             Ok(_) => Outcome::Success,
//!             Err(_) => Outcome::Failure { took: ended - began },
//!         };
//!         match balancer.observe(ended, id, outcome) {
//!             Some(Transition::Down { due_in, .. }) => {
//!                 println!("server {} is down, next trial in {due_in:?}", id.index());
//!             }
//!             Some(Transition::Up { after, .. }) => {
//!                 println!("server {} is up after {after:?}", id.index());
//!             }
//!             _ => {}
//!         }
//!         if let Ok(answer) = answer {
//!             return Some((id, answer));
//!         }
//!     }
//! }
//!
//! let servers: [Server; 2] =
//!     [|_, _| Err(io::ErrorKind::ConnectionRefused.into()), |_, _| Ok("dunno")];
//! let backends = [Backend::new(10, 1), Backend::new(20, 1)];
//! let mut balancer = Balancer::new(Config::default(), backends)?;
//!
//! // The first request finds out that the first server is down, the others need not. They are
//! // about one message, and stay where it was answered first.
//! let mut preference = Preference::None;
//! for _ in 0..3 {
//!     let answer = ask(&mut balancer, &servers, "recipient=a@example.com", preference);
//!     let (id, answer) = answer.expect("the second server answers");
//!     assert_eq!(answer, "dunno");
//!     preference = Preference::Stick(id);
//! }
//! let down = balancer.ids().map(|id| matches!(balancer.status(id), Status::Down { .. }));
//! assert!(down.eq([true, false]));
//! # Ok::<(), policy_ha::ConfigError>(())
//! ```
//!
//! With many requests under way at a time, put the balancer behind a `Mutex` and hold it for each
//! call, not for the attempt.
//!
//! # Order
//!
//! A request is offered, in this order,
//!
//! 1. the backend it [sticks to](Preference::Stick), if that is up;
//! 2. the backends that are up or due for a trial: by priority, lower numbers first, and within a
//!    priority by one of three [strategies](#strategies). A request that has been offered one
//!    already gets no trial while another is up: it has waited enough;
//! 3. the backends that are down and not due, the soonest due first: the
//!    [last resorts](Tried::is_last_resort).
//!
//! **Waiting for a trial** is no reason to be asked first: it would make each trial a delay for
//! somebody who could have been answered at once. Nor is it asked last: a server that came back
//! would have to wait for all the others to fail. So one that is due takes its turn among its
//! priority.
//!
//! **Sticking** is for requests that belong together, such as those about one message. It does not
//! count as a turn: the requests that are free to go anywhere are dealt out, say the first one of
//! each message, and those that stick follow, so that over many messages the shares are right. If
//! it counted, then one message with a thousand recipients would keep its server from new messages
//! for as long. A request whose wish cannot be met takes its turn like any other.
//!
//! # Strategies
//!
//! They decide among the backends of one priority that are up or due.
//!
//! | strategy | call | for servers that |
//! | --- | --- | --- |
//! | round robin | [`pick`](Balancer::pick) | answer alike, and about as fast: lists, static rules, a shared database |
//! | least loaded | [`pick_least_loaded`](Balancer::pick_least_loaded) | answer alike, but not equally fast, or not always |
//! | hash | either, with [`Preference::Hash`] | keep their state to themselves: a greylist or a quota of their own |
//!
//! **Round robin** is that of nginx: at each turn every candidate is credited with its weight, the
//! one with the most credit wins (a tie goes to the first in the list) and pays what all were
//! given. Each full turn is shared exactly by weight, wherever one begins to count, and a heavy
//! backend's requests are spread over it. One that is down neither gains nor loses meanwhile, so
//! that it is not flooded when it returns. Credit cannot pile up, whatever happens: among `n`
//! backends no one is ever ahead of its share, or behind it, by more than what `(n - 1) / 2`
//! requests are worth, and that evens out.
//!
//! **Least loaded** goes by the requests under way, which the caller counts: where answers take
//! longer, more are under way, and the next one goes elsewhere, without any measuring of times. A
//! backend is passed over if another one, even with the request, would have less under way for its
//! weight. The others take turns. So equal weights mean the lowest load, and backends at rest
//! share by weight; if the lowest `(load + 1) / weight` always won, the lighter ones would be idle
//! then. The load of one that is down says nothing (a low one would draw the next request, and hung
//! ones would keep all away): for its trial it takes its turn.
//!
//! **Hash** is weighted rendezvous: each backend draws a number by the request's [key](key()) and
//! its own, and the best one, for its weight, wins. There is no table, and nobody to agree with:
//! balancers of the same backends come to the same answer on every machine and in every release,
//! since it is integer arithmetic throughout. When one of `N` goes, its keys move, each to its
//! second best, and the others stay; when it is back, they return. [Name](Backend::with_key) the
//! backends for this, or places in the list are names. It balances keys and not requests: a key
//! that half of the requests have keeps half of them together.
//!
//! **A later choice is drawn**, by weight, with a number that follows from the seed; it is neither
//! a turn nor the next one in the list. If it were, then everybody who meets the same dead server
//! would go on to the same neighbour, and that would bear twice its share. (By hash there is
//! nothing to draw: a key has its order.)
//!
//! # Operators
//!
//! | [mode](Mode) | new requests | as a last resort | what sticks to it, while it is up |
//! | --- | --- | --- | --- |
//! | enabled | yes | yes | yes |
//! | drain | no | no | yes |
//! | disabled | no | no | no |
//!
//! These are no states of health, which goes on being observed. An operator's word is above the law
//! of the first paragraphs: a server that is being rebuilt may well answer, and wrongly. For a list
//! that changes there is [`renewed`](Balancer::renewed).
//!
//! # Health
//!
//! There are two states. The third that others have, "half open" or "probing", is a place to get
//! stuck in when a trial is cancelled; here the next trial is scheduled at the moment when the
//! current one is handed out, and nothing depends on how it ends.
//!
//! | is | what happens | becomes | returned |
//! | --- | --- | --- | --- |
//! | up | success | up, the row of failures ends | |
//! | up | failure, fewer than [`max_failures`] in a row | up, one more in the row | |
//! | up | failure, the last one of the row | down, due after the first backoff | [`Down`] |
//! | down, due | is handed out | down, due after twice the backoff | |
//! | down, not due | is handed out as the last resort | down, as it was | |
//! | down | failure | down, due no sooner than that failure took | |
//! | down | success | up | [`Up`] |
//! | any | failure of an attempt begun before the latest success | as it was | |
//! | any | attempt is cancelled | as it was | |
//! | any | [mode](Mode) is set | as it was | |
//!
//! [`max_failures`]: Config::max_failures
//! [`Down`]: Transition::Down
//! [`Up`]: Transition::Up
//!
//! **The first backoff** is the longer of [`min_backoff`](Config::min_backoff) and the time that
//! the failed attempt took. A server that refuses connections is cheap to try and is tried soon.
//! One that swallows requests for 10 seconds earns 10 seconds of rest: at most half of the time is
//! spent on waiting for it, and ever less later on.
//!
//! **It doubles** with each trial, to [`max_backoff`](Config::max_backoff) or the first backoff if
//! that was longer: a server that is away for a night costs one attempt a minute, and is used again
//! within a minute or so of its return. There is no herd when it returns either: one request per
//! backoff goes to see, and only its success brings the others.
//!
//! **Failures while down** do not make the backoff double, since a hundred requests that hang side
//! by side fail together and would take it to its limit at once. They only see to it that the next
//! trial is no sooner than the failure took. Nor does a last resort count as a trial: with
//! everything down, each request comes by, and the schedule would mean nothing.
//!
//! **A failure counts only if the backend has not answered since that attempt began.** If it has,
//! then the server evidently works, and it is that request which is slow. So a sender who provokes
//! slow lookups cannot take out a server that answers others meanwhile; and what was sent before a
//! server crashed and fails after it is back does not take it down again. A server that is truly
//! gone loses nothing by it: the next attempt begins after its last answer, and counts. The price
//! is one point in time per backend. It is no defence where the poisonous request is the only one
//! under way, but there the loss is a turn, not an answer.
//!
//! **Evidence from elsewhere** counts like that of a request. A caller that checks a server that is down,
//! by connecting to it or with a request of his own, reports the outcome, and so brings it back
//! before its trial. What he should not do is to report less as a success than requests need:
//! a server that accepts connections and does not answer would come back to fail, again and again.
//!
//! **Spread.** Each backoff is stretched by a factor from 1 to below 1.25, taken from a hash of the
//! [seed](Config::seed), the backend and how often it went down. Processes that saw a server go at
//! the same moment return to it one by one.
//!
//! # Several processes
//!
//! Each process has a balancer and a seed of its own, and they need not talk. The seed says how far
//! the round robin of each priority has come, all parts of a full turn being equally likely, and
//! what later choices are drawn. Together they share by weight, even if each serves a single
//! request, and what a dead server leaves too. By hash they agree, whatever the seed.
//!
//! ```
//! use std::time::Instant;
//!
//! use policy_ha::{Backend, Balancer, Config, Preference, Tried};
//!
//! let mut served = [0; 2];
//! for seed in 1..=1000 {
//!     let backends = [Backend::new(10, 3), Backend::new(10, 1)];
//!     let mut balancer = Balancer::new(Config::default().with_seed(seed), backends)?;
//!     let id = balancer.pick(Instant::now(), Preference::None, &mut Tried::new()).unwrap();
//!     served[id.index()] += 1;
//! }
//! assert!((725..=775).contains(&served[0]));
//! # Ok::<(), policy_ha::ConfigError>(())
//! ```
//!
//! # Costs
//!
//! Nothing is allocated after construction. A pick and its outcome together, for backends of one
//! priority that are all up, on an ordinary server of 2 cores:
//!
//! | backends | round robin | least loaded | hash |
//! | --- | --- | --- | --- |
//! | 4 | 20 ns | 27 ns | 23 ns |
//! | 64 | 88 ns | 226 ns | 142 ns |
//!
//! Times grow with the number of backends of the priority that is asked; by hash also with the
//! number of different weights, by about 6 ns each. A [key](key()) takes about 1.5 ns a byte.
//!
//! # What it does not do
//!
//! - It does not time out: a request that hangs is the caller's to end, and to report.
//! - It sends no probes: live requests are the trials, one per backoff.
//! - It does not limit how many requests are under way, nor how long a request may try on. When all
//!   backends are down it names them all, and whether to ask them is the caller's to decide.
//! - It does not learn of what others see: health is what this balancer was told.
//! - It does not repeat a request on the same backend.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]

mod backend;
pub use backend::{Backend, BackendId};

mod balancer;
pub use balancer::Balancer;

mod config;
pub use config::{Config, ConfigError};

mod health;
pub use health::{Outcome, Status, Transition};

mod key;
pub use key::key;

mod mode;
pub use mode::Mode;

mod preference;
pub use preference::Preference;

mod tried;
pub use tried::Tried;

mod bits;
mod hash;
mod least_loaded;
mod rendezvous;
mod round_robin;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
