//! Name servers that are away: it is said once, it is in the metrics, and so is that they are back.

use std::{fs, net::SocketAddr};

use policy_testing::{
    NameServer,
    admin::{address, get, value},
    eventually, own_address,
    port::Port,
    process::{Process, Signal, SilentNameServer},
};

use super::daemon::Daemon;

#[test]
fn a_name_to_listen_at_is_waited_for_once_by_a_check_and_by_a_reload() {
    let server = SilentNameServer::start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mtpolicyd.conf");
    let port = Port::any();
    let number = port.number();
    let host = format!(
        "<VirtualHost {number}>\nname = test\n<Plugin a>\nmodule = Action\naction = dunno\n</Plugin>\n</VirtualHost>\n"
    );
    let config = |admin: &str| {
        let text = format!("port = 127.0.0.1:{number}\nadmin = {admin}\n{host}");
        fs::write(&path, text).unwrap();
    };
    config("inet:admin.example:7");
    let mut command = server.command(env!("CARGO_BIN_EXE_mtpolicyd"));
    let checked = Process::of(command.args(["--check-config", "-c"]).arg(&path)).end();
    let said = "`inet:admin.example:7` cannot be bound on this machine as it is: admin.example is not found in time; each start looks it up again\n";
    assert!(checked.err.ends_with(said), "{checked:?}");
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert_eq!(server.questions(), 2);

    config("inet:127.0.0.1:0");
    let mut command = server.command(env!("CARGO_BIN_EXE_mtpolicyd"));
    let daemon = Process::of(command.args(["-f", "-c"]).arg(&path));
    assert!(
        daemon.err.wait_lines(1, "listening on "),
        "{}",
        daemon.err.text()
    );
    config("inet:admin.example:7");
    daemon.signal(Signal::HUP);
    let said = "reload: the configuration is reloaded";
    assert!(daemon.err.wait_lines(1, said), "{}", daemon.err.text());
    assert_eq!(server.questions(), 2);
}

/// Once name servers are back lists are asked at once, with a self-test and without, also after another outage.
#[test]
fn lists_are_asked_again_as_soon_as_name_servers_answer() {
    let server = SocketAddr::from((own_address(), 53));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("resolv.conf");
    fs::write(&file, format!("nameserver {}\n", server.ip())).unwrap();
    let list = |name: &str, self_test: u8| {
        format!(
            "<Plugin {name}>\nmodule = RBL\ndomain = {name}.example\nself_test = {self_test}\nmode = passive\n\
             score = 1\nscore_field = {name}\n</Plugin>\n"
        )
    };
    let spf = "<Plugin spf>\nmodule = SPF\ntemperror_mode = passive\n</Plugin>\n";
    let tag = |name: &str| {
        format!(
            "<Plugin said-{name}>\nmodule = ScoreAction\nscore_field = {name}\nthreshold = 1\naction = reject {name}\n</Plugin>\n"
        )
    };
    let chains = [
        list("one", 1) + &list("two", 0) + spf + &tag("one"),
        list("two", 0) + &tag("two"),
    ];
    let both = format!(
        "{}</VirtualHost>\n<VirtualHost 1>\nname = other\n{}",
        chains[0], chains[1]
    );
    let globals = "admin = inet:127.0.0.1:0\nvhost_by_policy_context = 1";
    let daemon = Daemon::start_with_resolv_conf(&file, globals, &both);
    daemon.wait(1, "metrics at ");
    let admin = address(&daemon.process.err.text()).unwrap();
    let zone = "127.0.0.2@one.example A 127.0.0.2\n192.0.2.9@one.example 0 A 127.0.0.2\n192.0.2.9@two.example 0 A 127.0.0.2\n";
    let mut number = 0;
    let mut ask = |host: &str| {
        number += 1;
        let sender = format!("a@domain{number}.example");
        let helo = format!("mail{number}.example");
        daemon.ask(&[
            ("policy_context", host),
            ("client_address", "192.0.2.9"),
            ("sender", &sender),
            ("helo_name", &helo),
        ])
    };
    for outage in 1..=2 {
        // What was answered before is kept for as long as its zone says: for no time.
        let is_away = || {
            for host in ["test", "other"] {
                assert_eq!(ask(host), "dunno");
            }
            let page = get(&admin, "/metrics").body;
            ["one", "two"].iter().all(|name| {
                let state =
                    format!("mtpolicyd_list_state{{list=\"{name}.example\",state=\"skipped\"}}");
                value(&page, &state) == 1.0
            })
        };
        assert!(eventually(is_away), "{}", get(&admin, "/metrics").body);
        daemon.wait(outage, "DNS does not answer at ");
        let _server = NameServer::start_at(server, zone);
        // No request is needed for that.
        daemon.wait(outage, "DNS answers again at ");
        for host in ["test", "other"] {
            let name = if host == "test" { "one" } else { "two" };
            let expected = format!("reject {name}");
            assert!(
                eventually(|| ask(host) == expected),
                "{host} {outage} {}",
                get(&admin, "/metrics").body
            );
        }
    }
}

