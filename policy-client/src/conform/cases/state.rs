//! Cases about what a server remembers: of a message what it likes, of a request nothing that is not in the next one.

use std::sync::Arc;

use policy_proto::{
    ProtocolState::{Data, EndOfMessage, Rcpt},
    attr,
};

use crate::{
    conform::{
        attributes::Attributes,
        case::{Case, Test::Steps, must, should},
        connection::{Answer, Connection, Event, quoted},
        server::Server,
        source::{ANSWERED, INSTANCE, NEXT_INSTANCE, REQUEST_FORM, REQUIRED, UNAVAILABLE},
        verdict::{Miss, Verdict},
    },
    request::instance,
};

pub(super) const CASES: &[Case] = &[
    must(
        "6.1",
        "answers all requests about a message to five recipients",
        INSTANCE,
        Steps(|server| Box::pin(one_message(server))),
    ),
    must(
        "6.2",
        "answers about message after message",
        NEXT_INSTANCE,
        Steps(|server| Box::pin(messages(server, true))),
    ),
    must(
        "6.3",
        "answers about a message after one that was aborted",
        NEXT_INSTANCE,
        Steps(|server| Box::pin(messages(server, false))),
    ),
    must(
        "6.4",
        "answers the same request twice",
        ANSWERED,
        Steps(|server| Box::pin(same_request_twice(server))),
    ),
    must(
        "6.5",
        "answers without an instance",
        UNAVAILABLE,
        Steps(|server| Box::pin(without_instance(server))),
    ),
    must(
        "6.6",
        "answers on the connection that asks, and on no other",
        ANSWERED,
        Steps(|server| Box::pin(answers_who_asks(server))),
    ),
    must(
        "6.7",
        "keeps requests apart that come in pieces on two connections",
        REQUEST_FORM,
        Steps(|server| Box::pin(pieces_on_two_connections(server))),
    ),
    must(
        "6.8",
        "forgets half a request with its connection",
        REQUEST_FORM,
        Steps(|server| Box::pin(forgets_half_a_request(server))),
    ),
    must(
        "6.9",
        "forgets the attributes of the request before",
        UNAVAILABLE,
        Steps(|server| Box::pin(forgets_attributes(server))),
    ),
    should(
        "6.10",
        "forgets the kind of the request before",
        REQUIRED,
        Steps(|server| Box::pin(forgets_the_kind(server))),
    ),
];

async fn one_message(server: Arc<Server>) -> Verdict {
    let mut connection = server.connect().await?;
    let message = instance();
    for number in 0..5 {
        let request = Attributes::at(Rcpt)
            .with(attr::INSTANCE, &message)
            .with(attr::RECIPIENT, format!("recipient{number}@example.org"));
        connection.ask(&request.bytes()).await?;
    }
    for stage in [Data, EndOfMessage] {
        let request = Attributes::at(stage)
            .with(attr::INSTANCE, &message)
            .with(attr::RECIPIENT, "")
            .with(attr::RECIPIENT_COUNT, "5");
        connection.ask(&request.bytes()).await?;
    }
    Ok(())
}

async fn messages(server: Arc<Server>, are_completed: bool) -> Verdict {
    let mut connection = server.connect().await?;
    for _ in 0..3 {
        let message = instance();
        for stage in [Rcpt, Data, EndOfMessage] {
            if stage != Rcpt && !are_completed {
                break;
            }
            let request = Attributes::at(stage).with(attr::INSTANCE, &message);
            connection.ask(&request.bytes()).await?;
        }
    }
    Ok(())
}

async fn same_request_twice(server: Arc<Server>) -> Verdict {
    let mut connection = server.connect().await?;
    let request = Attributes::rcpt().bytes();
    for _ in 0..2 {
        connection.ask(&request).await?;
    }
    Ok(())
}

async fn without_instance(server: Arc<Server>) -> Verdict {
    let mut connection = server.connect().await?;
    let request = Attributes::rcpt().with(attr::INSTANCE, "").bytes();
    for _ in 0..2 {
        connection.ask(&request).await?;
    }
    Ok(())
}

async fn answers_who_asks(server: Arc<Server>) -> Verdict {
    let (mut first, mut second) = (server.connect().await?, server.connect().await?);
    first.ask(&Attributes::rcpt().bytes()).await?;
    if let Event::Bytes(bytes) = second.watch().await {
        return Miss::failed(format!("answered {} on another connection", quoted(&bytes)));
    }
    second.ask(&Attributes::rcpt().bytes()).await.map(drop)
}

async fn pieces_on_two_connections(server: Arc<Server>) -> Verdict {
    let (mut first, mut second) = (server.connect().await?, server.connect().await?);
    let requests = (Attributes::few().bytes(), Attributes::few().bytes());
    let lines = |request| <[u8]>::split_inclusive(request, |&byte| byte == b'\n');
    for (one, other) in lines(&requests.0).zip(lines(&requests.1)) {
        first.send_pieces([one]).await?;
        second.send_pieces([other]).await?;
    }
    second.answer().await?;
    first.answer().await.map(drop)
}

async fn forgets_half_a_request(server: Arc<Server>) -> Verdict {
    let mut first = server.connect().await?;
    let request = Attributes::rcpt().bytes();
    first
        .send(request.get(..request.len() / 2).unwrap_or_default())
        .await?;
    drop(first);
    let mut second = server.connect().await?;
    second.ask(&Attributes::rcpt().bytes()).await?;
    second.silent().await
}

async fn forgets_attributes(server: Arc<Server>) -> Verdict {
    // Whatever could make a difference is in the first request alone.
    let full = Attributes::at(Rcpt)
        .each(|_| b"leaked@example.com".to_vec())
        .with(attr::CLIENT_ADDRESS, "198.51.100.99");
    let few = || Attributes::few().bytes();
    let before = server.ask(&few()).await?;
    let mut connection = server.connect().await?;
    connection.ask(&full.bytes()).await?;
    let answer = connection.ask(&few()).await?;
    let after = server.ask(&few()).await?;
    if without_numbers(&before) != without_numbers(&after) {
        return Err(Miss::Skipped(
            "its answers to one request differ by themselves".to_owned(),
        ));
    }
    if without_numbers(&answer) == without_numbers(&before) {
        return Ok(());
    }
    let (answer, before) = (quoted(&answer.0), quoted(&before.0));
    Miss::failed(format!(
        "answered {answer} after another request, and {before} else"
    ))
}

async fn forgets_the_kind(server: Arc<Server>) -> Verdict {
    let request = Attributes::rcpt().without(attr::REQUEST).bytes();
    if server.ask(&request).await.is_ok() {
        return Err(Miss::Skipped(
            "it answers without a kind of request anyway".to_owned(),
        ));
    }
    let mut connection = server.connect().await?;
    connection.ask(&Attributes::rcpt().bytes()).await?;
    is_not_answered(connection, &request).await
}

async fn is_not_answered(mut connection: Connection, request: &[u8]) -> Verdict {
    connection.send(request).await?;
    match connection.watch().await {
        Event::Bytes(bytes) => Miss::failed(format!("answered {}", quoted(&bytes))),
        Event::Nothing | Event::Closed => Ok(()),
    }
}

/// Seconds that are left, and numbers of requests, change with each answer.
fn without_numbers(answer: &Answer) -> Vec<u8> {
    let mut text = answer.action().unwrap_or_default().to_owned();
    text.retain(|byte| !byte.is_ascii_digit());
    text
}
