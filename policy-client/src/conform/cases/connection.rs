//! Cases about the connection: it is kept, and nothing but answers comes over it.

use std::sync::Arc;

use tokio::time::sleep;

use crate::conform::{
    attributes::Attributes,
    case::{Case, Test::Steps, must, should},
    connection::{Connection, Event, quoted},
    server::Server,
    source::{ANSWER_FORM, ANSWERED, IDLE, KEPT, LIFETIME, MANY_USES, READABLE, REQUEST_FORM},
    verdict::{Miss, Verdict},
};

pub(super) const CASES: &[Case] = &[
    must(
        "1.1",
        "answers a request",
        ANSWERED,
        Steps(|server| Box::pin(answers(server))),
    ),
    must(
        "1.2",
        "sends nothing before it is asked",
        READABLE,
        Steps(|server| Box::pin(waits_to_be_asked(server))),
    ),
    must(
        "1.3",
        "keeps the connection after an answer",
        KEPT,
        Steps(|server| Box::pin(keeps(server))),
    ),
    must(
        "1.4",
        "sends nothing after its answer",
        ANSWER_FORM,
        Steps(|server| Box::pin(adds_nothing(server))),
    ),
    must(
        "1.5",
        "answers a second request on the connection",
        KEPT,
        Steps(|server| Box::pin(answers_in_a_row(server, 2))),
    ),
    must(
        "1.6",
        "answers 20 requests on the connection, one after the other",
        MANY_USES,
        Steps(|server| Box::pin(answers_in_a_row(server, 20))),
    ),
    must(
        "1.7",
        "answers after the connection was idle (--idle)",
        IDLE,
        Steps(|server| Box::pin(answers_after(server, true))),
    ),
    must(
        "1.8",
        "waits for the first request (--idle)",
        IDLE,
        Steps(|server| Box::pin(answers_after(server, false))),
    ),
    must(
        "1.9",
        "does not answer a request whose connection ends before the empty line",
        REQUEST_FORM,
        Steps(|server| Box::pin(ignores_a_part(server))),
    ),
    should(
        "1.10",
        "closes the connection when the client does",
        LIFETIME,
        Steps(|server| Box::pin(closes_with_the_client(server))),
    ),
    should(
        "1.11",
        "answers a request after which the client has closed its side",
        ANSWERED,
        Steps(|server| Box::pin(async { answers_a_closed_side(server).await.map(drop) })),
    ),
    should(
        "1.12",
        "closes its side after that answer",
        LIFETIME,
        Steps(|server| Box::pin(closes_after_a_closed_side(server))),
    ),
    must(
        "1.13",
        "answers on 20 connections, one after the other",
        ANSWERED,
        Steps(|server| Box::pin(answers_one_after_the_other(server))),
    ),
];

async fn answers(server: Arc<Server>) -> Verdict {
    server.ask(&Attributes::rcpt().bytes()).await.map(drop)
}

async fn waits_to_be_asked(server: Arc<Server>) -> Verdict {
    let mut connection = server.connect().await?;
    match connection.watch().await {
        Event::Nothing => Ok(()),
        Event::Closed => Miss::failed("closed a connection on which it was not asked yet"),
        Event::Bytes(bytes) => Miss::failed(format!("sent {} first", quoted(&bytes))),
    }
}

async fn keeps(server: Arc<Server>) -> Verdict {
    let mut connection = server.connect().await?;
    connection.ask(&Attributes::rcpt().bytes()).await?;
    match connection.watch().await {
        Event::Closed => Miss::failed("closed the connection after its answer"),
        // That is for another case.
        Event::Nothing | Event::Bytes(_) => Ok(()),
    }
}

async fn adds_nothing(server: Arc<Server>) -> Verdict {
    let mut connection = server.connect().await?;
    connection.ask(&Attributes::rcpt().bytes()).await?;
    connection.silent().await
}

async fn answers_in_a_row(server: Arc<Server>, count: usize) -> Verdict {
    let mut connection = server.connect().await?;
    for number in 1..=count {
        match connection.ask(&Attributes::rcpt().bytes()).await {
            Err(Miss::Failed(why)) => return Miss::failed(format!("request {number}: {why}")),
            asked => asked?,
        };
    }
    Ok(())
}

async fn answers_after(server: Arc<Server>, is_asked_before: bool) -> Verdict {
    let mut connection = server.connect().await?;
    if is_asked_before {
        connection.ask(&Attributes::rcpt().bytes()).await?;
    }
    sleep(server.times.idle).await;
    match connection.ask(&Attributes::rcpt().bytes()).await {
        Err(Miss::Failed(why)) => Miss::failed(format!("after {:?}: {why}", server.times.idle)),
        asked => asked.map(drop),
    }
}

async fn ignores_a_part(server: Arc<Server>) -> Verdict {
    let mut connection = server.connect().await?;
    let request = Attributes::rcpt().bytes();
    let (_, part) = request.split_last().unwrap_or((&0, &[]));
    connection.send(part).await?;
    connection.end_sending().await?;
    match connection.watch().await {
        // What is no answer is for another case.
        Event::Bytes(bytes) if bytes.starts_with(b"action=") => {
            Miss::failed(format!("answered {}", quoted(&bytes)))
        }
        _ => Ok(()),
    }
}

async fn closes_with_the_client(server: Arc<Server>) -> Verdict {
    let mut connection = server.connect().await?;
    connection.end_sending().await?;
    connection.ended().await
}

async fn answers_a_closed_side(server: Arc<Server>) -> Result<Connection, Miss> {
    let mut connection = server.connect().await?;
    connection.send(&Attributes::rcpt().bytes()).await?;
    connection.end_sending().await?;
    connection.answer().await?;
    Ok(connection)
}

async fn closes_after_a_closed_side(server: Arc<Server>) -> Verdict {
    answers_a_closed_side(server).await?.ended().await
}

async fn answers_one_after_the_other(server: Arc<Server>) -> Verdict {
    for number in 1..=20 {
        match server.ask(&Attributes::rcpt().bytes()).await {
            Err(Miss::Failed(why)) => return Miss::failed(format!("connection {number}: {why}")),
            asked => asked?,
        };
    }
    Ok(())
}
