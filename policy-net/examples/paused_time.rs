//! A test of middleware without sockets, on a clock that only moves when everyone waits: `cargo test --example paused_time`.

use std::time::Duration;

use policy_net::{BoxError, Handler, Peer, Request, Response};
use tokio::time::timeout;

/// Says `DUNNO` where `inner` takes too long.
struct Patience<H>(H, Duration);

impl<H: Handler> Handler for Patience<H> {
    async fn handle(&self, request: Request, peer: &Peer) -> Result<Response, BoxError> {
        match timeout(self.1, self.0.handle(request, peer)).await {
            Ok(answer) => answer,
            Err(_) => Ok(Response::dunno()),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let slow = Patience(
        async |_| std::future::pending().await,
        Duration::from_secs(1),
    );
    let request = Request::from_attributes([("request", "smtpd_access_policy")])?;
    let answer = slow.handle(request, &Peer::default()).await?;
    println!("after a second: {answer}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use policy_net::{Client, Clients, serve_connection};
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_answered_when_patience_ends() {
        let handler = async |request: Request| {
            let seconds = request.size().unwrap_or_default();
            sleep(Duration::from_secs(seconds)).await;
            Ok(Response::reject("found out")?)
        };
        let patient = Patience(handler, Duration::from_secs(20));
        let (near, far) = tokio::io::duplex(4096);
        let asking = async move {
            let mut client = Client::new(near);
            for (seconds, wanted, took) in [(5, "REJECT found out", 5), (3600, "DUNNO", 20)] {
                let begin = Instant::now();
                let request = Request::from_attributes([("size", seconds.to_string())]).unwrap();
                let answer = client.ask(&request).await.unwrap();
                assert_eq!(
                    (&*answer.to_string(), begin.elapsed().as_secs()),
                    (wanted, took)
                );
            }
        };
        let (clients, peer) = (Clients::default(), Peer::default());
        let serving = serve_connection(far, &patient, clients, &peer, std::future::pending());
        let (served, ()) = tokio::join!(serving, asking);
        served.unwrap();
    }
}
