//! Options of a daemon that has no listener.

use policy_testing::process::{hapolicy, run};

#[test]
fn an_option_of_a_daemon_without_a_listener_ends_with_64_and_says_what_is_missing() {
    let help = run(hapolicy(), &["--help"]).out;
    let all = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("--"));
    let all: Vec<&str> = all
        .map(|option| option.split([' ', '\n']).next().unwrap_or_default())
        .collect();
    let mut refused = 0;
    for (option, value) in [
        ("user", "nobody"),
        ("workers", "2"),
        ("allow", "192.0.2.0/24"),
        ("max-clients", "10"),
        ("max-clients-per-address", "10"),
        ("max-request", "64K"),
        ("request-timeout", "10s"),
        ("idle", "10s"),
        ("drain", "10s"),
        ("handover", "unix:/nonexistent/handover"),
        ("check", "5s"),
        ("health-check", "5s"),
        ("log-format", "classic"),
        ("log-format", "key-value"),
    ] {
        assert!(all.contains(&option), "{option}: {all:?}");
        let given = format!("--{option}={value}");
        let args = ["-s", "a=127.0.0.1:1", &given];
        let ended = run(hapolicy(), &args);
        assert_eq!(ended.code, Some(64), "{option}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{option}: {ended:?}");
        let named = format!("--{option} ");
        assert!(
            ended.err.contains(&named) && ended.err.contains("--listen"),
            "{ended:?}"
        );
        refused += 1;
        // The sockets of a service manager are not there when it is looked at.
        let ended = run(hapolicy(), &[&args[..], &["--check"]].concat());
        let is_exposed = ended.err.contains("--handover");
        assert!(ended.code == Some(0) || is_exposed, "{option}: {ended:?}");
    }
    assert!(refused > 10);
}

#[test]
fn the_options_of_both_modes_need_no_listener() {
    for args in [
        &["--deadline=10s"][..],
        &["--affinity=message"],
        &["--balance=least-loaded"],
        &["--retry=unsent"],
        &["--last-resort=0s"],
        &["--max-connections=2"],
        &["--max-failures=2"],
        &["--mode=a=drain"],
        &["-l", "-v", "-d", "A"],
    ] {
        let ended = run(hapolicy(), &[&["-s", "a=127.0.0.1:1"], args].concat());
        assert_eq!(ended.code, Some(0), "{args:?}: {ended:?}");
        assert_eq!(ended.err, "", "{args:?}");
    }
}
