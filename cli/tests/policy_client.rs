//! `policy-client`: what it asks, what it answers, and what it prints.

mod process;
mod support;

use std::{
    io::{Write, pipe},
    net::TcpListener,
    process::Command,
};

use process::{Client, Ended, POLICY_CLIENT, Process, Signal, request, run};
use support::stub::{Reply, Script, Stub};
use tempfile::TempDir;

// query

#[test]
fn query_prints_the_action_alone() {
    let dir = TempDir::new().unwrap();
    let stubs = [
        Stub::tcp(Script::answer("REJECT no")),
        Stub::unix(dir.path().join("policy.sock"), Script::answer("REJECT no")),
    ];
    for stub in stubs {
        let ended = query(&[&stub.address()]);
        assert_answered(&ended, "REJECT no\n");
        let request = String::from_utf8(stub.requests().remove(0)).unwrap();
        let (names, values): (Vec<_>, Vec<_>) = request
            .lines()
            .filter_map(|line| line.split_once('='))
            .unzip();
        assert_eq!(names, ["request", "protocol_state", "instance"]);
        assert_eq!(values[..2], ["smtpd_access_policy", "RCPT"]);
        assert!(!values[2].is_empty());
    }
}

#[test]
fn query_takes_every_form_of_an_endpoint() {
    let stub = Stub::tcp(Script::answer("OK"));
    for endpoint in [
        format!("127.0.0.1:{}", stub.port()),
        format!("inet:127.0.0.1:{}", stub.port()),
        format!("localhost:{}", stub.port()),
    ] {
        assert_answered(&query(&[&endpoint]), "OK\n");
    }
}

#[test]
fn query_adds_defaults_only_where_they_are_missing() {
    let stub = Stub::tcp(Script::default());
    let all = [
        "instance=i",
        "sender=a=b c",
        "protocol_state=DATA",
        "request=other",
        "sender=2",
    ];
    assert_answered(
        &query(&[&[stub.address().as_str()], &all[..]].concat()),
        "dunno\n",
    );
    assert_answered(
        &query(&[&stub.address(), "protocol_state=", "instance="]),
        "dunno\n",
    );
    let requests = stub.requests();
    assert_eq!(
        requests[0],
        (all.join("\n") + "\n\n").into_bytes(),
        "as they were given"
    );
    let second = String::from_utf8_lossy(&requests[1]).into_owned();
    assert_eq!(
        process::lines(&second, "protocol_state"),
        ["protocol_state="]
    );
    assert_eq!(process::lines(&second, "instance"), ["instance="]);
    assert_eq!(
        process::lines(&second, "request"),
        ["request=smtpd_access_policy"]
    );
}

#[test]
fn query_reads_requests_from_standard_input_and_prints_a_line_for_each() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let input =
        "sender=1\n\nrequest=smtpd_access_policy\nsender=2\ninstance=x\n\n\nsender=3\r\n\r\n";
    let ended = query_with_input(&[&stub.address(), "-"], input);
    assert_answered(&ended, "1\n2\n3\n");
    let requests: Vec<String> = stub
        .requests()
        .iter()
        .map(|request| String::from_utf8_lossy(request).into_owned())
        .collect();
    assert_eq!(requests.len(), 3);
    assert!(
        requests
            .iter()
            .all(|request| request.contains("request=smtpd_access_policy\n"))
    );
    assert_eq!(process::lines(&requests[1], "instance="), ["instance=x"]);
    assert!(requests[2].ends_with("sender=3\n\n"), "{}", requests[2]);
}

#[test]
fn query_without_requests_on_standard_input_asks_nothing() {
    let stub = Stub::tcp(Script::default());
    assert_answered(&query_with_input(&[&stub.address(), "-"], ""), "");
    assert_eq!(stub.connections(), 0);
}

#[test]
fn query_does_not_send_what_is_no_request() {
    let stub = Stub::tcp(Script::default());
    for input in [
        "rubbish\n\n",
        "sender=1\n\nrubbish\n\n",
        "sender=unfinished\n",
    ] {
        let ended = query_with_input(&[&stub.address(), "-"], input);
        assert_ne!(ended.code, Some(0), "{input:?}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{input:?}: {ended:?}");
    }
}

