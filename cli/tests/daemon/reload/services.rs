//! Services come, go, move, and keep what they have.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
};

use policy_testing::{
    process::{Signal, hapolicy, request, run},
    stub::{Script, Stub},
};

use tempfile::TempDir;

use super::{BAD, Configured, GOOD, service, with_listener, within_patience};

#[test]
fn services_come_and_go_and_one_that_stays_keeps_its_connection_and_its_counters() {
    let [a, b, c] = ["a", "b", "c"].map(|name| Stub::tcp(Script::answer(name)));
    let (of_a, of_b) = (service("a", &a, ""), service("b", &b, "priority = 20"));
    let configured = Configured::start(&[of_a.clone(), of_b].concat());
    let mut client = configured.daemon.connect();
    assert_eq!(client.ask_about("1"), "a");

    // The order is another one, and so is the priority.
    let of_c = service("c", &c, "priority = 5");
    configured.reload(&[of_c, of_a.clone()].concat(), GOOD);
    assert_eq!(client.ask_about("2"), "c", "{}", configured.log());
    configured.reload(&of_a, GOOD);
    assert_eq!(client.ask_about("3"), "a");
    assert_eq!(a.connections(), 1, "its connection was kept");
    assert!(within_patience(|| c.open() == 0), "c is gone");

    configured.daemon.process.signal(Signal::USR1);
    let told = format!(
        "service 'a' ({}): enabled, up, answered: 2, failed: 0",
        a.address()
    );
    let is_told = configured.daemon.process.out.wait_lines(1, &told);
    assert!(is_told, "{}", configured.log());
    let log = configured.daemon.stop().out;
    for line in [
        format!(
            "[LOG notice]: reload: service c is new: \"inet:{}\"",
            c.address()
        ),
        "[LOG notice]: reload: service b is gone".to_owned(),
        "[LOG notice]: reload: service c is gone".to_owned(),
    ] {
        assert!(log.contains(&line), "{line}: {log}");
    }
}

#[test]
fn a_service_that_has_moved_is_asked_at_its_new_address() {
    let [old, new] = ["old", "new"].map(|name| Stub::tcp(Script::answer(name)));
    let configured = Configured::start(&service("a", &old, ""));
    assert_eq!(configured.ask(), "old");
    configured.reload(&service("a", &new, ""), GOOD);
    assert_eq!(configured.ask(), "new");
    configured.reload(&service("a", &old, ""), GOOD);
    assert_eq!(configured.ask(), "old");
    configured.daemon.stop();
}

#[test]
fn a_service_that_is_down_stays_down_and_is_up_again_when_it_answers() {
    let [a, b] = ["a", "b"].map(|name| Stub::tcp(Script::answer(name)));
    a.stop();
    let services =
        |weight: &str| [service("a", &a, weight), service("b", &b, "priority = 20")].concat();
    let configured = Configured::start(&services(""));
    assert_eq!(configured.ask(), "b");
    configured.reload(&services("weight = 2"), GOOD);
    assert_eq!(configured.ask(), "b");
    configured.daemon.process.signal(Signal::USR1);
    let told = format!("service 'a' ({}): enabled, down for ", a.address());
    let is_told = configured.daemon.process.out.wait_lines(1, &told);
    assert!(is_told, "{}", configured.log());
    let log = configured.daemon.stop().out;
    assert_eq!(log.matches("is down").count(), 1, "once: {log}");
    assert!(
        log.contains("reload: service a: weight = 2 (was 1)"),
        "{log}"
    );
}

#[test]
fn a_request_under_way_is_answered_by_the_service_that_is_gone_meanwhile() {
    let held = Stub::tcp(Script::answer("held").held());
    let b = Stub::tcp(Script::answer("b"));
    let configured = Configured::start(&service("held", &held, ""));
    let mut client = configured.daemon.connect();
    client.send(&request(&[("sender", "x")]));
    assert!(held.wait_requests(1));
    configured.reload(&service("b", &b, ""), GOOD);
    assert_eq!(configured.ask(), "b");
    held.release();
    assert_eq!(client.action(), "held");
    assert_eq!(client.ask_about("y"), "b");
    assert!(
        within_patience(|| held.open() == 0),
        "nothing is kept of it"
    );
    configured.daemon.stop();
}

#[test]
fn no_request_of_many_is_lost_while_good_and_bad_files_are_read() {
    let stubs = ["a", "b", "c"].map(|name| Stub::tcp(Script::answer(name)));
    let [a, b, c] = &stubs;
    let workers = "workers = 2\nlast-resort = \"0s\"\ndefault = \"lost\"\n";
    let good = [
        [workers, &service("a", a, ""), &service("b", b, "")].concat(),
        [
            workers,
            &service("b", b, "weight = 3"),
            &service("c", c, ""),
        ]
        .concat(),
        [
            workers,
            "balance = \"hash:sender\"\n",
            &service("c", c, "priority = 1"),
        ]
        .concat(),
        // The name is that of another one before.
        [
            workers,
            &service("a", c, ""),
            &service("b", a, "keep = \"0s\""),
        ]
        .concat(),
    ];
    let bad = format!("{workers}deadlin = 1\n");
    let configured = Configured::start(&good[0]);
    let (answered, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let reloads = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = configured.daemon.connect();
                    for number in 0..REQUESTS / CLIENTS {
                        let sender = (number % 97).to_string();
                        client.send(&request(&[("sender", &sender)]));
                        let action = client.action();
                        assert!(["a", "b", "c"].contains(&&*action), "{action}");
                        answered.fetch_add(1, SeqCst);
                    }
                })
            })
            .collect();
        let reloader = scope.spawn(|| {
            let mut reloads = 0;
            for settings in good.iter().cycle() {
                if done.load(SeqCst) {
                    break;
                }
                configured.reload(settings, GOOD);
                configured.reload(&bad, BAD);
                reloads += 2;
            }
            reloads
        });
        let results: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        done.store(true, SeqCst);
        assert!(results.iter().all(Result::is_ok));
        reloader.join().unwrap()
    });
    assert_eq!(answered.load(SeqCst), REQUESTS);
    assert!(reloads >= 8, "{reloads}");
    println!("{reloads} reloads");
    configured.daemon.stop();
}

const CLIENTS: usize = 8;
const REQUESTS: usize = 100_000;

#[test]
fn a_weight_and_a_mode_of_a_command_stay_where_a_service_has_moved() {
    let [old, new] = ["old", "new"].map(|name| Stub::tcp(Script::answer(name)));
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("control");
    let text = |stub: &Stub| {
        let control = format!("control = \"unix:{}\"\n", socket.display());
        control + &service("a", stub, "")
    };
    let configured =
        Configured::in_directory(TempDir::new().unwrap(), &with_listener(&text(&old)), 1);
    let ctl = |words: &[&str]| {
        let socket = socket.to_str().unwrap();
        run(hapolicy(), &[&["ctl", "--socket", socket], words].concat()).out
    };
    ctl(&["weight", "a", "7"]);
    ctl(&["drain", "a"]);
    configured.reload(&text(&new), GOOD);
    let status = ctl(&["status", "--json"]);
    assert!(
        status.contains("\"mode\":\"drain\"") && status.contains("\"weight\":7"),
        "{status}"
    );
    configured.daemon.stop();
}
