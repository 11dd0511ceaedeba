//! The resolver against a name server that lies.
#![cfg(feature = "hickory")]

mod servers;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use policy_dns::{Answer, DnsOptions, DnsResolver, Name, Outcome, Question, RecordType, Resolver};
use policy_testing::{Edns, NameServer};

const ZONE: &str = r#"
    acme.test 60        MX 10 mail.acme.test
    mail.acme.test 60   A 192.0.2.1
    mail.acme.test 60   AAAA 2001:db8::1
    192.0.2.1           PTR mail.acme.test
    "user=a.b_c.test"   TXT "one" "two \128"
    www.test            CNAME web.test
    web.test            CNAME mail.acme.test
    gone.test           CNAME nowhere.test
    bare.test           CNAME empty.test
    empty.test          TXT ""
    loop.test           CNAME pool.test
    pool.test           CNAME loop.test
    lie.test            !servfail
    lie.test            A 192.0.2.4
    no.test             !refused
    odd.test            !code 4
    cut.test            !truncated
    cut.test            A 192.0.2.5
    within.test         !cut-within
    within.test         A 192.0.2.8
    id.test             !wrong-id
    id.test             A 192.0.2.6
    name.test           !wrong-name
    name.test           A 192.0.2.7
    dead.test           !silent
    hop.test            !alias-only
    hop.test            CNAME hop2.test
    hop2.test           !alias-only
    hop2.test           CNAME mail.acme.test
    spin.test           !alias-only
    spin.test           CNAME spon.test
    spon.test           !alias-only
    spon.test           CNAME spin.test
"#;

/// A resolver that waits for its servers longer than any machine stands still.
fn resolver(servers: impl IntoIterator<Item = SocketAddr>) -> DnsResolver {
    let mut options = DnsOptions::new(servers);
    options.timeout = Duration::from_secs(20);
    options.deadline = Duration::from_secs(60);
    DnsResolver::new(options)
}

/// A resolver whose tries end soon, for servers that are silent. Others answer within that time.
fn hasty(servers: impl IntoIterator<Item = SocketAddr>) -> DnsResolver {
    let mut options = DnsOptions::new(servers);
    options.timeout = TRY;
    DnsResolver::new(options)
}

/// The time of a try where a test needs one to be over.
const TRY: Duration = Duration::from_millis(500);

fn question(name: &str, kind: RecordType) -> Question {
    Question::new(Name::parse(name).unwrap(), kind)
}

async fn ask(resolver: &impl Resolver, name: &str, kind: RecordType) -> Answer {
    resolver.ask(question(name, kind)).await
}

#[tokio::test]
async fn outcomes_are_told_apart() {
    use {Outcome::*, RecordType::*};
    let server = NameServer::start(ZONE);
    let (patient, hasty) = (resolver([server.address()]), hasty([server.address()]));
    for (name, kind, outcome, section) in [
        ("acme.test", Mx, Records, 1),
        ("MAIL.acme.test", A, Records, 1),
        ("mail.acme.test", Aaaa, Records, 1),
        ("1.2.0.192.in-addr.arpa", Ptr, Records, 1),
        ("user=a.b_c.test", Txt, Records, 1),
        ("acme.test", A, NoData, 0),
        ("none.test", A, NxDomain, 0),
        ("www.test", A, Records, 3),
        ("www.test", Cname, Records, 1),
        ("gone.test", A, NxDomain, 1),
        ("bare.test", A, NoData, 1),
        ("loop.test", A, NoData, 2),
        ("lie.test", A, ServFail, 1),
        ("no.test", A, Refused, 0),
        ("odd.test", A, Failed(4), 0),
        ("cut.test", A, Records, 1),
        ("within.test", A, Records, 1),
        ("id.test", A, Timeout, 0),
        ("name.test", A, Timeout, 0),
        ("dead.test", A, Timeout, 0),
        ("hop.test", A, Records, 3),
        ("spin.test", A, NoData, 2),
    ] {
        let resolver = if outcome == Timeout { &hasty } else { &patient };
        let answer = ask(resolver, name, kind).await;
        // Records of a loop come once for each round.
        let mut records = answer.section().to_vec();
        records.dedup();
        let section_length = if name == "loop.test" || name == "spin.test" {
            2
        } else {
            records.len()
        };
        assert_eq!(
            (answer.outcome(), section_length),
            (outcome, section),
            "{name} {kind}: {answer:?}"
        );
    }
    let texts = ask(&patient, "user=a.b_c.test", Txt).await;
    assert_eq!(texts.texts().collect::<Vec<_>>(), [b"onetwo \x80"]);
}

