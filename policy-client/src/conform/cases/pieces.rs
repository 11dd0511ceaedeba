//! Cases about how requests are cut: TCP keeps no boundaries.

use std::sync::Arc;

use crate::conform::{
    attributes::Attributes,
    case::{Case, Test::Steps, must, should},
    connection::{Event, quoted},
    server::Server,
    source::{ANSWER_FORM, ONE_AT_A_TIME, REQUEST_FORM},
    verdict::{Miss, Verdict},
};

pub(super) const CASES: &[Case] = &[
    must(
        "2.1",
        "answers a request that comes byte by byte",
        REQUEST_FORM,
        Steps(|server| Box::pin(cut_everywhere(server))),
    ),
    must(
        "2.2",
        "answers a request that comes line by line",
        REQUEST_FORM,
        Steps(|server| Box::pin(cut_into_lines(server))),
    ),
    must(
        "2.3",
        "answers a request that is cut within a name",
        REQUEST_FORM,
        Steps(|server| Box::pin(cut_before(server, b"nder="))),
    ),
    must(
        "2.4",
        "answers a request that is cut after a name",
        REQUEST_FORM,
        Steps(|server| Box::pin(cut_before(server, b"=sender@"))),
    ),
    must(
        "2.5",
        "answers a request that is cut within a value",
        REQUEST_FORM,
        Steps(|server| Box::pin(cut_before(server, b"@example.org"))),
    ),
    must(
        "2.6",
        "answers a request that is cut between two lines",
        REQUEST_FORM,
        Steps(|server| Box::pin(cut_before(server, b"sender="))),
    ),
    must(
        "2.7",
        "answers a request that is cut before a line feed",
        REQUEST_FORM,
        Steps(|server| Box::pin(cut_before(server, b"\nrecipient="))),
    ),
    must(
        "2.8",
        "answers a request that is cut before its empty line, and not sooner",
        REQUEST_FORM,
        Steps(|server| Box::pin(waits_for_the_empty_line(server))),
    ),
    should(
        "2.9",
        "answers two requests in one segment",
        ONE_AT_A_TIME,
        Steps(|server| Box::pin(at_once(server, 2))),
    ),
    should(
        "2.10",
        "answers ten requests in one segment",
        ONE_AT_A_TIME,
        Steps(|server| Box::pin(at_once(server, 10))),
    ),
    should(
        "2.11",
        "answers a request and a half, and the rest of it later",
        ONE_AT_A_TIME,
        Steps(|server| Box::pin(one_and_a_half(server))),
    ),
    must(
        "2.12",
        "gives one answer to each request, and no more",
        ANSWER_FORM,
        Steps(|server| Box::pin(one_answer_each(server))),
    ),
];

async fn cut_everywhere(server: Arc<Server>) -> Verdict {
    let mut connection = server.connect().await?;
    let request = Attributes::few().bytes();
    connection.send_pieces(request.chunks(1)).await?;
    connection.answer().await.map(drop)
}

async fn cut_into_lines(server: Arc<Server>) -> Verdict {
    let mut connection = server.connect().await?;
    let request = Attributes::rcpt().bytes();
    let lines = request.split_inclusive(|&byte| byte == b'\n');
    connection.send_pieces(lines).await?;
    connection.answer().await.map(drop)
}

/// In two pieces, the second of which begins with this.
async fn cut_before(server: Arc<Server>, second: &'static [u8]) -> Verdict {
    let request = Attributes::rcpt().bytes();
    let mut windows = request.windows(second.len());
    let place = windows.position(|window| window == second).unwrap_or(1);
    let (first, second) = request.split_at(place);
    let mut connection = server.connect().await?;
    connection.send_pieces([first, second]).await?;
    connection.answer().await.map(drop)
}

async fn waits_for_the_empty_line(server: Arc<Server>) -> Verdict {
    let mut connection = server.connect().await?;
    let request = Attributes::rcpt().bytes();
    let (last, rest) = request.split_last().unwrap_or((&b'\n', &[]));
    connection.send(rest).await?;
    match connection.watch().await {
        Event::Nothing => {}
        Event::Closed => return Miss::failed("closed the connection within a request"),
        Event::Bytes(bytes) => {
            return Miss::failed(format!("answered {} too soon", quoted(&bytes)));
        }
    }
    connection.send(&[*last]).await?;
    connection.answer().await.map(drop)
}

async fn at_once(server: Arc<Server>, count: usize) -> Verdict {
    let mut connection = server.connect().await?;
    let requests: Vec<u8> = (0..count).flat_map(|_| Attributes::few().bytes()).collect();
    connection.send(&requests).await?;
    for number in 1..=count {
        if let Err(Miss::Failed(why)) = connection.answer().await {
            return Miss::failed(format!("answer {number}: {why}"));
        }
    }
    Ok(())
}

async fn one_and_a_half(server: Arc<Server>) -> Verdict {
    let mut connection = server.connect().await?;
    let (first, second) = (Attributes::few().bytes(), Attributes::few().bytes());
    let (half, rest) = second.split_at(second.len() / 2);
    connection.send(&[&first, half].concat()).await?;
    connection.answer().await?;
    connection.send(rest).await?;
    connection.answer().await.map(drop)
}

async fn one_answer_each(server: Arc<Server>) -> Verdict {
    let mut connection = server.connect().await?;
    for _ in 0..2 {
        connection.ask(&Attributes::rcpt().bytes()).await?;
    }
    match connection.watch().await {
        // What is no answer is for another case.
        Event::Bytes(bytes) if bytes.starts_with(b"action=") => {
            Miss::failed(format!("answered {} to no request", quoted(&bytes)))
        }
        _ => Ok(()),
    }
}
