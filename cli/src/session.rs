use std::time::Duration;

use policy_ha::{BackendId, Preference};
use policy_net::{Connection, ConnectionError, Connector, Patience, Upstream};
use policy_proto::{DecodeError, Decoder, Request, Response, attr};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{Affinity, Journal};

/// What answers requests, the same for all connections.
#[derive(Debug)]
#[non_exhaustive]
pub struct Proxy {
    /// The policy servers; `None` where no valid one was given.
    pub upstream: Option<Upstream<Connector>>,
    /// The answer when no server gives one.
    pub default: Response,
    /// What keeps requests together.
    pub affinity: Affinity,
    /// How long clients are waited for.
    pub patience: Patience,
    /// What is said.
    pub journal: Journal,
}

/// The message that a connection is about, and the server that answered for it last.
type Sticking = Option<(Vec<u8>, BackendId)>;

impl Proxy {
    /// A proxy without limits on a client's patience and without affinity.
    #[must_use]
    pub fn new(upstream: Option<Upstream<Connector>>, default: Response, journal: Journal) -> Self {
        let patience = Patience::default();
        Self {
            upstream,
            default,
            affinity: Affinity::None,
            patience,
            journal,
        }
    }

    /// Serves one connection until its client ends it, or `drain` is cancelled and no request is under
    /// way. A request that was received whole is answered even if the client has ended its side.
    pub async fn serve(&self, io: impl AsyncRead + AsyncWrite + Unpin, drain: &CancellationToken) {
        let mut connection = Connection::new(io, Decoder::new().lenient(), self.patience);
        let mut sticking = None;
        loop {
            let request = connection.request(drain).await;
            for line in connection.take_ignored() {
                self.journal.ignored(&line);
            }
            let request = match request {
                Ok(Some(request)) => request,
                Err(error) => return self.refuse(&error),
                Ok(None) => return,
            };
            let response = tokio::select! {
                biased;
                response = self.answer(&request, &mut sticking) => response,
                () = connection.gone() => return,
            };
            let mut wire = bytes::BytesMut::from(&*self.journal.log().take_pending());
            response.encode(&mut wire);
            if connection.write(&wire).await.is_err() {
                return;
            }
        }
    }

    async fn answer(&self, request: &Request, sticking: &mut Sticking) -> Response {
        self.journal.request(request);
        let response = match self.ask(request, sticking).await {
            Some(response) => response,
            None => self.default.clone(),
        };
        self.journal.replied(response.as_bytes());
        response
    }

    /// The answer of a policy server, if the request is for one and one gives it.
    async fn ask(&self, request: &Request, sticking: &mut Sticking) -> Option<Response> {
        let upstream = self
            .upstream
            .as_ref()
            .filter(|_| request.is_access_policy())?;
        let since = Instant::now();
        let instance = match self.affinity {
            Affinity::None => b"",
            Affinity::Message => request.get(attr::INSTANCE).unwrap_or_default(),
        };
        if instance.is_empty() {
            *sticking = None;
        }
        let preference = match sticking {
            Some((stuck, backend)) if stuck == instance => Preference::Stick(*backend),
            _ => Preference::None,
        };
        let on_event = |event: policy_net::Event<'_>| self.journal.event(&event, request, since);
        let answer = upstream.ask(request, preference, on_event).await.ok()?;
        if !instance.is_empty() {
            *sticking = Some((instance.to_vec(), answer.backend));
        }
        Some(answer.response)
    }

    fn refuse(&self, error: &ConnectionError) {
        match error {
            // A client that goes away in the middle of a request needs no line in a log.
            ConnectionError::Io(_) | ConnectionError::Decode(DecodeError::UnexpectedEnd) => {}
            error => self.journal.refused(&error.to_string()),
        }
    }
}

/// How long a daemon waits for its clients: 20 minutes for a request (Postfix closes a connection
/// after 1000 s, `smtpd_policy_service_max_ttl`), 30 s for the rest of one.
pub const DAEMON_PATIENCE: Patience = Patience {
    idle: Some(Duration::from_secs(1200)),
    request: Some(Duration::from_secs(30)),
};
