//! The way of one request, effect by effect.

mod support;

use policy_flow::{BackendConfig, ClientOptions, FlowOptions, Retry, UpstreamOptions};
use policy_proto::Response;
use support::{Proxy, ms};

const DUNNO: &str = "action=DUNNO\n\n";
/// The default action, to the first client.
const DEFAULT: &str = "reply 0: action=DUNNO||";

#[test]
fn a_request_goes_to_a_backend_and_its_answer_back() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    assert_eq!(proxy.ask(client, "a"), ["connect 0 to 0"]);
    assert_eq!(proxy.connected(0), ["send 0: a"]);
    assert_eq!(
        proxy.answer(0, "action=WARN x\n\n"),
        ["reply 0: action=WARN x||"]
    );
    assert_eq!(
        proxy.ask(client, "b"),
        ["send 0: b"],
        "the connection is kept"
    );
    assert_eq!(proxy.answer(0, "action=WA"), [""; 0]);
    assert_eq!(proxy.answer(0, "RN y\n\n"), ["reply 0: action=WARN y||"]);
    assert_eq!(proxy.ask(client, "c"), ["send 0: c"]);
    assert_eq!(proxy.answer(0, DUNNO), ["reply 0: action=DUNNO||"]);
    assert_eq!(proxy.driver.take_events(), [""; 0]);
}

#[test]
fn a_backend_that_refuses_costs_nothing_and_nobody_left_gives_the_default_action() {
    let mut proxy = Proxy::new(2);
    let client = proxy.client();
    proxy.driver.refuses = true;
    let done = proxy.ask(client, "a");
    assert_eq!(done.len(), 3, "{done:?}");
    assert_eq!(done[2], DEFAULT);
    let events = proxy.driver.take_events();
    assert_eq!(events.len(), 4, "two failed, and are down: {events:?}");
}

#[test]
fn other_rules_hold_for_the_requests_that_come() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    proxy.driver.refuses = true;
    let mut options = FlowOptions::default();
    options.default = Some(Response::new("DEFER later").unwrap());
    proxy.flow.renew(options.clone());
    let done = proxy.ask(client, "a");
    assert_eq!(done.last().unwrap(), "reply 0: action=DEFER later||");
    options.default = None;
    proxy.flow.renew(options);
    let done = proxy.ask(client, "b");
    assert_eq!(done.last().unwrap(), "close client 0");
}

#[test]
fn a_black_hole_costs_one_timeout() {
    let mut proxy = Proxy::new(2);
    let client = proxy.client();
    let first = proxy.ask(client, "a");
    proxy.connected(0);
    assert_eq!(proxy.passes(ms(9_999)), [""; 0]);
    let second = proxy.passes(ms(1));
    assert_eq!(second[0], "close 0");
    assert_ne!(second[1][10..], first[0][10..], "the other one: {second:?}");
    proxy.connected(1);
    assert_eq!(proxy.answer(1, DUNNO), ["reply 0: action=DUNNO||"]);
    let events = proxy.driver.take_events();
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(
        events[0].ends_with("failed: no answer within 10s"),
        "{events:?}"
    );
}

#[test]
fn a_kept_connection_that_was_closed_is_replaced_and_nobody_is_blamed() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    proxy.ask(client, "a");
    proxy.connected(0);
    proxy.answer(0, DUNNO);
    proxy.ask(client, "b");
    assert_eq!(proxy.ended(0), ["close 0", "connect 1 to 0"]);
    assert_eq!(proxy.connected(1), ["send 1: b"]);
    assert_eq!(proxy.answer(1, DUNNO), ["reply 0: action=DUNNO||"]);
    assert_eq!(proxy.driver.take_events(), [""; 0]);
}

#[test]
fn one_newline_too_many_does_no_harm() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    proxy.ask(client, "a");
    proxy.connected(0);
    for round in 0..3 {
        proxy.answer(0, DUNNO);
        if round == 1 {
            assert_eq!(proxy.answer(0, "\n"), [""; 0], "while it is idle");
        }
        assert_eq!(proxy.ask(client, "b"), ["send 0: b"]);
        if round == 2 {
            assert_eq!(proxy.answer(0, "\n"), [""; 0], "before the answer");
        }
    }
    assert_eq!(
        proxy.answer(0, "action=DUNNO\n\n\n"),
        ["reply 0: action=DUNNO||"]
    );
    assert_eq!(proxy.ask(client, "c"), ["send 0: c"], "with the answer");
    assert_eq!(proxy.driver.take_events(), [""; 0]);
}

#[test]
fn a_request_that_several_backends_close_on_is_to_blame() {
    let mut proxy = Proxy::new(2);
    let client = proxy.client();
    proxy.ask(client, "a");
    proxy.connected(0);
    proxy.ended(0);
    proxy.connected(1);
    let done = proxy.ended(1);
    assert_eq!(done, ["close 1", DEFAULT]);
    let events = proxy.driver.take_events();
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(events[2], "harmful: 11");
}

#[test]
fn under_unsent_nobody_is_asked_twice_who_may_have_read_it() {
    let mut options = UpstreamOptions::default();
    options.retry = Retry::Unsent;
    let backends = vec![BackendConfig::default(); 2];
    let mut proxy = Proxy::with(backends, options, ClientOptions::default());
    let client = proxy.client();
    proxy.ask(client, "a");
    proxy.connected(0);
    assert_eq!(proxy.ended(0), ["close 0", DEFAULT]);
}

#[test]
fn a_client_that_leaves_gives_up_its_request() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    proxy.ask(client, "a");
    proxy.connected(0);
    proxy.flow.client_gone(client, &mut proxy.driver);
    assert_eq!(proxy.driver.take(), ["close client 0", "close 0"]);
    let id = proxy.shared.balancer().ids().next().unwrap();
    assert_eq!(proxy.shared.open(id), 0);
}

#[test]
fn what_waits_for_a_permit_gets_the_connection_that_comes_free() {
    let mut options = UpstreamOptions::default();
    options.max_connections = 1;
    let mut proxy = Proxy::with(
        vec![BackendConfig::default()],
        options,
        ClientOptions::default(),
    );
    let (one, two) = (proxy.client(), proxy.client());
    proxy.ask(one, "a");
    proxy.connected(0);
    assert_eq!(proxy.ask(two, "b"), [""; 0]);
    let done = proxy.answer(0, DUNNO);
    assert_eq!(done, ["send 0: b", "reply 0: action=DUNNO||"]);
    assert_eq!(proxy.answer(0, DUNNO), ["reply 1: action=DUNNO||"]);
}

#[test]
fn requests_that_come_together_are_answered_in_order() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    let request = |instance| format!("request=smtpd_access_policy\ninstance={instance}\n\n");
    let both = request("a") + &request("b");
    proxy
        .flow
        .client_data(client, both.as_bytes(), &mut proxy.driver);
    assert_eq!(proxy.driver.take(), ["connect 0 to 0"]);
    proxy.connected(0);
    let done = proxy.answer(0, "action=WARN a\n\n");
    assert_eq!(done, ["reply 0: action=WARN a||", "send 0: b"]);
    assert_eq!(proxy.answer(0, DUNNO), ["reply 0: action=DUNNO||"]);
}
