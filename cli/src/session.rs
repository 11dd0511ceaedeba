//! What answers the requests of one connection.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use policy_ha::Preference;
use policy_net::{Connection, ConnectionError, Connector, Terms, Upstream};
use policy_proto::{DecodeError, Request, Response, attr};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    Affinity, Asked, DefaultAction, Journal,
    desk::at_a_desk,
    foreign::{Foreign, foreign_protocol},
    journal::State,
};

/// What answers requests, the same for all connections.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Proxy {
    /// The policy servers; `None` where no valid one was given.
    pub upstream: Option<Upstream<Connector>>,
    /// What there is when no server answers.
    pub default: DefaultAction,
    /// What keeps requests together.
    pub affinity: Affinity,
    /// What is granted to clients.
    pub terms: Arc<Terms>,
    /// What is said.
    pub journal: Arc<Journal>,
}

/// The message that a connection is about, as a hash of its `instance`, and what its last answer says
/// to the next request. Two messages of the same hash would merely have the same server.
pub(crate) type Sticking = Option<(u64, Preference)>;

/// Learns how far the request of a connection is, and may have it given up.
pub(crate) trait Watch {
    /// It has come whole, or the connection ends.
    fn complete(&self) {}

    /// It is answered.
    fn answered(&self) {}

    /// Ready when no more of it is to be waited for. Else whoever polls is woken then.
    fn poll_cut(&self, _: &Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// Nobody does.
impl Watch for () {}

impl Proxy {
    /// A proxy without limits on a client's patience and without affinity.
    #[must_use]
    pub fn new(
        upstream: Option<Upstream<Connector>>,
        default: DefaultAction,
        journal: Journal,
    ) -> Self {
        Self {
            upstream,
            default,
            affinity: Affinity::None,
            terms: Arc::default(),
            journal: Arc::new(journal),
        }
    }

    /// The same for one of several threads that have a runtime each, counted from 0.
    #[must_use]
    pub fn for_worker(&self, worker: usize) -> Self {
        let upstream = self.upstream.as_ref();
        Self {
            upstream: upstream.map(|upstream| upstream.for_worker(worker)),
            ..self.clone()
        }
    }

    /// Serves one connection until its client ends it, or `drain` has ended and no request is under
    /// way (it is polled only then, and may be after its end): then what it was served on comes back, and somebody else may go on with it. A request that
    /// was received whole is answered even if the client has ended its side.
    pub fn serve<Io: AsyncRead + AsyncWrite + Unpin>(
        self: Arc<Self>,
        io: Io,
        drain: impl Future<Output = ()> + Unpin,
    ) -> impl Future<Output = Option<Io>> {
        self.serve_client(io, drain, (), |_| None)
    }

    /// The same for a client whose request may be given up before it has come whole, and that has a name for the
    /// log, which is asked for only where it is needed.
    pub(crate) fn serve_client<Io: AsyncRead + AsyncWrite + Unpin>(
        self: Arc<Self>,
        io: Io,
        mut drain: impl Future<Output = ()> + Unpin,
        watch: impl Watch,
        name: impl Fn(&Io) -> Option<String>,
    ) -> impl Future<Output = Option<Io>> {
        let mut connection = Connection::new(io, Arc::clone(&self.terms));
        let mut sticking = None;
        // Not an async function: that would hold its arguments beside what they become.
        async move {
            loop {
                // What an idle connection need not hold is held elsewhere, or dropped before it waits.
                let work = {
                    let request = {
                        let mut request = pin!(connection.request(&mut drain));
                        let request = poll_fn(|cx| match request.as_mut().poll(cx) {
                            Poll::Ready(request) => Poll::Ready(Some(request)),
                            Poll::Pending => watch.poll_cut(cx).map(|()| None),
                        });
                        request.await?
                    };
                    watch.complete();
                    self.journal.ignored(&connection.take_ignored());
                    match request {
                        Ok(Some(request)) if self.is_foreign(&request) => {
                            let foreign = foreign_protocol(request.as_bytes());
                            let foreign = foreign.or(Some("a line whose name is no word"));
                            // It is said before the client sees the end.
                            let io = connection.into_inner();
                            self.refuse(name(&io), foreign, None);
                            return None;
                        }
                        Ok(Some(request)) => at_a_desk(Arc::clone(&self).answer(request, sticking)),
                        Ok(None) => return Some(connection.into_inner()),
                        Err(error) => {
                            let foreign = match &error {
                                ConnectionError::Io(error) => Foreign::of(error),
                                _ => None,
                            };
                            let foreign =
                                foreign.or_else(|| foreign_protocol(connection.received()));
                            let io = connection.into_inner();
                            self.refuse(name(&io), foreign, Some(&error));
                            return None;
                        }
                    }
                };
                let (response, stick) = work.unless(connection.gone()).await?;
                sticking = stick;
                let replied = {
                    let response = response?;
                    let lines = self.journal.log().take_pending();
                    connection.reply_after(&lines, &response)
                };
                let replied = replied.await;
                if replied.is_err() {
                    return None;
                }
                watch.answered();
            }
        }
    }

    #[expect(
        clippy::manual_async_fn,
        reason = "that would hold its arguments twice"
    )]
    fn answer(
        self: Arc<Self>,
        request: Request,
        mut sticking: Sticking,
    ) -> impl Future<Output = (Option<Response>, Sticking)> {
        async move {
            let is_ours = request.is_access_policy();
            self.journal.request(&request, is_ours);
            let mut asked = self.journal.asked();
            let answer = match &self.upstream {
                Some(upstream) if is_ours => {
                    let answer = self
                        .ask(upstream, &request, &mut sticking, &mut asked)
                        .await;
                    match answer {
                        Some(_) => self.journal.answered(&self.default),
                        None => self.journal.unanswered(|| self.states(), &self.default),
                    }
                    answer
                }
                _ => None,
            };
            let response = answer.or_else(|| match &self.default {
                DefaultAction::Reply(response) => Some(response.clone()),
                DefaultAction::Close => None,
            });
            self.journal.replied(&request, &asked, response.as_ref());
            (response, sticking)
        }
    }

