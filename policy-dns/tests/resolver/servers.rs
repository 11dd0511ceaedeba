//! Several name servers, their times, and questions that are given up.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::{join, join_all};
use policy_dns::{DnsOptions, DnsResolver, Outcome, RecordType, Resolver};
use policy_testing::{NameServer, eventually, free_port};
use tokio::time::Instant;

use super::{TRY, ask, hasty, resolver};

/// A resolver with these servers, and the milliseconds of a try and of a question.
fn timed(servers: &[&NameServer], attempts: usize, timeout: u64, deadline: u64) -> DnsResolver {
    let mut options = DnsOptions::new(servers.iter().map(|server| server.address()));
    options.attempts = attempts;
    options.timeout = Duration::from_millis(timeout);
    options.deadline = Duration::from_millis(deadline);
    DnsResolver::new(options)
}

/// The outcome of a question for an address.
async fn outcome(resolver: &DnsResolver, name: &str) -> Outcome {
    ask(resolver, name, RecordType::A).await.outcome()
}

/// The same for somebody who waits so many milliseconds.
async fn outcome_within(resolver: &DnsResolver, name: &str, wait: u64) -> Outcome {
    let deadline = Instant::now() + Duration::from_millis(wait);
    let resolver = resolver.until(deadline);
    ask(&resolver, name, RecordType::A).await.outcome()
}

#[tokio::test]
async fn the_next_server_is_asked_where_one_fails() {
    let bad = NameServer::start("*.test !servfail");
    let silent = NameServer::start("*.test !silent");
    let good = NameServer::start("a.test A 192.0.2.1\nb.test A 192.0.2.1");
    // Nothing listens there: the system says so at once.
    let closed = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let resolver = hasty([bad.address(), closed, silent.address(), good.address()]);
    assert_eq!(
        ask(&resolver, "a.test", RecordType::A).await.outcome(),
        Outcome::Records
    );
    assert_eq!(silent.questions().len(), 1);
    // A server that was silent is asked last.
    assert_eq!(
        ask(&resolver, "b.test", RecordType::A).await.outcome(),
        Outcome::Records
    );
    assert_eq!((bad.questions().len(), silent.questions().len()), (2, 1));
}

#[tokio::test]
async fn a_server_that_failed_at_once_is_not_silent() {
    let silent = NameServer::start("*.test !silent");
    // Nothing listens there yet, and no other test does: none has this address, and the port is taken at all of them.
    let closed = SocketAddr::from(([127, 77, 0, 3], silent.address().port()));
    let mut options = DnsOptions::new([silent.address(), closed]);
    (options.attempts, options.timeout) = (1, TRY);
    let resolver = DnsResolver::new(options);
    assert_eq!(outcome(&resolver, "a.test").await, Outcome::Timeout);
    let _good = NameServer::start_at(closed, "*.test A 192.0.2.1");
    assert_eq!(outcome(&resolver, "b.test").await, Outcome::Records);
    assert_eq!(silent.questions().len(), 1);
}

#[tokio::test]
async fn an_answer_that_comes_after_the_time_of_its_try_is_taken() {
    let slow = NameServer::start("*.test !delay 1500ms\na.test A 192.0.2.1\nbad.test !servfail");
    let silent = NameServer::start("*.test !silent");
    let refusing = NameServer::start("*.test !refused");
    let rows = [
        (&[&slow][..], 2, "a.test", Outcome::Records),
        (&[&slow, &silent], 2, "a.test", Outcome::Records),
        (&[&slow], 2, "none.test", Outcome::NxDomain),
        (&[&slow, &silent], 2, "bad.test", Outcome::ServFail),
        (&[&slow, &silent], 1, "a.test", Outcome::Records),
        // It says at once that it does not want to, while the other one still may answer.
        (&[&slow, &refusing], 1, "a.test", Outcome::Records),
        (&[&silent, &refusing], 1, "a.test", Outcome::Refused),
    ];
    join_all(rows.map(async |(servers, attempts, name, expected)| {
        let resolver = timed(servers, attempts, 1000, 20_000);
        let found = outcome(&resolver, name).await;
        assert_eq!(found, expected, "{name}, {} servers", servers.len());
    }))
    .await;
}

#[tokio::test]
async fn a_server_that_fails_is_not_waited_for() {
    let server = NameServer::start("*.test !silent");
    let resolver = timed(&[&server], 2, 1000, 20_000);
    let failing = async {
        while server.questions().is_empty() {
            tokio::task::yield_now().await;
        }
        server.set_zone("*.test !servfail");
    };
    let (answered, ()) = join(outcome_within(&resolver, "a.test", 1800), failing).await;
    assert_eq!(answered, Outcome::ServFail);
    assert_eq!(resolver.counts().failed, 1);
}

#[tokio::test]
async fn an_answer_that_fails_comes_before_the_deadline_of_those_without() {
    let bad = NameServer::start("*.test !servfail\nlie.test A 192.0.2.1");
    let silent = NameServer::start("*.test !silent");
    // The deadline comes within a try, and with the end of one.
    for deadline in [750, 1000] {
        let resolver = timed(&[&bad, &silent], 2, 500, deadline);
        let answer = ask(&resolver, "lie.test", RecordType::A).await;
        assert_eq!(answer.outcome(), Outcome::ServFail, "{deadline} ms");
        assert_eq!(answer.section().len(), 1);
    }
}

