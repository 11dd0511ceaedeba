//! `$ADMIN` and `--admin`: what the program shows of itself.

use std::net::TcpStream;

use policy_testing::{
    admin::{Page, described, families, get, value},
    port::Port,
    within,
};

use super::world::{GOOD, PATIENCE, Running, World, bad, good, request, signal, text};

/// A daemon that shows itself.
struct Watched {
    world: World,
    running: Running,
    admin: String,
    _port: Port,
}

impl Watched {
    fn start(more: &str) -> Self {
        let port = Port::any();
        let admin = format!("127.0.0.1:{}", port.number());
        let world = World::new(&format!("$ADMIN = 'inet:{admin}';\n{more}"));
        let running = world.start();
        // It listens there later.
        assert!(within(PATIENCE, || TcpStream::connect(&admin).is_ok()));
        Self {
            world,
            running,
            admin,
            _port: port,
        }
    }

    fn get(&self, path: &str) -> Page {
        get(&self.admin, path)
    }

    fn wait_for(&self, line: &str) {
        self.wait_for_any(&[line]);
    }

    fn wait_for_any(&self, lines: &[&str]) {
        let mut metrics = String::new();
        let came = within(PATIENCE, || {
            metrics = self.get("/metrics").body;
            metrics.lines().any(|found| lines.contains(&found))
        });
        assert!(came, "{lines:?}\n{metrics}");
    }
}

#[test]
fn what_was_asked_and_answered_is_counted() {
    let watched = Watched::start("");
    let world = &watched.world;
    assert_eq!(world.ask(&good("1")), GOOD);
    assert!(world.ask(&good("1")).contains("multirecipient-mail"));
    assert!(world.ask(&bad("2")).starts_with("action=550 "));
    assert!(world.ask(&bad("3")).starts_with("action=550 "));
    let bounce = request("100.64.2.10", "mail.acme.test", "", "4");
    assert!(world.ask(&bounce).starts_with("action=DUNNO NULL"));
    let metrics = watched.get("/metrics").body;
    for line in [
        r#"policyd_weight_requests_total{action="prepend"} 1"#,
        r#"policyd_weight_requests_total{action="dunno"} 2"#,
        r#"policyd_weight_requests_total{action="reject"} 2"#,
        "policyd_weight_request_duration_seconds_count 5",
        r#"policyd_weight_decisions_total{by="score"} 2"#,
        r#"policyd_weight_decisions_total{by="memory"} 1"#,
        r#"policyd_weight_decisions_total{by="spam_cache"} 1"#,
        r#"policyd_weight_decisions_total{by="request"} 1"#,
        "policyd_weight_score_count 2",
        r#"policyd_weight_score_bucket{le="-5"} 0"#,
        r#"policyd_weight_score_bucket{le="-3"} 1"#,
        r#"policyd_weight_step_results_total{step="list",points="positive"} 1"#,
        r#"policyd_weight_step_results_total{step="list",points="negative"} 1"#,
        r#"policyd_weight_cache_lookups_total{result="unknown"} 2"#,
        r#"policyd_weight_cache_lookups_total{result="spam"} 1"#,
        r#"policyd_weight_cache_entries{cache="spam"} 1.0"#,
        r#"policyd_weight_cache_entries{cache="ham"} 1.0"#,
        r#"policyd_weight_list_checks_total{list="bl.test",result="listed"} 1"#,
        r#"policyd_weight_list_checks_total{list="bl.test",result="not_listed"} 1"#,
        r#"policyd_weight_list_up{list="bl.test"} 1.0"#,
        r#"policyd_weight_list_state{list="bl.test",state="good"} 1.0"#,
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}\n{metrics}"
        );
    }
    assert!(!metrics.contains("100.64.") && !metrics.contains("acme.test"));
}

