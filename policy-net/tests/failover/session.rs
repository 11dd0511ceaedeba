//! A message's requests are kept together without code of the caller's, and errors say who was asked.

use policy_net::{Request, Upstream, UpstreamOptions, attr};
use policy_testing::pipe::{Manner, Server, backend, ms, s, upstream};

/// A request about this message.
fn about(instance: &str) -> Request {
    let attributes = [
        (attr::REQUEST, attr::SMTPD_ACCESS_POLICY),
        (attr::INSTANCE, instance),
        (attr::SENDER, ""),
    ];
    Request::from_attributes(attributes).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_session_keeps_a_message_at_one_backend_and_deals_out_messages() {
    let servers = [(); 3].map(|()| Server::new(Manner::Says(b"action=DUNNO\n\n")));
    let backends = servers
        .each_ref()
        .map(|server| backend(server, &server.name()));
    let upstream = Upstream::new(UpstreamOptions::default(), backends).unwrap();
    let session = upstream.session();
    let mut asked = Vec::new();
    for message in ["a", "b", "c", "", "", ""] {
        let mut at = Vec::new();
        for _ in 0..3 {
            at.push(session.ask(&about(message)).await.unwrap().backend);
        }
        if message.is_empty() {
            asked.extend(at);
            continue;
        }
        assert!(
            at.iter().all(|backend| *backend == at[0]),
            "{message}: {at:?}"
        );
        asked.push(at[0]);
    }
    // An empty instance names no message: each of those took its turn.
    let count = |backend| asked.iter().filter(|asked| **asked == backend).count();
    assert_eq!(
        upstream.ids().into_iter().map(count).collect::<Vec<_>>(),
        [4; 3]
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_stays_where_its_message_went_after_a_failure() {
    let [first, second] = [Manner::Answers, Manner::Answers].map(Server::new);
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&first, &second]);
    let session = upstream.session();
    session.ask(&about("a")).await.unwrap();
    first.becomes(Manner::Refuses);
    first.hangs_up().await;
    let ids = upstream.ids();
    assert_eq!(session.ask(&about("a")).await.unwrap().backend, ids[1]);
    first.becomes(Manner::Answers);
    tokio::time::sleep(s(120)).await;
    assert_eq!(session.ask(&about("a")).await.unwrap().backend, ids[1]);
    assert_eq!(session.ask(&about("b")).await.unwrap().backend, ids[0]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_says_of_each_backend_by_name_why() {
    let servers = [Manner::Refuses, Manner::Hangs, Manner::ClosesUnanswered].map(Server::new);
    let names = ["mx1", "mx2", "mx3"];
    let backends = (10..)
        .zip(servers.iter().zip(names))
        .map(|(priority, (server, name))| {
            backend(server, name).priority(priority).timeout(ms(1500))
        });
    let upstream = Upstream::new(UpstreamOptions::default(), backends).unwrap();
    let ids = upstream.ids();
    let named = ids.iter().map(|id| upstream.name(*id));
    assert!(named.eq(names.map(|name| Some(name.into()))));
    let exhausted = upstream.ask(&about("a")).await.unwrap_err();
    assert_eq!(
        exhausted.to_string(),
        "no policy server answered: mx1: cannot connect: connection refused; \
         mx2: no answer within 1.5s; mx3: connection closed without an answer"
    );
}
