//! Checks of services that are down, beside the requests: what brings one back, and what that costs.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use policy_ha::Mode;
use policy_net::{Check, Event, Probe, Upstream, UpstreamOptions};
use policy_proto::Response;
use policy_testing::pipe::{
    Manner, Server, ask, is_up, ms, request, s, timed, upstream, upstream_of,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

#[tokio::test(start_paused = true)]
async fn a_service_that_could_not_be_connected_to_is_back_before_a_request_asks_for_it() {
    for manner in [Manner::Refuses, Manner::BlackHole] {
        let (server, other) = (Server::new(manner), Server::new(Manner::Answers));
        let upstream = upstream(UpstreamOptions::default(), s(10), &[&server, &other]);
        let first = upstream.ids()[0];
        ask(&upstream, 1).await.unwrap();
        let checks = Checks::start(&upstream, Check::new(s(5)));
        sleep(s(60)).await;
        assert!(!is_up(&upstream, first), "{manner:?}");

        server.becomes(Manner::Answers);
        sleep(s(8)).await;
        assert!(is_up(&upstream, first), "{manner:?}");
        assert_eq!(checks.told().last().unwrap(), "0 is up", "{manner:?}");

        // The connection that showed it is kept.
        let connects = server.connects();
        assert_eq!(timed(ask(&upstream, 2)).await.0.unwrap(), 0);
        assert_eq!(server.connects(), connects);
        assert_eq!(server.marks(), ["2"], "nothing was asked but by requests");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_proves_nothing_of_a_service_that_could_be_connected_to() {
    for manner in [
        Manner::Hangs,
        Manner::ClosesUnanswered,
        Manner::Says(b"220 hello\n"),
        Manner::SaysAndCloses(b"act"),
    ] {
        for probed in [false, true] {
            let (server, other) = (Server::new(manner), Server::new(Manner::Answers));
            let upstream = upstream(UpstreamOptions::default(), s(10), &[&server, &other]);
            let first = upstream.ids()[0];
            ask(&upstream, 1).await.unwrap();
            let check = if probed {
                Check::new(s(5)).with_probe(Probe::new(request("probe")))
            } else {
                Check::new(s(5))
            };
            let _checks = Checks::start(&upstream, check);
            sleep(s(30)).await;
            assert!(!is_up(&upstream, first), "{manner:?}");
            server.becomes(Manner::Answers);
            sleep(s(15)).await;
            assert_eq!(is_up(&upstream, first), probed, "{manner:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn how_it_failed_last_is_what_counts() {
    // It hung, was restarted, and could not be connected to meanwhile.
    let server = Server::new(Manner::Hangs);
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
    let first = upstream.ids()[0];
    ask(&upstream, 1).await.unwrap_err();
    let _checks = Checks::start(&upstream, Check::new(s(5)));
    sleep(s(6)).await;
    assert!(!is_up(&upstream, first));
    server.becomes(Manner::Refuses);
    ask(&upstream, 2).await.unwrap_err();
    server.becomes(Manner::Answers);
    sleep(s(5)).await;
    assert!(is_up(&upstream, first));

    // It could not be connected to, was started, and hangs.
    server.hangs_up().await;
    server.becomes(Manner::Refuses);
    ask(&upstream, 3).await.unwrap_err();
    server.becomes(Manner::Hangs);
    ask(&upstream, 4).await.unwrap_err();
    sleep(s(60)).await;
    assert!(!is_up(&upstream, first));
}

#[tokio::test(start_paused = true)]
async fn services_that_are_up_or_disabled_are_left_alone() {
    let servers = [(); 2].map(|()| Server::new(Manner::Answers));
    let upstream = upstream(
        UpstreamOptions::default(),
        s(10),
        &[&servers[0], &servers[1]],
    );
    let probe = Probe::new(request("probe"));
    let checks = Checks::start(&upstream, Check::new(s(1)).with_probe(probe));
    sleep(s(60)).await;
    assert_eq!([servers[0].connects(), servers[1].connects()], [0, 0]);

    servers[0].becomes(Manner::ClosesUnanswered);
    ask(&upstream, 1).await.unwrap();
    let first = upstream.ids()[0];
    upstream.set_mode(first, Mode::Disabled);
    let connects = servers[0].connects();
    sleep(s(60)).await;
    assert_eq!((servers[0].connects(), checks.told().len()), (connects, 0));

    upstream.set_mode(first, Mode::Enabled);
    sleep(s(2)).await;
    assert!(servers[0].connects() > connects);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_answered_otherwise_than_expected_does_not_pass() {
    let (server, other) = (
        Server::new(Manner::ClosesUnanswered),
        Server::new(Manner::Answers),
    );
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server, &other]);
    let first = upstream.ids()[0];
    ask(&upstream, 1).await.unwrap();
    server.becomes(Manner::Says(b"action=DEFER no database\n\n"));
    let probe = Probe::new(request("probe")).expecting(Response::new("DUNNO").unwrap());
    let checks = Checks::start(&upstream, Check::new(s(5)).with_probe(probe));
    sleep(s(6)).await;
    let otherwise = "0: the probe was answered with another action";
    assert_eq!(checks.told(), [otherwise]);
    assert!(!is_up(&upstream, first));

    server.becomes(Manner::Says(b"action=dunno\n\n"));
    sleep(s(5)).await;
    assert_eq!(checks.told(), [otherwise, "0 passed", "0 is up"]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_answered_with_what_is_not_allowed_does_not_pass() {
    let (server, other) = (
        Server::new(Manner::ClosesUnanswered),
        Server::new(Manner::Answers),
    );
    let servers = [(&server, Some("dunno")), (&other, None)];
    let upstream = upstream_of(UpstreamOptions::default(), s(10), servers);
    let first = upstream.ids()[0];
    ask(&upstream, 1).await.unwrap();
    server.becomes(Manner::Says(b"action=OK\n\n"));
    let probe = Probe::new(request("probe"));
    let checks = Checks::start(&upstream, Check::new(s(5)).with_probe(probe));
    sleep(s(6)).await;
    assert_eq!(checks.told(), ["0: answer not allowed"]);
    assert!(!is_up(&upstream, first));
}

#[tokio::test(start_paused = true)]
async fn a_check_has_the_time_of_an_attempt_and_is_the_only_one_of_its_service() {
    for (manner, probed, took) in [
        (Manner::BlackHole, false, s(3)),
        (Manner::BlackHole, true, s(3)),
        (Manner::Hangs, true, s(10)),
    ] {
        let (server, other) = (Server::new(manner), Server::new(Manner::Answers));
        let upstream = upstream(UpstreamOptions::default(), s(10), &[&server, &other]);
        ask(&upstream, 1).await.unwrap();
        let mut check = Check::new(s(1));
        check.probe = probed.then(|| Probe::new(request("probe")));
        let connects = server.connects();
        let _checks = Checks::start(&upstream, check);
        let mut most = 0;
        for _ in 0..(took + s(1)).as_secs() * 5 {
            sleep(s(1)).await;
            most = most.max(server.open());
        }
        assert_eq!(server.connects() - connects, 5, "{manner:?} {probed}");
        assert!(most <= 1, "{manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn checks_of_several_services_are_not_at_the_same_moment() {
    let servers = [(); 4].map(|()| Server::new(Manner::Refuses));
    let all = servers.each_ref();
    let upstream = upstream(UpstreamOptions::default(), s(10), &all);
    ask(&upstream, 1).await.unwrap_err();
    let begin = Instant::now();
    let checks = Checks::start(&upstream, Check::new(s(4)));
    sleep(ms(11_500)).await;
    let after = |moment: &Instant| moment.duration_since(begin).as_secs();
    let moments: Vec<_> = checks.0.moments.lock().unwrap().iter().map(after).collect();
    assert_eq!(moments, [4, 5, 6, 7, 8, 9, 10, 11]);
}

#[tokio::test(start_paused = true)]
async fn a_check_takes_no_place_that_a_request_waits_for() {
    let server = Server::new(Manner::Hangs);
    let mut options = UpstreamOptions::default();
    options.max_connections = 1;
    options.last_resort = s(90);
    let upstream = upstream(options, ms(60_500), &[&server]);
    ask(&upstream, 1).await.unwrap_err();
    let probe = Probe::new(request("probe"));
    let _checks = Checks::start(&upstream, Check::new(s(1)).with_probe(probe));
    // The one place is taken for a minute.
    ask(&upstream, 2).await.unwrap_err();
    assert_eq!(server.marks(), ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn as_long_as_checks_fail_requests_need_not_find_out_by_themselves() {
    for (checked, waited) in [(false, 5..=8), (true, 0..=2)] {
        let (server, other) = (Server::new(Manner::Refuses), Server::new(Manner::Answers));
        let upstream = upstream(UpstreamOptions::default(), s(10), &[&server, &other]);
        ask(&upstream, 1).await.unwrap();
        server.becomes(Manner::BlackHole);
        // One check after the other.
        let every = if checked { ms(20) } else { Duration::MAX };
        let _checks = Checks::start(&upstream, Check::new(every));
        let mut waits = 0;
        for mark in 0..180 {
            let took = timed(ask(&upstream, mark)).await.1;
            waits += u32::from(took > s(0));
            sleep(s(1)).await;
        }
        assert!(waited.contains(&waits), "{checked}: {waits}");
    }
}

#[tokio::test(start_paused = true)]
async fn ending_the_checks_ends_what_is_under_way() {
    let server = Server::new(Manner::Hangs);
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
    ask(&upstream, 1).await.unwrap_err();
    server.until_open(0).await;
    let probe = Probe::new(request("probe"));
    let checks = Checks::start(&upstream, Check::new(s(1)).with_probe(probe));
    server.until_open(1).await;
    drop(checks);
    server.until_open(0).await;
}

#[tokio::test(start_paused = true)]
async fn an_interval_without_end_is_no_error() {
    let server = Server::new(Manner::Refuses);
    let upstream = upstream(UpstreamOptions::default(), s(10), &[&server]);
    ask(&upstream, 1).await.unwrap_err();
    let _checks = Checks::start(&upstream, Check::new(Duration::MAX));
    sleep(s(1_000_000)).await;
    assert_eq!(server.connects(), 1);
}

/// Checks that run until this is dropped, and what they told.
struct Checks(Arc<Told>, JoinHandle<()>);

#[derive(Default)]
struct Told {
    lines: Mutex<Vec<String>>,
    moments: Mutex<Vec<Instant>>,
}

impl Checks {
    fn start(upstream: &Upstream<Server>, check: Check) -> Self {
        let told = Arc::new(Told::default());
        let (upstream, teller) = (upstream.clone(), Arc::clone(&told));
        let on_event = move |event: Event| {
            let line = match event {
                Event::Checked { backend, error, .. } => {
                    teller.moments.lock().unwrap().push(Instant::now());
                    match error {
                        None => format!("{} passed", backend.index()),
                        Some(error) => format!("{}: {error}", backend.index()),
                    }
                }
                Event::Changed {
                    backend,
                    transition: policy_ha::Transition::Up { .. },
                    ..
                } => format!("{} is up", backend.index()),
                Event::Opening(_) | Event::Connected(_) => return,
                event => panic!("{event:?}"),
            };
            teller.lines.lock().unwrap().push(line);
        };
        let checking = tokio::spawn(async move { upstream.check(&check, on_event).await });
        Self(told, checking)
    }

    fn told(&self) -> Vec<String> {
        self.0.lines.lock().unwrap().clone()
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        self.1.abort();
    }
}
