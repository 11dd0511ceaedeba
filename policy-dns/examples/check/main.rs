//! A policy server that checks clients with DNS lists and SPF.
//!
//! ```text
//! cargo run -p policy-dns --example check -- inet:127.0.0.1:10031 127.0.0.1:53
//! ```
//!
//! Postfix asks it once a mail, so that there is one `Received-SPF`, and not about its own users, whose addresses may be
//! on lists, with this in `main.cf`:
//!
//! ```text
//! smtpd_data_restrictions = permit_mynetworks, permit_sasl_authenticated,
//!     check_policy_service inet:127.0.0.1:10031
//! ```
//!
//! What a client sends that is no request is logged with `tracing`: a program that is to show it installs a subscriber.

use std::{env, net::IpAddr, process::exit, sync::Arc, time::Duration};

use policy_dns::{
    DnsOptions, DnsResolver, Resolver,
    list::{DnsList, ListOptions, ListResult, check_all, keep_tested},
    spf::{self, SpfOptions, SpfRequest, SpfResult},
};
use policy_net::{BoxError, Listener, Request, Response, attr, serve};
use tokio::time::Instant;

type Lists = [Arc<DnsList>];

async fn answer(
    dns: DnsResolver,
    lists: Arc<Lists>,
    request: Request,
) -> Result<Response, BoxError> {
    let value = |name| request.get(name).unwrap_or_default();
    let client: IpAddr = std::str::from_utf8(value(attr::CLIENT_ADDRESS))?.parse()?;
    // Postfix waits for 100 s; all of this has 20.
    let dns = dns.until(Instant::now() + Duration::from_secs(20));
    let subject = client.into();
    let sender = SpfRequest::mail_from(client, value(attr::SENDER), value(attr::HELO_NAME));
    let options = SpfOptions::default();
    let checks = check_all(&dns, lists.iter().map(|list| (&**list, &subject)));
    let (results, verdict) = tokio::join!(checks, spf::check(&dns, &sender, &options));
    let mut results = lists.iter().zip(&results);
    if let Some((list, _)) = results.find(|(_, result)| matches!(result, ListResult::Listed(_))) {
        let text = format!("{client} is listed by {}", list.zone());
        return Ok(Response::reject(text)?);
    }
    if verdict.result() == SpfResult::Fail {
        return Ok(Response::reject(verdict.local_explanation())?);
    }
    Ok(Response::prepend(verdict.received_spf())?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if let Err(error) = run(&env::args().skip(1).collect::<Vec<_>>()).await {
        eprintln!("check: {error}");
        exit(1);
    }
}

async fn run(arguments: &[String]) -> Result<(), BoxError> {
    let [endpoint, server] = arguments else {
        return Err("usage: check ENDPOINT ADDRESS-OF-NAME-SERVER:PORT".into());
    };
    let address = server.parse::<std::net::SocketAddr>();
    let address = address.map_err(|error| format!("{server}: {error}"))?;
    let dns = DnsResolver::new(DnsOptions::new([address]));
    let list = |zone| DnsList::addresses(zone, ListOptions::for_zone(zone)).map(Arc::new);
    let zones = ["zen.spamhaus.org", "bl.spamcop.net", "psbl.surriel.com"];
    let lists: Arc<Lists> = zones.into_iter().map(list).collect::<Result<_, _>>()?;
    let listener = Listener::bind(&endpoint.parse()?).await;
    let listener = listener.map_err(|error| format!("{endpoint}: {error}"))?;
    println!("listening on {endpoint}");
    let (handler_dns, handler_lists) = (dns.clone(), Arc::clone(&lists));
    let handler = move |request| answer(handler_dns.clone(), Arc::clone(&handler_lists), request);
    tokio::select! {
        () = serve(listener, handler, async { tokio::signal::ctrl_c().await.unwrap_or_default() }) => {}
        () = keep_tested(&lists, &dns, Duration::from_secs(3600), |list, status| {
            eprintln!("{}: {status:?}", list.zone());
        }) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;