#[test]
fn questions_to_dns_full_caches_and_lines_that_are_left_out_are_counted() {
    let watched = Watched::start("$LOG_SAMPLE = '0%'; $CACHESIZE = 1; $CACHEMAXSIZE = 2;");
    let world = &watched.world;
    let _client = world.connect();
    assert_eq!(world.ask(&good("1")), GOOD);
    assert!(world.ask(&bad("2")).starts_with("action=550 "));
    // More that are rejected than there is room for.
    for last in 1..=4 {
        let address = format!("100.70.2.{last}");
        let other = request(&address, "elsewhere.test", "a@acme.test", &address);
        assert!(world.ask(&other).starts_with("action=550 "), "{address}");
    }
    let metrics = watched.get("/metrics").body;
    for (name, least) in [
        (
            r#"policyd_weight_cache_purged_entries_total{cache="spam"}"#,
            1.0,
        ),
        (
            r#"policyd_weight_dns_questions_total{outcome="records"}"#,
            1.0,
        ),
        (
            r#"policyd_weight_dns_questions_total{outcome="empty"}"#,
            1.0,
        ),
        (
            r#"policyd_weight_dns_questions_total{outcome="cached"}"#,
            1.0,
        ),
        ("policyd_weight_dns_cached_answers", 2.0),
        ("policyd_weight_log_lines_left_out_total", 6.0),
        ("policyd_weight_clients", 1.0),
        ("policyd_weight_max_clients", 1.0),
        ("policyd_weight_workers", 1.0),
        ("policyd_weight_start_time_seconds", 1e9),
    ] {
        assert!(value(&metrics, name) >= least, "{name}\n{metrics}");
    }
    let build = concat!(
        "policyd_weight_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\"} 1\n"
    );
    assert!(metrics.contains(build), "{metrics}");
}

#[test]
fn each_metric_is_in_the_manual_and_no_other() {
    let watched = Watched::start("");
    let metrics = watched.get("/metrics").body;
    let described = described("policyd-weight.md", "policyd_weight_");
    assert_eq!(families(&metrics), described);
}

#[test]
fn a_reload_is_counted_and_a_list_that_fails_its_test_is_down() {
    let watched = Watched::start("");
    let admin = format!("$ADMIN = 'inet:{}';", watched.admin);
    watched.world.configure(&format!(
        "{admin} @dnsbl_score = ('dead.test', 3, 0, 'DEAD');"
    ));
    // It listens before it waits for signals, and answers after that.
    assert_eq!(watched.get("/healthz").status, 200);
    assert!(signal("-HUP", watched.running.0.id()));
    // It may have seen the change by itself just before.
    watched.wait_for_any(&[
        r#"policyd_weight_reloads_total{outcome="done"} 1"#,
        r#"policyd_weight_reloads_total{outcome="done"} 2"#,
    ]);
    // The first request has the lists tested.
    watched.world.ask(&good("1"));
    watched.wait_for(r#"policyd_weight_list_up{list="dead.test"} 0.0"#);
    watched.wait_for(r#"policyd_weight_list_state{list="dead.test",state="failing"} 1.0"#);
    watched
        .world
        .configure(&format!("{admin} $REJECTLEVEL = ;"));
    watched.wait_for(r#"policyd_weight_reloads_total{outcome="refused"} 1"#);
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/nothing", 404)] {
        assert_eq!(watched.get(path).status, status, "{path}");
    }
}

#[test]
fn the_page_shows_decisions_lists_caches_and_changes() {
    let watched = Watched::start("@dnsbl_score = ('dead.test', 3, 0, 'DEAD');");
    watched.world.ask(&good("1"));
    let mut page = String::new();
    let is_told = within(PATIENCE, || {
        page = watched.get("/").body;
        page.contains("the list dead.test is skipped until it passes its test: the list has lost its test entry")
    });
    assert!(is_told, "{page}");
    for part in [
        "<h2>Answers</h2>",
        "<h2>Decided by</h2>",
        "<td class=\"text\">score</td><td class=\"number\">1</td>",
        "<td class=\"text\">dead.test</td><td class=\"text\">DEAD</td><td class=\"bad\">failing: the list has lost its test entry</td>",
        "<h2>Caches</h2>",
        "<td class=\"text\">accepted clients</td><td class=\"number\">1</td>",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

#[test]
fn only_this_machine_can_be_shown_the_state() {
    let world = World::new("$BIND_ADDRESS = 'all';");
    let ended = world.run(&["-D", "--admin", "inet:0.0.0.0:0", "start"]);
    assert_eq!(ended.status.code(), Some(78));
    let said = text(&ended.stderr);
    assert!(
        said.contains("--admin inet:0.0.0.0:0 is not on loopback"),
        "{said}"
    );
}
