//! Questions that share sockets, beside a server that sees their ports.

use std::collections::BTreeSet;

use futures_util::future::{join, join_all, poll_immediate};
use tokio::net::UdpSocket;

use super::*;
use crate::{Name, Question, RecordType};

/// Queries whose ids differ: those that do not would have sockets of their own.
fn queries(count: usize) -> Vec<Arc<Query>> {
    let mut queries: Vec<Arc<Query>> = vec![];
    while queries.len() < count {
        let name = Name::parse(format!("q{}.test", queries.len())).unwrap();
        let query = Query::new(&Question::new(name, RecordType::A));
        if queries.iter().all(|other| other.id() != query.id()) {
            queries.push(Arc::new(query));
        }
    }
    queries
}

async fn server() -> (UdpSocket, SocketAddr) {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    (server, address)
}

/// The next query, made an answer, and where it came from.
async fn next(server: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 512];
    let (length, from) = server.recv_from(&mut buffer).await.unwrap();
    let mut answer = buffer[..length].to_vec();
    answer[2] |= 0x80;
    (answer, from)
}

fn is_open(sockets: &Sockets) -> bool {
    let open = lock(&sockets.open);
    open.iter().any(|(_, socket)| socket.upgrade().is_some())
}

#[tokio::test]
async fn questions_at_one_time_share_a_few_ports() {
    let ((server, address), sockets) = (server().await, Sockets::default());
    let queries = queries(MAX_QUESTIONS + 8);
    let mut seen = BTreeSet::new();
    for _ in 0..2 {
        let asking = join_all(queries.iter().map(|query| sockets.ask(address, query)));
        let serving = async {
            let mut answers = vec![];
            for _ in 0..queries.len() {
                answers.push(next(&server).await);
            }
            // Each has its own answer, in whatever order they come.
            for (answer, from) in answers.iter().rev() {
                server.send_to(answer, from).await.unwrap();
            }
            answers
                .into_iter()
                .map(|(_, from)| from)
                .collect::<BTreeSet<_>>()
        };
        let (answers, ports) = join(asking, serving).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert_eq!(ports.len(), 2);
        // The task that reads ends when it is its turn.
        while is_open(&sockets) {
            tokio::task::yield_now().await;
        }
        seen.extend(ports);
    }
    assert!(seen.len() > 2, "the same ports again: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_socket_takes_questions_for_a_second() {
    let ((_server, address), sockets) = (server().await, Sockets::default());
    let queries = queries(3);
    let mut asking = vec![];
    for (query, (seconds, waiting)) in queries.iter().zip([(0.9, 1), (0.2, 2), (0.0, 1)]) {
        let mut question = Box::pin(sockets.ask(address, query));
        assert!(poll_immediate(&mut question).await.is_none());
        asking.push(question);
        let socket = lock(&sockets.open)[0].1.upgrade().unwrap();
        assert_eq!(lock(&socket.state).waiting.len(), waiting);
        tokio::time::advance(Duration::from_secs_f64(seconds)).await;
    }
}

#[tokio::test]
async fn what_answers_no_question_is_passed_over() {
    let ((server, address), sockets) = (server().await, Sockets::default());
    let queries = queries(2);
    let asking = join_all(queries.iter().map(|query| sockets.ask(address, query)));
    let serving = async {
        let [(first, from), (second, _)] = [next(&server).await, next(&server).await];
        // The id of one, and the question of the other.
        let forged = [&first[..2], &second[2..]].concat();
        let unknown = [&[!first[0], first[1]], &first[2..]].concat();
        for message in [
            &forged,
            &unknown,
            &first[..1].to_vec(),
            &first,
            &first,
            &second,
        ] {
            server.send_to(message, from).await.unwrap();
        }
    };
    let (answers, ()) = join(asking, serving).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[tokio::test]
async fn where_nothing_listens_all_that_wait_end() {
    let (server, address) = server().await;
    drop(server);
    let (queries, sockets) = (queries(5), Sockets::default());
    let answers = join_all(queries.iter().map(|query| sockets.ask(address, query))).await;
    for answer in answers {
        let error = answer.unwrap_err();
        assert!(
            matches!(&error, TransportError::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_message_that_is_longer_than_any_that_is_read_is_cut_off() {
    let ((server, address), sockets) = (server().await, Sockets::default());
    let queries = queries(2);
    let asking = join_all(queries.iter().map(|query| sockets.ask(address, query)));
    let serving = async {
        for length in [MAX_UDP, MAX_UDP + 1] {
            let (mut answer, from) = next(&server).await;
            // The query's record of EDNS goes, and one of the type NULL comes.
            answer.truncate(answer.len() - 11);
            (answer[7], answer[11]) = (1, 0);
            let data = u16::try_from(length - answer.len() - 12).unwrap();
            answer.extend([0xc0, 12, 0, 10, 0, 1, 0, 0, 0, 60]);
            answer.extend(data.to_be_bytes());
            answer.resize(length, 0);
            server.send_to(&answer, from).await.unwrap();
        }
    };
    let (answers, ()) = join(asking, serving).await;
    let is_cut = |answer: &Result<Decoded, _>| answer.as_ref().unwrap().is_truncated();
    assert_eq!(
        answers.iter().map(is_cut).collect::<Vec<_>>(),
        [false, true]
    );
}

#[tokio::test]
async fn a_question_may_be_given_up_beside_others() {
    let ((server, address), sockets) = (server().await, Sockets::default());
    let queries = queries(2);
    let mut first = Box::pin(sockets.ask(address, &queries[0]));
    let mut second = Box::pin(sockets.ask(address, &queries[1]));
    assert!(poll_immediate(&mut first).await.is_none());
    assert!(poll_immediate(&mut second).await.is_none());
    drop(first);
    let [late, (answer, from)] = [next(&server).await, next(&server).await];
    for message in [&late.0, &answer] {
        server.send_to(message, from).await.unwrap();
    }
    assert!(second.await.is_ok());
}
