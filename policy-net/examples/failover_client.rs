//! Asks several policy servers as one, and prints the answer of the first that gives one.
//!
//! ```text
//! cargo run -p policy-net --example failover_client inet:127.0.0.1:10031 unix:/run/policy.sock
//! ```

use policy_net::{BackendConfig, Connector, Request, Upstream, UpstreamOptions, attr};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut backends = Vec::new();
    for (priority, endpoint) in (10..).zip(std::env::args().skip(1)) {
        let connector = Connector::new(endpoint.parse()?);
        backends.push(BackendConfig::new(endpoint, connector).priority(priority));
    }
    let upstream = Upstream::new(UpstreamOptions::default(), backends)?;
    let request = Request::from_attributes([
        (attr::REQUEST, attr::SMTPD_ACCESS_POLICY),
        (attr::PROTOCOL_STATE, "RCPT"),
        (attr::RECIPIENT, "bob@example.org"),
    ])?;
    // The error says of each server why it gave no answer.
    let answer = upstream.ask(&request).await?;
    let name = upstream.name(answer.backend).unwrap_or_default();
    println!("{name}: {}", answer.response);
    Ok(())
}
