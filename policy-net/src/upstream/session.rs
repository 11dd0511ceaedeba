//! Requests that belong together: those about one message go to the backend that answered the last one.

use std::sync::{Mutex, PoisonError};

use policy_flow::{Answer, Stick};
use policy_proto::{Request, Response};

use super::{Connect, Event, Exhausted, Upstream};
use crate::{BoxError, Handler, Peer};

/// The requests of one client, one after the other: those about one message, which have the same
/// [`instance`](Request::instance), go to the backend that answered the last one, as long as that is up.
///
/// It is a handler: with [`serve_each`](crate::serve_each) and a session for each connection this is a proxy.
///
/// ```no_run
/// use policy_net::{BackendConfig, Connector, Listener, ServeOptions, Upstream, UpstreamOptions};
/// use policy_net::serve_each;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let backends = [
///     BackendConfig::new("mx1", Connector::new("inet:mx1.example.org:10031".parse()?)),
///     BackendConfig::new("mx2", Connector::new("inet:mx2.example.org:10031".parse()?)),
/// ];
/// let upstream = Upstream::new(UpstreamOptions::default(), backends)?;
/// let listener = Listener::bind(&"inet:127.0.0.1:10031".parse()?).await?;
/// let options = ServeOptions::default();
/// serve_each(listener, |_| upstream.session(), &options, std::future::pending()).await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Session<C: Connect> {
    upstream: Upstream<C>,
    last: Mutex<Last>,
}

/// The last request's message, and the backend that answered it.
#[derive(Debug, Default)]
struct Last {
    /// The buffer is used again.
    instance: Vec<u8>,
    stick: Option<Stick>,
}

impl<C: Connect> Upstream<C> {
    /// A session for one client.
    #[must_use]
    pub fn session(&self) -> Session<C> {
        Session {
            upstream: self.clone(),
            last: Mutex::default(),
        }
    }
}

impl<C: Connect> Session<C> {
    /// Asks as [`Upstream::ask`] does, the backend first that answered the last request about the same message.
    ///
    /// # Errors
    ///
    /// [`Exhausted`], with what each backend that was asked did.
    pub async fn ask(&self, request: &Request) -> Result<Answer, Exhausted> {
        self.ask_with(request, |_| {}).await
    }

    /// Asks, and tells what happens on the way.
    ///
    /// # Errors
    ///
    /// As for [`ask`](Self::ask).
    pub async fn ask_with(
        &self,
        request: &Request,
        on_event: impl FnMut(Event),
    ) -> Result<Answer, Exhausted> {
        let instance = request.instance();
        let stick = self.with(|last| {
            let is_same = instance.is_some_and(|instance| instance == last.instance);
            let stick = last.stick.take().filter(|_| is_same);
            if !is_same {
                last.instance.clear();
                last.instance
                    .extend_from_slice(instance.unwrap_or_default());
            }
            stick
        });
        let answer = self.upstream.ask_with(request, stick, on_event).await?;
        self.with(|last| last.stick = Some(answer.stick));
        Ok(answer)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Last) -> T) -> T {
        // Nothing that holds the lock can panic half-way.
        act(&mut self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<C: Connect> Handler for Session<C> {
    async fn handle(&self, request: Request, _: &Peer) -> Result<Response, BoxError> {
        Ok(self.ask(&request).await?.response)
    }
}