    /// The answer of a policy server, if one gives it.
    async fn ask(
        &self,
        upstream: &Upstream<Connector>,
        request: &Request,
        sticking: &mut Sticking,
        asked: &mut Asked,
    ) -> Option<Response> {
        let message = match self.affinity {
            Affinity::None => None,
            Affinity::Message => request.get(attr::INSTANCE).and_then(hash_of),
        };
        let preference = match *sticking {
            Some((stuck, preference)) if Some(stuck) == message => preference,
            _ => Preference::None,
        };
        if message.is_none() {
            *sticking = None;
        }
        let on_event = |event: policy_net::Event<'_>| self.journal.event(&event, request, asked);
        let answer = upstream.ask(request, preference, on_event).await.ok()?;
        *sticking = message.map(|message| (message, answer.stick));
        Some(answer.response)
    }

    /// The services as they are now.
    pub(crate) fn states(&self) -> Vec<State> {
        let upstream = self.upstream.iter();
        let ids = upstream.flat_map(|upstream| upstream.ids().map(move |id| (upstream, id)));
        ids.map(|(upstream, id)| State {
            mode: upstream.mode(id),
            status: upstream.status(id),
            counts: upstream.counts(id),
        })
        .collect()
    }

    /// Whether a request begins as none of Postfix's does, with a name that is no word: a byte order mark, or an HTTP
    /// request whose lines all have an equals sign. What comes after it may look like a policy request.
    fn is_foreign(&self, request: &Request) -> bool {
        let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
        let mut name = request.as_bytes().iter().take_while(|byte| **byte != b'=');
        !self.terms.lenient && !name.all(is_of_word)
    }

    /// Says whose connection is closed, and why, unless the client has merely gone.
    fn refuse(
        &self,
        client: Option<String>,
        foreign: Option<&'static str>,
        error: Option<&ConnectionError>,
    ) {
        let kind = match error {
            Some(ConnectionError::TooSlow) => "too slow",
            Some(ConnectionError::NoMemory) => "no memory",
            Some(ConnectionError::Decode(error)) if error.offset().is_none() => "too large",
            _ => "no request",
        };
        let why = match (foreign, error) {
            (_, Some(ConnectionError::NoMemory)) => {
                "its request has waited for memory for as long as --deadline allows (--max-memory)"
                    .to_owned()
            }
            (Some(protocol), _) if !self.terms.lenient => {
                format!("{protocol} instead of a policy request")
            }
            // A client that goes away in the middle of a request needs no line in a log.
            (
                _,
                None
                | Some(ConnectionError::Io(_) | ConnectionError::Decode(DecodeError::UnexpectedEnd)),
            ) => return,
            (_, Some(ConnectionError::Decode(error))) if error.offset().is_some() => {
                format!("a line is no attribute of a policy request: {error}")
            }
            (_, Some(error)) => error.to_string(),
        };
        let kind = foreign.unwrap_or(kind);
        self.journal.refused(kind, client.as_deref(), &why);
    }
}

/// An empty `instance` names no message.
fn hash_of(instance: &[u8]) -> Option<u64> {
    (!instance.is_empty()).then(|| policy_ha::key([instance]))
}
