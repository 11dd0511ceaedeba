//! A request's place in a pool, and its connection.

use std::{io, pin::pin, time::Duration};

use policy_proto::{Request, Response};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep, timeout},
};

use crate::{AttemptError, Client, Connect, TimedOut, place::Place};

/// A request's place in a [`Pool`](crate::Pool), and its connection once there is one.
#[derive(Debug)]
pub struct Lease<C: Connect> {
    client: Option<Box<Client<C::Io>>>,
    /// The connection is one that was used before.
    kept: bool,
    place: Place<C>,
    worker: usize,
    /// The right to open a connection, until it has been accepted.
    opening: Option<OwnedSemaphorePermit>,
}

impl<C: Connect> Lease<C> {
    pub(crate) fn kept(place: Place<C>, worker: usize, client: Box<Client<C::Io>>) -> Self {
        Self {
            client: Some(client),
            kept: true,
            place,
            worker,
            opening: None,
        }
    }

    pub(crate) fn to_open(place: Place<C>, worker: usize, opening: OwnedSemaphorePermit) -> Self {
        Self {
            client: None,
            kept: false,
            place,
            worker,
            opening: Some(opening),
        }
    }

    /// Whether it has a connection that was used before.
    #[must_use]
    pub fn is_reused(&self) -> bool {
        self.kept
    }

    /// Opens a new connection, in place of the one that there was.
    ///
    /// # Errors
    ///
    /// [`Connect`](AttemptError::Connect), [`TimedOut`](AttemptError::TimedOut) when `within` is over,
    /// and [`Busy`](AttemptError::Busy) when it is over before a connection could be begun: too many
    /// others were being opened.
    pub async fn open(&mut self, within: Duration) -> Result<(), AttemptError> {
        self.client = None;
        self.kept = false;
        let begin = Instant::now();
        if self.opening.is_none() {
            let opening = timeout(within, self.place.pool().opening().acquire_owned()).await;
            // The server knows nothing of it. The semaphore is never closed.
            let opening = opening.map_err(|_| AttemptError::Busy)?;
            self.opening = opening.ok();
        }
        let within = within.saturating_sub(begin.elapsed());
        let connecting = self.place.pool().connect.connect(within);
        let io = tokio::select! {
            biased;
            io = connecting => io,
            // This timer begins after those of the other branch, which know better what was waited for.
            () = async { sleep(within).await } => Err(TimedOut::Connect(None).into()),
        };
        let io = io.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => AttemptError::TimedOut(error.into()),
            _ => AttemptError::Connect(error),
        })?;
        let options = &self.place.pool().options;
        let client = Client::with_limits(io, options.limits);
        self.client = Some(Box::new(match &options.memory {
            Some(budget) => client.with_memory(budget.clone()),
            None => client,
        }));
        Ok(())
    }

    /// Sends a request over its connection and waits for the answer: see [`Client::ask`].
    ///
    /// # Errors
    ///
    /// As for [`Client::ask`]; without a connection it is not connected.
    pub async fn ask(&mut self, request: &Request) -> Result<Response, AttemptError> {
        if self.opening.is_none() {
            return self.ask_within(request, None).await;
        }
        let Some(client) = &mut self.client else {
            return Err(not_connected());
        };
        let mut answer = pin!(client.ask(request));
        let early = timeout(ACCEPTED, answer.as_mut()).await;
        self.opening = None;
        match early {
            Ok(answer) => answer,
            Err(_) => answer.await,
        }
    }

    /// The same over a connection that was used before, within this time.
    pub(crate) async fn ask_within(
        &mut self,
        request: &Request,
        within: Option<(Instant, Instant)>,
    ) -> Result<Response, AttemptError> {
        match &mut self.client {
            Some(client) => client.ask_within(request, within).await,
            None => Err(not_connected()),
        }
    }

    /// What it means that the time for its request is over.
    pub(crate) fn timed_out(&self, late: TimedOut) -> AttemptError {
        match &self.client {
            Some(client) => client.timed_out(late),
            None => AttemptError::TimedOut(late),
        }
    }

    /// Whether there is a connection.
    pub(crate) const fn is_connected(&self) -> bool {
        self.client.is_some()
    }

    /// Whether the request that failed so was *unsent*: the server has certainly not read its last
    /// byte, so that it cannot have acted on it. [`Retry`](crate::Retry) has the cases.
    #[must_use]
    pub fn unsent(&self, error: &AttemptError) -> bool {
        let Some(client) = &self.client else {
            return true;
        };
        if client.heard() {
            return false;
        }
        let unread = match error {
            AttemptError::Io(error) => self.place.pool().connect.left_unread(error),
            _ => false,
        };
        unread || !client.sent()
    }

    /// Whether it was a connection used before that failed, without a byte of an answer: as a rule
    /// its server closed it while it was idle, which is nobody's fault.
    #[must_use]
    pub fn was_closed(&self, error: &AttemptError) -> bool {
        let closed = matches!(error, AttemptError::Closed | AttemptError::Io(_));
        let heard = self.client.as_ref().is_none_or(|client| client.heard());
        self.kept && closed && !heard
    }

    /// Gives the connection back after an answer, within a tokio runtime, to be kept if it can be
    /// used again. After a failure a lease is dropped instead, and its connection closed.
    ///
    /// One that still owes its blank line is not idle yet: it has a second to deliver that, and
    /// nothing more. Until then it is in use.
    pub fn give_back(self) {
        self.give_back_at(Instant::now());
    }

    pub(crate) fn give_back_at(self, now: Instant) {
        let Self {
            client: Some(mut client),
            place,
            worker,
            ..
        } = self
        else {
            return;
        };
        let pool = place.pool();
        let keeps = pool.options.keep.is_some();
        match client.try_settle_as(&pool.connect) {
            Some(true) if keeps => place.give_back_with(client, worker, now),
            None if keeps => {
                tokio::spawn(async move {
                    if let Ok(true) = timeout(SETTLE, client.settle()).await {
                        place.give_back_with(client, worker, Instant::now());
                    } else {
                        close(client, place);
                    }
                });
            }
            _ => close(client, place),
        }
    }
}

/// In this order: whoever waits for the place must find the connection closed.
fn close<C: Connect>(client: Box<Client<C::Io>>, place: Place<C>) {
    drop(client);
    drop(place);
}

fn not_connected() -> AttemptError {
    AttemptError::Io(io::ErrorKind::NotConnected.into())
}

/// How soon a server that is not overrun has accepted a connection: one that is slow to answer is not
/// to keep others from being opened.
const ACCEPTED: Duration = Duration::from_millis(20);
/// How long a server may take for the blank line behind its answer.
const SETTLE: Duration = Duration::from_secs(1);
