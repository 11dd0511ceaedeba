//! Memory for the work on one request: it is large, and idle connections have no use for it. Each
//! thread keeps some for the next request, so that work begins without an allocation.

use std::{
    cell::RefCell,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use policy_proto::Response;
use tokio_util::sync::ReusableBoxFuture;

use crate::session::Sticking;

type Desk<T> = ReusableBoxFuture<'static, T>;
/// What comes of the work on a request.
type Done = (Option<Response>, Sticking);

thread_local! {
    static FREE: RefCell<Vec<Desk<Done>>> = const { RefCell::new(Vec::new()) };
}

/// Moves a future into such memory.
pub(crate) fn at_a_desk(work: impl Future<Output = Done> + Send + 'static) -> AtADesk {
    let desk = match FREE.with_borrow_mut(Vec::pop) {
        Some(mut desk) => {
            desk.set(work);
            desk
        }
        None => Desk::new(work),
    };
    AtADesk(Some(desk))
}

pub(crate) struct AtADesk(Option<Desk<Done>>);

impl AtADesk {
    /// What comes of it, which is asked for first; nothing if the other future is ready before.
    pub(crate) fn unless<G: Future<Output = ()>>(self, given_up: G) -> Unless<G> {
        let work = self;
        Unless { work, given_up }
    }
}

pin_project! {
    /// As `select!` would do it, in a quarter of the memory.
    pub(crate) struct Unless<G> {
        work: AtADesk,
        #[pin]
        given_up: G,
    }
}

impl<G: Future<Output = ()>> Future for Unless<G> {
    type Output = Option<Done>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Done>> {
        let this = self.project();
        if let Poll::Ready(done) = Pin::new(this.work).poll(cx) {
            return Poll::Ready(Some(done));
        }
        this.given_up.poll(cx).map(|()| None)
    }
}

impl Future for AtADesk {
    type Output = Done;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Done> {
        let Some(desk) = &mut self.0 else {
            return Poll::Pending;
        };
        let done = ready!(desk.poll(cx));
        // The work that is done holds nothing any more.
        if let Some(desk) = self.0.take() {
            FREE.with_borrow_mut(|free| {
                if free.len() < MOST {
                    free.push(desk);
                }
            });
        }
        Poll::Ready(done)
    }
}

/// As many as the requests that a thread may have under way without allocating: half a megabyte.
const MOST: usize = 256;
