//! One question to one server after the other, until one has answered.

use std::{future::Future, net::SocketAddr, ops::Range, time::Duration};

use futures_util::{
    future::{Either, select},
    stream::{FuturesUnordered, StreamExt},
};
use tokio::time::Instant;

use super::{
    super::{Outcome, Question, end::end_at},
    LONG, Shared,
    message::Decoded,
    servers::Try,
    transport,
    transport_error::TransportError,
};

impl Shared {
    /// Asks one server after the other until one has answered, or until the deadline. Otherwise the outcome is the last
    /// answer that fails, else a timeout if a try had no answer, else the first error of a server that was reached.
    pub(super) async fn exchange(
        &self,
        question: &Question,
        deadline: Instant,
    ) -> Result<Decoded, Outcome> {
        let (mut answered, mut failure) = (None, Outcome::Unreachable);
        // Those whose time is over may still answer: a server that always takes longer than the time of a try is slow,
        // not down.
        let (mut asked, mut open) = (FuturesUnordered::new(), vec![]);
        let rounds = self.options.attempts.max(1);
        'tries: for round in 0..rounds {
            let servers = self.servers.in_order();
            for &server in &servers {
                // The last turn may have come with the deadline itself.
                if !is_time_left(deadline) {
                    failure = Outcome::Timeout;
                    break 'tries;
                }
                let (this, begin) = ((round, server), Instant::now());
                let end = begin + self.options.timeout.min(LONG);
                asked.push(self.ask_server(this, begin..end, question));
                open.push(this);
                // One timer for the try and for the whole question.
                let over = end_at(end.min(deadline));
                let is_last = round + 1 == rounds && servers.last() == Some(&server);
                // A try ends with its answer or its time. The last one leaves its time to those of other servers.
                loop {
                    let next = select(asked.next(), over.clone()).await;
                    let Either::Left((Some((from, said)), _)) = next else {
                        failure = Outcome::Timeout;
                        // It may have failed before, and left its time to others.
                        if open.contains(&this) {
                            self.servers.note_silence(server, begin);
                        }
                        break;
                    };
                    match said {
                        Ok(decoded) if decoded.outcome().is_answer() => return Ok(decoded),
                        Ok(decoded) => answered = Some(decoded),
                        Err(error) if failure == Outcome::Unreachable => failure = error.outcome(),
                        Err(_) => {}
                    }
                    // A server that has failed now fails what it was asked before as well.
                    open.retain(|&(round, server)| server != from.1 || round > from.0);
                    if open.is_empty() || (from == this && !is_last) {
                        break;
                    }
                }
            }
        }
        answered.ok_or(failure)
    }

    /// Asks one server. The answer comes with the round and the server.
    fn ask_server<'a>(
        &'a self,
        this: TryId,
        time: Range<Instant>,
        question: &'a Question,
    ) -> impl Future<Output = (TryId, Result<Decoded, TransportError>)> + 'a {
        let a_try = Try::new(&self.servers, this.1, time);
        async move { (this, transport::ask(&self.sockets, &a_try, question).await) }
    }
}

/// Whether there is time for a try, as exact as timers are.
pub(super) fn is_time_left(deadline: Instant) -> bool {
    Instant::now() + TICK < deadline
}

/// The round, and the server that is asked in it.
type TryId = (usize, SocketAddr);

const TICK: Duration = Duration::from_millis(2);
