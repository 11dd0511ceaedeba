//! `--check`, the older spelling of `--check-config`: services as they are understood.

use policy_testing::{
    process::{Daemon, Ended, hapolicy, run},
    stub::{Script, Stub},
};

#[test]
fn check_prints_the_services_as_they_are_understood() {
    let args = [
        "--check",
        "-s",
        "plain=127.0.0.1:10031",
        "-s",
        "full=inet:host.example:25:5:3:2.5",
        "-s",
        "empty=[::1]:10031:::",
        "-s",
        "zero=unix:/run/policy.sock:0:0:0",
        "-s",
        "most=127.0.0.1:65535:65535:1000:3600",
        "-s",
        "least=127.0.0.1:1:0:1:0.1",
        "-s",
        "grün und=127.0.0.1:1:",
    ];
    let ended = run(hapolicy(), &args);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    let expected = [
        "--service=plain=inet:127.0.0.1:10031:10:1:30s",
        "--service=full=inet:host.example:25:5:3:2.5s",
        "--service='empty=inet:[::1]:10031:10:1:30s'",
        "--service=zero=unix:/run/policy.sock:0:1:30s",
        "--service=most=inet:127.0.0.1:65535:65535:1000:3600s",
        "--service=least=inet:127.0.0.1:1:0:1:100ms",
        "--service='grün und=inet:127.0.0.1:1:10:1:30s'",
    ];
    assert_eq!(services_in(&ended), expected);
}

#[test]
fn what_is_said_on_standard_error_cannot_command_a_terminal() {
    let shown = r"\xc2\x9b1m\xe2\x80\xae?[1m";
    // Where another crate has clap's colours built, clap leaves escape sequences out by itself.
    let left_out = r"\xc2\x9b1m\xe2\x80\xae'";
    for (args, parts) in [
        (
            &["--check", "-s", "a\u{9b}1m\u{202e}\u{1b}[1m=x"][..],
            [shown; 2],
        ),
        (
            &["--check", "-s", "a=127.0.0.1:1:\u{9b}1m\u{202e}\u{1b}[1m"],
            [shown; 2],
        ),
        (&["a\u{9b}1m\u{202e}\u{1b}[1m"], [shown, left_out]),
    ] {
        let ended = run(hapolicy(), args);
        let is_shown = parts.iter().any(|part| ended.err.contains(part));
        assert!(is_shown, "{args:?}: {ended:?}");
        assert!(!ended.err.contains(['\u{1b}', '\u{9b}', '\u{202e}']));
    }
}

#[test]
fn check_uses_the_timeout_of_the_mode() {
    let args = [
        "--check",
        "-s",
        "a=127.0.0.1:1",
        "--listen",
        "inet:127.0.0.1:0",
    ];
    let ended = run(hapolicy(), &args);
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        services_in(&ended),
        ["--service=a=inet:127.0.0.1:1:10:1:10s"]
    );
}

#[test]
fn a_field_that_is_wrong_is_named_in_a_warning_and_its_default_is_used() {
    for (fields, named) in [
        ("high", "'high'"),
        ("-1", "'-1'"),
        ("65536", "'65536'"),
        ("1.5", "'1.5'"),
        (":abc", "'abc'"),
        (":-1", "'-1'"),
        (":1001", "'1001'"),
        (":0.5", "'0.5'"),
        ("::abc", "'abc'"),
        ("::-1", "'-1'"),
        ("::0.05", "'0.05'"),
        ("::3601", "'3601'"),
        ("::1e1", "'1e1'"),
        ("::inf", "'inf'"),
        (":::sixth", "fields"),
    ] {
        let service = format!("name=127.0.0.1:1:{fields}");
        let ended = run(hapolicy(), &["--check", "-s", &service]);
        assert_eq!(ended.code, Some(0), "{service}: {ended:?}");
        let expected = ["--service=name=inet:127.0.0.1:1:10:1:30s"];
        assert_eq!(services_in(&ended), expected, "{service}");
        assert_eq!(ended.err.lines().count(), 1, "{service}: {ended:?}");
        assert!(
            ended.err.contains(named) && ended.err.contains("name"),
            "{ended:?}"
        );
    }
}

#[test]
fn check_names_each_invalid_service_and_ends_with_78() {
    let args = [
        "--check",
        "-s",
        "good=127.0.0.1:1",
        "-s",
        "bad",
        "-s",
        "worse=2001:db8::1:25",
    ];
    let ended = run(hapolicy(), &args);
    assert_eq!(ended.code, Some(78));
    assert_eq!(services_in(&ended).len(), 1, "{ended:?}");
    assert_eq!(ended.err.lines().count(), 2, "{ended:?}");
    assert!(ended.err.contains("'bad'") && ended.err.contains("'worse=2001:db8::1:25'"));
}

