//! The metrics, the alerts and the dashboard, with the real Prometheus.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use policy_testing::{
    eventually,
    process::{Daemon, Process},
    stub::{Script, Stub},
};
use serde_json::Value;

#[test]
fn prometheus_has_nothing_to_say_against_the_metrics_and_the_alerts() {
    let watched = Watched::start();
    let check = "curl --silent --fail \"$0/metrics\" | promtool check metrics";
    let ended = run("sh", &["-c", check, &format!("http://{}", watched.admin)]);
    assert_eq!(ended, (Some(0), String::new()));
    let alerts = contrib("prometheus");
    let (status, said) = run(
        "promtool",
        &["check", "rules", &path(&alerts, "hapolicy.rules.yml")],
    );
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = run(
        "promtool",
        &["test", "rules", &path(&alerts, "hapolicy.test.yml")],
    );
    assert_eq!(status, Some(0), "{said}");
    watched.daemon.stop();
}

#[test]
fn a_prometheus_that_scrapes_a_daemon_has_data_for_each_panel_and_an_alert_for_a_dead_service() {
    let watched = Watched::start();
    let directory = tempfile::tempdir().unwrap();
    // The alert as it is, but without its five minutes.
    let rules = fs::read_to_string(contrib("prometheus").join("hapolicy.rules.yml")).unwrap();
    let rules: Vec<_> = rules
        .lines()
        .filter(|line| !line.trim().starts_with("for: "))
        .collect();
    fs::write(directory.path().join("rules.yml"), rules.join("\n")).unwrap();
    let config = format!(
        "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: [rules.yml]\n\
         scrape_configs:\n  - job_name: hapolicy\n    static_configs:\n      - targets: ['{}']\n",
        watched.admin
    );
    fs::write(directory.path().join("prometheus.yml"), config).unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let server = format!("127.0.0.1:{port}");
    let mut command = Command::new("prometheus");
    command.current_dir(&directory).args([
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        &format!("--web.listen-address={server}"),
    ]);
    let _prometheus = Process::of(&mut command);
    let query = |expression: &str| {
        let (_, found) = run(
            "promtool",
            &["query", "instant", &format!("http://{server}"), expression],
        );
        found.trim().to_owned()
    };
    let mut client = watched.daemon.connect();
    let has_data = |expression: &str| {
        let found = query(expression);
        !found.is_empty() && !found.contains("error")
    };
    let is_scraped = || {
        assert_eq!(client.ask_about("x"), "dunno");
        has_data("rate(hapolicy_requests_total{action='dunno'}[1m]) > 0")
    };
    assert!(eventually(is_scraped), "{}", query("up"));
    for expression in panels() {
        let expression = expression
            .replace("$__rate_interval", "1m")
            .replace("$instance", ".*");
        assert!(eventually(|| has_data(&expression)), "{expression}");
    }
    let fires = || query("ALERTS{alertstate='firing'}").contains("HapolicyServiceDown");
    assert!(eventually(fires), "{}", query("ALERTS"));
    watched.daemon.stop();
}

/// All expressions of the dashboard.
fn panels() -> Vec<String> {
    let dashboard = fs::read_to_string(contrib("grafana").join("hapolicy.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    let expressions: Vec<_> = expressions.collect();
    assert!(expressions.len() > 8, "{expressions:?}");
    expressions
}

/// A daemon with a service that answers and one that is dead.
struct Watched {
    daemon: Daemon,
    admin: String,
    _stub: Stub,
}

impl Watched {
    fn start() -> Self {
        let stub = Stub::tcp(Script::answer("dunno"));
        let good = format!("good={}", stub.address());
        let daemon = Daemon::tcp(&[
            "--admin",
            "inet:127.0.0.1:0",
            "-s",
            &good,
            "-s",
            "dead=127.0.0.1:1:1",
        ]);
        assert_eq!(daemon.connect().ask_about("x"), "dunno");
        let line = daemon.process.out.lines(METRICS).remove(0);
        let admin = line.split(METRICS).nth(1).unwrap().to_owned();
        Self {
            daemon,
            admin,
            _stub: stub,
        }
    }
}

fn contrib(part: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../contrib")
        .join(part)
}

fn path(directory: &Path, name: &str) -> String {
    directory.join(name).display().to_string()
}

/// The status, and all that was said.
fn run(program: &str, words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(program).args(words).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

const METRICS: &str = "metrics at inet:";
