//! The start of a daemon, and options that end it.

use policy_testing::{
    process::{self, Daemon, hapolicy, run},
    stub::{Script, Stub},
};

use crate::service;

#[test]
fn an_invalid_service_ends_the_start_with_78_and_one_line() {
    let stub = Stub::tcp(Script::default());
    for invalid in [
        "a",
        "a=",
        "=127.0.0.1:1",
        "a=127.0.0.1",
        "a=127.0.0.1:",
        "a=:1",
        "a=127.0.0.1:70000",
        "a=127.0.0.1:no-such-service",
        "a=2001:db8::1:10031",
        "a=unix:relative",
        "a=0:25",
        "a=127.0.0.1:0",
        "a=one,two:1",
    ] {
        let args = [
            "--listen",
            "inet:127.0.0.1:0",
            "-s",
            &service("good", &stub, ""),
            "-s",
            invalid,
        ];
        let ended = run(hapolicy(), &args);
        assert_eq!(ended.code, Some(78), "{invalid}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{invalid}: {ended:?}");
        assert_eq!(ended.out, "", "{invalid}");
        let name = invalid.split('=').next().unwrap_or_default();
        assert!(
            ended.err.contains(invalid) || ended.err.contains(&format!("'{name}'")),
            "{ended:?}"
        );
    }
}

#[test]
fn a_daemon_without_services_does_not_start() {
    let ended = run(hapolicy(), &["--listen", "inet:127.0.0.1:0"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(78), ""));
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
}

#[test]
fn sixty_four_services_are_taken_and_one_more_is_not() {
    let stub = Stub::tcp(Script::default());
    let services: Vec<String> = (0..65)
        .flat_map(|number| ["-s".to_owned(), service(&format!("s{number}"), &stub, "")])
        .collect();
    let services: Vec<&str> = services.iter().map(String::as_str).collect();
    let daemon = Daemon::tcp(&services[..128]);
    let mut client = daemon.connect();
    for _ in 0..64 {
        assert_eq!(client.ask_about(""), "dunno");
    }
    assert_eq!(stub.connections(), 64, "each service has had its turn");
    daemon.stop();

    let all = [&["--listen", "inet:127.0.0.1:0"], &services[..]].concat();
    let ended = run(hapolicy(), &all);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.err.contains("s64"), "{ended:?}");
}

#[test]
fn a_field_that_is_wrong_is_a_warning_and_the_daemon_starts() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service("a", &stub, ":high:abc:0.01:more")]);
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    let warnings = process::warnings(&daemon.stop().out);
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    for found in ["'high'", "'abc'", "'0.01'"] {
        assert_eq!(
            warnings.iter().filter(|line| line.contains(found)).count(),
            1,
            "{warnings:?}"
        );
    }
}
