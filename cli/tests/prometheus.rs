//! The metrics, the alerts and the dashboards of all three daemons, with the real Prometheus.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use policy_testing::{
    admin::address,
    eventually,
    port::Port,
    process::{Client, Daemon, Process, hapolicy, mtpolicyd, policyd_weight, request},
    stub::{Script, Stub},
};
use serde_json::Value;

#[test]
fn prometheus_has_nothing_to_say_against_the_metrics_and_the_alerts() {
    for watched in Watched::all() {
        let name = watched.name;
        let check = "curl --silent --fail \"$0/metrics\" | promtool check metrics";
        let ended = run("sh", &["-c", check, &format!("http://{}", watched.admin)]);
        assert_eq!(ended, (Some(0), String::new()), "{name}");
        let alerts = contrib("prometheus");
        for (verb, file) in [("check", "rules"), ("test", "test")] {
            let file = path(&alerts, &format!("{name}.{file}.yml"));
            let (status, said) = run("promtool", &[verb, "rules", &file]);
            assert_eq!(status, Some(0), "{said}");
        }
    }
}

#[test]
fn a_prometheus_that_scrapes_all_three_has_data_for_each_panel_and_alerts_for_what_is_dead() {
    let mut all = Watched::all();
    let directory = tempfile::tempdir().unwrap();
    let mut config = "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n\
                      rule_files: ['*.rules.yml']\nscrape_configs:\n"
        .to_owned();
    for watched in &all {
        let name = watched.name;
        config.push_str(&format!(
            "  - job_name: {name}\n    static_configs:\n      - targets: ['{}']\n",
            watched.admin
        ));
        // The alerts as they are, but without the minutes that they wait.
        let file = format!("{name}.rules.yml");
        let rules = fs::read_to_string(contrib("prometheus").join(&file)).unwrap();
        let rules = rules
            .lines()
            .filter(|line| !line.trim().starts_with("for: "));
        let rules: Vec<_> = rules.collect();
        fs::write(directory.path().join(file), rules.join("\n")).unwrap();
    }
    fs::write(directory.path().join("prometheus.yml"), config).unwrap();
    let server = format!("127.0.0.1:{}", policy_testing::free_port());
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
    let has_data = |expression: &str| {
        let found = query(expression);
        let is_number = |line: &str| line.contains("=> ") && !line.contains("=> NaN");
        found.lines().any(is_number) && !found.contains("error")
    };
    for watched in &mut all {
        let counted = format!("rate({}_requests_total[1m]) > 0", watched.prefix);
        let asked = request(&[("sender", "a@example.com"), ("client_address", "192.0.2.1")]);
        let is_scraped = || {
            assert!(watched.client.reply_to(&asked), "{}", watched.name);
            has_data(&counted)
        };
        assert!(eventually(is_scraped), "{counted}: {}", query("up"));
        for expression in panels(watched.name) {
            let expression = expression
                .replace("$__rate_interval", "1m")
                .replace("$instance", ".*");
            assert!(
                eventually(|| has_data(&expression)),
                "{expression}: {}",
                query(&expression)
            );
        }
        for alert in watched.alerts {
            let fires = || query("ALERTS{alertstate='firing'}").contains(alert);
            assert!(eventually(fires), "{alert}: {}", query("ALERTS"));
        }
    }
}

/// All expressions of a daemon's dashboard.
fn panels(name: &str) -> Vec<String> {
    let dashboard = contrib("grafana").join(format!("{name}.json"));
    let dashboard = fs::read_to_string(dashboard).unwrap();
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

/// A daemon for which something is dead, and the alerts that have to say so.
struct Watched {
    name: &'static str,
    prefix: &'static str,
    alerts: &'static [&'static str],
    admin: String,
    client: Asking,
    _process: Process,
    _stubs: Vec<Stub>,
    _port: Option<Port>,
    _directory: tempfile::TempDir,
}

/// A client that keeps its connection.
struct Asking(Client);

impl Asking {
    fn reply_to(&mut self, request: &[u8]) -> bool {
        self.0.send(request);
        self.0.reply().is_some()
    }
}

impl Watched {
    fn all() -> Vec<Self> {
        vec![Self::hapolicy(), Self::mtpolicyd(), Self::policyd_weight()]
    }

