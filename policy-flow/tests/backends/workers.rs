//! Permits among workers.

use std::time::Instant;

use policy_flow::{Address, BackendConfig, LinkId, Shared, Upstream, UpstreamOptions};
use policy_ha::{BackendId, Status};
use policy_proto::Request;

use crate::{
    DUNNO,
    support::{Recorder, ms},
};

#[test]
fn a_worker_without_a_permit_gets_that_of_an_idle_connection_of_another() {
    let (shared, _, mut workers, mut drivers) = two_workers(1);
    let [one, two] = &mut drivers;
    workers[0].ask(request(), None, 0, one);
    workers[0].connected(LinkId::from_index(0), one);
    workers[1].ask(request(), None, 0, two);
    assert_eq!(two.take(), [""; 0], "it waits");
    workers[0].data(LinkId::from_index(0), DUNNO.as_bytes(), one);
    assert_eq!(
        one.take(),
        ["connect 0 to 0", "send 0: a", "close 0", "wake 1"]
    );
    workers[1].woken(two);
    assert_eq!(two.take(), ["connect 0 to 0"]);
    workers[1].connected(LinkId::from_index(0), two);
    workers[1].data(LinkId::from_index(0), DUNNO.as_bytes(), two);
    // Now the second one keeps it.
    workers[0].tick(one);
    workers[0].ask(request(), None, 0, one);
    assert_eq!(one.take(), ["wake 1"]);
    two.take();
    workers[1].woken(two);
    assert_eq!(two.take(), ["close 0", "wake 0"]);
    workers[0].woken(one);
    assert_eq!(one.take(), ["connect 0 to 0"]);
    let id = BackendId::new(0).unwrap();
    assert_eq!(
        (shared.open(id), shared.balancer().status(id)),
        (1, Status::Up)
    );
}

#[test]
fn a_worker_that_knows_what_a_backend_serves_does_not_count_connections_of_others() {
    let (_, now, mut workers, mut drivers) = two_workers(100);
    let link = LinkId::from_index;
    let [one, two] = &mut drivers;
    // The first one has three that are asked.
    for number in 0..3 {
        workers[0].ask(request(), None, 0, one);
        workers[0].connected(link(number), one);
    }
    // The second one learns that two of its own are served: each time the third one has no answer until they are closed.
    let mut now = now;
    for _ in 0..2 {
        let links = [(); 3].map(|()| {
            workers[1].ask(request(), None, 0, two);
            let done = two.take();
            let number = done
                .last()
                .unwrap()
                .split([' ', ':'])
                .nth(1)
                .unwrap()
                .parse()
                .unwrap();
            workers[1].connected(link(number), two);
            link(number)
        });
        workers[1].data(links[0], DUNNO.as_bytes(), two);
        workers[1].data(links[1], DUNNO.as_bytes(), two);
        for time in [20, 980] {
            now += ms(time);
            workers[1].set_now(now);
            workers[1].tick(two);
        }
        workers[1].data(links[2], DUNNO.as_bytes(), two);
        workers[1].tick(two);
        two.take();
    }
    assert_eq!(two.take_events(), ["0 serves 2"]);
    workers[1].ask(request(), None, 0, two);
    assert!(two.take().last().unwrap().starts_with("send"));
    workers[1].tick(two);
    workers[1].ask(request(), None, 0, two);
    assert_eq!(two.take().len(), 1, "it has one, and may have two");
}

#[test]
fn a_worker_whose_own_requests_wait_no_more_leaves_its_permits_to_others() {
    let (_, _, mut workers, mut drivers) = two_workers(1);
    for ends in [true, false] {
        let [one, two] = &mut drivers;
        let link = LinkId::from_index(0);
        workers[0].ask(request(), None, 0, one);
        workers[0].connected(link, one);
        let gives_up = workers[0].ask(request(), None, 1, one);
        workers[0].cancel(gives_up, one);
        let waits = workers[1].ask(request(), None, 0, two);
        one.take();
        if ends {
            workers[0].ended(link, one);
        } else {
            workers[0].data(link, DUNNO.as_bytes(), one);
        }
        assert_eq!(one.take(), ["close 0", "wake 1"], "ends: {ends}");
        workers[1].cancel(waits, two);
        workers[1].woken(two);
        for (worker, driver) in workers.iter_mut().zip(&mut drivers) {
            worker.tick(driver);
            driver.take();
        }
    }
}

#[test]
fn workers_with_fewer_permits_than_there_are_of_them_have_their_turns() {
    let (_, _, mut workers, mut drivers) = two_workers(1);
    let link = LinkId::from_index(0);
    let [one, two] = &mut drivers;
    workers[0].ask(request(), None, 0, one);
    workers[0].connected(link, one);
    workers[0].ask(request(), None, 1, one);
    workers[1].ask(request(), None, 0, two);
    one.take();
    workers[0].data(link, DUNNO.as_bytes(), one);
    assert_eq!(
        one.take(),
        ["close 0", "wake 1"],
        "though another of its own waits"
    );
    workers[1].woken(two);
    assert_eq!(two.take(), ["connect 0 to 0"]);
    workers[1].connected(link, two);
    workers[1].data(link, DUNNO.as_bytes(), two);
    assert_eq!(two.take(), ["send 0: a", "close 0", "wake 0"]);
    workers[0].tick(one);
    workers[0].woken(one);
    assert_eq!(one.take(), ["connect 0 to 0"]);
}

#[test]
fn a_connection_that_is_not_answered_has_one_closed_that_another_worker_keeps() {
    let (_, now, mut workers, mut drivers) = two_workers(100);
    let [one, two] = &mut drivers;
    let link = LinkId::from_index(0);
    workers[0].ask(request(), None, 0, one);
    workers[0].connected(link, one);
    workers[0].data(link, DUNNO.as_bytes(), one);
    workers[1].ask(request(), None, 0, two);
    workers[1].connected(link, two);
    one.take();
    two.take();
    for (time, done) in [(20, &[][..]), (1_000, &["wake 0"])] {
        workers[1].set_now(now + ms(time));
        workers[1].tick(two);
        assert_eq!(two.take(), *done);
    }
    workers[0].woken(one);
    assert_eq!(one.take(), ["close 0"]);
}

/// Two workers that share one backend, with so many connections in all.
fn two_workers(max_connections: usize) -> (Shared, Instant, [Upstream; 2], [Recorder; 2]) {
    let mut options = UpstreamOptions::default();
    options.max_connections = max_connections;
    let shared = Shared::new(options.balancer, [policy_ha::Backend::default()], 2).unwrap();
    let now = Instant::now();
    let workers = [0, 1].map(|worker| {
        let mut backend = BackendConfig::default();
        backend.address = Some(Address::Other(0));
        Upstream::new(now, options.clone(), [backend], &shared, worker)
    });
    (
        shared,
        now,
        workers,
        [Recorder::default(), Recorder::default()],
    )
}

fn request() -> Request {
    Request::from_attributes([("instance", "a")]).unwrap()
}
