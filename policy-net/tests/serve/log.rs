//! What a server logs of its connections, and at which level.

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
};

use policy_net::{Connector, Listener, Request, ServeOptions, serve_with};
use tokio::io::AsyncWriteExt;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::{
    echo, rest,
    support::{mark_of, request, s},
    tcp,
};

#[tokio::test]
async fn what_ends_a_connection_is_logged_with_its_peer_and_cause() {
    let lines = Lines::default();
    let _default = tracing::subscriber::set_default(lines.clone());
    let handler = async |request: Request| match mark_of(&request).as_str() {
        "trouble" => Err("the database is down".into()),
        "panic" => panic!("as the test wants it"),
        "hang" => std::future::pending().await,
        _ => echo(request),
    };
    let mut options = ServeOptions::default();
    for (sent, deadline, level, said) in [
        (
            request("trouble").as_bytes(),
            60_000,
            Level::ERROR,
            "the database is down",
        ),
        (
            request("hang").as_bytes(),
            10,
            Level::ERROR,
            "no answer in time",
        ),
        (
            request("panic").as_bytes(),
            60_000,
            Level::ERROR,
            "panicked",
        ),
        (
            b"EHLO there\n",
            60_000,
            Level::WARN,
            "no '=' in the line at byte 0",
        ),
    ] {
        options.deadline = std::time::Duration::from_millis(deadline);
        let listener = Listener::bind(&tcp()).await.unwrap();
        let connector = Connector::new(listener.endpoint().unwrap());
        let mut address = String::new();
        let shutdown = async {
            let mut client = connector.connect(s(10)).await.unwrap();
            if let policy_net::Stream::Tcp(stream) = &client {
                address = stream.local_addr().unwrap().to_string();
            }
            client.write_all(sent).await.unwrap();
            assert_eq!(rest(client).await, "");
        };
        serve_with(listener, handler, &options, shutdown).await;
        let logged = lines.take();
        let [(found, line)] = &logged[..] else {
            panic!("{logged:?}");
        };
        assert_eq!(*found, level, "{line}");
        assert!(line.contains(said) && line.contains(&address), "{line}");
    }
}

#[tokio::test]
async fn a_client_that_ends_in_order_is_not_worth_a_line() {
    let lines = Lines::default();
    let _default = tracing::subscriber::set_default(lines.clone());
    let listener = Listener::bind(&tcp()).await.unwrap();
    let connector = Connector::new(listener.endpoint().unwrap());
    let shutdown = async {
        let mut client = connector.connect(s(10)).await.unwrap();
        client.write_all(request("a").as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(rest(client).await, "action=a\n\n");
    };
    let handler = async |request: Request| echo(request);
    serve_with(listener, handler, &ServeOptions::default(), shutdown).await;
    assert_eq!(lines.take(), []);
}

/// All that this crate logs.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(Level, String)>>>);

impl Lines {
    fn take(&self) -> Vec<(Level, String)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("policy_net")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0
            .lock()
            .unwrap()
            .push((*event.metadata().level(), line.0));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        _ = write!(self.0, "{field}={value:?} ");
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        _ = write!(self.0, "{field}={value} ");
    }
}
