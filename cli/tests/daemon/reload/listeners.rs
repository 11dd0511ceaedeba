//! Listeners come and go.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use policy_testing::{
    process::{Client, Daemon, Signal, hapolicy, run},
    stub::{Script, Stub},
};
use tempfile::TempDir;

use super::{BAD, Configured, GOOD, service};

#[test]
fn listeners_come_and_go_and_clients_of_one_that_is_gone_stay() {
    let stub = Stub::tcp(Script::answer("a"));
    let of_a = service("a", &stub, "");
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("hapolicy.toml");
    let socket = dir.path().join("policy.sock");
    let unix = format!("unix:{}", socket.display());
    let write = |listen: &str| fs::write(&path, format!("listen = {listen}\n{of_a}")).unwrap();
    write("[\"inet:127.0.0.1:0\"]");
    let mut command = Command::new(hapolicy());
    command.arg("-L").arg("--config").arg(&path);
    let daemon = Daemon::of(command.stdin(Stdio::null()), 1);
    let mut early = daemon.connect();
    let reload = |count, said: &str| {
        daemon.process.signal(Signal::HUP);
        assert!(
            daemon.process.out.wait_lines(count, said),
            "{}",
            daemon.process.out.text()
        );
    };

    write(&format!("[\"inet:127.0.0.1:0\", \"{unix},mode=0600\"]"));
    reload(1, GOOD);
    let mut over_unix = Client::connect(&unix);
    assert_eq!(over_unix.ask_about("x"), "a");
    assert_eq!(early.ask_about("x"), "a");

    // What cannot be bound leaves all as it was.
    write(&format!("[\"inet:127.0.0.1:{}\"]", stub.port()));
    reload(1, BAD);
    write(&format!("[\"{unix},mode=0660\"]"));
    reload(2, BAD);
    assert_eq!(daemon.connect().ask_about("x"), "a");

    write(&format!("\"{unix},mode=0600\""));
    reload(2, GOOD);
    assert!(
        Client::try_connect(daemon.endpoint()).is_err(),
        "it is closed"
    );
    assert_eq!(early.ask_about("x"), "a");
    write("\"inet:127.0.0.1:0\"");
    reload(3, GOOD);
    assert!(!socket.exists());
    assert_eq!(over_unix.ask_about("x"), "a");
    let log = daemon.stop().out;
    for line in [
        format!("[LOG info]: listening on {unix}"),
        format!("[LOG info]: not listening on {unix} any more"),
        format!(
            "cannot bind inet:127.0.0.1:{}: Address already in use",
            stub.port()
        ),
        format!("--listen {unix},mode=0660: another mode or owner needs a restart"),
    ] {
        assert!(log.contains(&line), "{line}: {log}");
    }
    let listened = log
        .lines()
        .filter(|line| line.contains("listened on inet:"));
    assert_eq!(listened.count(), 1, "{log}");
}

#[test]
fn a_unix_socket_whose_file_was_removed_is_bound_anew() {
    let stub = Stub::tcp(Script::answer("a"));
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("policy.sock");
    let endpoint = format!("unix:{}", socket.display());
    let text = format!("listen = \"{endpoint}\"\n{}", service("a", &stub, ""));
    let configured = Configured::in_directory(dir, &text, 1);
    let mut early = Client::connect(&endpoint);
    assert_eq!(early.ask_about("x"), "a");
    fs::remove_file(&socket).unwrap();
    assert!(Client::try_connect(&endpoint).is_err());
    configured.reload_file(&text, GOOD);
    assert_eq!(Client::connect(&endpoint).ask_about("x"), "a");
    assert_eq!(early.ask_about("x"), "a");
    configured.reload_file(&text, GOOD);
    assert_eq!(
        Client::connect(&endpoint).ask_about("x"),
        "a",
        "{}",
        configured.log()
    );
    configured.daemon.stop();
    assert!(!socket.exists());
}

