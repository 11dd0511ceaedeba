//! A greylisting policy server: a client that is not known for this sender and recipient is asked to come back in a
//! minute, which most spammers do not. Its state is shared by all connections.
//!
//! ```text
//! cargo run -p policy-net --example greylist unix:/var/spool/postfix/private/greylist
//! main.cf: smtpd_recipient_restrictions = reject_unauth_destination,
//!              check_policy_service unix:private/greylist
//! ```

use std::{collections::HashMap, sync::Mutex, time::Duration};

use policy_net::{
    BindOptions, BoxError, Handler, Listener, Peer, ProtocolState, Request, Response, attr, serve,
};
use tokio::time::Instant;

// The policy begins here.

/// When each triplet of client, sender and recipient was first seen.
#[derive(Default)]
struct Greylist {
    seen: Mutex<HashMap<[Vec<u8>; 3], Instant>>,
}

impl Handler for Greylist {
    async fn handle(&self, request: Request, _: &Peer) -> Result<Response, BoxError> {
        if request.protocol_state() != Some(ProtocolState::Rcpt) {
            return Ok(Response::dunno());
        }
        let triplet = [attr::CLIENT_ADDRESS, attr::SENDER, attr::RECIPIENT]
            .map(|name| request.get(name).unwrap_or_default().to_ascii_lowercase());
        // A request that Postfix repeats, since its answer was lost, finds the same time: nothing is counted twice.
        let waited = self.first_seen(triplet)?.elapsed();
        if waited < DELAY {
            let left = (DELAY - waited).as_secs() + 1;
            return Ok(Response::defer_if_permit(format!(
                "4.2.0 greylisted, try again in {left} s"
            ))?);
        }
        Ok(Response::prepend(format!(
            "X-Greylist: delayed {} s",
            waited.as_secs()
        ))?)
    }
}

impl Greylist {
    fn first_seen(&self, triplet: [Vec<u8>; 3]) -> Result<Instant, BoxError> {
        let mut seen = self.seen.lock().map_err(|_| "a request has panicked")?;
        if seen.len() >= MAX_SEEN {
            seen.retain(|_, first| first.elapsed() < FORGET);
            if seen.len() >= MAX_SEEN {
                return Err("too many triplets at once".into());
            }
        }
        Ok(*seen.entry(triplet).or_insert_with(Instant::now))
    }
}

const DELAY: Duration = Duration::from_secs(60);
const FORGET: Duration = Duration::from_secs(24 * 3600);
const MAX_SEEN: usize = 1_000_000;

// The policy ends here.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let endpoint = std::env::args().nth(1);
    let endpoint = endpoint
        .as_deref()
        .unwrap_or("inet:127.0.0.1:10031")
        .parse()?;
    let mut options = BindOptions::default();
    options.mode = Some(0o666);
    let listener = Listener::bind_with(&endpoint, &options).await?;
    println!("listening on {}", listener.endpoint()?);
    let shutdown = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    serve(listener, Greylist::default(), shutdown).await;
    Ok(())
}