#[test]
fn query_prints_objects_when_asked_to() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let endpoint = stub.address();
    let ended = query_with_input(
        &[&endpoint, "--json", "-"],
        "sender=a \"b\"\n\nsender=2\n\n",
    );
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let objects: Vec<serde_json::Value> = ended
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects.len(), 2);
    for (object, action) in objects.iter().zip(["a \"b\"", "2"]) {
        let fields: Vec<_> = object.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["action", "elapsed_ms", "endpoint", "error"]);
        assert_eq!(object["action"], action);
        assert!(
            object["elapsed_ms"]
                .as_f64()
                .is_some_and(|elapsed| elapsed > 0.0)
        );
        assert_eq!(object["endpoint"], format!("inet:{endpoint}"));
        assert!(object["error"].is_null());
    }
}

#[test]
fn query_prints_an_object_for_a_failure_as_well() {
    let ended = query(&[&closed_port(), "--json"]);
    assert_eq!(ended.code, Some(69), "{ended:?}");
    let object: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert!(object["action"].is_null());
    assert!(
        object["error"]
            .as_str()
            .is_some_and(|error| !error.is_empty()),
        "{object}"
    );
    assert!(object["elapsed_ms"].is_number());
}

#[test]
fn query_that_is_not_answered_ends_with_69_and_says_why() {
    let hung = Stub::tcp(Script::reply(Reply::Hang));
    let closing = Stub::tcp(Script::reply(Reply::CloseUnanswered));
    let garbage = Stub::tcp(Script::bytes("220 hello\n"));
    let cut = Stub::tcp(Script::bytes("action=REJ").closing());
    for endpoint in [
        closed_port(),
        "unix:/nonexistent/policy.sock".to_owned(),
        "name.invalid:25".to_owned(),
        hung.address(),
        closing.address(),
        garbage.address(),
        cut.address(),
    ] {
        let ended = query(&[&endpoint, "--timeout", "500ms"]);
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (Some(69), ""),
            "{endpoint}: {ended:?}"
        );
        assert!(
            ended.err.starts_with("no answer: "),
            "{endpoint}: {ended:?}"
        );
        assert_eq!(ended.err.lines().count(), 1, "{endpoint}: {ended:?}");
    }
}

#[test]
fn query_goes_on_after_a_request_that_was_not_answered() {
    let stub = Stub::tcp(Script::default());
    stub.set_sequence([
        Script::answer("1"),
        Script::bytes("220 hello\n"),
        Script::answer("3"),
    ]);
    let ended = query_with_input(&[&stub.address(), "-"], "a=1\n\na=2\n\na=3\n\n");
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert_eq!(ended.out, "1\n3\n");
    assert!(ended.err.starts_with("no answer: "), "{ended:?}");
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
}

#[test]
fn query_on_a_wrong_command_line_ends_with_64() {
    for args in [
        &[][..],
        &["query"],
        &["query", "nonsense"],
        &["query", "127.0.0.1:99999"],
        &["query", "unix:relative"],
        &["query", "127.0.0.1:1", "no-attribute"],
        &["query", "127.0.0.1:1", "=value"],
        &["query", "127.0.0.1:1", "name=a\nb"],
        &["query", "127.0.0.1:1", "-", "name=value"],
        &["query", "127.0.0.1:1", "--timeout", "10"],
        &["query", "127.0.0.1:1", "--timeout"],
        &["query", "127.0.0.1:1", "--unknown"],
        &["serve"],
        &["serve", "nonsense"],
        &["serve", "inet:127.0.0.1:0", "--action", ""],
        &["serve", "inet:127.0.0.1:0", "--action", "a\nb"],
        &["serve", "inet:127.0.0.1:0", "--delay", "1"],
        &["serve", "inet:127.0.0.1:0", "word"],
        &["serve", "unix:/tmp/x,mode=rw"],
        &["unknown"],
    ] {
        let ended = run(POLICY_CLIENT, args);
        assert_eq!(ended.code, Some(64), "{args:?}: {ended:?}");
        assert_eq!(ended.out, "", "{args:?}");
        assert!(!ended.err.is_empty(), "{args:?}");
    }
}

