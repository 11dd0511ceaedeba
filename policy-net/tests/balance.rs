//! The choice among services of one priority, affinity, and an operator's
//! modes.

use policy_ha::Mode;
use policy_net::{BackendConfig, Exhausted, Stick, Strategy, Upstream, UpstreamOptions};
use policy_proto::Request;
use policy_testing::pipe::{self, Manner, Server, ask, ms, s};
use tokio::{
    task::JoinSet,
    time::{advance, sleep, timeout},
};

const STRATEGIES: [&str; 3] = ["round-robin", "least-loaded", "hash:sender"];

// Least loaded

#[tokio::test(start_paused = true)]
async fn the_least_loaded_is_asked() {
    let servers = [Manner::AnswersAfter(s(5)), Manner::AnswersAfter(ms(100))].map(Server::new);
    let upstream = with("least-loaded", &servers);
    let mut requests = JoinSet::new();
    for mark in 0..40 {
        let upstream = upstream.clone();
        requests.spawn(async move { ask(&upstream, mark).await.unwrap() });
        sleep(ms(100)).await;
    }
    let answered = requests.join_all().await;
    let slow = answered.iter().filter(|index| **index == 0).count();
    // One at a time is under way at the quick one, and as many soon stay with the slow one.
    assert!((1..=3).contains(&slow), "{slow}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_given_up_is_no_load() {
    let servers = [(); 2].map(|()| Server::new(Manner::Hangs));
    let upstream = with("least-loaded", &servers);
    for mark in 0..10 {
        timeout(s(1), ask(&upstream, mark)).await.unwrap_err();
    }
    for server in &servers {
        server.until_open(0).await;
        server.becomes(Manner::AnswersAfter(s(1)));
    }
    let mut requests = JoinSet::new();
    for mark in 0..20 {
        let upstream = upstream.clone();
        requests.spawn(async move { ask(&upstream, mark).await.unwrap() });
    }
    let first = requests
        .join_all()
        .await
        .into_iter()
        .filter(|index| *index == 0);
    assert_eq!(first.count(), 10);
}

// Hash

#[tokio::test(start_paused = true)]
async fn the_same_key_goes_to_the_same_service_and_elsewhere_only_while_that_is_down() {
    let servers = [(); 4].map(|()| Server::new(Manner::Answers));
    let upstream = with("hash:sender", &servers);
    let mut homes = Vec::new();
    for sender in 0..100 {
        let home = answered_by(&upstream, &sender.to_string(), "").await;
        assert_eq!(answered_by(&upstream, &sender.to_string(), "").await, home);
        homes.push(home);
    }
    for server in 0..4 {
        let share = homes.iter().filter(|home| **home == server).count();
        assert!((10..=45).contains(&share), "{share} of 100 at {server}");
    }

    servers[0].hangs_up().await;
    servers[0].becomes(Manner::Refuses);
    let mut moved = Vec::new();
    for (sender, home) in homes.iter().enumerate() {
        let now = answered_by(&upstream, &sender.to_string(), "").await;
        assert_eq!(now == *home, *home != 0, "only its share moves");
        moved.extend((now != *home).then_some(now));
    }
    moved.sort_unstable();
    moved.dedup();
    assert_eq!(moved, [1, 2, 3], "to all the others");

    servers[0].becomes(Manner::Answers);
    advance(s(2)).await;
    for (sender, home) in homes.iter().enumerate() {
        assert_eq!(answered_by(&upstream, &sender.to_string(), "").await, *home);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_has_the_same_service_whatever_the_order_of_the_services() {
    let servers = [(); 4].map(|()| Server::new(Manner::Answers));
    let home = async |order: [usize; 4]| {
        let services = order.map(|index| service(&servers[index], &index.to_string()));
        let mut options = UpstreamOptions::default();
        options.strategy = "hash:sender".parse().unwrap();
        let upstream = Upstream::new(options, services).unwrap();
        let mut homes = Vec::new();
        for sender in 0..50 {
            homes.push(order[answered_by(&upstream, &sender.to_string(), "").await]);
        }
        homes
    };
    assert_eq!(home([0, 1, 2, 3]).await, home([2, 0, 3, 1]).await);
}

#[tokio::test(start_paused = true)]
async fn requests_without_a_key_take_turns() {
    let servers = [(); 2].map(|()| Server::new(Manner::Answers));
    let upstream = with("hash:sasl_username", &servers);
    let mut shares = [0; 2];
    for sender in 0..20 {
        shares[answered_by(&upstream, &sender.to_string(), "").await] += 1;
    }
    assert_eq!(shares, [10, 10]);
}

// Messages

#[tokio::test(start_paused = true)]
async fn a_backend_that_takes_over_keeps_the_rest_of_the_message_with_each_strategy() {
    for strategy in STRATEGIES {
        let servers = [(); 3].map(|()| Server::new(Manner::Answers));
        let upstream = with(strategy, &servers);
        let mut message = Message::new(&upstream, "sender", "r1");
        let home = message.ask().await;
        for _ in 0..5 {
            assert_eq!(message.ask().await, home, "{strategy}");
        }
        servers[home].hangs_up().await;
        servers[home].becomes(Manner::Refuses);
        let other = message.ask().await;
        assert_ne!(other, home, "{strategy}");

        servers[home].becomes(Manner::Answers);
        advance(s(60)).await;
        // Others bring the first one back, by its trial.
        for sender in 0..50 {
            answered_by(&upstream, &sender.to_string(), "").await;
        }
        assert!(
            upstream
                .ids()
                .into_iter()
                .all(|id| pipe::is_up(&upstream, id))
        );
        for _ in 0..5 {
            assert_eq!(message.ask().await, other, "{strategy}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn recipients_that_are_in_the_key_go_where_they_belong_also_within_a_message() {
    let servers = [(); 4].map(|()| Server::new(Manner::Answers));
    let upstream = with("hash:recipient", &servers);
    let mut homes = Vec::new();
    for recipient in 0..20 {
        homes.push(answered_by(&upstream, "", &recipient.to_string()).await);
    }
    let mut message = Message::new(&upstream, "sender", "");
    message.ask().await;
    for (recipient, home) in homes.into_iter().enumerate() {
        message.recipient = recipient.to_string();
        assert_eq!(message.ask().await, home, "{recipient}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_without_a_key_stick_to_the_backend_that_answered_last() {
    let servers = [(); 4].map(|()| Server::new(Manner::Answers));
    let upstream = with("hash:recipient", &servers);
    for recipient in ["", "r1", "r2"] {
        let mut message = Message::new(&upstream, "sender", recipient);
        let home = message.ask().await;
        message.recipient = String::new();
        for _ in 0..10 {
            assert_eq!(message.ask().await, home, "{recipient}");
        }
    }
}

// Operators

#[tokio::test(start_paused = true)]
async fn a_service_that_is_drained_ends_what_it_has_begun_and_one_that_is_disabled_does_not() {
    for strategy in STRATEGIES {
        let servers = [(); 2].map(|()| Server::new(Manner::Answers));
        let upstream = with(strategy, &servers);
        let mut message = Message::new(&upstream, "sender", "r1");
        let home = message.ask().await;
        let id = upstream.ids()[home];
        assert_eq!(upstream.mode(id), Some(Mode::Enabled));

        upstream.set_mode(id, Mode::Drain);
        assert_eq!(upstream.mode(id), Some(Mode::Drain));
        assert_eq!(message.ask().await, home, "{strategy}");
        for sender in 0..20 {
            let other = answered_by(&upstream, &sender.to_string(), "").await;
            assert_ne!(other, home, "{strategy}");
        }
        upstream.set_mode(id, Mode::Disabled);
        assert_ne!(message.ask().await, home, "{strategy}");

        upstream.set_mode(id, Mode::Enabled);
        let mut seen = Vec::new();
        for sender in 0..20 {
            seen.push(answered_by(&upstream, &sender.to_string(), "").await);
        }
        assert!(seen.contains(&home), "{strategy}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_every_service_disabled_a_request_fails_at_once() {
    let servers = [(); 2].map(|()| Server::new(Manner::Answers));
    let upstream = with("round-robin", &servers);
    for id in upstream.ids() {
        upstream.set_mode(id, Mode::Disabled);
    }
    let Exhausted { attempts, .. } = ask(&upstream, 1).await.unwrap_err();
    assert!(attempts.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_disabled_service_has_no_share_of_the_deadline() {
    let servers = [Manner::Hangs, Manner::Answers, Manner::Answers].map(Server::new);
    let mut options = UpstreamOptions::default();
    options.deadline = s(24);
    let upstream = pipe::upstream(options, s(60), &[&servers[0], &servers[1], &servers[2]]);
    let last = upstream.ids()[2];
    upstream.set_mode(last, Mode::Disabled);
    let (answered, took) = pipe::timed(ask(&upstream, 1)).await;
    assert_eq!((answered.unwrap(), took), (1, s(12)));
}

/// The requests of one message, each about the same recipient until that is changed.
struct Message<'a> {
    upstream: &'a Upstream<Server>,
    sender: String,
    recipient: String,
    stick: Option<Stick>,
}

impl<'a> Message<'a> {
    fn new(upstream: &'a Upstream<Server>, sender: &str, recipient: &str) -> Self {
        Self {
            upstream,
            sender: sender.to_owned(),
            recipient: recipient.to_owned(),
            stick: None,
        }
    }

    async fn ask(&mut self) -> usize {
        let request = about(&self.sender, &self.recipient);
        let answer = self
            .upstream
            .ask_with(&request, self.stick, |_| {})
            .await
            .unwrap();
        self.stick = Some(answer.stick);
        answer.backend.index()
    }
}

async fn answered_by(upstream: &Upstream<Server>, sender: &str, recipient: &str) -> usize {
    Message::new(upstream, sender, recipient).ask().await
}

fn about(sender: &str, recipient: &str) -> Request {
    let attributes = [
        ("request", "smtpd_access_policy"),
        ("sender", sender),
        ("recipient", recipient),
        ("instance", "x"),
    ];
    Request::from_attributes(attributes).unwrap()
}

fn with(balance: &str, servers: &[Server]) -> Upstream<Server> {
    let mut options = UpstreamOptions::default();
    options.strategy = balance.parse::<Strategy>().unwrap();
    let services = (0..).zip(servers);
    let services = services.map(|(index, server): (u32, _)| service(server, &index.to_string()));
    Upstream::new(options, services).unwrap()
}

fn service(server: &Server, name: &str) -> BackendConfig<Server> {
    pipe::backend(server, name)
}
