//! Lists of backends that change.

use std::time::Duration;

use policy_flow::{
    Address, BackendConfig, Check, ClientOptions, LinkId, Probe, Slot, UpstreamOptions,
};
use policy_ha::{BackendId, Mode};
use policy_proto::Request;

use crate::{
    DUNNO,
    support::{Proxy, ms},
};

#[test]
fn a_backend_that_stays_keeps_its_connections_and_one_that_goes_is_closed() {
    let mut proxy = Proxy::new(2);
    let clients = [proxy.client(), proxy.client()];
    for (link, client) in (0..).zip(clients) {
        proxy.ask(client, "a");
        proxy.connected(link);
    }
    proxy.answer(0, DUNNO);
    // The other one is asked. Both were asked once, in either order.
    let ids: Vec<BackendId> = proxy.shared.balancer().ids().collect();
    let (stays, goes) = (ids[0], ids[1]);
    proxy.shared.balancer().set_mode(stays, Mode::Drain);
    let backends = [(policy_ha::Backend::default(), Some(stays))];
    let options = UpstreamOptions::default();
    let shared = proxy.shared.renewed(options.balancer, backends).unwrap();
    let stays = proxy.flow.upstream().unwrap().slot(stays).unwrap();
    let list = [(BackendConfig::default(), Some(stays))];
    let upstream = proxy.flow.upstream_mut().unwrap();
    let slots = upstream.exchange(options, list, &shared, &mut proxy.driver);
    assert_eq!(slots, [stays]);
    let only = BackendId::new(0).unwrap();
    assert_eq!(shared.balancer().mode(only), Mode::Drain);
    proxy.driver.take();
    proxy.answer(1, DUNNO);
    assert_eq!(
        proxy.shared.open(goes),
        0,
        "it is answered, and its connection is closed"
    );
    assert_eq!(shared.open(only), 1);
}

#[test]
fn a_backend_whose_number_is_over_63_is_blamed_like_others() {
    let mut proxy = Proxy::new(1);
    let options = UpstreamOptions::default();
    let mut backend = BackendConfig::default();
    backend.address = Some(Address::Other(0));
    // The first one keeps its number until the next list.
    let list = vec![(policy_ha::Backend::default(), None); 64];
    let shared = proxy.shared.renewed(options.balancer, list).unwrap();
    let list = vec![(backend, None); 64];
    let upstream = proxy.flow.upstream_mut().unwrap();
    let slots = upstream.exchange(options, list, &shared, &mut proxy.driver);
    assert_eq!(slots.last(), Some(&Slot::from_index(64)));
    // Only the first one and the last one are asked.
    let ids: Vec<BackendId> = shared.balancer().ids().collect();
    for id in &ids[1..63] {
        shared.balancer().set_mode(*id, Mode::Disabled);
    }
    let client = proxy.client();
    while !proxy
        .ask(client, "")
        .contains(&"connect 0 to 64".to_owned())
    {
        proxy.connected(0);
        proxy.answer(0, DUNNO);
        let upstream = proxy.flow.upstream_mut().unwrap();
        upstream.close_idle(&mut proxy.driver);
        proxy.passes(ms(0));
    }
    proxy.connected(0);
    assert_eq!(proxy.ended(0), ["close 0", "connect 1 to 1"]);
    proxy.connected(1);
    proxy.driver.take_events();
    proxy.answer(1, DUNNO);
    assert_eq!(proxy.driver.take_events(), ["64 is down"]);
}

/// The same backend with other options.
fn exchange(proxy: &mut Proxy, options: UpstreamOptions) {
    let id = BackendId::new(0).unwrap();
    let backends = [(policy_ha::Backend::default(), Some(id))];
    let upstream = proxy.flow.upstream_mut().unwrap();
    let shared = upstream.shared().renewed(options.balancer, backends);
    let list = [(BackendConfig::default(), upstream.slot(id))];
    upstream.exchange(options, list, &shared.unwrap(), &mut proxy.driver);
}

#[test]
fn who_waits_for_a_connection_gets_one_when_there_may_be_more() {
    let mut options = UpstreamOptions::default();
    options.max_connections = 1;
    let backends = vec![BackendConfig::default()];
    let mut proxy = Proxy::with(backends, options, ClientOptions::default());
    let clients = [proxy.client(), proxy.client()];
    proxy.ask(clients[0], "a");
    assert_eq!(proxy.ask(clients[1], "b"), [""; 0], "it waits");
    exchange(&mut proxy, UpstreamOptions::default());
    assert_eq!(proxy.driver.take(), ["connect 1 to 0"]);
}

#[test]
fn an_exchange_changes_the_limits_of_answers() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    proxy.ask(client, "a");
    proxy.connected(0);
    let link = LinkId::from_index(0);
    let before = proxy.flow.link_room(link);
    let mut options = UpstreamOptions::default();
    options.memory = Some(1);
    options.limits.line = 20;
    exchange(&mut proxy, options);
    assert!(proxy.flow.link_room(link) < before);
    proxy.answer(0, "action=a text that is longer\n\n");
    let events = proxy.driver.take_events();
    assert!(
        events[0].starts_with("0 failed: invalid answer"),
        "{events:?}"
    );
}

#[test]
fn a_number_of_a_backend_that_was_removed_is_not_that_of_a_new_one() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    proxy.ask(client, "a");
    let removed = Slot::from_index(0);
    for known in [None, Some(removed)] {
        let options = UpstreamOptions::default();
        let upstream = proxy.flow.upstream_mut().unwrap();
        let backends = [(policy_ha::Backend::default(), None)];
        let shared = upstream.shared().renewed(options.balancer, backends);
        let list = [(BackendConfig::default(), known)];
        let slots = upstream.exchange(options, list, &shared.unwrap(), &mut proxy.driver);
        assert_ne!(slots, [removed], "it is still asked");
    }
}

#[test]
fn a_backend_is_not_checked_twice_at_once_after_an_exchange() {
    let mut proxy = Proxy::new(1);
    let client = proxy.client();
    let request = Request::from_attributes([("instance", "probe")]).unwrap();
    let check = Check::new(Duration::from_secs(5)).with_probe(Probe::new(request));
    proxy.flow.upstream_mut().unwrap().check(check);
    proxy.driver.refuses = true;
    proxy.ask(client, "a");
    proxy.driver.refuses = false;
    proxy.passes(ms(5_000));
    assert_eq!(proxy.connected(0), ["send 0: probe"]);
    exchange(&mut proxy, UpstreamOptions::default());
    assert_eq!(proxy.passes(ms(5_000)), [""; 0]);
}
