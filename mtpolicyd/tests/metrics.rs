//! `admin` and `--admin`: what the program shows of itself.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use policy_testing::{
    admin::{Page, address, ask, described, families, get},
    eventually,
    port::Port,
    process::{Client, Process, Signal},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mtpolicyd");

/// A chain with everything that has metrics of its own: a store that is away, a limit, a list that does not exist.
const CONFIG: &str = "
port = PORT
admin = inet:127.0.0.1:0
<Connection away>
  module = Redis
  server = 127.0.0.1:1
</Connection>
<Connection limits>
  module = Memory
</Connection>
<VirtualHost PORT>
  name = incoming
  <Plugin greeted>
    module = Condition
    key = sender
    match = known@example.com
    action = reject no
  </Plugin>
  <Plugin accounts>
    module = Limit
    key = sasl_username
    count_at = RCPT
    metric = addresses
    limits = 1/1h
    action = defer too many addresses
  </Plugin>
  <Plugin counter>
    module = Limit
    key = sasl_username
    count_at = RCPT
    limits = 1000/1h
    store = away
    on_error = continue
  </Plugin>
</VirtualHost>
<VirtualHost 9>
  name = never asked
  <Plugin listed>
    module = RBL
    domain = list.invalid
    mode = reject
    self_test = 0
  </Plugin>
</VirtualHost>
";

#[test]
fn what_was_asked_and_answered_is_counted() {
    let watched = Watched::start(CONFIG, &[]);
    let mut client = watched.client();
    for (request, answer) in [
        ("sender=known@example.com", "reject no"),
        ("sasl_username=a\nclient_address=192.0.2.1", "dunno"),
        (
            "sasl_username=a\nclient_address=192.0.2.2",
            "defer too many addresses",
        ),
    ] {
        let request = format!("request=smtpd_access_policy\nprotocol_state=RCPT\n{request}\n\n");
        client.send(request.as_bytes());
        let reply = String::from_utf8(client.reply().unwrap()).unwrap();
        assert_eq!(reply.trim_end(), format!("action={answer}"), "{request}");
    }
    let metrics = watched.get("/metrics").body;
    for line in [
        r#"mtpolicyd_requests_total{action="reject"} 1"#,
        r#"mtpolicyd_requests_total{action="dunno"} 1"#,
        "mtpolicyd_request_duration_seconds_count 3",
        r#"mtpolicyd_virtual_host_requests_total{virtual_host="incoming",action="defer"} 1"#,
        r#"mtpolicyd_plugin_runs_total{virtual_host="incoming",plugin="greeted",outcome="answered"} 1"#,
        r#"mtpolicyd_plugin_runs_total{virtual_host="incoming",plugin="greeted",outcome="passed"} 2"#,
        r#"mtpolicyd_plugin_runs_total{virtual_host="incoming",plugin="counter",outcome="failed"} 1"#,
        r#"mtpolicyd_limit_blocks_total{virtual_host="incoming",limit="accounts",metric="addresses"} 1"#,
        r#"mtpolicyd_limit_values_count{virtual_host="incoming",limit="accounts",metric="addresses"} 2"#,
        r#"mtpolicyd_limit_blocks_total{virtual_host="incoming",limit="counter",metric="messages"} 0"#,
        r#"mtpolicyd_store_calls_total{connection="away",outcome="failed"} 1"#,
        r#"mtpolicyd_store_up{connection="away"} 1.0"#,
        r#"mtpolicyd_list_up{list="list.invalid"} 1.0"#,
        r#"mtpolicyd_list_state{list="list.invalid",state="untested"} 1.0"#,
        r#"mtpolicyd_sessions_total{outcome="opened"} 3"#,
        "mtpolicyd_clients 1",
        "mtpolicyd_log_lines_lost_total 0",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}\n{metrics}"
        );
    }
    assert!(!metrics.contains("192.0.2."), "{metrics}");
}

