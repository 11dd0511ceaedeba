//! Wrong command lines.

use policy_testing::process::{Ended, hapolicy, run};

#[test]
fn a_wrong_command_line_ends_a_drop_in_with_1_and_one_line() {
    for (args, part) in wrong() {
        assert_refused(&run(hapolicy(), args), 1, part, args);
    }
}

#[test]
fn a_wrong_command_line_ends_a_daemon_with_64_and_one_line() {
    for (args, part) in wrong() {
        let first = [
            &["--listen", "inet:127.0.0.1:0", "-s", "a=127.0.0.1:1"],
            *args,
        ]
        .concat();
        assert_refused(&run(hapolicy(), &first), 64, part, &first);
        let first = [&["--listen=inet:127.0.0.1:0", "-s", "a=127.0.0.1:1"], *args].concat();
        assert_refused(&run(hapolicy(), &first), 64, part, &first);
    }
    let probe = &["--probe", "/dev/null"];
    let with = [
        &["--listen", "inet:127.0.0.1:0", "-s", "a=127.0.0.1:1"],
        &probe[..],
    ]
    .concat();
    assert_refused(
        &run(hapolicy(), &with),
        64,
        "--health-check DURATION",
        &with,
    );
    assert_refused(
        &run(hapolicy(), probe),
        64,
        "--probe is for a daemon",
        probe,
    );
    for args in [
        &["--listen"][..],
        &["-s", "a=127.0.0.1:1", "--listen"],
        &["--listen="],
    ] {
        let ended = run(hapolicy(), args);
        assert!(matches!(ended.code, Some(64 | 78)), "{args:?}: {ended:?}");
        assert_eq!(
            (ended.out.as_str(), ended.err.lines().count()),
            ("", 1),
            "{ended:?}"
        );
    }
}

/// Command lines, and what is to be named.
fn wrong() -> &'static [(&'static [&'static str], &'static str)] {
    &[
        (&["-x"], "Unknown option: x"),
        (&["-h"], "Unknown option: h"),
        (&["-V"], "Unknown option: V"),
        (&["-lvx"], "Unknown option: x"),
        (&["-S", "a=127.0.0.1:1"], "Unknown option: S"),
        (&["--unknown"], "'--unknown' found\n"),
        (
            &["--dedline", "5s"],
            "--dedline' found: did you mean --deadline?",
        ),
        (&["--servce=a=127.0.0.1:1"], "did you mean --service?"),
        (&["--lisen", "x"], "did you mean --listen?"),
        (
            &["-listen", "x"],
            "Unknown option: i: did you mean --listen?",
        ),
        (&["-user=x"], "Unknown option: u: did you mean --user?"),
        (&["--affinity", "mesage"], "did you mean message?"),
        (&["--servicex=a"], "--servicex"),
        (&["--workers", "0"], "not a number above 0"),
        (&["--workers", "65"], "more than 64"),
        (&["-s"], "Option s requires an argument"),
        (&["-l", "-d"], "Option d requires an argument"),
        (&["--service"], "Option service requires an argument"),
        (&["--default="], "Option default requires an argument"),
        (&["--verbose=1"], "verbose"),
        (&["-d", ""], "default action"),
        (&["-d", "  "], "default action"),
        (&["-d", "two\nlines"], "default action"),
        (&["word"], "word"),
        (&["-"], "-"),
        (&["--", "-l"], "-l"),
        (&["--workers", "0"], "0"),
        (&["--max-memory", "1023K"], "less than 1M"),
        (&["--max-memory", "much"], "not a size"),
        (
            &["--max-memory", "1M", "--max-request", "1M"],
            "--max-memory 1M is less than 8 times --max-request 1M",
        ),
        (&["--workers", "many"], "many"),
        (&["--workers"], "--workers"),
        (&["--deadline", "90"], "90"),
        (&["--deadline", "0s"], "0s"),
        (&["--deadline=-1s"], "-1s"),
        (&["--deadline", "1d"], "1d"),
        (&["--deadline", "1000000m"], "1000000m"),
        (&["--deadline", ""], "deadline"),
        (&["--last-resort", "3"], "3"),
        (&["--last-resort"], "--last-resort"),
        (&["--max-connections", "0"], "between 1 and 65535"),
        (&["--max-connections", "65536"], "between 1 and 65535"),
        (&["--max-connections"], "--max-connections"),
        (&["--affinity", "sender"], "sender"),
        (&["--affinity"], "--affinity"),
        (&["--balance", "random"], "random"),
        (&["--balance", "hash:"], "attribute"),
        (&["--balance", "hash:Sender"], "attribute"),
        (&["--balance"], "--balance"),
        (&["--retry", "never"], "never"),
        (&["--retry"], "--retry"),
        (&["--max-failures", "0"], "0"),
        (&["--max-failures"], "--max-failures"),
        (&["--mode", "a"], "NAME=MODE"),
        (&["--mode", "a=down"], "down"),
        (&["--mode"], "--mode"),
        (&["--actions", "a"], "NAME=LIST"),
        (&["--actions"], "--actions"),
        (&["--user"], "--user"),
        (&["--check=1"], "--check"),
        (&["--check", "1"], "--check"),
        (&["--check", "0s"], "0s"),
        (&["--check", "--probe", "/dev/null"], "--check DURATION"),
        (&["--health-check"], "--health-check"),
        (&["--health-check", "5"], "--health-check"),
        (&["--health-check", "0s"], "0s"),
        (&["--strict"], "--check-config"),
        (&["--quiet"], "--check-config"),
        (&["--check-config=5s"], "--check-config"),
        (&["--check=1s", "--probe-action", "OK"], "--probe"),
        (
            &["--check=1s", "--probe=/", "--probe-action="],
            "--probe-action",
        ),
    ]
}

fn assert_refused(ended: &Ended, code: i32, part: &str, args: &[&str]) {
    assert_eq!(ended.code, Some(code), "{args:?}: {ended:?}");
    assert_eq!(ended.out, "", "{args:?}");
    assert_eq!(ended.err.lines().count(), 1, "{args:?}: {ended:?}");
    assert!(ended.err.starts_with("hapolicy: "), "{args:?}: {ended:?}");
    assert!(ended.err.ends_with('\n'), "{args:?}: {ended:?}");
    assert!(ended.err.contains(part), "{args:?}: {ended:?}");
}
