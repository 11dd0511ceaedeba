//! The list of services changes while requests are under way.

use policy_ha::Status;
use policy_net::{BackendConfig, Upstream, UpstreamOptions};
use policy_testing::pipe::{Manner, Server, ask, backend, ms, s};
use tokio::time::{advance, sleep};

#[tokio::test(start_paused = true)]
async fn services_that_stay_keep_health_counters_and_connections() {
    let [leaves, down, up, joins] = [
        Manner::Answers,
        Manner::Refuses,
        Manner::Answers,
        Manner::Answers,
    ]
    .map(Server::new);
    let upstream = Upstream::new(
        UpstreamOptions::default(),
        [&leaves, &down, &up].map(service),
    )
    .unwrap();
    for mark in 0..30 {
        ask(&upstream, mark).await.unwrap();
    }
    let ids = upstream.ids();
    let [_, was_down, was_up] = [0, 1, 2].map(|place: usize| upstream.counts(ids[place]));
    assert_eq!((was_down.answered, was_down.failed), (0, 1));
    assert!(was_up.answered >= 15 && was_up.failed == 0);
    let status = upstream.status(ids[1]);

    let list = [
        (service(&up), Some(ids[2])),
        (service(&joins), None),
        (service(&down), Some(ids[1])),
    ];
    let now = upstream.exchange(UpstreamOptions::default(), list).unwrap();
    assert_eq!((now[0], now[2]), (ids[2], ids[1]));
    assert_eq!(upstream.ids(), now);
    assert_eq!(upstream.counts(now[0]), was_up);
    assert_eq!(upstream.counts(now[1]).answered, 0);
    assert_eq!(upstream.status(now[2]), status);
    assert!(matches!(status, Some(Status::Down { .. })));
    leaves.until_open(0).await;

    let connects = up.connects();
    for mark in 0..30 {
        ask(&upstream, mark).await.unwrap();
    }
    assert_eq!(up.connects(), connects, "its connection was kept");
    assert_eq!(upstream.counts(now[0]).answered, was_up.answered + 15);
    assert_eq!(upstream.counts(now[1]).answered, 15);
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_ends_as_it_began_and_then_connections_to_those_that_left_are_closed() {
    let [leaves, joins] = [Manner::AnswersAfter(s(5)), Manner::Answers].map(Server::new);
    let upstream = Upstream::new(UpstreamOptions::default(), [service(&leaves)]).unwrap();
    let under_way = tokio::spawn({
        let upstream = upstream.clone();
        async move { ask(&upstream, 1).await.is_ok() }
    });
    sleep(ms(100)).await;
    upstream
        .exchange(UpstreamOptions::default(), [(service(&joins), None)])
        .unwrap();
    ask(&upstream, 2).await.unwrap();
    assert_eq!((leaves.open(), joins.open()), (1, 1));
    advance(s(5)).await;
    assert!(under_way.await.unwrap());
    leaves.until_open(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_wrong_changes_nothing() {
    let server = Server::new(Manner::Answers);
    let upstream = Upstream::new(UpstreamOptions::default(), [service(&server)]).unwrap();
    let ids = upstream.ids();
    upstream
        .exchange(UpstreamOptions::default(), [])
        .unwrap_err();
    assert_eq!(upstream.ids(), ids);
    ask(&upstream, 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_tasks_of_connections_end_with_the_last_clone() {
    let server = Server::new(Manner::Answers);
    let upstream = Upstream::new(UpstreamOptions::default(), [service(&server)]).unwrap();
    ask(&upstream, 1).await.unwrap();
    let last = upstream.clone();
    drop(upstream);
    assert_eq!(server.open(), 1);
    drop(last);
    server.until_open(0).await;
    sleep(ms(1)).await;
    let alive = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    assert_eq!(alive, 0, "neither theirs nor a timer's");
}

fn service(server: &Server) -> BackendConfig<Server> {
    backend(server, &server.name())
}