#[test]
fn a_recipient_that_a_mail_names_twice_is_counted_once() {
    let limit = "metric = distinct_recipients\n    limits = 9/1h";
    let config = CONFIG
        .replace("metric = addresses\n    limits = 1/1h", limit)
        .replace("count_at = RCPT\n    metric", "metric");
    let sessions = "<SessionCache>\n  module = Memory\n</SessionCache>\n<VirtualHost 9>";
    let watched = Watched::start(&config.replace("<VirtualHost 9>", sessions), &[]);
    let mut client = watched.client();
    for state in ["RCPT", "END-OF-MESSAGE"] {
        let request = format!(
            "request=smtpd_access_policy\nprotocol_state={state}\ninstance=1\nsasl_username=a\nrecipient=b@x\n\n"
        );
        client.send(request.as_bytes());
        assert!(client.reply().is_some());
    }
    let counted = r#"mtpolicyd_limit_values_count{virtual_host="incoming",limit="accounts",metric="distinct_recipients"} 1"#;
    let metrics = watched.get("/metrics").body;
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
}

#[test]
fn each_metric_is_in_the_manual_and_no_other() {
    let watched = Watched::start(CONFIG, &[]);
    let metrics = watched.get("/metrics").body;
    assert_eq!(families(&metrics), described("mtpolicyd.md", "mtpolicyd_"));
}