#[tokio::test]
async fn a_silent_server_comes_last_also_where_all_give_up_before_its_time() {
    let silent = NameServer::start("*.test !silent");
    let good = NameServer::start("*.test A 192.0.2.1");
    let resolver = timed(&[&silent, &good], 2, 1000, 20_000);
    assert_eq!(
        outcome_within(&resolver, "a.test", 750).await,
        Outcome::Timeout
    );
    assert_eq!(
        outcome_within(&resolver, "b.test", 750).await,
        Outcome::Records
    );
    let counts = resolver.counts();
    assert_eq!((counts.timeout, counts.records), (1, 1));
    // The same where the deadline of the question ends it.
    let resolver = timed(&[&silent, &good], 2, 1000, 750);
    assert_eq!(outcome(&resolver, "a.test").await, Outcome::Timeout);
    assert_eq!(outcome(&resolver, "b.test").await, Outcome::Records);
}

#[tokio::test]
async fn a_question_that_is_given_up_soon_says_nothing_about_the_server() {
    let first = NameServer::start("slow.test !delay 20s\n*.test A 192.0.2.1");
    let second = NameServer::start("*.test A 192.0.2.2");
    let resolver = timed(&[&first, &second], 2, 10_000, 20_000);
    assert_eq!(
        outcome_within(&resolver, "slow.test", 50).await,
        Outcome::Timeout
    );
    assert_eq!(outcome(&resolver, "a.test").await, Outcome::Records);
    assert_eq!((first.questions().len(), second.questions().len()), (2, 0));
    assert_eq!(
        (resolver.counts().timeout, resolver.counts().records),
        (0, 1)
    );
}

#[tokio::test]
async fn a_server_that_answers_other_questions_meanwhile_is_not_silent() {
    let first = NameServer::start("dead.test !silent\n*.test A 192.0.2.1");
    let second = NameServer::start("*.test A 192.0.2.2");
    let resolver = timed(&[&first, &second], 2, 500, 20_000);
    let others = async {
        while first.questions().is_empty() {
            tokio::task::yield_now().await;
        }
        outcome(&resolver, "a.test").await
    };
    let outcomes = join(outcome(&resolver, "dead.test"), others).await;
    assert_eq!(outcomes, (Outcome::Records, Outcome::Records));
    assert_eq!(outcome(&resolver, "b.test").await, Outcome::Records);
    assert_eq!((first.questions().len(), second.questions().len()), (3, 1));
}

#[tokio::test]
async fn a_server_that_is_silent_over_tcp_only_is_not_silent() {
    let zone = "cut.test !truncated\n*.test A 192.0.2.1\ncut.test A 192.0.2.1\n";
    let first = NameServer::start(&format!("{zone}cut.test !silent-tcp"));
    let second = NameServer::start(zone);
    let resolver = timed(&[&first, &second], 2, 500, 20_000);
    assert_eq!(outcome(&resolver, "cut.test").await, Outcome::Records);
    assert_eq!(outcome(&resolver, "a.test").await, Outcome::Records);
    // Both were asked for the first name over UDP and TCP.
    assert_eq!((first.questions().len(), second.questions().len()), (3, 2));
    // Where no other server is there the try ends with its time.
    let resolver = timed(&[&first], 1, 500, 20_000);
    assert_eq!(outcome(&resolver, "cut.test").await, Outcome::Timeout);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let closed = SocketAddr::from(([127, 0, 0, 1], free_port()));
    assert_eq!(
        ask(&resolver([closed]), "a.test", RecordType::A)
            .await
            .outcome(),
        Outcome::Unreachable
    );
    assert_eq!(
        ask(&resolver([]), "a.test", RecordType::A).await.outcome(),
        Outcome::Unreachable
    );
}

#[tokio::test]
async fn a_question_has_a_deadline() {
    let server = NameServer::start("dead.test !silent");
    let mut options = DnsOptions::new([server.address()]);
    options.deadline = Duration::from_millis(100);
    let answer = ask(&DnsResolver::new(options), "dead.test", RecordType::A).await;
    assert_eq!(answer.outcome(), Outcome::Timeout);
    // The server may not have had the time to look.
    assert!(eventually(|| server.questions().len() == 1));
}

#[tokio::test]
async fn only_so_many_questions_are_under_way() {
    let server = NameServer::start("*.slow.test !silent");
    let mut options = DnsOptions::new([server.address()]);
    options.max_under_way = 3;
    options.deadline = Duration::from_millis(200);
    let resolver = DnsResolver::new(options);
    let names: Vec<_> = (0..10).map(|index| format!("a{index}.slow.test")).collect();
    let answers = join_all(names.iter().map(|name| ask(&resolver, name, RecordType::A))).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.outcome() == Outcome::Timeout)
    );
    assert!(eventually(|| server.questions().len() >= 3));
    assert_eq!(server.questions().len(), 3);
}

#[tokio::test]
async fn a_question_that_was_never_asked_is_not_kept_as_one_without_an_answer() {
    let server = NameServer::start("dead.test !silent\na.test A 192.0.2.1");
    let mut options = DnsOptions::new([server.address()]);
    options.max_under_way = 1;
    options.deadline = TRY;
    let resolver = DnsResolver::new(options);
    let outcomes = join(
        outcome(&resolver, "dead.test"),
        outcome(&resolver, "a.test"),
    )
    .await;
    assert_eq!(outcomes, (Outcome::Timeout, Outcome::Timeout));
    assert_eq!(outcome(&resolver, "a.test").await, Outcome::Records);
    assert_eq!(resolver.counts().timeout, 2);
}
