//! Groups of services: which requests go to which, and what the log, the metrics and the commands say of them.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
};

use policy_testing::{
    eventually,
    process::{Client, hapolicy, request, run},
    stub::{Script, Stub},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::reload::{Configured, service};

/// Two listeners, two groups with a route by stage, and one by context.
struct Grouped {
    configured: Configured,
    stubs: [Stub; 3],
}

impl Grouped {
    fn start(more: &str) -> Self {
        let stubs = ["main", "rcpt1", "data1"].map(|name| Stub::tcp(Script::answer(name)));
        let dir = TempDir::new().unwrap();
        let path = |name: &str| format!("unix:{}", dir.path().join(name).display());
        let text = format!(
            "logging = true\ncontrol = \"{}\"\nlisten = \"{}\"\n{more}\n{}{}{}\
             [group.rcpt]\nservices = [\"rcpt1\"]\ndefault = \"DEFER rcpt\"\n\
             [group.data]\nservices = [\"data1\"]\n\
             [listener.strict]\naddress = \"{}\"\ndefault = \"close\"\n\
             [[route]]\npolicy_context = [\"submission\", \"smtps\"]\ngroup = \"rcpt\"\n\
             [[route]]\nprotocol_state = \"DATA\"\ngroup = \"data\"\n",
            path("control"),
            path("plain"),
            service("main", &stubs[0], ""),
            service("rcpt1", &stubs[1], ""),
            service("data1", &stubs[2], ""),
            path("strict"),
        );
        let configured = Configured::in_directory(dir, &text, 2);
        Self { configured, stubs }
    }

    fn client(&self, name: &str) -> Client {
        Client::connect(&self.path(name))
    }

    fn path(&self, name: &str) -> String {
        let path = self.configured.directory().join(name);
        format!("unix:{}", path.display())
    }

    fn ctl(&self, words: &[&str]) -> String {
        let path = self.configured.directory().join("control");
        let socket = ["ctl", "--socket", path.to_str().unwrap()];
        run(hapolicy(), &[&socket, words].concat()).out
    }
}

fn ask(client: &mut Client, context: &str, state: &str) -> String {
    let request = format!(
        "request=smtpd_access_policy\nprotocol_state={state}\npolicy_context={context}\ninstance=m\n\n"
    );
    client.ask(request.as_bytes())
}

#[test]
fn each_request_of_a_message_goes_to_the_group_of_its_route() {
    let grouped = Grouped::start("");
    let mut client = grouped.client("plain");
    for _ in 0..2 {
        for (context, state, service) in [
            ("", "RCPT", "main"),
            ("submission", "RCPT", "rcpt1"),
            ("smtps", "DATA", "rcpt1"),
            ("", "DATA", "data1"),
            ("Submission", "RCPT", "main"),
        ] {
            assert_eq!(
                ask(&mut client, context, state),
                service,
                "{context} {state}"
            );
        }
    }
    let log = grouped.configured.daemon.stop().out;
    for line in [
        " group=rcpt service=rcpt1 attempts=1",
        " group=default service=main attempts=1",
        "group 'rcpt': default action: 'DEFER rcpt', deadline: 90s",
        "service 'rcpt1' (",
        ") of group 'rcpt': enabled, up, answered: 4, failed: 0",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
}

#[test]
fn an_outage_of_one_group_is_its_own_and_a_listener_has_its_own_default_action() {
    let grouped = Grouped::start("");
    grouped.stubs[1].stop();
    let (mut plain, mut strict) = (grouped.client("plain"), grouped.client("strict"));
    assert_eq!(ask(&mut plain, "submission", "RCPT"), "DEFER rcpt");
    assert_eq!(ask(&mut plain, "", "RCPT"), "main");
    assert_eq!(ask(&mut strict, "", "RCPT"), "main");
    strict.send(&request(&[("policy_context", "submission")]));
    assert!(strict.is_ended());
    grouped.stubs[1].restart();
    let is_back = eventually(|| ask(&mut plain, "submission", "RCPT") == "rcpt1");
    assert!(is_back, "{}", grouped.configured.log());
    let log = grouped.configured.daemon.stop().out;
    for line in [
        "no service of group 'rcpt' answered: default action 'DEFER rcpt' (1 of 1 services are down)",
        "services of group 'rcpt' answer again after ",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(!log.contains("of group 'default' answer"), "{log}");
}

#[test]
fn status_metrics_and_readiness_tell_the_groups_apart() {
    let grouped = Grouped::start("admin = \"inet:127.0.0.1:0\"");
    let mut client = grouped.client("plain");
    assert_eq!(ask(&mut client, "submission", "RCPT"), "rcpt1");
    assert_eq!(ask(&mut client, "", "RCPT"), "main");
    let log = grouped.configured.log();
    let admin = log.split("metrics at inet:").nth(1).unwrap();
    let admin = admin.lines().next().unwrap().to_owned();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(&admin).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let metrics = get("/metrics");
    for line in [
        r#"hapolicy_group_requests_total{group="rcpt"} 1"#,
        r#"hapolicy_group_requests_total{group="default"} 1"#,
        r#"hapolicy_group_requests_total{group="data"} 0"#,
        r#"hapolicy_group_unanswered_requests_total{group="rcpt"} 0"#,
        r#"hapolicy_group_services_up{group="rcpt"} 1.0"#,
        r#"hapolicy_service_group{service="rcpt1",group="rcpt"} 1.0"#,
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}\n{metrics}"
        );
    }
    assert!(get("/").contains("rcpt1, group rcpt"));
    assert!(get("/readyz").starts_with("HTTP/1.0 200") || get("/readyz").contains(" 200 "));

    let status = grouped.ctl(&["status"]);
    let row = status
        .lines()
        .find(|line| line.starts_with("rcpt1"))
        .unwrap();
    assert_eq!(row.split_whitespace().nth(1), Some("rcpt"), "{status}");
    let status: Value = serde_json::from_str(&grouped.ctl(&["status", "--json"])).unwrap();
    let groups: Vec<&str> = status["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|service| service["group"].as_str().unwrap())
        .collect();
    assert_eq!(groups, ["rcpt", "data", "default"]);

    assert!(
        grouped
            .ctl(&["disable", "rcpt1"])
            .contains("group 'rcpt': every service is disabled")
    );
    let page = get("/readyz");
    assert!(
        page.contains("503") && page.contains("group 'rcpt': every service is disabled"),
        "{page}"
    );
    assert_eq!(ask(&mut client, "submission", "RCPT"), "DEFER rcpt");
    grouped.configured.daemon.stop();
}