    /// With a service that answers, one that is dead, a second group, and mirrors: one that is away, and one that differs.
    fn hapolicy() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let stub = Stub::tcp(Script::answer("dunno"));
        let other = Stub::tcp(Script::answer("reject"));
        let (good, differs) = (stub.address(), other.address());
        let config = format!(
            "listen = \"inet:127.0.0.1:0\"\nadmin = \"inet:127.0.0.1:0\"\n\
             [service.good]\naddress = \"{good}\"\n\
             [service.dead]\naddress = \"127.0.0.1:1\"\npriority = 1\n\
             [service.second]\naddress = \"{good}\"\n\
             [group.second]\nservices = \"second\"\n\
             [[route]]\npolicy_context = \"second\"\ngroup = \"second\"\n\
             [mirror.away]\naddress = \"127.0.0.1:1\"\n\
             [mirror.differs]\naddress = \"{differs}\"\n"
        );
        let file = directory.path().join("hapolicy.toml");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(hapolicy());
        command.arg("-L").arg("--config").arg(&file);
        let daemon = Daemon::of(command.stdin(Stdio::null()), 1);
        assert!(daemon.process.out.wait_lines(1, "metrics at "));
        Self {
            name: "hapolicy",
            prefix: "hapolicy",
            alerts: &[
                "HapolicyServiceDown",
                "HapolicyMirrorUnanswered",
                "HapolicyMirrorDiffers",
            ],
            admin: address(&daemon.process.out.text()).unwrap(),
            client: Asking(daemon.connect()),
            _process: daemon.process,
            _stubs: vec![stub, other],
            _port: None,
            _directory: directory,
        }
    }

    /// With a list that has ended, a store that is away, and a limit.
    fn mtpolicyd() -> Self {
        let (directory, port) = (tempfile::tempdir().unwrap(), Port::any());
        let config = format!(
            "port = {port}\nadmin = inet:127.0.0.1:0\n\
             <Connection away>\nmodule = Redis\nserver = 127.0.0.1:1\n</Connection>\n\
             <VirtualHost {port}>\nname = test\n\
             <Plugin limited>\nmodule = Limit\nkey = sender\nstore = away\nlimits = 9/1h\n\
             count_at = RCPT\non_error = continue\n</Plugin>\n\
             <Plugin listed>\nmodule = RBL\ndomain = {DEAD}\nmode = passive\n</Plugin>\n\
             </VirtualHost>\n",
            port = port.number()
        );
        let file = directory.path().join("mtpolicyd.conf");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(mtpolicyd());
        command.arg("-f").arg("-c").arg(&file).stdin(Stdio::null());
        let process = Process::of(&mut command);
        let is_ready = process.err.wait_lines(1, "metrics at ");
        assert!(is_ready, "{}", process.err.text());
        Self {
            name: "mtpolicyd",
            prefix: "mtpolicyd",
            alerts: &["MtpolicydListDown"],
            admin: address(&process.err.text()).unwrap(),
            client: Asking(Client::connect(&format!("127.0.0.1:{}", port.number()))),
            _process: process,
            _stubs: Vec::new(),
            _port: Some(port),
            _directory: directory,
        }
    }

    /// With a list that has ended, and nobody to ask DNS.
    fn policyd_weight() -> Self {
        let (directory, port) = (tempfile::tempdir().unwrap(), Port::any());
        let place = directory.path().display();
        // For a debugged daemon the next port counts.
        let before = port.number() - 1;
        let config = format!(
            "$LOCKPATH = '{place}/lock/'; $SPATH = ''; $PIDFILE = '{place}/pid'; $TCP_PORT = {before};\n\
             $NS = '127.0.0.1:1'; $ADMIN = 'inet:127.0.0.1:0'; $REQUEST_TIMEOUT = '1s';\n\
             @dnsbl_score = ('{DEAD}', 3, 0, 'DEAD'); @rhsbl_score = ();\n"
        );
        let file = directory.path().join("policyd-weight.conf");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(policyd_weight());
        command.arg("-d").arg("-f").arg(&file).arg("start");
        let process = Process::of(command.stdin(Stdio::null()));
        let is_ready = process.out.wait_lines(1, "metrics at ");
        let said = format!("{}{}", process.out.text(), process.err.text());
        assert!(is_ready, "{said}");
        Self {
            name: "policyd-weight",
            prefix: "policyd_weight",
            alerts: &["PolicydWeightListDown"],
            admin: address(&process.out.text()).unwrap(),
            client: Asking(Client::connect(&format!("127.0.0.1:{}", port.number()))),
            _process: process,
            _stubs: Vec::new(),
            _port: Some(port),
            _directory: directory,
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

/// A list that has ended, which is known without a question to DNS.
const DEAD: &str = "spam.dnsbl.sorbs.net";
