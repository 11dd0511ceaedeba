//! `--admin`: metrics and health, beside the requests.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
};

use policy_testing::{
    admin::{described, families},
    eventually,
    process::{Daemon, Gate, Process, Signal, hapolicy, request},
    stub::{Script, Stub},
};

use crate::service;

#[test]
fn what_was_asked_and_answered_is_counted() {
    let stub = Stub::tcp(Script::answer("reject no"));
    let watched = Watched::start(&[
        "-s",
        &service("good", &stub, ""),
        "-s",
        "dead=127.0.0.1:1:1",
    ]);
    let mut client = watched.daemon.connect();
    for _ in 0..3 {
        assert_eq!(client.ask_about("x"), "reject no");
    }
    let metrics = watched.get("/metrics").1;
    for line in [
        r#"hapolicy_requests_total{action="reject"} 3"#,
        r#"hapolicy_requests_total{action="dunno"} 0"#,
        "hapolicy_request_duration_seconds_count 3",
        "hapolicy_unanswered_requests_total 0",
        "hapolicy_failed_over_requests_total 1",
        r#"hapolicy_attempts_total{service="good",outcome="answered"} 3"#,
        r#"hapolicy_attempts_total{service="dead",outcome="connect"} 1"#,
        r#"hapolicy_attempt_duration_seconds_count{service="good"} 3"#,
        r#"hapolicy_opened_connections_total{service="good"} 1"#,
        r#"hapolicy_downs_total{service="dead"} 1"#,
        r#"hapolicy_service_up{service="good"} 1.0"#,
        r#"hapolicy_service_up{service="dead"} 0.0"#,
        r#"hapolicy_service_connections{service="good"} 1.0"#,
        "hapolicy_clients 1",
        "hapolicy_workers 1",
        "hapolicy_log_lines_lost_total 0",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}\n{metrics}"
        );
    }
    watched.daemon.stop();
}

