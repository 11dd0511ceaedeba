//! Runs a case against the program.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use policy_testing::process::{Client, Process, Signal};

use crate::{
    case::{Case, Step, request},
    peers::Peers,
};

/// Cases whose plugins are not there yet: the program says so, and does not start.
const WAITING: &[&str] = &[
    "M05", "M07", "M08", "M09", "M10", "M12", "M17", "M18", "M19", "M21", "M22", "M23", "M24",
    "M25", "M26", "M27", "M28", "M29", "M30", "M31", "M32", "M33",
];

/// Runs it by default, and with `--compat`.
pub(crate) fn both(number: &str) {
    for compat in [false, true] {
        let case = Case::find(number);
        let directory = tempfile::tempdir().unwrap();
        let (mut peers, mut config) = Peers::start(&case, directory.path());
        let port = peers.port();
        config = config.replace("12345", &port.to_string());
        if !config.contains("port =") {
            config = format!("port = 127.0.0.1:{port}\n{config}");
        }
        let path = directory.path().join("mtpolicyd.conf");
        fs::write(&path, format!("log_level = 1\n{config}")).unwrap();
        let mut process = Process::of(&mut command(&path, compat, &peers, directory.path()));
        if WAITING.contains(&number) {
            let ended = process.end();
            assert_eq!(ended.code, Some(1), "{number} is not waiting any more");
            assert!(
                ended.err.contains("in this build of mtpolicyd"),
                "{ended:?}"
            );
            return;
        }
        assert!(
            process.err.wait_lines(1, "listening on "),
            "{}",
            process.err.text()
        );
        run(&case, port, compat, directory.path());
        assert!(process.is_running());
        process.signal(Signal::TERM);
        let ended = process.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

fn command(config: &Path, compat: bool, peers: &Peers, directory: &Path) -> Command {
    let mut words = vec![env!("CARGO_BIN_EXE_mtpolicyd").to_owned(), "-f".to_owned()];
    words.extend(["-c".to_owned(), config.display().to_string()]);
    words.extend(compat.then(|| "--compat".to_owned()));
    let mut command = match &peers.dns {
        None => Command::new(&words[0]),
        Some(server) => {
            let resolv_conf = directory.join("resolv.conf");
            let text = format!(
                "nameserver {}\noptions timeout:1 attempts:2\n",
                server.address().ip()
            );
            fs::write(&resolv_conf, text).unwrap();
            let mut command = Command::new("unshare");
            let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
            command.args(["--mount", "--propagation", "private", "sh", "-c", script]);
            command.arg(resolv_conf).arg(&words[0]);
            command
        }
    };
    command
        .args(&words[1..])
        .current_dir(directory)
        .stdin(Stdio::null());
    command
}

fn run(case: &Case, port: u16, compat: bool, directory: &Path) {
    let endpoint = format!("127.0.0.1:{port}");
    let mut connections: HashMap<usize, Client> = HashMap::new();
    for step in &case.steps {
        match step {
            Step::Ask {
                changes,
                connection,
                answer,
                by_default,
            } => {
                let expected = by_default.as_ref().filter(|_| !compat).unwrap_or(answer);
                let client = connections
                    .entry(*connection)
                    .or_insert_with(|| Client::connect(&endpoint));
                client.send(&request(changes));
                let reply = client
                    .reply()
                    .map(|reply| String::from_utf8(reply).unwrap());
                if reply.is_none() {
                    connections.remove(connection);
                }
                let found = reply.as_deref().map(|reply| reply.trim_end_matches('\n'));
                assert_eq!(
                    found,
                    expected.as_deref(),
                    "{} {}, compat: {compat}: {changes}",
                    case.number,
                    case.name
                );
            }
            Step::Sql(query, rows) => {
                let found = rows_of(&directory.join("db.sqlite"), query);
                assert_eq!(found, *rows, "{}: {query}", case.number);
            }
            Step::Other(value) if value.get("expect_closed").is_some() => {}
            Step::Clock(seconds) => {
                panic!("{}: the clock cannot be set by {seconds} s", case.number)
            }
            Step::Other(value) => panic!("{}: cannot do {value}", case.number),
        }
    }
}

fn rows_of(path: &Path, query: &str) -> serde_json::Value {
    use policy_store::{Sql as _, Value};
    use serde_json::json;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let rows = runtime.block_on(async {
        let file = policy_store::Sqlite::open(policy_store::SqliteOptions::new(path))
            .await
            .unwrap();
        file.rows(query, &[]).await.unwrap()
    });
    let value = |value: &Value| match value {
        Value::Int(number) => json!(number),
        other => json!(
            other
                .text()
                .map(|text| String::from_utf8_lossy(&text).into_owned())
        ),
    };
    let rows = rows
        .iter()
        .map(|row| row.iter().map(value).collect::<Vec<_>>());
    json!(rows.collect::<Vec<_>>())
}