#[test]
fn help_and_version_are_on_standard_output_and_no_error() {
    for args in [
        &["--help"][..],
        &["query", "--help"],
        &["serve", "--help"],
        &["--version"],
    ] {
        let ended = run(POLICY_CLIENT, args);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{args:?}");
        assert!(!ended.out.is_empty());
    }
}

// serve

#[test]
fn serve_says_where_it_listens_and_answers_every_request_alike() {
    let dir = TempDir::new().unwrap();
    let socket = format!("unix:{}", dir.path().join("policy.sock").display());
    for endpoint in ["inet:127.0.0.1:0", &socket] {
        let server = Server::start(endpoint, &["--action", "REJECT 5.7.1 no = no"]);
        for _ in 0..2 {
            let mut client = server.connect();
            for _ in 0..3 {
                assert_eq!(client.ask_about("x"), "REJECT 5.7.1 no = no");
            }
        }
        let ended = server.stop();
        assert_eq!(ended.out.lines().count(), 1, "without --log: {ended:?}");
    }
    assert!(!dir.path().join("policy.sock").exists());
}

#[test]
fn serve_answers_dunno_unless_told_otherwise() {
    let server = Server::start("inet:127.0.0.1:0", &[]);
    assert_eq!(server.connect().ask_about("x"), "dunno");
    server.stop();
}

#[test]
fn serve_cannot_listen_where_another_does() {
    let server = Server::start("inet:127.0.0.1:0", &[]);
    let ended = run(POLICY_CLIENT, &["serve", &server.endpoint]);
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(71), ""),
        "{ended:?}"
    );
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
    assert_eq!(server.connect().ask_about("x"), "dunno");
    server.stop();
}

#[test]
fn serve_with_close_closes_after_each_answer() {
    let server = Server::start("inet:127.0.0.1:0", &["--close"]);
    for _ in 0..2 {
        let mut client = server.connect();
        client.send(&[request(&[]), request(&[])].concat());
        assert_eq!(client.action(), "dunno");
        assert!(client.is_ended());
    }
    server.stop();
}

#[test]
fn serve_with_hang_reads_and_never_answers() {
    for more in [&[][..], &["--close"], &["--garbage"], &["--delay", "1ms"]] {
        let args = [&["--hang", "--log"], more].concat();
        let server = Server::start("inet:127.0.0.1:0", &args);
        let mut client = server.connect();
        client.send(&request(&[("sender", "s")]));
        assert!(server.process.out.wait_lines(1, "sender=s"));
        let stopped = server.stop();
        assert!(
            client.is_ended(),
            "{more:?}: no answer, not even at the end"
        );
        assert_eq!(stopped.out.lines().count(), 2, "{stopped:?}");
    }
}

#[test]
fn serve_with_hang_lets_clients_go() {
    let server = Server::start("inet:127.0.0.1:0", &["--hang"]);
    let ended = query(&[&server.endpoint, "--timeout", "100ms"]);
    assert_eq!(ended.code, Some(69));
    server.stop();
}

#[test]
fn serve_with_garbage_sends_a_banner_in_place_of_an_answer() {
    let server = Server::start("inet:127.0.0.1:0", &["--garbage"]);
    let client = server.connect();
    for _ in 0..2 {
        client.send(&request(&[]));
        assert_eq!(client.read_once(), b"220 hello\n");
    }
    drop(client);
    server.stop();

    let server = Server::start(
        "inet:127.0.0.1:0",
        &["--garbage", "--close", "--delay", "1ms"],
    );
    let mut client = server.connect();
    client.send(&request(&[]));
    assert_eq!(client.read_once(), b"220 hello\n");
    assert!(client.is_ended());
    server.stop();
}

