//! A limiter that processes share: each sender has 60 mails a minute and 500 an hour, whichever process is asked.
//!
//! ```text
//! cargo run -p policy-store --example shared_limiter -- /var/lib/limits.sqlite inet:127.0.0.1:10031 60/1m,500/1h
//! cargo run -p policy-store --example shared_limiter -- /var/lib/limits.sqlite inet:127.0.0.1:10032 60/1m,500/1h
//! ```
//!
//! All of them are given windows of the same lengths: what the file holds of others is lost.
//!
//! Postfix asks once a mail with this in `main.cf`. In `smtpd_recipient_restrictions` it asks once a recipient:
//!
//! ```text
//! smtpd_end_of_data_restrictions = check_policy_service inet:127.0.0.1:10031
//! ```
//!
//! What a client sends that is no request is logged with `tracing`: a program that is to show it installs a subscriber.

use std::{env, error::Error, process::exit, sync::Arc};

use policy_net::{Listener, serve};
use policy_proto::{Action, Request, attr};
use policy_store::{Event, Sqlite, SqliteOptions, SqliteStore, Store, Windows, key};
use tokio::signal::ctrl_c;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("shared_limiter: {error}");
        exit(1);
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [file, listen, windows] = arguments.as_slice() else {
        return Err("usage: shared_limiter FILE ENDPOINT WINDOWS".into());
    };
    let windows: Arc<Windows> = Arc::new(windows.parse()?);
    let file = Sqlite::open(SqliteOptions::new(file))
        .await
        .map_err(|error| format!("{file}: {error}"))?;
    let store = SqliteStore::new(file).await?;
    let listener = Listener::bind(&listen.parse()?)
        .await
        .map_err(|error| format!("{listen}: {error}"))?;
    println!("listening on {listen}");
    let handler = move |request: Request| {
        let (store, windows) = (store.clone(), windows.clone());
        async move { Ok(decide(&store, &windows, &request).await.try_into()?) }
    };
    let shutdown = async { ctrl_c().await.unwrap_or_default() };
    serve(listener, handler, shutdown).await;
    Ok(())
}

async fn decide(store: &dyn Store, windows: &Windows, request: &Request) -> Action<'static> {
    // Who has logged in counts as that user, others as their address.
    let [login, address] = [attr::SASL_USERNAME, attr::CLIENT_ADDRESS]
        .map(|name| request.get(name).unwrap_or_default());
    let who = if login.is_empty() { address } else { login };
    let key = key("limit", [login, who]);
    let usage = store.count(&key, windows, Event::Amount(1)).await;
    match usage.inspect_err(|error| eprintln!("shared_limiter: {error}")) {
        Ok(usage) if usage.allowed => Action::Dunno,
        Ok(_) => Action::Defer(b"too many messages, try again later"),
        // A store that is away stops no mail; what it refuses does.
        Err(error) if error.is_outage() => Action::Dunno,
        Err(_) => Action::Defer(b"cannot be counted"),
    }
}