#[test]
fn check_without_services_ends_with_78() {
    let ended = run(hapolicy(), &["--check"]);
    assert_eq!((ended.code, services_in(&ended).len()), (Some(78), 0));
    assert_eq!(ended.err, "hapolicy: no valid service\n");
}

#[test]
fn check_shows_a_mode_that_is_not_the_usual_one_and_finds_one_of_nobody() {
    let services = ["--check", "-s", "a=127.0.0.1:1", "-s", "b=127.0.0.1:2"];
    let ended = run(
        hapolicy(),
        &[&services[..], &["--mode", "b=drain"]].concat(),
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("\n--mode=b=drain\n"), "{ended:?}");
    assert!(!ended.out.contains("--mode=a"), "{ended:?}");

    let ended = run(
        hapolicy(),
        &[&services[..], &["--mode", "c=drain"]].concat(),
    );
    assert_eq!(ended.code, Some(78));
    assert!(ended.err.contains("'c'"), "{ended:?}");
}

#[test]
fn check_shows_the_actions_of_a_service_and_finds_those_that_are_none() {
    let services = ["--check", "-s", "a=127.0.0.1:1", "-s", "b=127.0.0.1:2"];
    let ended = run(
        hapolicy(),
        &[&services[..], &["--actions", "b=DUNNO, 4xx,450,greylist"]].concat(),
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let shown = "\n--actions=b=dunno,4xx,450,greylist\n";
    assert!(ended.out.contains(shown), "{ended:?}");
    for (actions, told) in [
        ("c=ok", "--actions c=ok: no service 'c'"),
        ("b=", "invalid service 'b': actions '': "),
        ("b=ok,,dunno", "actions 'ok,,dunno': "),
        ("b=ok,600", "nor the name of a restriction at byte 3"),
    ] {
        let ended = run(
            hapolicy(),
            &[&services[..], &["--actions", actions]].concat(),
        );
        assert_eq!(ended.code, Some(78), "{actions}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{actions}: {ended:?}");
        assert!(ended.err.contains(told), "{actions}: {ended:?}");
    }
}

#[test]
fn check_takes_sixty_four_services() {
    let services: Vec<String> = (0..65)
        .flat_map(|number| ["-s".to_owned(), format!("s{number}=127.0.0.1:1")])
        .collect();
    let check = |count: usize| {
        let mut args = services[..2 * count].to_vec();
        args.push("--check".to_owned());
        run(hapolicy(), &args)
    };
    let ended = check(64);
    assert_eq!((ended.code, services_in(&ended).len()), (Some(0), 64));
    let ended = check(65);
    assert_eq!((ended.code, services_in(&ended).len()), (Some(78), 64));
    assert!(ended.err.contains("s64"), "{ended:?}");
}

#[test]
fn a_name_given_twice_has_the_later_address_and_a_warning() {
    let args = [
        "--check",
        "-s",
        "a=127.0.0.1:1:5:3:2",
        "-s",
        "a=127.0.0.1:2",
    ];
    let ended = run(hapolicy(), &args);
    assert_eq!(ended.code, Some(0));
    assert_eq!(services_in(&ended), ["--service=a=inet:127.0.0.1:2:5:3:2s"]);
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
}

#[test]
fn a_port_may_be_the_name_of_a_service() {
    let known = std::fs::read_to_string("/etc/services").unwrap_or_default();
    if !known.contains("25/tcp") {
        println!("SKIPPED: no /etc/services");
        return;
    }
    let ended = run(
        hapolicy(),
        &[
            "--check",
            "-s",
            "a=127.0.0.1:smtp:5",
            "-s",
            "b=127.0.0.1:mail",
        ],
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.out.contains("\n--service=a=inet:127.0.0.1:25:5:"),
        "{ended:?}"
    );
    assert!(
        ended.out.contains("\n--service=b=inet:127.0.0.1:25:"),
        "an alias: {ended:?}"
    );
}

#[test]
fn check_starts_nothing_and_binds_nothing() {
    let stub = Stub::tcp(Script::default());
    let service = format!("a={}", stub.address());
    let daemon = Daemon::tcp(&["-s", &service]);
    let ended = run(
        hapolicy(),
        &["--check", "-s", &service, "--listen", daemon.endpoint()],
    );
    assert_eq!(ended.code, Some(0), "although the port is taken: {ended:?}");
    assert_eq!(stub.connections(), 0);
    daemon.stop();
}

fn services_in(ended: &Ended) -> Vec<&str> {
    let is_service = |line: &&str| line.starts_with("--service=");
    ended.out.lines().filter(is_service).collect()
}
