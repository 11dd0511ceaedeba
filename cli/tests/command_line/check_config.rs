//! `--check-config`: all that is effective, what is wrong, and what is probably not meant.

use std::fs;

use policy_testing::process::{hapolicy, run};
use tempfile::TempDir;

#[test]
fn all_that_is_effective_is_printed_in_the_form_in_which_it_can_be_given() {
    let ended = run(hapolicy(), &["--check-config", "-s", "a=127.0.0.1:1", "-l"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let drop_in = "\
# mode: drop-in
--service=a=inet:127.0.0.1:1:10:1:30s
--default=dunno
--logging
--affinity=none
--deadline=90s
--balance=round-robin
--retry=always
--last-resort=3s
--max-connections=100
--max-failures=1
";
    assert_eq!(ended.out, drop_in);

    let args = [
        "--check-config",
        "--listen",
        "inet:127.0.0.1:0",
        "-s",
        "a=127.0.0.1:1:5",
        "-s",
        "b=unix:/run/b:5:2",
        "-d",
        "DEFER_IF_PERMIT try later",
        "--user",
        "nobody",
        "--workers",
        "2",
        "--allow",
        "192.0.2.0/24",
        "--max-clients",
        "50",
        "--balance",
        "hash:sender",
        "--mode",
        "b=drain",
        "--check",
        "5s",
        "--keep",
        "b=0s",
        "--handover",
        "unix:/run/hapolicy.handover",
    ];
    let ended = run(hapolicy(), &args);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let daemon = "\
# mode: daemon
--service=a=inet:127.0.0.1:1:5:1:10s
--service=b=unix:/run/b:5:2:10s
--default='DEFER_IF_PERMIT try later'
--affinity=message
--listen=inet:127.0.0.1:0
--user=nobody
--workers=2
--log-to=syslog
--log-format=key-value
--log-sample=100%
--allow=192.0.2.0/24
--max-clients=50
--max-request=128K
--max-memory=256M
--request-timeout=30s
--idle=1200s
--drain=30s
--handover=unix:/run/hapolicy.handover
--deadline=90s
--balance=hash:sender
--retry=always
--last-resort=3s
--max-connections=100
--max-age=300s
--keep=60s
--keep=b=0s
--max-failures=1
--mode=b=drain
--health-check=5s
";
    assert_eq!(ended.out, daemon);
}

#[test]
fn what_is_probably_not_meant_is_a_warning_and_with_strict_the_status() {
    let dir = TempDir::new().unwrap();
    let probe = dir.path().join("probe");
    let request = "request=smtpd_access_policy\nsasl_username=ann\nrecipient=b@real.de\n";
    fs::write(&probe, request).unwrap();
    let probe = probe.to_str().unwrap();
    let many: Vec<String> = (0..20)
        .map(|number| format!("-ss{number}=127.0.0.1:1"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (args, said) in [
        (
            &["-d", "REJET not today"][..],
            "-d 'REJET not today': Postfix knows no such action",
        ),
        (
            &["-d", "OK"],
            "-d 'OK': while no server answers, all restrictions",
        ),
        (
            &["-d", "450"],
            "-d '450': while no server answers, all restrictions",
        ),
        (
            &["-d", "permit"],
            "-d 'permit': while no server answers, all",
        ),
        (&["--deadline", "101s"], "--deadline 101s is above the 100s"),
        (
            &["--deadline", "4s"],
            "--deadline 4s is below 5s for each of 1 services",
        ),
        (&many, "--deadline 90s is below 5s for each of 21 services"),
        (
            &["--balance", "hash:sender,colour"],
            "--balance hash:sender,colour: Postfix sends no attribute 'colour'",
        ),
        (
            &["--listen", "inet:127.0.0.1:1"],
            "service 'a' leads to this daemon's own listener inet:127.0.0.1:1",
        ),
        (
            &["--listen", "inet:0.0.0.0:1", "--allow", "192.0.2.1"],
            "service 'a' leads to this daemon's own listener inet:0.0.0.0:1",
        ),
        (
            &["--health-check", "5s", "--probe", probe],
            "each probe counts against the quota of sasl_username 'ann'",
        ),
        (
            &["--check", "5s", "--probe", probe],
            "greylists and rate limits take each probe for mail of recipient 'b@real.de'",
        ),
        (
            &["-s", "b=127.0.0.1:1:x"],
            "priority 'x' is not 0 to 65535, using 10",
        ),
        (
            &["--listen", "inet:[::]:1", "--allow", "192.0.2.1"],
            "service 'a' leads to this daemon's own listener inet:[::]:1",
        ),
        (
            &["--listen", "inet:127.0.0.1:2", "-s", "b=0.0.0.0:2"],
            "service 'b' leads to this daemon's own listener inet:127.0.0.1:2",
        ),
        (&["--mode", "a=disabled"], "every service is disabled"),
        (
            &[
                "-s",
                "b=127.0.0.1:2",
                "--mode",
                "a=disabled",
                "--mode",
                "b=drain",
            ],
            "every service is disabled or drained: new messages get the default action",
        ),
    ] {
        let args = [&["--check-config", "-s", "a=localhost:1"], args].concat();
        let ended = run(hapolicy(), &args);
        assert_eq!(ended.code, Some(0), "{args:?}: {ended:?}");
        let is_warning =
            |line: &str| line.starts_with("hapolicy: warning: ") && line.contains(said);
        assert!(ended.err.lines().any(is_warning), "{args:?}: {ended:?}");
        assert!(!ended.out.contains(said), "{args:?}: {ended:?}");
        let strict = run(hapolicy(), &[&args[..], &["--strict"]].concat());
        assert_eq!((strict.code, strict.err), (Some(78), ended.err), "{args:?}");
    }
}

#[test]
fn what_is_meant_is_no_warning() {
    for args in [
        &["-d", "DUNNO"][..],
        &["-d", "close"],
        &["-d", "451 4.3.0 try later"],
        &["-d", "reject_unknown_client_hostname"],
        &["-d", "DEFER_IF_PERMIT later"],
        &["--deadline", "100s"],
        &["--deadline", "5s"],
        &["--balance", "hash:tls_sni,sender"],
        &["--listen", "inet:127.0.0.1:2"],
        &["-s", "b=127.0.0.1:2", "--mode", "b=disabled"],
        &[
            "--listen",
            "unix:/run/a",
            "--check",
            "5s",
            "-s",
            "b=127.0.0.1:2",
            "--mode",
            "b=drain",
        ],
    ] {
        let args = [&["--check-config", "--strict", "-s", "a=127.0.0.1:1"], args].concat();
        let ended = run(hapolicy(), &args);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn quiet_prints_nothing_but_what_is_wrong() {
    let loud = ["--check-config", "-s", "a=127.0.0.1:1"];
    for (args, code, said) in [
        (&[][..], 0, ""),
        (&["--strict"], 0, ""),
        (
            &["-d", "OK"],
            0,
            "hapolicy: warning: -d 'OK': while no server answers, all restrictions that follow in the list are \
             skipped; DUNNO skips none\n",
        ),
        (
            &["-s", "b=127.0.0.1:0"],
            78,
            "hapolicy: invalid service 'b=127.0.0.1:0': port '0' is not 1 to 65535\n",
        ),
    ] {
        let loud = [&loud, args].concat();
        let ended = run(hapolicy(), &loud);
        assert!(ended.out.contains("--service=a="), "{ended:?}");
        assert_eq!(
            (ended.code, ended.err.as_str()),
            (Some(code), said),
            "{loud:?}"
        );
        let quiet = [&loud[..], &["--quiet"]].concat();
        let ended = run(hapolicy(), &quiet);
        let expected = (Some(code), "", said);
        assert_eq!(
            (ended.code, &*ended.out, &*ended.err),
            expected,
            "{quiet:?}"
        );
    }
}

#[test]
fn a_path_that_is_too_long_for_a_socket_is_found_before_the_start() {
    let path = format!("unix:/{}", "x".repeat(119));
    for args in [
        &["--check-config", "-s", &format!("a={path}")][..],
        &["--check", "--listen", &path, "-s", "a=127.0.0.1:1"],
        &["--listen", &path, "-s", "a=127.0.0.1:1"],
        &["--listen", "inet:127.0.0.1:0", "-s", &format!("a={path}")],
    ] {
        let ended = run(hapolicy(), args);
        assert_eq!(ended.code, Some(78), "{args:?}: {ended:?}");
        let said = "the UNIX path has 120 bytes, the system takes 107";
        assert!(ended.err.contains(said), "{args:?}: {ended:?}");
    }
}

#[test]
fn a_daemon_refuses_to_start_with_the_part_of_a_service_that_is_at_fault() {
    for (service, fault) in [
        (
            "grey1=127.0.0.1:100233:10",
            "port '100233' is not 1 to 65535",
        ),
        ("127.0.0.1:10031", "the name is missing: NAME=ADDRESS"),
        ("grey1=127.0.0.1", "the port is missing after '127.0.0.1'"),
        (
            "grey1=2001:db8::1:10031",
            "an IPv6 address needs brackets: [2001:db8::1]:PORT",
        ),
        (
            "grey1=unix:private/grey",
            "the UNIX path 'private/grey' does not begin with /",
        ),
        (
            "grey1=unixx:/run/grey",
            "'unixx:' is neither inet: nor unix:",
        ),
        ("grey1=127.0.0.1:0", "port '0' is not 1 to 65535"),
    ] {
        let ended = run(hapolicy(), &["--listen", "inet:127.0.0.1:0", "-s", service]);
        let said = format!("hapolicy: invalid service '{service}': {fault}\n");
        assert_eq!((ended.code, ended.err), (Some(78), said));
    }
}