#[tokio::test]
async fn a_server_that_does_not_know_edns_is_asked_without() {
    let server = NameServer::start(ZONE);
    for edns in [Edns::FormErr, Edns::FormErrAlone, Edns::NotImp] {
        server.set_edns(edns);
        let resolver = resolver([server.address()]);
        let answer = ask(&resolver, "mail.acme.test", RecordType::A).await;
        assert_eq!(answer.outcome(), Outcome::Records, "{edns:?}");
        // What it does not understand without it either is the answer.
        let answer = ask(&resolver, "odd.test", RecordType::A).await;
        assert_eq!(answer.outcome(), Outcome::Failed(4), "{edns:?}");
    }
}

#[tokio::test]
async fn an_answer_is_asked_for_once() {
    let server = NameServer::start(
        "a.test A 192.0.2.1\nslow.test !delay 50ms\nslow.test A 192.0.2.2\nlie.test !servfail",
    );
    let resolver = resolver([server.address()]);
    for name in ["a.test", "a.test", "none.test", "none.test"] {
        ask(&resolver, name, RecordType::A).await;
    }
    let asked =
        futures_util::future::join_all((0..20).map(|_| ask(&resolver, "slow.test", RecordType::A)))
            .await;
    assert!(asked.iter().all(|answer| answer.addresses().count() == 1));
    let expected = ["a.test", "none.test", "slow.test"].map(|name| question(name, RecordType::A));
    assert_eq!(server.questions(), expected);
    assert_eq!(resolver.cached(), 3);
}

#[tokio::test]
async fn what_is_kept_is_told_without_asking() {
    let server = NameServer::start(ZONE);
    let resolver = resolver([server.address()]);
    for (name, outcome) in [
        ("acme.test", Outcome::Records),
        ("lie.test", Outcome::ServFail),
    ] {
        let question = question(name, RecordType::Mx);
        assert!(resolver.kept(&question).is_none());
        resolver.ask(question.clone()).await;
        let asked = server.questions().len();
        let kept = resolver.kept(&question);
        assert_eq!(kept.map(|answer| answer.outcome()), Some(outcome));
        assert_eq!(server.questions().len(), asked);
    }
    assert_eq!(resolver.counts().cached, 2);
}

#[tokio::test]
async fn that_there_was_no_answer_is_forgotten_and_other_answers_are_not() {
    let server = NameServer::start("acme.test A 192.0.2.1\nlate.test !silent\n");
    let resolver = hasty([server.address()]);
    for name in ["acme.test", "late.test"] {
        ask(&resolver, name, RecordType::A).await;
    }
    let kept = |name| resolver.kept(&question(name, RecordType::A));
    assert_eq!(
        kept("late.test").map(|answer| answer.outcome()),
        Some(Outcome::Timeout)
    );
    resolver.forget_failures();
    assert_eq!(kept("late.test"), None);
    assert!(kept("acme.test").is_some());
}

#[tokio::test]
async fn a_text_that_does_not_fit_comes_over_tcp() {
    let strings: Vec<_> = (0..20)
        .map(|index| format!("\"{}\"", index.to_string().repeat(100)))
        .collect();
    let server = NameServer::start(&format!("long.test TXT {}", strings.join(" ")));
    let answer = ask(&resolver([server.address()]), "long.test", RecordType::Txt).await;
    assert_eq!(answer.texts().next().unwrap().len(), 3000);
    assert_eq!(server.questions().len(), 2);
}