/// Workers count apart.
#[test]
fn requests_of_all_workers_are_added_up() {
    let stub = Stub::tcp(Script::answer("dunno"));
    let watched = Watched::start(&["--workers", "3", "-s", &service("good", &stub, "")]);
    let mut clients: Vec<_> = (0..9).map(|_| watched.daemon.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    let metrics = watched.get("/metrics").1;
    let expected = r#"hapolicy_requests_total{action="dunno"} 9"#;
    assert!(metrics.contains(expected), "{metrics}");
    watched.daemon.stop();
}

#[test]
fn each_metric_is_in_the_manual_and_no_other() {
    let watched = Watched::start(&["-s", "dead=127.0.0.1:1"]);
    let metrics = watched.get("/metrics").1;
    let (shown, described) = (families(&metrics), described("hapolicy.md", "hapolicy_"));
    assert_eq!(shown, described);
    watched.daemon.stop();
}

#[test]
fn the_page_shows_who_is_up_since_when_and_why_not() {
    let stub = Stub::tcp(Script::answer("reject no"));
    let services = [
        "-s",
        &service("good<1>", &stub, ""),
        "-s",
        "dead=127.0.0.1:1:1",
    ];
    let watched = Watched::start(&services);
    for _ in 0..2 {
        assert_eq!(watched.daemon.connect().ask_about("x"), "reject no");
    }
    let (status, page) = watched.get("/");
    assert_eq!(status, 200);
    for part in [
        "<h1>hapolicy</h1>",
        "<span class=\"good\">ready</span>",
        "<td class=\"text\">good&lt;1&gt;</td><td class=\"good\">up</td><td class=\"text\">enabled</td>",
        "<td class=\"text\">dead</td><td class=\"bad\">down</td>",
        "100.0 %",
        "<td class=\"text\">Connection refused</td>",
        "<td class=\"text\">reject</td><td class=\"number\">2</td>",
        "<td class=\"text\">&#39;dead&#39; (127.0.0.1:1) is down: ",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    watched.daemon.stop();
}

#[test]
fn readiness_says_why_there_is_none() {
    let gate = Gate::new();
    let gated = format!("gate={}:::60", gate.address);
    for (services, ready) in [
        (vec!["-s", &*gated], (200, "ok\n")),
        (
            vec!["-s", &*gated, "--mode", "gate=disabled"],
            (503, "every service is disabled\n"),
        ),
    ] {
        let watched = Watched::start(&services);
        let (status, text) = watched.get("/readyz");
        assert_eq!((status, &*text), ready);
        assert_eq!(watched.get("/healthz"), (200, "ok\n".to_owned()));
        watched.daemon.stop();
    }

    let watched = Watched::start(&["-s", "dead=127.0.0.1:1"]);
    assert_eq!(watched.daemon.connect().ask_about("x"), "dunno");
    let down = (503, "every service is down\n".to_owned());
    assert_eq!(watched.get("/readyz"), down);
    watched.daemon.stop();

    // While a request is under way, the daemon that stops says so.
    let watched = Watched::start(&["-s", &gated]);
    let client = watched.daemon.connect();
    client.send(&request(&[("sender", "late")]));
    assert!(gate.wait_arrived(1));
    watched.daemon.process.signal(Signal::TERM);
    assert!(watched.daemon.process.out.wait_lines(1, "stopping"));
    let stopping = (503, "stopping\n".to_owned());
    assert!(eventually(|| watched.get("/readyz") == stopping));
    gate.release("late");
    watched.daemon.ended_well();
}

#[test]
fn clients_that_send_nothing_cost_the_others_nothing() {
    let stub = Stub::tcp(Script::answer("dunno"));
    let watched = Watched::start(&["-s", &service("good", &stub, "")]);
    let mut idle: Vec<_> = (0..8).map(|_| watched.connect()).collect();
    for stream in &mut idle {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost").unwrap();
    }
    // A ninth takes the place of the first one, and the log says so.
    assert_eq!(watched.get("/healthz").0, 200);
    let told = "warning: closing the oldest connection to --admin: 8 are open";
    assert!(watched.daemon.process.out.wait_lines(1, told));
    assert_eq!(read_all(idle.remove(0)), "", "it is closed");
    assert_eq!(watched.daemon.connect().ask_about("x"), "dunno");
    drop(idle);
    watched.daemon.stop();
}

#[test]
fn a_page_from_elsewhere_learns_nothing_by_a_name_that_leads_here() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin");
    let unix = format!("unix:{}", path.display());
    let watched = Watched::start(&["--admin", &unix, "-s", "dead=127.0.0.1:1"]);
    let port = watched.address.rsplit(':').next().unwrap();
    for (host, status) in [
        (format!("Host: localhost:{port}"), 200),
        (format!("Host: {}", watched.address), 200),
        (format!("Host: [::1]:{port}"), 200),
        ("X: no host".to_owned(), 200),
        (format!("Host: evil.example:{port}"), 421),
        ("Host: localhost.evil.example".to_owned(), 421),
        ("Host:".to_owned(), 421),
        ("Host: localhost\r\nHost: evil.example".to_owned(), 400),
    ] {
        for path in ["/", "/metrics"] {
            let request = format!("GET {path} HTTP/1.1\r\n{host}\r\n\r\n");
            assert_eq!(watched.ask(&request).0, status, "{request}");
        }
    }
    let whole = "GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let (status, text) = watched.ask(whole);
    assert_eq!(status, 421);
    assert!(!text.contains("hapolicy_"), "{text}");
    // No browser asks over a UNIX socket.
    let mut stream = UnixStream::connect(&path).unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: any\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    watched.daemon.stop();
}

#[test]
fn a_request_that_waits_for_a_connection_is_counted() {
    let gate = Gate::new();
    let gated = format!("gate={}:::60", gate.address);
    let watched = Watched::start(&["--max-connections", "1", "-s", &gated]);
    let mut clients: Vec<_> = ["first", "second"]
        .into_iter()
        .map(|name| {
            let client = watched.daemon.connect();
            client.send(&request(&[("sender", name)]));
            client
        })
        .collect();
    assert!(gate.wait_arrived(1));
    let shows = |line: &str| {
        let line = line.to_owned();
        eventually(|| watched.get("/metrics").1.lines().any(|found| found == line))
    };
    for line in [
        r#"hapolicy_service_max_connections{service="gate"} 1.0"#,
        r#"hapolicy_service_connections{service="gate"} 1.0"#,
        r#"hapolicy_service_connection_waits_total{service="gate"} 1"#,
    ] {
        assert!(shows(line), "{line}");
    }
    for (client, name) in clients.iter_mut().zip(["first", "second"]) {
        gate.release(name);
        assert_eq!(client.action(), name);
    }
    watched.daemon.stop();
}

#[test]
fn what_is_no_request_for_a_page_is_told_so() {
    let watched = Watched::start(&["-s", "dead=127.0.0.1:1"]);
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(9000));
    for (request, status) in [
        (
            "POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
            405,
        ),
        ("GET /nothing HTTP/1.1\r\n\r\n", 404),
        ("request=smtpd_access_policy\n\n", 400),
        (&*long, 431),
    ] {
        assert_eq!(watched.ask(request).0, status, "{request}");
    }
    let open_metrics = "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\n\r\n";
    assert!(watched.ask(open_metrics).1.ends_with("# EOF\n"));
    let (status, body) = watched.ask("HEAD /metrics HTTP/1.1\r\n\r\n");
    assert_eq!((status, &*body), (200, ""));
    watched.daemon.stop();
}

#[test]
fn an_address_that_others_can_reach_needs_allow() {
    let args = ["-L", "--listen", "inet:127.0.0.1:0", "-s", "a=127.0.0.1:1"];
    let admin = ["--admin", "inet:0.0.0.0:0"];
    let ended = Process::start(hapolicy(), &[&args[..], &admin].concat()).end();
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(
        ended
            .err
            .contains("--admin inet:0.0.0.0:0 is not on loopback"),
        "{ended:?}"
    );
}

/// A daemon with `--admin` on a port of the system's choice.
struct Watched {
    daemon: Daemon,
    address: String,
}

impl Watched {
    fn start(args: &[&str]) -> Self {
        let admin = ["--admin", "inet:127.0.0.1:0"];
        let daemon = Daemon::tcp(&[&admin[..], args].concat());
        assert!(daemon.process.out.wait_lines(1, METRICS));
        let line = daemon.process.out.lines(METRICS).remove(0);
        let address = line.split(METRICS).nth(1).unwrap().to_owned();
        Self { daemon, address }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(&*self.address).unwrap()
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    /// The status and the body of the answer.
    fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let answer = read_all(stream);
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        (status.unwrap_or(0), body.unwrap_or_default().to_owned())
    }
}

/// All that comes until the end, or a reset.
fn read_all(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

const METRICS: &str = "metrics at inet:";
