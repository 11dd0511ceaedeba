//! Groups, routes and listeners with names come and go.

use policy_testing::{
    process::{Client, Process, hapolicy, request},
    stub::{Script, Stub},
};
use tempfile::TempDir;

use super::{BAD, Configured, GOOD, service, with_listener, within_patience};

/// A listener over a UNIX socket in this directory.
fn listener(dir: &TempDir, name: &str, more: &str) -> String {
    let path = dir.path().join(name);
    format!(
        "[listener.{name}]\naddress = \"unix:{}\"\n{more}\n",
        path.display()
    )
}

fn ask(client: &mut Client, context: &str) -> String {
    client.ask(&request(&[("policy_context", context), ("instance", "x")]))
}

#[test]
fn groups_routes_and_listeners_change_and_what_stays_keeps_its_connections() {
    let [a, b, c] = ["a", "b", "c"].map(|name| Stub::tcp(Script::answer(name)));
    let services = [service("a", &a, ""), service("b", &b, "")].concat();
    let dir = TempDir::new().unwrap();
    let one = listener(&dir, "one", "");
    let b_apart =
        "[group.bees]\nservices = [\"b\"]\n[[route]]\npolicy_context = \"b\"\ngroup = \"bees\"\n";
    let first = [&*one, &services, b_apart].concat();
    let endpoint = format!("unix:{}", dir.path().join("one").display());
    let other = format!("unix:{}", dir.path().join("two").display());
    let two = listener(&dir, "two", "group = \"bees\"\ndeadline = \"5s\"");
    let with_c = [
        &*one,
        &two,
        &services,
        &service("c", &c, ""),
        "[group.cs]\nservices = [\"c\"]\n",
        "[[route]]\nlistener = \"one\"\npolicy_context = \"c\"\ngroup = \"cs\"\n",
        b_apart,
    ]
    .concat();
    let configured = Configured::in_directory(dir, &first, 1);
    let mut client = Client::connect(&endpoint);
    assert_eq!([ask(&mut client, "b"), ask(&mut client, "c")], ["b", "a"]);

    configured.reload_file(&with_c, GOOD);
    let answers = ["a", "b", "c"].map(|context| ask(&mut client, context));
    assert_eq!(answers, ["a", "b", "c"], "{}", configured.log());
    let mut at_two = Client::connect(&other);
    let answers = ["a", "b", "c"].map(|context| ask(&mut at_two, context));
    assert_eq!(answers, ["b", "b", "b"], "{}", configured.log());

    let unknown = with_c.replace("group = \"cs\"", "group = \"cz\"");
    configured.reload_file(&unknown, BAD);
    assert_eq!(ask(&mut client, "c"), "c");

    // The clients of a listener that is gone are served on, as those of no listener.
    configured.reload_file(&first, GOOD);
    assert_eq!([ask(&mut client, "b"), ask(&mut client, "c")], ["b", "a"]);
    assert_eq!([ask(&mut at_two, "b"), ask(&mut at_two, "c")], ["b", "a"]);
    assert_eq!([a.connections(), b.connections()], [1, 1], "they were kept");
    assert!(within_patience(|| c.open() == 0), "c is gone");
    let log = configured.daemon.stop().out;
    for line in [
        "reload: group cs is new: [\"c\"]",
        "reload: listener two is new: \"unix:",
        "reload: route 2 is new: \"bees\"",
        "reload: route 1: group = \"cs\" (was \"bees\")",
        "error: unknown group `cz`: there is no [group.cz]",
        "reload: listener two is gone",
        "reload: group cs is gone",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
}

#[test]
fn a_service_that_gets_a_group_is_asked_there_and_counted_on() {
    let [a, b] = ["a", "b"].map(|name| Stub::tcp(Script::answer(name)));
    let services = [service("a", &a, ""), service("b", &b, "priority = 20")].concat();
    let configured = Configured::start(&services);
    let mut client = configured.daemon.connect();
    assert_eq!(ask(&mut client, "b"), "a");
    let groups = "[group.bees]\nservices = [\"b\"]\ndefault = \"DEFER\"\n[[route]]\npolicy_context = \"b\"\n\
                  group = \"bees\"\n";
    configured.reload(&(services.clone() + groups), GOOD);
    assert_eq!([ask(&mut client, "b"), ask(&mut client, "")], ["b", "a"]);
    b.stop();
    assert_eq!(
        [ask(&mut client, "b"), ask(&mut client, "")],
        ["DEFER", "a"]
    );
    configured.reload(&services, GOOD);
    assert_eq!([ask(&mut client, "b"), ask(&mut client, "")], ["a", "a"]);
    assert_eq!(a.connections(), 1, "its connection was kept");
    configured.daemon.stop();
}

#[test]
fn a_trace_names_the_services_as_the_file_orders_them_by_then() {
    let [a, b] = ["a", "b"].map(|name| Stub::tcp(Script::answer(name)));
    let dir = TempDir::new().unwrap();
    let control = dir.path().join("control").display().to_string();
    let settings = |services: [String; 2]| {
        let text = format!("control = \"unix:{control}\"\n{}", services.concat());
        with_listener(&text)
    };
    let first = settings([service("a", &a, ""), service("b", &b, "")]);
    let configured = Configured::in_directory(dir, &first, 1);
    let b_drained = service("b", &b, "mode = \"drain\"");
    configured.reload_file(&settings([b_drained, service("a", &a, "")]), GOOD);
    let words = ["ctl", "--socket", &control, "trace"];
    let trace = Process::start(hapolicy(), &words);
    let begun = "control: a trace of ";
    assert!(configured.daemon.process.out.wait_lines(1, begun));
    assert_eq!(ask(&mut configured.daemon.connect(), ""), "a");
    let expected = "] services: b up (drain), a up; 0 default actions";
    assert!(trace.out.wait_lines(1, " reply after "));
    assert!(trace.out.text().contains(expected), "{}", trace.out.text());
    configured.daemon.stop();
}
