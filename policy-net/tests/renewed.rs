//! The list of services changes while requests are under way.

mod support;

use policy_ha::{Backend, BackendId, Status};
use policy_net::{Service, Upstream, UpstreamOptions};
use tokio::time::{advance, sleep};

use support::{Manner, Server, ask, ms, s};

#[tokio::test(start_paused = true)]
async fn services_that_stay_keep_health_counters_and_connections() {
    let [leaves, down, up, joins] = [
        Manner::Answers,
        Manner::Refuses,
        Manner::Answers,
        Manner::Answers,
    ]
    .map(Server::new);
    let old = Upstream::new(
        UpstreamOptions::default(),
        [&leaves, &down, &up].map(service),
    )
    .unwrap();
    for mark in 0..30 {
        ask(&old, mark).await.unwrap();
    }
    let ids: Vec<BackendId> = old.ids().collect();
    let [_, was_down, was_up] = [0, 1, 2].map(|place: usize| old.counts(ids[place]));
    assert_eq!((was_down.answered, was_down.failed), (0, 1));
    assert!(was_up.answered >= 15 && was_up.failed == 0);

    let list = [
        (service(&up), Some(ids[2])),
        (service(&joins), None),
        (service(&down), Some(ids[1])),
    ];
    let new = old.renewed(UpstreamOptions::default(), list).unwrap();
    let now: Vec<BackendId> = new.ids().collect();
    assert_eq!(new.counts(now[0]), was_up);
    assert_eq!(new.counts(now[1]).answered, 0);
    assert_eq!(new.status(now[2]), old.status(ids[1]));
    assert!(matches!(new.status(now[2]), Status::Down { .. }));

    let connects = up.connects();
    for mark in 0..30 {
        ask(&new, mark).await.unwrap();
    }
    assert_eq!(up.connects(), connects, "its connection was kept");
    assert_eq!(new.counts(now[0]).answered, was_up.answered + 15);
    assert_eq!(new.counts(now[1]).answered, 15);
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_ends_as_it_began_and_then_connections_to_those_that_left_are_closed() {
    let [leaves, joins] = [Manner::AnswersAfter(s(5)), Manner::Answers].map(Server::new);
    let old = Upstream::new(UpstreamOptions::default(), [service(&leaves)]).unwrap();
    let new = old
        .renewed(UpstreamOptions::default(), [(service(&joins), None)])
        .unwrap();
    let under_way = tokio::spawn({
        let old = old.clone();
        async move { ask(&old, 1).await.is_ok() }
    });
    sleep(ms(100)).await;
    drop(old);
    ask(&new, 2).await.unwrap();
    assert_eq!((leaves.open(), joins.open()), (1, 1));
    advance(s(5)).await;
    assert!(under_way.await.unwrap());
    leaves.until_open(0).await;
}

fn service(server: &Server) -> Service<Server> {
    Service {
        connect: server.clone(),
        backend: Backend::default(),
        timeout: s(10),
        accepts: None,
    }
}
