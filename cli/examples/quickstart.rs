//! The main job in one process: two policy services, the balanced upstream before them, and requests
//! that a real Postfix sent. In mid-run the first service stops, and nobody notices.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```

use std::{
    error::Error,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use policy_net::{
    BackendConfig, Client, Connector, Endpoint, Event, Listener, Stream, Upstream, UpstreamOptions,
    serve,
};
use policy_proto::{Action, MessageDecoder, Request, Response, attr};
use tokio_util::sync::CancellationToken;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (first, stop_first) = policy_service("first").await?;
    let (second, _stop_second) = policy_service("second").await?;
    println!("policy services: first at {first}, second at {second}");
    let proxy = proxy([first, second]).await?;
    println!("the balanced upstream before them: {proxy}\n");

    let mut client = connect(&proxy).await?;
    let requests = captured_requests()?;
    let mut served = [("first", 0), ("second", 0)];
    let begin = Instant::now();
    for (number, request) in requests.iter().enumerate() {
        if number == requests.len() / 2 {
            println!("   --- the first service stops ---");
            stop_first.cancel();
        }
        let sent = Instant::now();
        let response = client.ask(request).await?;
        let took = sent.elapsed();
        let state = request.protocol_state().map_or("?", |state| state.as_str());
        let recipient = String::from_utf8_lossy(request.get(attr::RECIPIENT).unwrap_or_default());
        let action = response.as_str().unwrap_or_default();
        println!(
            "{:>3}  {state:<14} {recipient:<24} {action:<28} {took:>9.0?}",
            number + 1
        );
        for (name, count) in &mut served {
            *count += u32::from(action.ends_with(*name));
        }
    }
    let [(_, by_first), (_, by_second)] = served;
    let unanswered = requests.len() as u32 - by_first - by_second;
    println!(
        "\n{} requests in {:.1?}: {by_first} answered by the first service, {by_second} by the \
         second, {unanswered} by the default action",
        requests.len(),
        begin.elapsed(),
    );
    Ok(())
}

/// A policy service that says who it is, and the token that stops it.
async fn policy_service(
    name: &'static str,
) -> Result<(Endpoint, CancellationToken), Box<dyn Error>> {
    let listener = Listener::bind(&"inet:127.0.0.1:0".parse()?).await?;
    let endpoint = listener.endpoint()?;
    let stop = CancellationToken::new();
    let handler = move |_request: Request| async move {
        let text = format!("answered by {name}");
        Ok(Response::try_from(Action::Info(text.as_bytes()))?)
    };
    tokio::spawn(serve(listener, handler, stop.clone().cancelled_owned()));
    Ok((endpoint, stop))
}

/// What `hapolicy --listen` does: each request goes to a service that answers it.
async fn proxy(services: [Endpoint; 2]) -> Result<Endpoint, Box<dyn Error>> {
    let services = services.map(|endpoint| {
        let name = endpoint.to_string();
        BackendConfig::new(name, Connector::new(endpoint))
    });
    let upstream = Upstream::new(UpstreamOptions::default(), services)?;
    let listener = Listener::bind(&"inet:127.0.0.1:0".parse()?).await?;
    let endpoint = listener.endpoint()?;
    let handler = async move |request: Request| {
        let report = |event: Event| {
            if let Event::Changed { transition, .. } = event {
                println!("     the upstream notices: {transition:?}");
            }
        };
        match upstream.ask_with(&request, None, report).await {
            Ok(answer) => Ok(answer.response),
            Err(_) => Ok(Response::dunno()),
        }
    };
    tokio::spawn(serve(listener, handler, std::future::pending()));
    Ok(endpoint)
}

async fn connect(endpoint: &Endpoint) -> Result<Client<Stream>, Box<dyn Error>> {
    let stream = Connector::new(endpoint.clone())
        .connect(Duration::from_secs(3))
        .await?;
    Ok(Client::new(stream))
}

/// Two messages, one over TLS to two recipients, as Postfix 3.7 asked about them.
fn captured_requests() -> Result<Vec<Request>, Box<dyn Error>> {
    let captured = [
        &include_bytes!("../../policy-proto/tests/data/000-connect-plain.req")[..],
        include_bytes!("../../policy-proto/tests/data/001-ehlo-plain.req"),
        include_bytes!("../../policy-proto/tests/data/003-rcpt-plain.req"),
        include_bytes!("../../policy-proto/tests/data/004-data-plain.req"),
        include_bytes!("../../policy-proto/tests/data/006-connect-plain.req"),
        include_bytes!("../../policy-proto/tests/data/007-ehlo-plain.req"),
        include_bytes!("../../policy-proto/tests/data/009-mail-tls.req"),
        include_bytes!("../../policy-proto/tests/data/010-rcpt-tls.req"),
        include_bytes!("../../policy-proto/tests/data/012-rcpt-tls.req"),
        include_bytes!("../../policy-proto/tests/data/013-data-tls.req"),
        include_bytes!("../../policy-proto/tests/data/102-rcpt-tls-ccert-sasl.req"),
        include_bytes!("../../policy-proto/tests/data/105-end-of-message-tls-ccert-sasl.req"),
    ];
    let mut stream = BytesMut::from(&*captured.concat());
    let mut decoder = MessageDecoder::new();
    let mut requests = Vec::new();
    while let Some(request) = decoder.request(&mut stream)? {
        requests.push(request);
    }
    decoder.finish(&stream)?;
    Ok(requests)
}
