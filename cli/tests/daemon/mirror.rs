//! Mirrors: services that a share of the requests also goes to, whose answers reach nobody.

use policy_testing::{
    eventually,
    process::{hapolicy, request, run},
    stub::{Script, Stub},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::reload::{Configured, GOOD, service, with_listener};

/// A daemon with a mirror of a service.
struct Mirrored {
    configured: Configured,
    control: String,
    stub: Stub,
    mirror: Stub,
}

impl Mirrored {
    fn start(more: &str) -> Self {
        let [stub, mirror] = ["DUNNO", "DUNNO"].map(|answer| Stub::tcp(Script::answer(answer)));
        let dir = TempDir::new().unwrap();
        let control = dir.path().join("control").to_str().unwrap().to_owned();
        let text = settings(&control, &stub, &mirror, more);
        Self {
            configured: Configured::in_directory(dir, &with_listener(&text), 1),
            control,
            stub,
            mirror,
        }
    }

    fn settings(&self, more: &str) -> String {
        settings(&self.control, &self.stub, &self.mirror, more)
    }

    fn ctl(&self, words: &[&str]) -> String {
        run(
            hapolicy(),
            &[&["ctl", "--socket", &self.control], words].concat(),
        )
        .out
    }

    fn counts(&self) -> Value {
        let status: Value = serde_json::from_str(&self.ctl(&["status", "--json"])).unwrap();
        let mut mirror = status["mirrors"][0].clone();
        let fields = mirror.as_object_mut().unwrap();
        assert_eq!(fields.remove("name"), Some("new".into()));
        fields.remove("endpoint");
        mirror
    }
}

fn settings(control: &str, stub: &Stub, mirror: &Stub, more: &str) -> String {
    format!(
        "control = \"unix:{control}\"\n{}[mirror.new]\naddress = \"{}\"\n{more}\n",
        service("a", stub, ""),
        mirror.address()
    )
}

#[test]
fn answers_of_a_mirror_are_compared_and_counted_and_reach_no_client() {
    let mirrored = Mirrored::start("");
    let mut client = mirrored.configured.daemon.connect();
    let mut ask = |answer: &str, mirror: &str| {
        mirrored.stub.set(Script::answer(answer));
        mirrored.mirror.set(Script::answer(mirror));
        let before = mirrored.mirror.requests().len();
        let got = client.ask(&request(&[
            ("sender", "a@example.com"),
            ("recipient", "b@example.com"),
        ]));
        assert_eq!(got, answer);
        assert!(mirrored.mirror.wait_requests(before + 1));
    };
    ask("DUNNO", "dunno");
    ask("REJECT no", "554 5.7.1 no");
    ask("DUNNO", "REJECT you");
    let expected = json!({ "same": 1, "text": 1, "action": 1, "unanswered": 0, "dropped": 0 });
    assert!(
        eventually(|| mirrored.counts() == expected),
        "{}",
        mirrored.counts()
    );
    assert_eq!(mirrored.mirror.requests(), mirrored.stub.requests());
    assert_eq!(mirrored.mirror.connections(), 1, "it is kept");
    let line = "mirror new: same 1, text 1, action 1, unanswered 0, dropped 0";
    let status = mirrored.ctl(&["status"]);
    assert!(status.contains(line), "{status}");

    // It goes on counting over a reload, also elsewhere.
    mirrored.mirror.stop();
    mirrored
        .configured
        .reload(&mirrored.settings("timeout = \"2s\""), GOOD);
    assert_eq!(client.ask_about("x"), "DUNNO");
    let expected = json!({ "same": 1, "text": 1, "action": 1, "unanswered": 1, "dropped": 0 });
    assert!(
        eventually(|| mirrored.counts() == expected),
        "{}",
        mirrored.counts()
    );
    mirrored
        .configured
        .reload(&service("a", &mirrored.stub, ""), GOOD);
    assert_eq!(client.ask_about("x"), "DUNNO");
    let log = mirrored.configured.daemon.stop().out;
    for line in [
        "mirror 'new' answers '554 5.7.1 no' where 'REJECT no' was answered: client: ",
        ", from: <a@example.com>, to: <b@example.com>",
        ") does not answer: Connection refused",
        "reload: mirror new: timeout = \"2s\" (was \"10s\")",
        "reload: mirror new is gone",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
}

#[test]
fn a_mirror_that_hangs_costs_no_request_anything_and_what_it_misses_is_counted() {
    let mirrored = Mirrored::start("connections = 2\ntimeout = \"60s\"");
    mirrored.mirror.set(Script::answer("DUNNO").held());
    let mut client = mirrored.configured.daemon.connect();
    for number in 0..REQUESTS {
        assert_eq!(client.ask_about(&number.to_string()), "DUNNO");
    }
    let dropped = mirrored.counts()["dropped"].as_u64().unwrap();
    // Two are with it, and 256 wait.
    assert!(
        (REQUESTS - 258..=REQUESTS - 256).contains(&dropped),
        "{dropped}"
    );
    mirrored.mirror.release();
    let same = || mirrored.counts()["same"].as_u64().unwrap();
    assert!(
        eventually(|| same() + dropped == REQUESTS),
        "{}",
        mirrored.counts()
    );
    mirrored.configured.daemon.stop();
}

const REQUESTS: u64 = 400;

#[test]
fn a_mirror_of_a_group_gets_the_requests_of_that_group_alone() {
    let [a, b, mirror] = ["a", "b", "b"].map(|name| Stub::tcp(Script::answer(name)));
    let text = format!(
        "{}{}[group.bees]\nservices = \"b\"\n[[route]]\npolicy_context = \"b\"\ngroup = \"bees\"\n\
         [mirror.m]\naddress = \"{}\"\ngroup = \"bees\"\nshare = \"100%\"\n",
        service("a", &a, ""),
        service("b", &b, ""),
        mirror.address()
    );
    let configured = Configured::start(&text);
    let mut client = configured.daemon.connect();
    for context in ["a", "b", "a"] {
        assert_eq!(
            client.ask(&request(&[("policy_context", context)])),
            context
        );
    }
    assert!(mirror.wait_requests(1));
    configured.daemon.stop();
    assert_eq!(mirror.requests(), b.requests());
}

#[test]
fn what_waits_for_a_mirror_that_a_reload_changes_is_dropped_and_its_thread_ends() {
    let mirrored = Mirrored::start("timeout = \"60s\"");
    mirrored.mirror.set(Script::answer("DUNNO").held());
    let mut client = mirrored.configured.daemon.connect();
    for number in 0..5 {
        assert_eq!(client.ask_about(&number.to_string()), "DUNNO");
    }
    assert!(mirrored.mirror.wait_requests(1));
    // From now on it is another one.
    mirrored
        .configured
        .reload(&mirrored.settings("timeout = \"50s\""), GOOD);
    mirrored.mirror.release();
    let expected = json!({ "same": 1, "text": 0, "action": 0, "unanswered": 0, "dropped": 4 });
    assert!(
        eventually(|| mirrored.counts() == expected),
        "{}",
        mirrored.counts()
    );
    assert_eq!(mirrored.mirror.requests().len(), 1);
    mirrored.configured.daemon.stop();
}
