//! Runs a case against the program.

use std::{
    collections::HashMap,
    fs,
    io::Read,
    net::TcpStream,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
};

use policy_testing::{
    eventually,
    process::{Client, Process, Signal, with_resolv_conf},
};

use crate::{
    case::{Case, Step, request},
    in_process,
    peers::Peers,
};

/// Whose program runs a case, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    Default,
    Compat,
    /// The Perl program, where it is installed: what the transcripts say is what it does.
    Original,
}

impl Manner {
    /// Each of them; the original's where it is installed.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let has_original = cfg!(feature = "interop") && Path::new(PERL).exists();
        let all = [Self::Default, Self::Compat, Self::Original];
        all.into_iter()
            .filter(move |manner| *manner != Self::Original || has_original)
    }
}

pub(crate) const PERL: &str = "/usr/bin/mtpolicyd";

/// Runs it by default, with `--compat`, and by the original.
pub(crate) fn all(number: &str) {
    for manner in Manner::all() {
        let case = Case::find(number);
        let directory = tempfile::tempdir().unwrap();
        if case.steps.iter().any(|step| matches!(step, Step::Clock(_))) {
            // The clock of another process cannot be set.
            if manner != Manner::Original {
                in_process::run(&case, manner, directory.path());
            }
            continue;
        }
        serve(&case, manner, directory.path(), |port, peers| {
            run(&case, port, manner, directory.path(), peers);
        });
    }
}

/// Starts the program with the configuration of a case, has it asked, and ends it.
pub(crate) fn serve(case: &Case, manner: Manner, directory: &Path, ask: impl FnOnce(u16, &Peers)) {
    let ask = |port, peers: &Peers, _: &Process| ask(port, peers);
    serve_with("log_level = 1\n", case, manner, directory, ask);
}

/// The same with these global options before the configuration, and with the process in the tester's hands.
pub(crate) fn serve_with(
    options: &str,
    case: &Case,
    manner: Manner,
    directory: &Path,
    ask: impl FnOnce(u16, &Peers, &Process),
) {
    let is_original = manner == Manner::Original;
    let (mut peers, mut config) = Peers::start(case, directory);
    let port = peers.port();
    config = config.replace("12345", &port.to_string());
    if !config.lines().any(|line| line.starts_with("port =")) {
        config = format!("port = 127.0.0.1:{port}\n{config}");
    }
    let path = directory.join("mtpolicyd.conf");
    fs::write(&path, format!("{options}{config}")).unwrap();
    let mut command = command(&path, manner, &peers, directory);
    let mut process = Process::of(command.process_group(0));
    if is_original {
        wait_for(port, &mut process);
    } else {
        let is_ready = process.err.wait_lines(1, "listening on ");
        assert!(is_ready, "{}", process.err.text());
    }
    ask(port, &peers, &process);
    assert!(process.is_running());
    if is_original {
        // Its children would go on without it.
        process.kill_group();
    } else {
        process.signal(Signal::TERM);
        let ended = process.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

/// Perl needs some seconds on a busy machine, and says nothing when it is ready.
fn wait_for(port: u16, process: &mut Process) {
    let is_ready = (0..6).any(|_| eventually(|| TcpStream::connect(("127.0.0.1", port)).is_ok()));
    assert!(is_ready && process.is_running(), "{}", process.err.text());
}

fn command(config: &Path, manner: Manner, peers: &Peers, directory: &Path) -> Command {
    let program = if manner == Manner::Original {
        PERL
    } else {
        env!("CARGO_BIN_EXE_mtpolicyd")
    };
    let mut command = match &peers.dns {
        None => Command::new(program),
        Some(server) => {
            let resolv_conf = directory.join("resolv.conf");
            let text = format!(
                "nameserver {}\noptions timeout:5 attempts:2\n",
                server.address().ip()
            );
            fs::write(&resolv_conf, text).unwrap();
            with_resolv_conf(&resolv_conf, program)
        }
    };
    command
        .args(["-f", "-c"])
        .arg(config)
        .args((manner == Manner::Compat).then_some("--compat"))
        .current_dir(directory)
        .stdin(Stdio::null());
    command
}

fn run(case: &Case, port: u16, manner: Manner, directory: &Path, peers: &Peers) {
    let endpoint = format!("127.0.0.1:{port}");
    let mut connections: HashMap<usize, Client> = HashMap::new();
    for step in &case.steps {
        match step {
            Step::Ask {
                changes,
                connection,
                answers,
            } => {
                let expected = answers.of(manner);
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
                assert!(
                    is_expected(found, expected),
                    "{} {}, {manner:?}: {changes}: {found:?} and not {expected:?}",
                    case.number,
                    case.name
                );
            }
            Step::Sql(query, rows, of) if of.count(manner) => {
                let found = rows_of(&directory.join("db.sqlite"), query);
                assert_eq!(found, *rows, "{}: {query}", case.number);
            }
            Step::Sql(..) => {}
            Step::Other(value) if value.get("expect_closed").is_some() => {}
            // What comes later is waited for.
            Step::Other(value) if value.get("sleep").is_some() => {}
            Step::Other(value) if value.get("redis").is_some() => redis(peers, &value["redis"]),
            Step::Other(value) if value.get("hex").is_some() => {
                assert_eq!(written(peers), value["hex"].as_str().unwrap());
            }
            Step::Clock(_) => unreachable!("a case with a clock runs in this process"),
            Step::Other(value) => panic!("{}: cannot do {value}", case.number),
        }
    }
}

/// Whether an answer is the expected one. `<300>` stands for a number up to 300.
pub(crate) fn is_expected(found: Option<&str>, expected: Option<&str>) -> bool {
    let (Some(found), Some(expected)) = (found, expected) else {
        return found == expected;
    };
    let Some((before, rest)) = expected.split_once("(<") else {
        return found == expected;
    };
    let (most, after) = rest.split_once('>').unwrap();
    let number = found
        .strip_prefix(before)
        .and_then(|found| found.strip_prefix('('))
        .and_then(|found| found.strip_suffix(after));
    let number = number.and_then(|number| number.parse::<u32>().ok());
    number.is_some_and(|number| number <= most.parse().unwrap())
}

pub(crate) fn redis(peers: &Peers, words: &serde_json::Value) {
    let mut command = Command::new("redis-cli");
    command.args(["-p", &peers.redis.unwrap().to_string()]);
    for word in words.as_array().unwrap() {
        command.arg(word.as_str().unwrap());
    }
    assert_eq!(
        Process::of(command.stdin(Stdio::null())).end().code,
        Some(0)
    );
}

/// What was written to fail2ban's socket, as hexadecimal digits.
fn written(peers: &Peers) -> String {
    let (mut stream, _) = peers.sink.as_ref().unwrap().accept().unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"<F2B_END_COMMAND>") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn rows_of(path: &Path, query: &str) -> serde_json::Value {
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
        file.rows(query, &[]).await
    });
    let Ok(rows) = rows else {
        return json!("no such table");
    };
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
