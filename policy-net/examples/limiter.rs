//! Middleware: a limit of recipients for each login, before other policy servers.
//!
//! ```text
//! cargo run -p policy-net --example limiter inet:127.0.0.1:10040 inet:127.0.0.1:10031
//! ```

use std::{collections::HashMap, env::args, sync::Arc, sync::Mutex, time::Duration};

use policy_net::{
    BackendConfig, BoxError, Connector, Handler, Listener, Peer, ProtocolState, Request, Response,
    ServeOptions, Upstream, UpstreamOptions, serve_each,
};
use tokio::time::Instant;

/// Defers what a login sends beyond the limit, and has all else answered by `inner`.
struct Limiter<H>(H, Arc<Counts>);

/// For each login: since when, and how many. There are no more than there are logins.
type Counts = Mutex<HashMap<Vec<u8>, (Instant, u32)>>;

impl<H: Handler> Handler for Limiter<H> {
    async fn handle(&self, request: Request, peer: &Peer) -> Result<Response, BoxError> {
        let is_recipient = request.protocol_state() == Some(ProtocolState::Rcpt);
        if let Some(login) = request.sasl_username().filter(|_| is_recipient) {
            let mut counts = self.1.lock().map_err(|_| "a request has panicked")?;
            let entry = counts.entry(login.to_vec());
            let (since, count) = entry.or_insert_with(|| (Instant::now(), 0));
            if since.elapsed() >= WINDOW {
                (*since, *count) = (Instant::now(), 0);
            }
            *count += 1;
            if *count > MAX_RECIPIENTS {
                let text = format!("4.7.1 more than {MAX_RECIPIENTS} recipients an hour");
                return Ok(Response::defer(text)?);
            }
        }
        self.0.handle(request, peer).await
    }
}

const WINDOW: Duration = Duration::from_secs(3600);
const MAX_RECIPIENTS: u32 = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [listen, server] = [1, 2].map(|index| args().nth(index).unwrap_or_default());
    let backend = BackendConfig::new("server", Connector::new(server.parse()?));
    let upstream = Upstream::new(UpstreamOptions::default(), [backend])?;
    let listener = Listener::bind(&listen.parse()?).await?;
    let counts = Arc::<Counts>::default();
    // A session for each connection, and the counts for all.
    let limiter = |_: &Peer| Limiter(upstream.session(), Arc::clone(&counts));
    let shutdown = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    serve_each(listener, limiter, &ServeOptions::default(), shutdown).await;
    Ok(())
}
