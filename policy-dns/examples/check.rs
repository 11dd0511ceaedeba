//! A policy server that checks clients with DNS lists and SPF: `check [ENDPOINT [NAME-SERVER]]`.
use std::{env, error::Error, net::IpAddr, sync::Arc, time::Duration};

use policy_dns::{
    DnsOptions, DnsResolver, Resolver,
    list::{DnsList, ListOptions, ListResult, check_all, keep_tested},
    spf::{self, SpfOptions, SpfRequest, SpfResult},
};
use policy_net::{Listener, serve};
use policy_proto::{Action, Request, Response, attr};
use tokio::time::Instant;

const LISTS: [&str; 3] = ["zen.spamhaus.org", "bl.spamcop.net", "psbl.surriel.com"];
const HOUR: Duration = Duration::from_secs(3600);

struct Checks {
    dns: DnsResolver,
    lists: Vec<Arc<DnsList>>,
}

impl Checks {
    async fn answer(&self, request: &Request) -> Result<Response, Box<dyn Error + Send + Sync>> {
        let value = |name| request.get(name).unwrap_or_default();
        let client: IpAddr = std::str::from_utf8(value(attr::CLIENT_ADDRESS))?.parse()?;
        // Postfix waits for 100 s; all of this has 20.
        let dns = self.dns.until(Instant::now() + Duration::from_secs(20));
        let subject = client.into();
        let sender = SpfRequest::mail_from(client, value(attr::SENDER), value(attr::HELO_NAME));
        let options = SpfOptions::default();
        let lists = check_all(&dns, self.lists.iter().map(|list| (&**list, &subject)));
        let (results, verdict) = tokio::join!(lists, spf::check(&dns, &sender, &options));
        let mut results = self.lists.iter().zip(&results);
        if let Some((list, _)) = results.find(|(_, result)| matches!(result, ListResult::Listed(_)))
        {
            let text = format!("{client} is listed by {}", list.zone());
            return Ok(Action::Reject(text.as_bytes()).try_into()?);
        }
        if verdict.result() == SpfResult::Fail {
            return Ok(Action::Reject(verdict.local_explanation().as_bytes()).try_into()?);
        }
        Ok(Action::Prepend(verdict.received_spf().as_bytes()).try_into()?)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (endpoint, server) = (env::args().nth(1), env::args().nth(2));
    let options = match server {
        Some(server) => DnsOptions::new([server.parse()?]),
        None => DnsOptions::from_system()?,
    };
    let list = |zone| DnsList::addresses(zone, ListOptions::for_zone(zone)).map(Arc::new);
    let lists = LISTS.into_iter().map(list).collect::<Result<_, _>>()?;
    let checks = Arc::new(Checks {
        dns: DnsResolver::new(options),
        lists,
    });
    let listener = Listener::bind(
        &endpoint
            .as_deref()
            .unwrap_or("inet:127.0.0.1:10032")
            .parse()?,
    )
    .await?;
    println!("listening");
    let Checks { dns, lists } = &*Arc::clone(&checks);
    let handler = move |request| {
        let checks = Arc::clone(&checks);
        async move { checks.answer(&request).await }
    };
    tokio::select! {
        () = serve(listener, handler, async { tokio::signal::ctrl_c().await.unwrap_or_default() }) => Ok(()),
        () = keep_tested(lists, dns, HOUR, |list, status| eprintln!("{}: {status:?}", list.zone())) => Ok(()),
    }
}