#[test]
fn a_reload_is_counted_and_keeps_the_counters_whose_names_stay() {
    let watched = Watched::start(CONFIG, &[]);
    let mut client = watched.client();
    client.send(b"request=smtpd_access_policy\nsender=known@example.com\n\n");
    assert!(client.reply().is_some());
    let kept = r#"plugin="greeted",outcome="answered"} 1"#;
    assert!(watched.get("/metrics").body.contains(kept));
    for (config, outcome) in [
        (
            CONFIG.replace("<Plugin listed>", "<Plugin renamed>"),
            "done",
        ),
        ("port = PORT".to_owned(), "refused"),
    ] {
        watched.configure(&config);
        watched.process.signal(Signal::HUP);
        let counted = format!("mtpolicyd_reloads_total{{outcome=\"{outcome}\"}} 1");
        assert!(eventually(|| watched
            .get("/metrics")
            .body
            .contains(&counted)));
        let metrics = watched.get("/metrics").body;
        assert!(metrics.contains(kept), "{metrics}");
        assert!(metrics.contains(r#"plugin="renamed""#), "{metrics}");
        assert!(!metrics.contains(r#"plugin="listed""#), "{metrics}");
    }
}

#[test]
fn the_page_shows_stores_lists_limits_and_changes() {
    let watched = Watched::start(CONFIG, &[]);
    let mut client = watched.client();
    for number in 0..4 {
        let request = format!(
            "request=smtpd_access_policy\nprotocol_state=RCPT\nsasl_username=u{number}\nclient_address=192.0.2.1\n\n"
        );
        client.send(request.as_bytes());
        assert!(client.reply().is_some());
    }
    let is_told = || watched.get("/").body.contains("connection away is away");
    assert!(eventually(is_told), "{}", watched.get("/").body);
    let page = watched.get("/");
    assert!(
        page.head
            .contains("Content-Security-Policy: default-src 'none'; style-src 'sha256-")
    );
    for part in [
        "<h1>mtpolicyd</h1>",
        "<span class=\"good\">ready</span>",
        "<h2>Answers</h2>",
        "<td class=\"text\">dunno</td><td class=\"number\">4</td>",
        "<h2>Stores</h2>",
        "<td class=\"text\">away</td><td class=\"text\">redis 127.0.0.1:1</td><td class=\"bad\">away",
        "<td class=\"text\">counter</td>",
        "Connection refused",
        "<h2>DNS lists</h2>",
        "<td class=\"text\">list.invalid</td><td class=\"good\">untested</td>",
        "<h2>Limits</h2>",
        "<h2>Plugins</h2>",
        "<h2>Last changes</h2>",
    ] {
        assert!(page.body.contains(part), "{part}\n{}", page.body);
    }
    assert!(!page.body.contains("192.0.2.1"), "no client is shown");
}

#[test]
fn the_listener_says_that_it_serves_whatever_the_name_in_the_log_is() {
    let config = CONFIG.replace("admin = inet:127.0.0.1:0", "syslog_ident = other/name");
    let watched = Watched::start(&config, &["--admin=inet:127.0.0.1:0"]);
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/nothing", 404)] {
        assert_eq!(watched.get(path).status, status, "{path}");
    }
    assert!(
        watched
            .get("/metrics")
            .body
            .contains("\nmtpolicyd_clients ")
    );
    let written = ask(&watched.admin, "POST /metrics HTTP/1.1\r\n\r\n");
    assert_eq!(written.status, 405, "nothing can be changed");
}

#[test]
fn an_address_that_others_can_reach_needs_allow() {
    let open = CONFIG.replace("admin = inet:127.0.0.1:0", "admin = inet:0.0.0.0:0");
    for (config, words, status) in [
        (
            open.clone(),
            "other machines can connect to `inet:0.0.0.0:0`",
            78,
        ),
        (format!("allow = 192.0.2.0/24\n{open}"), "", 0),
        (
            CONFIG.replace("admin = inet:127.0.0.1:0", "admin = 9106"),
            "`admin`: `9106`",
            78,
        ),
    ] {
        let world = World::new(&config);
        let checked = world.start(&["--check-config"]).end();
        assert_eq!(checked.code, Some(status), "{}", checked.err);
        assert!(checked.err.contains(words), "{}", checked.err);
    }
    // A listener for everybody opens only itself.
    let everybody = open
        .replace("port = PORT", "port = *:PORT")
        .replace("admin = inet:0.0.0.0:0", "");
    let world = World::new(&everybody);
    let ended = world.start(&["-f", "--admin", "inet:0.0.0.0:0"]).end();
    assert_eq!(ended.code, Some(78), "{}", ended.err);
    assert!(
        ended
            .err
            .contains("--admin inet:0.0.0.0:0 is not on loopback"),
        "{}",
        ended.err
    );
}

/// A directory with a configuration; `PORT` in it is a port that nobody else gets.
struct World {
    directory: tempfile::TempDir,
    port: Port,
}

impl World {
    fn new(config: &str) -> Self {
        let world = Self {
            directory: tempfile::tempdir().unwrap(),
            port: Port::any(),
        };
        world.configure(config);
        world
    }

    fn configure(&self, config: &str) {
        let config = config.replace("PORT", &self.port.number().to_string());
        fs::write(self.path(), config).unwrap();
    }

    fn path(&self) -> std::path::PathBuf {
        Path::new(self.directory.path()).join("mt.conf")
    }

    fn start(&self, words: &[&str]) -> Process {
        let mut command = Command::new(PROGRAM);
        command.args(words).arg("-c").arg(self.path());
        Process::of(command.stdin(Stdio::null()))
    }
}

/// A daemon that shows itself.
struct Watched {
    world: World,
    process: Process,
    admin: String,
}

impl Watched {
    fn start(config: &str, words: &[&str]) -> Self {
        let world = World::new(config);
        let process = world.start(&[&["-f"], words].concat());
        assert!(
            process.err.wait_lines(1, "metrics at "),
            "{}",
            process.err.text()
        );
        let admin = address(&process.err.text()).unwrap();
        Self {
            world,
            process,
            admin,
        }
    }

    fn configure(&self, config: &str) {
        self.world.configure(config);
    }

    fn client(&self) -> Client {
        Client::connect(&format!("127.0.0.1:{}", self.world.port.number()))
    }

    fn get(&self, path: &str) -> Page {
        get(&self.admin, path)
    }
}
