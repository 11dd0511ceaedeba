//! Cases about many clients: each smtpd(8) process holds a connection, and none waits for another.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::sleep};

use crate::conform::{
    attributes::Attributes,
    case::{Case, Miss, Test::Steps, Verdict, must, should},
    connection::Connection,
    server::Server,
    source::{ANSWERED, KEPT, ONE_AT_A_TIME, PROCESSES, REFUSED, TIME_LIMIT},
};

pub(super) const CASES: &[Case] = &[
    must(
        "8.1",
        "serves a client beside one that asks nothing",
        KEPT,
        Steps(|server| Box::pin(beside(server, b""))),
    ),
    must(
        "8.2",
        "serves a client beside one that is within a request",
        TIME_LIMIT,
        Steps(|server| Box::pin(beside(server, b"request=smtpd_access_policy\nsender="))),
    ),
    must(
        "8.3",
        "serves a client beside one that sends a byte now and then",
        TIME_LIMIT,
        Steps(|server| Box::pin(beside_a_drip(server))),
    ),
    should(
        "8.4",
        "serves a client beside one that does not read its answers",
        ONE_AT_A_TIME,
        Steps(|server| Box::pin(beside_one_that_does_not_read(server))),
    ),
    must(
        "8.5",
        "answers on each of ten open connections",
        PROCESSES,
        Steps(|server| Box::pin(open(server, 10))),
    ),
    should(
        "8.6",
        "answers on each of many open connections (--connections)",
        PROCESSES,
        Steps(|server| {
            let count = server.connections;
            Box::pin(open(server, count))
        }),
    ),
    should(
        "8.7",
        "answers on many connections that ask at once (--connections)",
        REFUSED,
        Steps(|server| Box::pin(at_once(server))),
    ),
    must(
        "8.8",
        "serves a client after all of these have left",
        ANSWERED,
        Steps(|server| Box::pin(after_all(server))),
    ),
];

/// Beside a client that has sent this.
async fn beside(server: Arc<Server>, sent: &'static [u8]) -> Verdict {
    let mut neighbour = server.connect().await?;
    neighbour.send(sent).await?;
    server.ask(&Attributes::rcpt().bytes()).await?;
    // It is there until now.
    drop(neighbour);
    Ok(())
}

async fn beside_a_drip(server: Arc<Server>) -> Verdict {
    let mut neighbours = JoinSet::new();
    let mut neighbour = server.connect().await?;
    neighbours.spawn(async move {
        // A request without its empty line, again and again: it has no end before the others have their answers.
        let mut request = Attributes::rcpt().bytes();
        request.pop();
        for byte in request.into_iter().cycle() {
            neighbour.send(&[byte]).await?;
            sleep(DRIP).await;
        }
        Ok::<_, Miss>(())
    });
    for _ in 0..5 {
        server.ask(&Attributes::rcpt().bytes()).await?;
    }
    Ok(())
}

async fn beside_one_that_does_not_read(server: Arc<Server>) -> Verdict {
    let mut neighbours = JoinSet::new();
    let mut neighbour = server.connect().await?;
    neighbours.spawn(async move {
        let request = Attributes::few().bytes();
        for _ in 0..MAX_UNREAD {
            neighbour.send(&request).await?;
        }
        sleep(Duration::MAX).await;
        Ok::<_, Miss>(())
    });
    for _ in 0..5 {
        server.ask(&Attributes::rcpt().bytes()).await?;
    }
    Ok(())
}

async fn open(server: Arc<Server>, count: usize) -> Verdict {
    let mut all = server.connect_many(count).await?;
    for (connection, number) in all.iter_mut().zip(1..) {
        answered(connection, number).await?;
    }
    Ok(())
}

async fn at_once(server: Arc<Server>) -> Verdict {
    let mut all = server.connect_many(server.connections).await?;
    for connection in &mut all {
        connection.send(&Attributes::rcpt().bytes()).await?;
    }
    let mut answers = JoinSet::new();
    for (mut connection, number) in all.into_iter().zip(1..) {
        answers.spawn(async move {
            match connection.answer().await {
                Err(Miss::Failed(why)) => Miss::failed(format!("connection {number}: {why}")),
                answer => answer.map(drop),
            }
        });
    }
    while let Some(answered) = answers.join_next().await {
        answered.unwrap_or_else(|error| Miss::failed(error.to_string()))?;
    }
    Ok(())
}

async fn after_all(server: Arc<Server>) -> Verdict {
    // Not all of them may have found a place.
    _ = server.connect_many(server.connections).await;
    server.ask(&Attributes::rcpt().bytes()).await.map(drop)
}

async fn answered(connection: &mut Connection, number: usize) -> Verdict {
    match connection.ask(&Attributes::rcpt().bytes()).await {
        Err(Miss::Failed(why)) => Miss::failed(format!("connection {number}: {why}")),
        asked => asked.map(drop),
    }
}

/// Between two bytes of a client that sends them one by one.
const DRIP: Duration = Duration::from_millis(5);
/// Requests of a client that does not read: more answers than a socket has room for.
const MAX_UNREAD: usize = 20_000;
