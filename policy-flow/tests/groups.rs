//! Groups of backends: which requests go to which, and what each group and listener has of its own.

mod support;

use std::time::{Duration, Instant};

use policy_flow::{
    Address, BackendConfig, BackendGroup, ClientId, ClientOptions, Clients, Flow, FlowOptions,
    GroupRules, ListenerRules, Peer, PlaceLimits, Places, Route, Routing, Shared, Slot, Unanswered,
    Upstream, UpstreamOptions,
};
use policy_proto::Response;
use support::{Proxy, Recorder, ms};

const DUNNO: &str = "action=DUNNO\n\n";

/// Two groups of two backends each: 0 and 1, 2 and 3.
fn proxy(routing: Routing, options: [UpstreamOptions; 2]) -> Proxy {
    #[expect(
        clippy::disallowed_methods,
        reason = "any moment will do to begin with"
    )]
    let now = Instant::now();
    let mut backend = BackendConfig::default();
    backend.address = Some(Address::Other(0));
    let two = [backend.backend; 2];
    let shared = Shared::new(options[0].balancer, two, 1).unwrap();
    let beside = shared.beside(options[1].balancer, two).unwrap();
    let list = || [(backend.clone(), None), (backend.clone(), None)];
    let [first, second] = options;
    let first = BackendGroup::new(first, &shared, list());
    let second = BackendGroup::new(second, &beside, list());
    let upstream = Upstream::with_groups(now, first, vec![second], 0);
    let places = Places::new(PlaceLimits {
        all: 100,
        per_address: None,
        per_user: None,
    });
    let clients = Clients::new(now, ClientOptions::default(), places);
    Proxy {
        flow: Flow::new(rules(routing), clients, Some(upstream)),
        driver: Recorder::default(),
        now,
        shared: beside,
    }
}

fn rules(routing: Routing) -> FlowOptions {
    let mut rules = FlowOptions::default();
    rules.routing = Some(Box::new(routing));
    rules
}

/// DATA goes to the second group, all else to the first one; `listeners` say more.
fn data_apart(listeners: Vec<ListenerRules>) -> Routing {
    let mut route = Route::to(1);
    route.states = vec![b"DATA".to_vec()];
    let mut routing = Routing::default();
    routing.groups = vec![GroupRules::default(), GroupRules::default()];
    routing.listeners = listeners;
    routing.routes = vec![route];
    routing
}

fn plain(routing: Routing) -> Proxy {
    proxy(
        routing,
        [UpstreamOptions::default(), UpstreamOptions::default()],
    )
}

impl Proxy {
    fn sends(&mut self, client: ClientId, attributes: &str) -> Vec<String> {
        let request = format!("request=smtpd_access_policy\n{attributes}\n\n");
        self.flow
            .client_data(client, request.as_bytes(), &mut self.driver);
        self.driver.take()
    }

    fn client_at(&mut self, listener: u16) -> ClientId {
        let accepted = self
            .flow
            .accept_at(listener, Peer::User(0), &mut self.driver);
        accepted.unwrap()
    }
}

