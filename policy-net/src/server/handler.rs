//! The handler that answers requests: a trait, which closures implement.

use std::sync::Arc;

use policy_proto::{Request, Response};

use super::{BoxError, Peer};

/// Answers requests.
///
/// One handler serves all connections of a server, many of them at a time, so its state is shared: behind a `Mutex`, in
/// a database, or in another task. For state of one connection alone, [`serve_each`](crate::serve_each) asks for a
/// handler for each connection.
///
/// An error closes the connection without an answer, as the protocol wants it of a server in trouble: Postfix repeats
/// the request once, after a second, and then replies with its `smtpd_policy_service_default_action` (451 4.3.5 by
/// default). So a handler that counts may count a request twice.
///
/// The returned future is dropped when the client is known to have gone, and when
/// [`deadline`](crate::ServeOptions::deadline) is over: what must not be left half-way belongs into a task of its own.
///
/// ```
/// use policy_net::{BoxError, Handler, Peer, Request, Response};
/// use std::{collections::HashSet, sync::Mutex};
///
/// /// Tells a client's first request from later ones.
/// #[derive(Default)]
/// struct Known(Mutex<HashSet<Vec<u8>>>);
///
/// impl Handler for Known {
///     async fn handle(&self, request: Request, _peer: &Peer) -> Result<Response, BoxError> {
///         let client = request.get("client_address").unwrap_or_default();
///         let mut known = self.0.lock().map_err(|_| "a request before has panicked")?;
///         if known.insert(client.to_vec()) {
///             return Ok(Response::defer_if_permit("not seen before")?);
///         }
///         Ok(Response::dunno())
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let (known, peer) = (Known::default(), Peer::default());
/// let request = Request::from_attributes([("client_address", "192.0.2.1")])?;
/// let first = known.handle(request.clone(), &peer).await?;
/// assert_eq!(first.to_string(), "DEFER_IF_PERMIT not seen before");
/// assert_eq!(known.handle(request, &peer).await?, Response::dunno());
/// # Ok::<(), BoxError>(()) })?;
/// # Ok::<(), BoxError>(())
/// ```
///
/// # Closures
///
/// A closure that takes a request is a handler, also an async one, and a function. It is cloned for each request: what it
/// moves in is to be cheap to clone, an [`Arc`] as a rule. A reference to what the caller owns does not live as long as
/// the tasks of a server; an `Arc` does.
///
/// ```
/// use policy_net::{BoxError, Handler, Request, Response};
/// use std::{collections::HashMap, sync::Arc};
///
/// fn is_handler(_: impl Handler + 'static) {}
///
/// async fn dunno(_: Request) -> Result<Response, BoxError> {
///     Ok(Response::dunno())
/// }
/// is_handler(dunno);
///
/// let table = Arc::new(HashMap::from([("a@example.com", "OK")]));
/// let (one, other) = (Arc::clone(&table), table);
/// is_handler(async move |request: Request| {
///     let sender = request.sender().and_then(|sender| str::from_utf8(sender).ok());
///     let action = sender.and_then(|sender| one.get(sender));
///     Ok(Response::new(*action.unwrap_or(&"DUNNO"))?)
/// });
/// is_handler(move |request: Request| async move {
///     let known = other.keys().any(|key| request.sender() == Some(key.as_bytes()));
///     if known { Ok(Response::new("OK")?) } else { Err("nobody knows".into()) }
/// });
/// ```
///
/// # Middleware
///
/// A handler around a handler:
///
/// ```
/// use policy_net::{BoxError, Handler, Peer, Request, Response};
///
/// /// Has requests answered that are about a recipient, and says nothing of others.
/// struct OnlyRecipients<H>(H);
///
/// impl<H: Handler> Handler for OnlyRecipients<H> {
///     async fn handle(&self, request: Request, peer: &Peer) -> Result<Response, BoxError> {
///         if request.recipient().is_none() {
///             return Ok(Response::dunno());
///         }
///         self.0.handle(request, peer).await
///     }
/// }
///
/// # fn is_handler(_: impl Handler + 'static) {}
/// is_handler(OnlyRecipients(async |_| Ok(Response::reject("closed today")?)));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no policy handler",
    note = "a handler is a type that implements `Handler`, or a closure that can be cloned: \
            `async move |request: Request| {{ .. }}` with a result of `Result<Response, BoxError>`, whose future is \
            `Send`",
    note = "state is moved in within an `Arc`"
)]
pub trait Handler: Send + Sync {
    /// The answer to one request.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from an answer: it is logged, and the connection closed.
    fn handle(
        &self,
        request: Request,
        peer: &Peer,
    ) -> impl Future<Output = Result<Response, BoxError>> + Send;
}

impl<F, A> Handler for F
where
    F: FnOnce(Request) -> A + Clone + Send + Sync,
    A: Future<Output = Result<Response, BoxError>> + Send,
{
    fn handle(
        &self,
        request: Request,
        _: &Peer,
    ) -> impl Future<Output = Result<Response, BoxError>> + Send {
        self.clone()(request)
    }
}

impl<H: Handler> Handler for Arc<H> {
    fn handle(
        &self,
        request: Request,
        peer: &Peer,
    ) -> impl Future<Output = Result<Response, BoxError>> + Send {
        H::handle(self, request, peer)
    }
}
