//! Settings that change at once, and those that need a restart.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use policy_testing::{
    process::{Daemon, Signal, hapolicy, is_root},
    stub::{Script, Stub},
};
use tempfile::TempDir;

use super::{Configured, GOOD, service, with_listener};

#[test]
fn rules_for_requests_change_at_once_and_what_needs_a_restart_is_named() {
    let configured =
        Configured::start("default = \"one\"\n[service.a]\naddress = \"127.0.0.1:1\"\n");
    let mut client = configured.daemon.connect();
    assert_eq!(client.ask_about("x"), "one");
    let settings = "default = \"two\"\nworkers = 2\nmax-memory = \"300M\"\nidle = \"60s\"\n\
                    [service.a]\naddress = \"127.0.0.1:1\"\n";
    configured.reload(settings, GOOD);
    assert_eq!(client.ask_about("x"), "two");
    let log = configured.daemon.stop().out;
    for line in [
        "[LOG notice]: reload: default = \"two\" (was \"one\")",
        "[LOG notice]: reload: idle = \"60s\" (was \"1200s\")",
        "[LOG warning]: warning: reload: workers has changed, which needs a restart",
        "[LOG warning]: warning: reload: max-memory has changed, which needs a restart",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
}

#[test]
fn an_idle_time_that_has_become_shorter_ends_clients_that_have_waited_before() {
    let stub = Stub::tcp(Script::answer("a"));
    let of_a = service("a", &stub, "");
    let configured = Configured::start(&of_a);
    let mut client = configured.daemon.connect();
    assert_eq!(client.ask_about("x"), "a");
    configured.reload(&format!("idle = \"1ms\"\n{of_a}"), GOOD);
    assert!(client.is_ended());
    configured.daemon.stop();
}

#[test]
fn what_needs_a_restart_is_said_at_each_reload_until_it_holds_or_is_taken_back() {
    let service = "[service.a]\naddress = \"127.0.0.1:1\"\n";
    let configured = Configured::start(service);
    let said = || configured.daemon.process.out.lines("needs a restart").len();
    for count in [2, 4] {
        configured.reload(
            &format!("drain = \"5s\"\nmax-memory = \"300M\"\n{service}"),
            GOOD,
        );
        assert_eq!(said(), count, "{}", configured.log());
    }
    configured.reload(service, GOOD);
    assert_eq!(said(), 4, "{}", configured.log());
    configured.daemon.stop();
}

#[test]
fn the_file_is_read_again_where_it_was_found_at_the_start() {
    let stub = Stub::tcp(Script::answer("a"));
    let dir = TempDir::new().unwrap();
    let settings =
        "health-check = \"60s\"\nprobe = \"probe\"\n".to_owned() + &service("a", &stub, "");
    // A daemon that becomes another user has / for its directory.
    let user = if is_root() { "user = \"nobody\"\n" } else { "" };
    let settings = with_listener(&(user.to_owned() + &settings));
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    for (name, text) in [
        ("probe", "request=smtpd_access_policy\n"),
        ("h.toml", &settings),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        // That user reads it, whatever the umask here is.
        fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    }
    let mut command = Command::new(hapolicy());
    command
        .args(["-L", "--config", "h.toml"])
        .current_dir(dir.path());
    let daemon = Daemon::of(command.stdin(Stdio::null()), 1);
    daemon.process.signal(Signal::HUP);
    assert!(
        daemon.process.out.wait_lines(1, GOOD),
        "{}",
        daemon.process.out.text()
    );
    daemon.stop();
}
