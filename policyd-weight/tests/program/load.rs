//! Many connections at once, with name servers that hang.

use std::{sync::mpsc, thread};

use super::world::{World, good, request};

/// Of a hundred mails each tenth has a sender of whose name DNS says nothing.
const MAILS: usize = 100;

fn hangs(number: usize) -> bool {
    number.is_multiple_of(10)
}

/// Options of a daemon that waits long for DNS, remembers no accepted client, and asks for all mails at once.
const PATIENT: &str = "$DNS_RETRIES = 0; $DNS_RETRY_IVAL = 30; $REQUEST_TIMEOUT = '15s'; $POSCACHESIZE = 0; $MAX_PROC = 200;";

fn mail(number: usize) -> String {
    let sender = if hangs(number) {
        format!("x@h{number}.slow.test")
    } else {
        "carol@acme.test".to_owned()
    };
    request(
        "100.64.2.10",
        "mail.acme.test",
        &sender,
        &number.to_string(),
    )
}

/// Asks about all at once: the numbers of the mails with their answers, in the order of these.
fn all_at_once(ask: impl Fn(usize) -> String + Sync) -> Vec<(usize, String)> {
    let (done, finished) = mpsc::channel();
    thread::scope(|scope| {
        for number in 0..MAILS {
            let (ask, done) = (&ask, done.clone());
            scope.spawn(move || done.send((number, ask(number))).unwrap());
        }
    });
    drop(done);
    finished.iter().collect()
}

/// All have an answer, and those that DNS says nothing about have the last ones.
fn check(order: &[(usize, String)], accepted: &str, without_dns: &str) {
    let hanging: Vec<usize> = (0..MAILS).filter(|&number| hangs(number)).collect();
    let first_of_all = MAILS - hanging.len();
    for (place, (number, answer)) in order.iter().enumerate() {
        let expected = if place < first_of_all {
            accepted
        } else {
            without_dns
        };
        assert!(answer.starts_with(expected), "{place} {number}: {answer}");
    }
    let mut last: Vec<usize> = order[first_of_all..]
        .iter()
        .map(|(number, _)| *number)
        .collect();
    last.sort_unstable();
    assert_eq!(last, hanging);
}

const ACCEPTED: &str = "action=PREPEND X-policyd-weight:  NOT_IN_BL=-1.5 CL_IP_EQ_FROM_MX=-3.1;";
const WITHOUT_DNS: &str = "action=PREPEND X-policyd-weight: ";

#[test]
fn a_hanging_name_server_delays_only_who_asks_for_its_names() {
    let world = World::new(PATIENT);
    let _running = world.start();
    world.ask(&good("warm"));
    let order = all_at_once(|number| world.ask(&mail(number)));
    check(&order, ACCEPTED, WITHOUT_DNS);
}

/// A list that says nothing of a client delays that client's mails, and no others.
#[test]
fn a_slow_list_delays_only_who_it_is_asked_for() {
    let world = World::new(PATIENT);
    let _running = world.start();
    world.ask(&good("warm"));
    let order = all_at_once(|number| {
        let client = if hangs(number) {
            "100.70.9.9"
        } else {
            "100.64.2.10"
        };
        world.ask(&request(
            client,
            "mail.acme.test",
            "carol@acme.test",
            &number.to_string(),
        ))
    });
    check(&order, ACCEPTED, "action=");
}

/// Without a deadline of their own the requests would take two minutes, longer than this test waits.
#[test]
fn without_any_name_server_each_request_is_answered_at_its_deadline() {
    let world = World::new("$DNS_RETRIES = 3; $DNS_RETRY_IVAL = 30; $MAX_PROC = 200;");
    let _running = world.start();
    assert!(world.ask(&good("1")).starts_with(ACCEPTED));
    world.dns.set_zone("test !silent\n*.test !silent\n");
    let order = all_at_once(|number| {
        let sender = format!("x@h{number}.other.test");
        world.ask(&request(
            "100.70.1.7",
            "h.other.test",
            &sender,
            &number.to_string(),
        ))
    });
    assert_eq!(order.len(), MAILS);
    for (number, answer) in &order {
        assert!(answer.starts_with(WITHOUT_DNS), "{number}: {answer}");
    }
}
