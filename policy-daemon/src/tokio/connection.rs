//! The connections of a worker on tokio: the requests of each, to its end or until it drains.

use std::{
    future::poll_fn,
    num::NonZeroU64,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use policy_net::{Clients, Connection, ConnectionError, Handler, Peer, ServeOptions, Stream};
use tokio::{
    sync::watch,
    task::unconstrained,
    time::{Instant, sleep},
};

use super::local_endpoint::local_endpoint;
use crate::{
    log::{ALL, Level},
    metrics::RequestMetrics,
    worker::WorkerContext,
};

/// What all connections of a worker share.
pub(super) struct Connections<H> {
    handler: Arc<H>,
    clients: Clients,
    max_requests: Option<NonZeroU64>,
    metrics: Arc<RequestMetrics>,
    context: Arc<WorkerContext<()>>,
    drain: watch::Sender<bool>,
}

impl<H: Handler + 'static> Connections<H> {
    pub(super) fn new(
        context: &Arc<WorkerContext<()>>,
        handler: Arc<H>,
        options: ServeOptions,
        max_requests: Option<NonZeroU64>,
        metrics: Arc<RequestMetrics>,
    ) -> Self {
        Self {
            handler,
            clients: Clients::new(options),
            max_requests,
            metrics,
            context: Arc::clone(context),
            drain: watch::Sender::new(false),
        }
    }

    /// Has each connection handed off as soon as it is between two requests. The rest of one is not waited for as long as else.
    pub(super) fn drain(&self) {
        self.clients.hurry();
        self.drain.send_replace(true);
    }

    /// Serves one connection to its end, or until it drains: then the connection is handed off.
    pub(super) fn serve(
        &self,
        stream: Stream,
        peer: Peer,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (handler, clients) = (Arc::clone(&self.handler), self.clients.clone());
        let (context, metrics) = (Arc::clone(&self.context), Arc::clone(&self.metrics));
        let drain = self.drain.subscribe();
        let mut replies_left = self.max_requests.map_or(u64::MAX, NonZeroU64::get);
        async move {
            let peer = match local_endpoint(&stream) {
                Some(endpoint) => peer.with_listener(endpoint),
                None => peer,
            };
            let _place = OpenConnection(Arc::clone(&context));
            let deadline = clients.options().deadline;
            let failed = |error: String, begin: Instant| {
                metrics.replied(None, begin.elapsed());
                let text = format!("closing a connection from {peer} without an answer: {error}");
                context.log().line(Level::Error, "handler", ALL, text);
            };
            let mut connection = Connection::new(stream, clients);
            // One for all requests: each new one would be registered with the sender, which lives as long as this future. It
            // is polled once: the waker of a task stays the same, and a drain begins once.
            let mut drained = pin!(begun(drain.clone()));
            let mut is_awaited = false;
            let mut poll_drained = |cx: &mut Context<'_>| {
                if is_awaited {
                    let has_begun = *drain.borrow();
                    return if has_begun {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    };
                }
                is_awaited = true;
                drained.as_mut().poll(cx)
            };
            loop {
                let request = match connection.request(poll_fn(&mut poll_drained)).await {
                    Ok(Some(request)) => request,
                    Ok(None) => break,
                    Err(ConnectionError::Client(error)) => {
                        let text = format!("closing a connection from {peer}: {error}");
                        return context.log().line(Level::Warning, "refused", ALL, text);
                    }
                    // The client has gone.
                    Err(_) => return,
                };
                let begin = Instant::now();
                let mut answer = pin!(handler.handle(request, &peer));
                // Most answers wait for nothing, and so need no timer.
                let at_once = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await;
                let response = match at_once {
                    Poll::Ready(response) => response,
                    Poll::Pending => tokio::select! {
                        biased;
                        response = answer => response,
                        () = connection.gone() => return,
                        () = sleep(deadline) => {
                            return failed(format!("the handler takes longer than {}s", deadline.as_secs()), begin);
                        }
                    },
                };
                match response {
                    Ok(response) => {
                        replies_left -= 1;
                        metrics.replied(Some(&response), begin.elapsed());
                        if connection.reply(&response).await.is_err() || replies_left == 0 {
                            return;
                        }
                    }
                    Err(error) => {
                        return failed(error.to_string(), begin);
                    }
                }
            }
            let is_draining = *drain.borrow();
            if let Some(descriptor) = is_draining.then(|| connection.into_inner().into_descriptor())
            {
                // A connection whose descriptor cannot be had is closed.
                _ = descriptor.map(|descriptor| context.hand_off(descriptor));
            }
        }
    }
}

/// Ends when a drain begins. It spends nothing of its task's budget: without any left it would not be registered, and nobody
/// polls it again.
fn begun(mut drain: watch::Receiver<bool>) -> impl Future<Output = ()> {
    unconstrained(async move { _ = drain.wait_for(|begun| *begun).await })
}

/// Counts a connection as long as it is open.
struct OpenConnection(Arc<WorkerContext<()>>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.closed();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering::SeqCst},
        task::{Wake, Waker},
    };

    use tokio::task::coop::poll_proceed;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, SeqCst);
        }
    }

    #[tokio::test]
    async fn a_drain_wakes_a_connection_that_waits_for_it_after_a_long_turn() {
        let drain = watch::Sender::new(false);
        let mut drained = Box::pin(begun(drain.subscribe()));
        let woken = Arc::new(Woken::default());
        // A client that sends much at once, to a busy worker.
        poll_fn(|cx| {
            while let Poll::Ready(progress) = poll_proceed(cx) {
                progress.made_progress();
            }
            let waker = Waker::from(Arc::clone(&woken));
            let polled = drained.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
        woken.0.store(false, SeqCst);
        drain.send_replace(true);
        assert!(woken.0.load(SeqCst));
    }
}
