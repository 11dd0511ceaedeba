//! Name servers that answer nothing, that are back, and those of some domains alone.

use std::net::{SocketAddr, UdpSocket};

use futures_util::future::{join, join_all};
use policy_testing::NameServer;

use super::*;

async fn ask(dns: &Dns, name: &str) -> Outcome {
    let name = Name::parse(name).unwrap();
    dns.ask(Question::new(name, RecordType::A)).await.outcome()
}

async fn ask_four(dns: &Dns) -> Vec<Outcome> {
    let names = (1..=4).map(|number| format!("name{number}.silent.example"));
    join_all(names.map(async |name| ask(dns, &name).await)).await
}

fn silent() -> (UdpSocket, DnsOptions) {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let options = DnsOptions::new([silent.local_addr().unwrap()]);
    (silent, options)
}

#[tokio::test(start_paused = true)]
async fn once_servers_answer_nothing_the_first_question_fails_and_each_one_after_it() {
    let (_silent, options) = silent();
    let dns = Dns::servers(options);
    let begin = Instant::now();
    let watch = async {
        dns.doubted().await;
        dns.try_servers().await
    };
    let first = join(ask(&dns, "first.example"), watch).await;
    assert_eq!(first, (Outcome::Timeout, false));
    assert!(begin.elapsed() < Duration::from_secs(5));
    let begin = Instant::now();
    assert_eq!(ask(&dns, "other.example").await, Outcome::Timeout);
    assert_eq!(begin.elapsed(), Duration::ZERO);
    // Other servers may answer.
    let (_other, options) = silent();
    assert!(dns.replace(options));
    assert_eq!(ask(&dns, "other.example").await, Outcome::Timeout);
    assert!(begin.elapsed() >= Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn while_the_last_questions_have_no_answer_one_has_two_seconds() {
    let (_silent, options) = silent();
    let dns = Dns::servers(options);
    assert_eq!(ask_four(&dns).await, [Outcome::Timeout; 4]);
    let begin = Instant::now();
    assert_eq!(ask(&dns, "doubt.example").await, Outcome::Timeout);
    assert!(begin.elapsed() <= Duration::from_millis(2001));
}

#[tokio::test]
async fn a_server_that_is_back_is_noticed_although_nobody_asks() {
    // Nothing listens there yet, and no other test does: none has this address, and the port is taken at all of them.
    let neighbour = NameServer::start("");
    let address = SocketAddr::from(([127, 77, 0, 5], neighbour.address().port()));
    let dns = Dns::servers(DnsOptions::new([address]));
    assert_eq!(ask(&dns, "other.example").await, Outcome::Unreachable);
    assert!(!dns.try_servers().await);
    assert_eq!(ask(&dns, "third.example").await, Outcome::Timeout);
    let _server = NameServer::start_at(address, "other.example A 192.0.2.1\n");
    // A busy machine may not answer within the time.
    for _ in 0..10 {
        if dns.try_servers().await {
            break;
        }
    }
    assert!(!dns.is_doubted());
    // That it had no answer is kept no longer.
    assert_eq!(ask(&dns, "other.example").await, Outcome::Records);
}

/// Else the questions about an attacker's domains would keep those to lists from being asked.
#[tokio::test]
async fn domains_whose_servers_are_silent_keep_nobody_from_asking_about_others() {
    let zone = "*.silent.example !silent\nother.example A 192.0.2.1\n";
    let server = NameServer::start(zone);
    let mut options = DnsOptions::new([server.address()]);
    options.timeout = Duration::from_millis(500);
    let dns = Dns::servers(options);
    assert_eq!(ask_four(&dns).await, [Outcome::Timeout; 4]);
    assert!(dns.is_doubted());
    assert!(dns.try_servers().await);
    assert_eq!(ask(&dns, "other.example").await, Outcome::Records);
}

#[tokio::test]
async fn servers_that_a_reload_has_replaced_say_nothing_about_those_in_their_place() {
    let (_silent, options) = silent();
    let dns = Dns::servers(options);
    let server = NameServer::start("other.example A 192.0.2.1\n");
    let replace = async { dns.replace(DnsOptions::new([server.address()])) };
    let tried = join(dns.try_servers(), replace).await;
    assert_eq!(tried, (true, true));
    assert_eq!(ask(&dns, "other.example").await, Outcome::Records);
}

#[tokio::test]
async fn one_answer_is_enough() {
    let server = NameServer::start("*.invalid !silent\nother.example A 192.0.2.1\n");
    let dns = Dns::servers(DnsOptions::new([server.address()]));
    assert_eq!(ask(&dns, "other.example").await, Outcome::Records);
    if let Dns::Servers(servers) = &dns {
        let name = Name::parse("other.example").unwrap();
        servers.doubt(Question::new(name, RecordType::A));
    }
    // From here no server answers before the time of a try is over.
    tokio::time::pause();
    let begin = Instant::now();
    assert!(dns.try_servers().await);
    assert_eq!(begin.elapsed(), Duration::ZERO);
}