/// The backend of `connect LINK to BACKEND`.
fn backend(done: &[String]) -> usize {
    done[0].rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn the_first_route_that_takes_a_request_says_its_group() {
    let mut routing = data_apart(vec![ListenerRules::default(); 3]);
    routing.listeners[2].group = 1;
    let mut both = Route::to(1);
    both.contexts = vec![b"submission".to_vec(), b"x".to_vec()];
    both.listeners = vec![1];
    let mut none = Route::to(0);
    none.contexts = vec![Vec::new()];
    none.states = vec![b"MAIL".to_vec()];
    routing.routes.extend([both, none]);
    for (listener, attributes, group) in [
        (0, "protocol_state=RCPT", 0),
        (0, "protocol_state=DATA", 1),
        (0, "protocol_state=data", 0),
        (0, "policy_context=submission", 0),
        (1, "policy_context=submission", 1),
        (1, "policy_context=x\nprotocol_state=RCPT", 1),
        (1, "policy_context=Submission", 0),
        (2, "protocol_state=RCPT", 1),
        (2, "protocol_state=MAIL", 0),
        (2, "protocol_state=MAIL\npolicy_context=", 0),
        (2, "protocol_state=MAIL\npolicy_context=y", 1),
        (9, "protocol_state=RCPT", 0),
    ] {
        let mut proxy = plain(routing.clone());
        let client = proxy.client_at(listener);
        let asked = backend(&proxy.sends(client, attributes));
        assert_eq!(asked / 2, group, "{listener} {attributes}");
    }
}

#[test]
fn a_message_sticks_to_one_backend_in_each_group() {
    let mut proxy = plain(data_apart(Vec::new()));
    let client = proxy.client();
    let mut first = [None; 2];
    for message in 0..20 {
        let mut chosen = [None; 2];
        for (state, group) in [
            ("RCPT", 0),
            ("DATA", 1),
            ("RCPT", 0),
            ("DATA", 1),
            ("RCPT", 0),
        ] {
            let done = proxy.sends(
                client,
                &format!("instance={message}\nprotocol_state={state}"),
            );
            let asked = backend(&done);
            assert_eq!(asked / 2, group);
            assert_eq!(
                *chosen[group].get_or_insert(asked),
                asked,
                "{message} {state}"
            );
            let link = done[0].split(' ').nth(1).unwrap().parse().unwrap();
            proxy.connected(link);
            proxy.answer(link, DUNNO);
            // Each request opens one, which says whom it goes to.
            let upstream = proxy.flow.upstream_mut().unwrap();
            upstream.close_idle(&mut proxy.driver);
            proxy.passes(ms(0));
        }
        for (first, chosen) in first.iter_mut().zip(chosen) {
            match first {
                None => *first = Some((chosen, false)),
                Some((other, differs)) => *differs |= *other != chosen,
            }
        }
    }
    assert_eq!(
        first.map(|first| first.unwrap().1),
        [true; 2],
        "they take turns"
    );
}

#[test]
fn a_group_has_its_own_deadline_and_default_action_and_a_listener_has_others() {
    let mut options = [UpstreamOptions::default(), UpstreamOptions::default()];
    options[1].deadline = Duration::from_secs(2);
    let mut listeners = vec![ListenerRules::default(); 2];
    listeners[1].deadline = Some(Duration::from_secs(1));
    listeners[1].default = Some(Unanswered::Close);
    let mut routing = data_apart(listeners);
    routing.groups[1].default = Unanswered::Reply(Response::new("DEFER").unwrap());
    let mut proxy = proxy(routing, options);
    let clients = [proxy.client_at(0), proxy.client_at(0), proxy.client_at(1)];
    for (client, state) in clients.into_iter().zip(["RCPT", "DATA", "DATA"]) {
        proxy.sends(client, &format!("protocol_state={state}"));
    }
    let replies = |done: Vec<String>| -> Vec<String> {
        let is_reply = |line: &String| line.starts_with("reply") || line.contains("client");
        done.into_iter().filter(is_reply).collect()
    };
    assert_eq!(replies(proxy.passes(ms(999))), [""; 0]);
    assert_eq!(replies(proxy.passes(ms(1))), ["close client 2"]);
    assert_eq!(replies(proxy.passes(ms(1000))), ["reply 1: action=DEFER||"]);
    assert_eq!(
        replies(proxy.passes(ms(90_000))),
        ["reply 0: action=DUNNO||"]
    );
}

#[test]
fn groups_come_go_and_move_and_backends_that_stay_keep_their_connections() {
    let mut proxy = plain(data_apart(Vec::new()));
    let client = proxy.client();
    let attributes = "instance=a\nprotocol_state=DATA";
    let asked = backend(&proxy.sends(client, attributes));
    proxy.connected(0);
    proxy.answer(0, DUNNO);
    let upstream = proxy.flow.upstream_mut().unwrap();
    let (slots, gone) = (upstream.group_slots(1).to_vec(), upstream.slots().to_vec());
    let shared = proxy.shared.clone();
    let options = UpstreamOptions::default();
    // The first group is gone, and the second one is the first; a new one comes after it.
    let ids: Vec<_> = shared.balancer().ids().collect();
    let list = ids
        .iter()
        .map(|id| (policy_ha::Backend::default(), Some(*id)));
    let stays = shared.renewed(options.balancer, list);
    let new = shared.beside(options.balancer, [policy_ha::Backend::default(); 2]);
    let config = BackendConfig::default();
    let kept = slots.iter().map(|slot| (config.clone(), Some(*slot)));
    let groups = vec![
        BackendGroup::new(options.clone(), &stays.unwrap(), kept),
        BackendGroup::new(
            options,
            &new.unwrap(),
            [(config.clone(), None), (config, None)],
        ),
    ];
    let numbers = upstream.exchange_groups(groups, &mut proxy.driver);
    assert_eq!(numbers[0], slots);
    assert!(numbers[1].iter().all(|slot| !slots.contains(slot)));
    assert!(gone.iter().all(|slot| *slot < Slot::from_index(2)));
    proxy.flow.renumber(&[None, Some(0)], &[]);
    let mut routing = Routing::default();
    routing.groups = vec![GroupRules::default()];
    proxy.flow.renew(rules(routing));
    assert_eq!(
        proxy.sends(client, attributes),
        ["send 0: a"],
        "{asked} sticks, and its connection"
    );
}

#[test]
fn a_request_under_way_gets_the_default_action_of_its_group_after_that_has_another_number() {
    let mut routing = data_apart(Vec::new());
    routing.groups[1].default = Unanswered::Reply(Response::new("DEFER").unwrap());
    let mut proxy = plain(routing.clone());
    let clients = [proxy.client(), proxy.client()];
    for (client, state) in clients.into_iter().zip(["DATA", "RCPT"]) {
        proxy.sends(client, &format!("protocol_state={state}"));
    }
    routing.groups.reverse();
    routing.groups.pop();
    proxy.flow.renumber(&[None, Some(0)], &[]);
    proxy.flow.renew(rules(routing));
    let done = proxy.passes(ms(100_000));
    for reply in ["reply 0: action=DEFER||", "reply 1: action=DUNNO||"] {
        assert!(done.contains(&reply.to_owned()), "{reply}: {done:?}");
    }
}

#[test]
fn a_request_to_no_group_gets_the_default_action_at_once() {
    let mut routing = data_apart(vec![ListenerRules::default()]);
    routing.listeners[0].group = usize::MAX;
    let mut proxy = plain(routing);
    let client = proxy.client();
    assert_eq!(
        proxy.sends(client, "protocol_state=RCPT"),
        ["reply 0: action=DUNNO||"]
    );
    assert_eq!(proxy.driver.take_events(), [""; 0]);
}

#[test]
fn a_route_covers_another_one_if_it_takes_all_that_the_other_takes() {
    let route = |contexts: &[&str], states: &[&str], listeners: &[u16]| {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        let mut route = Route::to(0);
        route.contexts = texts(contexts);
        route.states = texts(states);
        route.listeners = listeners.to_vec();
        route
    };
    for (one, other, covers) in [
        (route(&[], &[], &[]), route(&["a"], &["RCPT"], &[1]), true),
        (route(&["a"], &[], &[]), route(&[], &[], &[]), false),
        (route(&["a"], &[], &[]), route(&["a"], &["RCPT"], &[]), true),
        (route(&["a", "b"], &[], &[]), route(&["b"], &[], &[2]), true),
        (route(&["a"], &[], &[]), route(&["a", "b"], &[], &[]), false),
        (
            route(&["a"], &["RCPT"], &[]),
            route(&["a"], &[], &[]),
            false,
        ),
        (
            route(&[], &["RCPT"], &[1]),
            route(&[], &["RCPT"], &[2]),
            false,
        ),
    ] {
        assert_eq!(one.covers(&other), covers, "{one:?} {other:?}");
    }
}
