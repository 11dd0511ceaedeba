//! Checks of backends that are down.

use std::time::Duration;

use policy_flow::{Check, Probe};
use policy_proto::{Request, Response};

use crate::{
    DUNNO,
    support::{Proxy, ms},
};

#[test]
fn a_backend_that_refused_is_up_again_when_it_can_be_connected_to() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    let upstream = proxy.flow.upstream_mut().unwrap();
    upstream.check(Check::new(Duration::from_secs(5)));
    proxy.driver.refuses = true;
    proxy.ask(client, "a");
    proxy.driver.take_events();
    assert_eq!(proxy.passes(ms(5_000)), ["connect 0 to 0"]);
    assert_eq!(
        proxy.driver.take_events(),
        ["0 did not pass: cannot connect"]
    );
    proxy.driver.refuses = false;
    assert_eq!(proxy.passes(ms(5_000)), ["connect 0 to 0"]);
    assert_eq!(proxy.connected(0), [""; 0]);
    assert_eq!(proxy.driver.take_events(), ["0 passed", "0 is up"]);
    assert_eq!(
        proxy.ask(client, "b"),
        ["send 0: b"],
        "its connection is kept"
    );
    assert_eq!(
        proxy.passes(ms(5_000)),
        [""; 0],
        "who is up is not looked at"
    );
}

#[test]
fn a_check_is_judged_by_its_own_time() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    let upstream = proxy.flow.upstream_mut().unwrap();
    upstream.check(Check::new(Duration::from_secs(60)));
    let other = proxy.client();
    proxy.ask(client, "a");
    proxy.driver.refuses = true;
    proxy.ask(other, "b");
    proxy.driver.refuses = false;
    proxy.driver.take_events();
    // The request that this process stood still in, and then a check.
    proxy.stands_still(ms(10_101));
    let told = proxy.driver.take_events();
    assert!(told[0].ends_with("this process stood still"), "{told:?}");
    assert_eq!(proxy.passes(ms(60_000)), ["connect 0 to 0", "close 0"]);
    let told = proxy.driver.take_events();
    assert!(told[0].starts_with("0 did not pass: "), "{told:?}");
    assert!(told[0].ends_with("timed out"), "{told:?}");
}

#[test]
fn a_probe_wants_an_answer_and_this_one() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    let request = Request::from_attributes([("instance", "probe")]).unwrap();
    let probe = Probe::new(request).expecting(Response::new("OK").unwrap());
    let check = Check::new(Duration::from_secs(5)).with_probe(probe);
    proxy.flow.upstream_mut().unwrap().check(check);
    proxy.driver.refuses = true;
    proxy.ask(client, "a");
    proxy.driver.refuses = false;
    proxy.driver.take_events();
    proxy.passes(ms(5_000));
    assert_eq!(proxy.connected(0), ["send 0: probe"]);
    proxy.answer(0, DUNNO);
    let told = "0 did not pass: the probe was answered with another action";
    assert_eq!(proxy.driver.take_events(), [told]);
    proxy.passes(ms(5_000));
    proxy.connected(1);
    proxy.answer(1, "action=ok\n\n");
    assert_eq!(proxy.driver.take_events(), ["0 passed", "0 is up"]);
}

#[test]
fn checks_can_begin_again_after_they_have_ended() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    let check = Check::new(Duration::from_secs(5));
    proxy.flow.upstream_mut().unwrap().check(check.clone());
    proxy.driver.refuses = true;
    proxy.ask(client, "a");
    let upstream = proxy.flow.upstream_mut().unwrap();
    upstream.end_checks(&mut proxy.driver);
    assert_eq!(proxy.passes(ms(5_000)), [""; 0]);
    proxy.flow.upstream_mut().unwrap().check(check);
    assert_eq!(proxy.passes(ms(5_000)), ["connect 0 to 0"]);
}
