//! The log of a server's connections, and its levels. It has a process of its own, since what is logged is the
//! whole process's.

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use policy_net::{Connector, Listener, Request, Response, ServeOptions, serve_with};
use policy_testing::pipe::{mark_of, request, s};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

#[tokio::test]
async fn what_ends_a_connection_is_logged_with_its_peer_and_cause() {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone()).unwrap();
    let handler = async |request: Request| match mark_of(&request).as_str() {
        "trouble" => Err("the database is down".into()),
        "panic" => panic!("as the test wants it"),
        "hang" => std::future::pending().await,
        _ => Ok(Response::dunno()),
    };
    let whole = |mark: &str| request(mark).as_bytes().to_vec();
    let rows = [
        (
            whole("trouble"),
            Some((Level::ERROR, "the database is down")),
        ),
        (whole("hang"), Some((Level::ERROR, "no answer in time"))),
        (whole("panic"), Some((Level::ERROR, "panicked"))),
        (
            b"EHLO there\n".to_vec(),
            Some((Level::WARN, "no '=' in the line at byte 0")),
        ),
        // A client that ends in order is not worth a line.
        (whole("a"), None),
    ];
    for (sent, wanted) in rows {
        let mut options = ServeOptions::default();
        if sent == whole("hang") {
            options.deadline = Duration::from_millis(10);
        }
        let listener = Listener::bind(&"inet:127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        let connector = Connector::new(listener.endpoint().unwrap());
        let mut address = String::new();
        let shutdown = async {
            let mut client = connector.connect(s(10)).await.unwrap();
            if let policy_net::Stream::Tcp(stream) = &client {
                address = stream.local_addr().unwrap().to_string();
            }
            client.write_all(&sent).await.unwrap();
            client.shutdown().await.unwrap();
            client.read_to_end(&mut Vec::new()).await.unwrap();
        };
        serve_with(listener, handler, &options, shutdown).await;
        let logged = lines.take();
        match (&logged[..], wanted) {
            ([], None) => {}
            ([(level, line)], Some((wanted, said))) => {
                assert_eq!(*level, wanted, "{line}");
                assert!(line.contains(said) && line.contains(&address), "{line}");
            }
            _ => panic!("{}: {logged:?}", sent.escape_ascii()),
        }
    }
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