#[test]
fn name_servers_that_do_not_answer_are_said_once_and_so_is_that_they_are_back() {
    // Programs ask at port 53 of what the file names.
    let server = SocketAddr::from((own_address(), 53));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("resolv.conf");
    let text = format!("nameserver {}\noptions timeout:1 attempts:1\n", server.ip());
    fs::write(&file, text).unwrap();
    let list = |name: &str| {
        format!(
            "<Plugin {name}>\nmodule = RBL\ndomain = {name}.example\nmode = passive\n</Plugin>\n"
        )
    };
    let globals = "admin = inet:127.0.0.1:0";
    // Lists that have not answered are left alone for a while; SPF asks each time.
    let spf = "<Plugin spf>\nmodule = SPF\npass_mode = passive\nfail_mode = passive\n</Plugin>\n";
    let plugins = list("one") + &list("two") + spf;
    let daemon = Daemon::start_with_resolv_conf(&file, globals, &plugins);
    daemon.wait(1, "metrics at ");
    let admin = address(&daemon.process.err.text()).unwrap();
    let is_up = || value(&get(&admin, "/metrics").body, "mtpolicyd_dns_up");
    // Nobody has asked: the lists are tested at the start.
    let silent = format!("error: DNS does not answer at {}: ", server.ip());
    daemon.wait(1, &silent);
    assert_eq!(is_up(), 0.0);
    for client in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        assert_eq!(daemon.ask(&[("client_address", client)]), "dunno");
    }
    let zone = "127.0.0.2@one.example A 127.0.0.2\n127.0.0.2@two.example A 127.0.0.2\n";
    let _server = NameServer::start_at(server, zone);
    let mut number = 0;
    let is_back = || {
        number += 1;
        let sender = format!("a@domain{number}.example");
        let attributes = [
            ("client_address", "198.51.100.1"),
            ("sender", &sender),
            ("helo_name", "mail.example"),
        ];
        daemon.ask(&attributes);
        daemon.count("DNS answers again at ") == 1
    };
    assert!(eventually(is_back), "{}", daemon.process.err.text());
    assert_eq!(is_up(), 1.0);
    assert_eq!(daemon.count("DNS does not answer"), 1);
}

/// What is silent may be the servers of the domains that a client names.
#[test]
fn domains_whose_servers_are_silent_are_no_outage() {
    let server = SocketAddr::from((own_address(), 53));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("resolv.conf");
    let text = format!("nameserver {}\noptions timeout:1 attempts:1\n", server.ip());
    fs::write(&file, text).unwrap();
    let zone = "*.silent.example !silent\nlast.example TXT \"v=spf1 -all\"\n";
    let _server = NameServer::start_at(server, zone);
    let spf =
        "<Plugin spf>\nmodule = SPF\nfail_mode = reject\ntemperror_mode = passive\n</Plugin>\n";
    let daemon = Daemon::start_with_resolv_conf(&file, "admin = inet:127.0.0.1:0", spf);
    daemon.wait(1, "metrics at ");
    let admin = address(&daemon.process.err.text()).unwrap();
    let ask = |domain: &str| {
        let sender = format!("a@{domain}");
        let client = ("client_address", "192.0.2.9");
        daemon.ask(&[client, ("sender", &sender), ("helo_name", domain)])
    };
    let is_up = || value(&get(&admin, "/metrics").body, "mtpolicyd_dns_up");
    // More than four in a row, which nobody has answered.
    for number in 0..4 {
        assert_eq!(ask(&format!("name{number}.silent.example")), "dunno");
        assert_eq!(is_up(), 1.0, "{}", daemon.process.err.text());
    }
    // The servers are tried meanwhile.
    for number in 0..4 {
        ask(&format!("last{number}.silent.example"));
    }
    let answer = ask("last.example");
    assert!(answer.starts_with("reject SPF"), "{answer}");
    assert_eq!(
        daemon.count("DNS does not answer"),
        0,
        "{}",
        daemon.process.err.text()
    );
    assert_eq!(is_up(), 1.0);
}

/// That a list alone is silent is said of the list.
#[test]
fn a_list_that_does_not_answer_is_said_once_and_so_is_that_it_answers_again() {
    let server = SocketAddr::from((own_address(), 53));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("resolv.conf");
    fs::write(&file, format!("nameserver {}\n", server.ip())).unwrap();
    let failing = NameServer::start_at(server, "*.one.example !servfail\n");
    let plugin = "<Plugin one>\nmodule = RBL\ndomain = one.example\n</Plugin>\n";
    let daemon = Daemon::start_with_resolv_conf(&file, "", plugin);
    for client in 1..=4 {
        let client = format!("192.0.2.{client}");
        assert_eq!(daemon.ask(&[("client_address", &client)]), "dunno");
    }
    daemon.wait(
        1,
        "warning: list one.example: SERVFAIL: counts as not listed",
    );
    daemon.wait(
        1,
        "warning: list one.example does not answer, and is asked once a minute",
    );
    // A reload tests it, and its minute is over then; but a failure of DNS is kept for two seconds.
    failing.set_zone("127.0.0.2@one.example A 127.0.0.2\n");
    let answers_again = || {
        daemon.process.signal(Signal::HUP);
        daemon.count("list one.example answers again") == 1
    };
    assert!(eventually(answers_again), "{}", daemon.process.err.text());
    assert_eq!(daemon.count("one.example does not answer"), 1);
}
