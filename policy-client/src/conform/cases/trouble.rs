//! Cases about what is no request, and about clients that go away: others are served on.

use std::sync::Arc;

use policy_proto::attr;
use tokio::task::JoinSet;

use crate::conform::{
    attributes::Attributes,
    case::{Case, Test::Steps, must, should},
    server::Server,
    source::{ANSWERED, REQUIRED, TROUBLE},
    verdict::{Miss, Verdict},
};

pub(super) const CASES: &[Case] = &[
    should(
        "7.1",
        "closes the connection on a request that does not say its kind",
        REQUIRED,
        Steps(|server| {
            Box::pin(refuses(server, || {
                Attributes::rcpt().without(attr::REQUEST).bytes()
            }))
        }),
    ),
    should(
        "7.2",
        "closes the connection on a request of another kind",
        REQUIRED,
        Steps(|server| {
            Box::pin(refuses(server, || {
                Attributes::rcpt().with(attr::REQUEST, "other").bytes()
            }))
        }),
    ),
    should(
        "7.3",
        "closes the connection on a line without an equals sign",
        TROUBLE,
        Steps(|server| {
            Box::pin(refuses(server, || {
                [b"rubbish\n", &*Attributes::rcpt().bytes()].concat()
            }))
        }),
    ),
    should(
        "7.4",
        "closes the connection on a NUL",
        TROUBLE,
        Steps(|server| {
            Box::pin(refuses(server, || {
                Attributes::rcpt().with(attr::HELO_NAME, "a\0b").bytes()
            }))
        }),
    ),
    should(
        "7.5",
        "closes the connection on a line without an end",
        TROUBLE,
        Steps(|server| Box::pin(cuts_off(server))),
    ),
    must(
        "7.6",
        "serves others after bytes of another protocol",
        ANSWERED,
        Steps(|server| Box::pin(serves_after(server, &[TLS, HTTP, NOISE]))),
    ),
    must(
        "7.7",
        "serves others after ten clients that left within a request",
        ANSWERED,
        Steps(|server| Box::pin(serves_after(server, &[HALF; 10]))),
    ),
    must(
        "7.8",
        "serves others after ten clients that left before their answer",
        ANSWERED,
        Steps(|server| Box::pin(serves_after_leaving(server))),
    ),
];

/// Sends this, which is no request, and waits for the end.
async fn refuses(server: Arc<Server>, request: fn() -> Vec<u8>) -> Verdict {
    let mut connection = server.connect().await?;
    connection.send(&request()).await?;
    connection.ended().await
}

async fn cuts_off(server: Arc<Server>) -> Verdict {
    let mut connection = server.connect().await?;
    connection
        .send(b"request=smtpd_access_policy\nhelo_name=")
        .await?;
    connection.cut_off(&[b'a'; 65_536], MAX_LINE).await?;
    is_served(server).await
}

async fn serves_after(server: Arc<Server>, sent: &'static [&'static [u8]]) -> Verdict {
    let mut ends = JoinSet::new();
    for bytes in sent {
        let mut connection = server.connect().await?;
        // An error says that the server has had enough.
        _ = connection.send(bytes).await;
        _ = connection.end_sending().await;
        ends.spawn(async move { connection.watch().await });
    }
    // A server that ends of it takes its time for that.
    ends.join_all().await;
    is_served(server).await
}

async fn serves_after_leaving(server: Arc<Server>) -> Verdict {
    for _ in 0..10 {
        let mut connection = server.connect().await?;
        connection.send(&Attributes::rcpt().bytes()).await?;
    }
    is_served(server).await
}

async fn is_served(server: Arc<Server>) -> Verdict {
    match server.ask(&Attributes::rcpt().bytes()).await {
        Err(Miss::Failed(why)) => Miss::failed(format!("the next client: {why}")),
        asked => asked.map(drop),
    }
}

/// The beginning of a TLS handshake.
const TLS: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\0\0\0\n\n";
const HTTP: &[u8] = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
const NOISE: &[u8] = b"\0\xff\x80=\n=\n==\n\n\0\n\n";
const HALF: &[u8] = b"request=smtpd_access_policy\nprotocol_state=RCPT\nsen";
/// A line that no server has a use for, in bytes.
const MAX_LINE: usize = 8 << 20;
