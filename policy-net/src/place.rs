use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::Instant;

use crate::{Client, Connect, Pool, queue::Turn, shelves::Idle};

/// One of a pool's places, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place<C: Connect> {
    pool: Arc<Pool<C>>,
    is_given_back: bool,
}

impl<C: Connect> Place<C> {
    /// One that has been taken there.
    pub(crate) fn taken_in(pool: &Arc<Pool<C>>) -> Self {
        Self {
            pool: Arc::clone(pool),
            is_given_back: false,
        }
    }

    pub(crate) fn pool(&self) -> &Pool<C> {
        &self.pool
    }

    /// Gives it back with a connection that can be used again.
    pub(crate) fn give_back_with(
        mut self,
        client: Box<Client<C::Io>>,
        worker: usize,
        now: Instant,
    ) {
        let idle = Idle {
            client,
            worker,
            since: now,
        };
        self.give_back(Some(idle));
    }

    fn give_back(&mut self, idle: Option<Idle<C::Io>>) {
        self.is_given_back = true;
        let next = {
            let mut stock = self.pool.stock();
            // First: whoever waits for the place must find the connection.
            if let Some(idle) = idle {
                stock.idle.put(idle);
            }
            stock.queue.give_back()
        };
        if let Some(next) = next {
            next.wake();
        }
    }
}

impl<C: Connect> Drop for Place<C> {
    fn drop(&mut self) {
        if !self.is_given_back {
            self.give_back(None);
        }
    }
}

/// The wait for a place in a pool.
pub(crate) struct Waiting<'a, C: Connect> {
    pool: &'a Arc<Pool<C>>,
    /// While it waits.
    ticket: Option<u64>,
}

impl<'a, C: Connect> Waiting<'a, C> {
    pub(crate) fn new(pool: &'a Arc<Pool<C>>) -> Self {
        Self { pool, ticket: None }
    }
}

impl<C: Connect> Future for Waiting<'_, C> {
    type Output = Place<C>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Place<C>> {
        let this = &mut *self;
        let turn = {
            let queue = &mut this.pool.stock().queue;
            match this.ticket {
                Some(ticket) => queue.turn(ticket, cx.waker()),
                None if queue.take() => Turn::Come,
                None => {
                    this.ticket = Some(queue.join(cx.waker()));
                    Turn::NotYet(None)
                }
            }
        };
        match turn {
            Turn::Come => {
                this.ticket = None;
                Poll::Ready(Place::taken_in(this.pool))
            }
            Turn::NotYet(before) => {
                drop(before);
                Poll::Pending
            }
        }
    }
}

impl<C: Connect> Drop for Waiting<'_, C> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else {
            return;
        };
        let waited = self.pool.stock().queue.leave(ticket);
        if waited.is_none() {
            drop(Place::taken_in(self.pool));
        }
    }
}