#[test]
fn serve_with_delay_answers_later_and_other_clients_meanwhile() {
    let server = Server::start("inet:127.0.0.1:0", &["--delay", "300ms", "--log"]);
    let mut clients: Vec<Client> = (0..5).map(|_| server.connect()).collect();
    for client in &clients {
        client.send(&request(&[("sender", "s")]));
    }
    assert!(
        server.process.out.wait_lines(5, "sender=s"),
        "all are under way at once"
    );
    // SIGTERM waits for them.
    let ended = server.stop();
    for client in &mut clients {
        assert_eq!(client.action(), "dunno");
    }
    assert_eq!(ended.code, Some(0));
}

#[test]
fn serve_with_log_prints_a_line_per_request() {
    let server = Server::start("inet:127.0.0.1:0", &["--log"]);
    let mut client = server.connect();
    client.ask(&request(&[
        ("sender", "a@example"),
        ("recipient", "b@example"),
        ("instance", "i"),
    ]));
    client.ask(&request(&[("sender", "\u{1b}[31m")]));
    let ended = server.stop();
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines.len(), 3, "{ended:?}");
    for part in [
        "protocol_state=RCPT",
        "sender=a@example",
        "recipient=b@example",
        "instance=i",
    ] {
        assert!(lines[1].contains(part), "{part}: {ended:?}");
    }
    assert!(!ended.out.contains('\u{1b}'), "{ended:?}");
}

#[test]
fn serve_closes_a_connection_that_sends_no_request() {
    let server = Server::start("inet:127.0.0.1:0", &[]);
    let mut client = server.connect();
    client.send(b"rubbish\n\n");
    assert!(client.is_ended());
    assert_eq!(server.connect().ask_about("x"), "dunno");
    server.stop();
}

#[test]
fn serve_ends_with_0_on_sigint_too() {
    let server = Server::start("inet:127.0.0.1:0", &[]);
    let mut idle = server.connect();
    assert_eq!(idle.ask_about("x"), "dunno");
    server.process.signal(Signal::INT);
    let ended = server.process.end();
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(idle.is_ended());
}

#[test]
fn query_and_serve_understand_each_other() {
    let server = Server::start("inet:127.0.0.1:0", &["--action", "PREPEND X: y"]);
    assert_answered(&query(&[&server.endpoint, "sender=x"]), "PREPEND X: y\n");
    server.stop();
}

/// `policy-client serve`.
struct Server {
    process: Process,
    endpoint: String,
}

impl Server {
    fn start(endpoint: &str, args: &[&str]) -> Self {
        let process = Process::start(POLICY_CLIENT, &[&["serve", endpoint], args].concat());
        assert!(
            process.out.wait_lines(1, "listening on "),
            "{:?}",
            process.err.text()
        );
        let said = process.out.text();
        let endpoint = said
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("listening on "));
        Self {
            endpoint: endpoint.expect("its first line").to_owned(),
            process,
        }
    }

    fn connect(&self) -> Client {
        Client::connect(&self.endpoint)
    }

    fn stop(self) -> Ended {
        self.process.signal(Signal::TERM);
        let ended = self.process.end();
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
        ended
    }
}

fn query(args: &[&str]) -> Ended {
    run(POLICY_CLIENT, &[&["query"], args].concat())
}

fn query_with_input(args: &[&str], input: &str) -> Ended {
    let (reader, mut writer) = pipe().unwrap();
    let process = Process::of(
        Command::new(POLICY_CLIENT)
            .arg("query")
            .args(args)
            .stdin(reader),
    );
    writer.write_all(input.as_bytes()).unwrap();
    drop(writer);
    process.end()
}

fn assert_answered(ended: &Ended, out: &str) {
    let got = (ended.code, ended.out.as_str(), ended.err.as_str());
    assert_eq!(got, (Some(0), out, ""));
}

/// A port where nobody listens.
fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// Answers with the request's sender.
fn echo(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let mark = text.lines().find_map(|line| line.strip_prefix("sender="));
    format!("action={}\n\n", mark.unwrap_or_default()).into_bytes()
}
