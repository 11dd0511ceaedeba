//! The metrics of name servers and lists: what they have answered.

use std::{fs, net::SocketAddr};

use policy_testing::{
    NameServer,
    admin::{address, get, value},
    own_address,
};

use super::daemon::Daemon;

#[test]
fn questions_to_dns_checks_of_lists_and_lines_that_are_left_out_are_counted() {
    // Programs ask at port 53 of what the file names.
    let server = SocketAddr::from((own_address(), 53));
    let zone = "192.0.2.1@list.example A 127.0.0.2\n127.0.0.2@list.example A 127.0.0.2\n";
    let _server = NameServer::start_at(server, zone);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("resolv.conf");
    fs::write(&file, format!("nameserver {}\n", server.ip())).unwrap();
    let globals = "admin = inet:127.0.0.1:0\nlog_sample = 0%";
    let list = "<Plugin list>\nmodule = RBL\ndomain = list.example\nmode = passive\nself_test = 0\n</Plugin>";
    let daemon = Daemon::start_with_resolv_conf(&file, globals, list);
    daemon.wait(1, "metrics at ");
    let admin = address(&daemon.process.err.text()).unwrap();
    for client in ["192.0.2.1", "192.0.2.2", "192.0.2.1"] {
        assert_eq!(daemon.ask(&[("client_address", client)]), "dunno");
    }
    let metrics = get(&admin, "/metrics").body;
    for (name, least) in [
        (
            r#"mtpolicyd_list_checks_total{list="list.example",result="listed"}"#,
            2.0,
        ),
        (
            r#"mtpolicyd_list_checks_total{list="list.example",result="not_listed"}"#,
            1.0,
        ),
        (r#"mtpolicyd_dns_questions_total{outcome="records"}"#, 1.0),
        (r#"mtpolicyd_dns_questions_total{outcome="empty"}"#, 1.0),
        (r#"mtpolicyd_dns_questions_total{outcome="cached"}"#, 1.0),
        ("mtpolicyd_dns_cached_answers", 2.0),
        ("mtpolicyd_log_lines_left_out_total", 3.0),
        ("mtpolicyd_max_clients", 1.0),
        ("mtpolicyd_workers", 1.0),
        ("mtpolicyd_start_time_seconds", 1e9),
    ] {
        assert!(value(&metrics, name) >= least, "{name}\n{metrics}");
    }
    let build = concat!(
        "mtpolicyd_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\"} 1\n"
    );
    assert!(metrics.contains(build), "{metrics}");
}