#[test]
fn a_second_listener_at_the_address_of_the_first_is_refused_with_its_place() {
    let stub = Stub::tcp(Script::answer("a"));
    let dir = TempDir::new().unwrap();
    let socket = format!("unix:{}", dir.path().join("policy.sock").display());
    let listener = |name| format!("[listener.{name}]\naddress = \"{socket}\"\n");
    let text = listener("x") + &service("a", &stub, "");
    let configured = Configured::in_directory(dir, &text, 1);
    let path = configured.path.display().to_string();
    let twice = text + &listener("y");
    let line = twice.lines().count();
    configured.reload_file(&twice, BAD);
    let said = format!(
        "{path}:{line}:11: error: cannot listen at `{socket}` as well: `{socket}` in {path}:2:11 has that address already"
    );
    assert!(
        configured.log().contains(&said),
        "{said}: {}",
        configured.log()
    );
    assert_eq!(configured.ask(), "a");
    let checked = run(hapolicy(), &["--check-config", "--config", &path]);
    assert_eq!(checked.code, Some(78), "{checked:?}");
    let said = format!("error: cannot listen at `{socket}` as well\n --> {path}:{line}:11\n");
    assert!(checked.err.contains(&said), "{said}: {}", checked.err);
    configured.daemon.stop();
}

#[test]
fn the_address_of_a_control_that_has_moved_is_free_after_a_restart() {
    let stub = Stub::tcp(Script::answer("a"));
    let dir = TempDir::new().unwrap();
    let at = |name: &str| format!("unix:{}", dir.path().join(name).display());
    let (old, new) = (at("old"), at("new"));
    let of_a = service("a", &stub, "");
    let configured = Configured::start(&format!("control = \"{old}\"\n{of_a}"));
    let text = format!("listen = \"{old}\"\ncontrol = \"{new}\"\n{of_a}");
    configured.reload_file(&text, BAD);
    let log = configured.daemon.stop().out;
    let said = format!(
        "--control {old}: that is the address of --listen {old} already, until this daemon is restarted"
    );
    assert!(log.contains(&said), "{log}");
}

#[test]
fn a_path_that_the_daemon_has_over_a_link_cannot_be_taken_at_a_reload() {
    let stub = Stub::tcp(Script::answer("a"));
    let dir = TempDir::new().unwrap();
    let link = dir.path().join("link");
    symlink(dir.path(), &link).unwrap();
    let at = |directory: &Path| format!("unix:{}", directory.join("policy.sock").display());
    let (own, other) = (at(dir.path()), at(&link));
    let of_a = service("a", &stub, "");
    let text = |address: &str| format!("listen = \"{address}\"\n{of_a}");
    let configured = Configured::in_directory(dir, &text(&own), 1);
    configured.reload_file(&text(&other), BAD);
    let said = format!(
        "cannot bind {other} while this daemon listens at {own}: restart it, or take that out"
    );
    let log = configured.log();
    assert!(log.contains(&said), "{said}: {log}");
    assert_eq!(configured.ask(), "a");
    configured.daemon.stop();
}

#[test]
fn why_an_address_cannot_be_taken_at_a_reload_is_said_with_what_to_do() {
    let stub = Stub::tcp(Script::answer("a"));
    let of_a = service("a", &stub, "");
    let configured = Configured::start(&of_a);
    let port = configured.daemon.endpoint().rsplit(':').next().unwrap();
    for (text, said) in [
        (
            format!(
                "listen = [\"inet:127.0.0.1:0\", \"inet:0.0.0.0:{port}\"]\nallow = \"192.0.2.0/24\"\n{of_a}"
            ),
            format!("--listen inet:0.0.0.0:{port} needs the new `allow`, which needs a restart"),
        ),
        (
            format!("listen = [\"inet:127.0.0.1:0\", \"inet:127.0.0.1:{port}\"]\n{of_a}"),
            format!(
                "cannot bind inet:127.0.0.1:{port} while this daemon listens at inet:127.0.0.1:{port}: restart"
            ),
        ),
    ] {
        configured.reload_file(&text, BAD);
        assert!(
            configured.log().contains(&said),
            "{said}: {}",
            configured.log()
        );
        assert_eq!(configured.ask(), "a");
    }
    configured.daemon.stop();
}