/// Answers each query over UDP with an address of another name.
async fn other_owner(socket: tokio::net::UdpSocket, queries: Arc<AtomicUsize>) {
    let mut buffer = [0; 512];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        queries.fetch_add(1, Ordering::Relaxed);
        // The header says one question, one answer, nothing else; the option of the query is left out.
        let question = &buffer[12..length - 11];
        let mut reply = buffer[..2].to_vec();
        reply.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        reply.extend_from_slice(question);
        reply.extend(
            b"\x05other\x04test\x00\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\xc0\x00\x02\x01",
        );
        let _ = socket.send_to(&reply, peer).await;
    }
}

#[tokio::test]
async fn what_does_not_belong_to_a_question_keeps_no_answer() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (address, queries) = (socket.local_addr().unwrap(), Arc::default());
    let server = tokio::spawn(other_owner(socket, Arc::clone(&queries)));
    let resolver = resolver([address]);
    for _ in 0..2 {
        let answer = ask(&resolver, "asked.test", RecordType::A).await;
        assert_eq!(
            (answer.outcome(), answer.ttl()),
            (Outcome::NoData, Duration::ZERO)
        );
    }
    assert_eq!(queries.load(Ordering::Relaxed), 2);
    server.abort();
}

#[tokio::test]
async fn an_alias_that_is_followed_is_kept() {
    let server = NameServer::start(ZONE);
    let resolver = resolver([server.address()]);
    for _ in 0..2 {
        let answer = ask(&resolver, "hop.test", RecordType::A).await;
        assert_eq!(answer.addresses().count(), 1);
    }
    assert_eq!(server.questions().len(), 3);
    // One that leads in a circle says neither what there is nor that there is nothing.
    let before = server.questions().len();
    for _ in 0..2 {
        ask(&resolver, "spin.test", RecordType::A).await;
    }
    assert_eq!(server.questions().len(), before + 4);
    let before = server.questions().len();
    for _ in 0..2 {
        let answer = ask(&resolver, "loop.test", RecordType::A).await;
        assert_eq!(
            (answer.outcome(), answer.ttl()),
            (Outcome::NoData, Duration::ZERO)
        );
    }
    assert_eq!(server.questions().len(), before + 2);
}

#[tokio::test]
async fn eight_aliases_are_followed_and_no_more() {
    for (aliases, expected, questions) in [(8, Outcome::Records, 9), (9, Outcome::NoData, 18)] {
        let mut zone = format!("a{aliases}.test A 192.0.2.1");
        for index in 0..aliases {
            let next = index + 1;
            zone += &format!("\na{index}.test !alias-only\na{index}.test CNAME a{next}.test");
        }
        let server = NameServer::start(&zone);
        let resolver = resolver([server.address()]);
        for _ in 0..2 {
            let answer = ask(&resolver, "a0.test", RecordType::A).await;
            assert_eq!(answer.outcome(), expected, "{aliases}");
        }
        // An answer that is not proven is not kept.
        assert_eq!(server.questions().len(), questions, "{aliases}");
    }
}

#[tokio::test]
async fn an_answer_says_no_longer_time_than_the_options() {
    let server = NameServer::start("a.test 4294967295 A 192.0.2.1");
    let mut options = DnsOptions::new([server.address()]);
    options.max_ttl = Duration::from_secs(600);
    options.max_negative_ttl = Duration::from_secs(30);
    let resolver = DnsResolver::new(options);
    for (name, most) in [("a.test", 600), ("none.test", 30)] {
        let answer = ask(&resolver, name, RecordType::A).await;
        assert_eq!(answer.ttl(), Duration::from_secs(most), "{name}");
    }
}
