//! Command lines: wrong ones, help and version.

use std::process::Command;

use policy_testing::process::{policy_client, run};

use crate::terminal;

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
        &["query", "127.0.0.1:1", "--preset", "quit"],
        &["query", "127.0.0.1:1", "--preset"],
        &["query", "127.0.0.1:1", "--postfix", "3.7"],
        &[
            "query",
            "127.0.0.1:1",
            "--preset",
            "rcpt",
            "--postfix",
            "2.0",
        ],
        &["query", "127.0.0.1:1", "--preset", "rcpt", "--postfix", "3"],
        &["query", "127.0.0.1:1", "--expect", "("],
        &["serve"],
        &["serve", "nonsense"],
        &["serve", "inet:127.0.0.1:0", "--action", ""],
        &["serve", "inet:127.0.0.1:0", "--action", "a\nb"],
        &["serve", "inet:127.0.0.1:0", "--delay", "1"],
        &["serve", "inet:127.0.0.1:0", "word"],
        &["serve", "unix:/tmp/x,mode=rw"],
        &["unknown"],
    ] {
        let ended = run(policy_client(), args);
        assert_eq!(ended.code, Some(64), "{args:?}: {ended:?}");
        assert_eq!(ended.out, "", "{args:?}");
        assert!(!ended.err.is_empty(), "{args:?}");
    }
}

#[test]
fn what_was_probably_meant_is_said() {
    for (args, meant) in [
        (&["qury", "127.0.0.1:1"][..], "did you mean query?"),
        (&["server", "inet:127.0.0.1:0"], "did you mean serve?"),
        (
            &["query", "127.0.0.1:1", "--prset", "rcpt"],
            "did you mean --preset?",
        ),
        (
            &["query", "127.0.0.1:1", "--preset", "rctp"],
            "did you mean rcpt?",
        ),
    ] {
        let ended = run(policy_client(), args);
        assert_eq!(ended.code, Some(64), "{args:?}: {ended:?}");
        assert!(ended.err.trim_end().ends_with(meant), "{args:?}: {ended:?}");
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
        let ended = run(policy_client(), args);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{args:?}");
        assert!(!ended.out.is_empty());
    }
}

#[test]
fn nothing_is_coloured_but_on_a_terminal_and_not_there_with_no_color() {
    let bold = "\x1b[1m";
    let help = |variable: &str| {
        let (terminal, screen) = terminal::open();
        let mut command = Command::new(policy_client());
        command
            .arg("--help")
            .env("TERM", "xterm")
            .env_remove("NO_COLOR");
        let status = command.env(variable, "1").stdout(screen).status().unwrap();
        assert!(status.success());
        terminal::read(&terminal)
    };
    assert!(help("NONE").contains(bold));
    assert!(!help("NO_COLOR").contains('\x1b'));
    assert!(!run(policy_client(), &["--help"]).out.contains('\x1b'));
}

#[test]
fn a_message_that_nobody_reads_changes_no_status() {
    for (args, status) in [
        (&["query", "127.0.0.1:1", "request=x"][..], 69),
        (&["replay", "/no/such/file", "127.0.0.1:1"], 66),
        (&["query", "nonsense"], 64),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = Command::new(policy_client())
            .args(args)
            .stderr(writer)
            .status()
            .unwrap();
        assert_eq!(ended.code(), Some(status), "{args:?}");
    }
}

#[test]
fn what_is_wrong_on_a_command_line_is_said_in_words_of_it() {
    let requests = &["replay", "/dev/null", "127.0.0.1:1"][..];
    let attribute = ["query", "127.0.0.1:1", "sender=a", "recipient=a\nb"];
    for (args, more, said) in [
        (
            &attribute[..],
            &[][..],
            "'recipient': attribute value holds NUL, CR or LF",
        ),
        (
            &["query", "127.0.0.1:1", "=a"],
            &[],
            "'': attribute name is empty or holds '=', NUL, CR or LF",
        ),
        (
            &["query", "127.0.0.1:1", "-", "a=b"],
            &[],
            "'-' goes with no other attribute",
        ),
        (
            &["query", "127.0.0.1:1"],
            &["--count", "0"],
            "'--count <NUMBER>': not a number above 0",
        ),
        (
            requests,
            &["--connections", "0"],
            "not a number from 1 to 1000",
        ),
        (
            &["conform", "127.0.0.1:1"],
            &["--jobs", "0"],
            "not a number above 0",
        ),
        (
            &["conform", "127.0.0.1:1"],
            &["--connections", "x"],
            "not a number above 0",
        ),
        (
            &["serve", "inet:127.0.0.1:0"],
            &["--seed", "x"],
            "'--seed <N>': not a number",
        ),
        (&["bench", "127.0.0.1:1"], &["--seed", "x"], "not a number"),
        (
            &["bench", "127.0.0.1:1"],
            &["-c", "0"],
            "not a number from 1 to 50000",
        ),
        (
            &["bench", "127.0.0.1:1"],
            &["-n", "0"],
            "not a number above 0",
        ),
    ] {
        let ended = run(policy_client(), &[args, more].concat());
        assert_eq!(ended.code, Some(64), "{args:?}: {ended:?}");
        assert!(
            ended.err.trim_end().ends_with(said) && ended.err.lines().count() == 1,
            "{args:?}: {ended:?}"
        );
    }
}

#[test]
fn no_time_to_wait_and_port_0_are_refused() {
    for args in [
        &["query", "127.0.0.1:1"][..],
        &["replay", "/dev/null", "127.0.0.1:1"],
        &["batch", "/dev/null", "127.0.0.1:1"],
        &["conform", "127.0.0.1:1"],
        &["bench", "127.0.0.1:1"],
        &["tap", "inet:127.0.0.1:0", "127.0.0.1:1"],
    ] {
        let ended = run(policy_client(), &[args, &["--timeout", "0s"]].concat());
        assert_eq!(ended.code, Some(64), "{args:?}: {ended:?}");
        let said = "'--timeout <TIMEOUT>': more than no time is needed";
        assert!(ended.err.trim_end().ends_with(said), "{args:?}: {ended:?}");
    }
    for args in [
        &["query", "127.0.0.1:0"][..],
        &["replay", "/dev/null", "127.0.0.1:0"],
        &[
            "replay",
            "/dev/null",
            "127.0.0.1:1",
            "--diff",
            "127.0.0.1:0",
        ],
        &["conform", "127.0.0.1:0"],
        &["bench", "127.0.0.1:0"],
        &["tap", "inet:127.0.0.1:0", "127.0.0.1:0"],
    ] {
        let ended = run(policy_client(), args);
        assert_eq!(ended.code, Some(64), "{args:?}: {ended:?}");
        let said = "port '0' is not 1 to 65535";
        assert!(ended.err.trim_end().ends_with(said), "{args:?}: {ended:?}");
    }
}
