//! Mirrors: services that a share of the requests also goes to, and whose answers are only compared and counted.
//!
//! ```text
//!  worker: reply to the client ──▶ Mirror::offer ──▶ queue ──▶ threads: ask, compare, count
//! ```
//!
//! A worker offers a request when its client has been replied to. It copies the bytes and never waits: what finds no place
//! in the queue is counted and dropped. So a mirror that hangs costs no request anything.

mod ask;
mod compare;
mod counts;
mod queue;

use std::sync::Arc;

use bytes::Bytes;
use policy_daemon::log::{Level, printable};
use policy_proto::{Request, Response, attr};

use crate::{
    journal::Journal,
    options::{MirrorOptions, WHOLE},
};

pub(crate) use compare::Compared;
pub(crate) use counts::MirrorCounts;

use queue::{Copied, Queue};

/// A service whose answers are only compared and counted.
#[derive(Debug)]
pub(crate) struct Mirror {
    pub(crate) options: MirrorOptions,
    pub(crate) counts: Arc<MirrorCounts>,
    queue: Queue,
    seed: u64,
}

impl Mirror {
    /// Its threads are started when there is something to do. Their lines go to this journal.
    pub(crate) fn new(
        options: MirrorOptions,
        counts: Arc<MirrorCounts>,
        journal: &Arc<Journal>,
        seed: u64,
    ) -> Self {
        let of_thread = (options.clone(), Arc::clone(&counts), Arc::clone(journal));
        let work = move |copied: Copied, connection: &mut ask::Connection| {
            let (options, counts, journal) = &of_thread;
            work(options, counts, journal, &copied, connection);
        };
        let queue = Queue::new(options.connections, &counts, work);
        Self {
            options,
            counts,
            queue,
            seed,
        }
    }

    /// A request that a service has answered so, and which is copied if it belongs to the share.
    pub(crate) fn offer(&self, request: &Request, answer: &Response) {
        if !self.is_chosen(request) {
            return;
        }
        // Neither keeps the memory that requests and answers of clients share.
        let own = Bytes::copy_from_slice(answer.as_bytes());
        let Some(answer) = answer.clone().moved_to(own) else {
            return;
        };
        let copied = Copied {
            request: request.as_bytes().to_vec(),
            answer,
        };
        _ = self.queue.put(copied);
    }

    /// All requests of a message or none, so that the mirror sees whole messages.
    fn is_chosen(&self, request: &Request) -> bool {
        let message = request.instance().unwrap_or(request.as_bytes());
        let key = policy_ha::key([&self.seed.to_le_bytes()[..], message]);
        key % u64::from(WHOLE) < u64::from(self.options.share)
    }
}

/// Asks, compares and counts.
fn work(
    options: &MirrorOptions,
    counts: &MirrorCounts,
    journal: &Journal,
    copied: &Copied,
    connection: &mut ask::Connection,
) {
    let compared = match connection.ask(&options.endpoint, &copied.request, options.timeout) {
        Ok(answer) => {
            let compared = Compared::of(&copied.answer, &answer);
            if compared != Compared::Same {
                say(options, journal, copied, &answer);
            }
            compared
        }
        Err(error) => {
            let name = printable(&options.name);
            let text = format!(
                "mirror '{name}' ({}) does not answer: {error}",
                options.endpoint
            );
            journal.repeatable(Level::Warning, "mirror", options.id, text);
            Compared::Unanswered
        }
    };
    counts.add(compared);
}

/// One in 10 s is logged, with how many there were.
fn say(options: &MirrorOptions, journal: &Journal, copied: &Copied, answer: &Response) {
    let field = |name: &str| -> String {
        let lines = copied.request.split(|byte| *byte == b'\n');
        let mut values =
            lines.filter_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        printable(values.next().unwrap_or_default())
    };
    let cut = |response: &Response| -> String {
        printable(response.as_bytes())
            .chars()
            .take(MAX_SHOWN)
            .collect()
    };
    let text = format!(
        "mirror '{}' answers '{}' where '{}' was answered: client: {}, from: <{}>, to: <{}>",
        printable(&options.name),
        cut(answer),
        cut(&copied.answer),
        field(attr::CLIENT_ADDRESS),
        field(attr::SENDER),
        field(attr::RECIPIENT),
    );
    journal.repeatable(Level::Notice, "mirror differs", options.id, text);
}

/// Characters of an answer in a line.
const MAX_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use policy_daemon::log::Log;

    use super::*;

    #[test]
    fn a_share_of_the_messages_is_chosen_and_each_as_a_whole() {
        let mirror = |share: u16| {
            let options = MirrorOptions { share, ..options() };
            let journal = Arc::new(Journal::new(Log::buffered(), Vec::new()));
            Mirror::new(options, Arc::default(), &journal, 7)
        };
        let chosen = |share: u16| {
            let mirror = mirror(share);
            let is_chosen = |number: &u32| {
                let of = |state| {
                    let instance = number.to_string();
                    let request = [("protocol_state", state), ("instance", instance.as_str())];
                    mirror.is_chosen(&Request::from_attributes(request).unwrap())
                };
                assert_eq!(of("RCPT"), of("DATA"));
                of("RCPT")
            };
            (0..10_000).filter(is_chosen).count()
        };
        assert_eq!(chosen(0), 0);
        assert_eq!(chosen(WHOLE), 10_000);
        let tenth = chosen(WHOLE / 10);
        assert!((900..1100).contains(&tenth), "{tenth}");
    }

    fn options() -> MirrorOptions {
        MirrorOptions {
            id: 0,
            name: "m".to_owned(),
            endpoint: "127.0.0.1:1".parse().unwrap(),
            group: None,
            share: WHOLE,
            timeout: Duration::from_secs(1),
            connections: 1,
        }
    }
}
