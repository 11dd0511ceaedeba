//! A name that has several addresses: all of them are served.

use std::{
    fs,
    process::{Command, Stdio},
};

use policy_testing::{
    process::{Client, Daemon, Process, hapolicy, is_root},
    stub::{Script, Stub},
};
use tempfile::TempDir;

use super::service;

#[test]
fn all_addresses_of_a_name_are_served_at_one_port_and_handed_over() {
    if !is_root() {
        return;
    }
    let stub = Stub::tcp(Script::answer("REJECT no"));
    let dir = TempDir::new().unwrap();
    let handover = format!("--handover=unix:{}/handover", dir.path().display());
    // No machine has the last one: it is of the documentation.
    let three = "127.0.0.1 policy.test\n127.0.0.2 policy.test\n192.0.2.1 policy.test\n";
    let (service, policy_test) = (service(&stub), "inet:policy.test:0");
    let args = [
        "-L",
        "--listen",
        policy_test,
        "--allow=127.0.0.0/8",
        &handover,
        "-s",
        &service,
    ];
    let first = Daemon::of(&mut with_hosts(&dir, three, &args), 2);
    assert_eq!(hosts(&first), ["127.0.0.1", "127.0.0.2"]);
    let ports = ports(&first);
    assert_eq!(ports[0], ports[1], "one port");
    let mut client = Client::connect(&first.endpoints[1]);
    assert_eq!(client.ask_about("1"), "REJECT no");

    // Its successor knows the name by one more address.
    let four = format!("{three}127.0.0.3 policy.test\n");
    let second = Daemon::of(&mut with_hosts(&dir, &four, &args), 3);
    first.ended_well();
    let mut same = self::ports(&second);
    same.dedup();
    assert_eq!(same, ports[..1], "the same port, also at the new address");
    for endpoint in &second.endpoints {
        assert_eq!(Client::connect(endpoint).ask_about("1"), "REJECT no");
    }
    assert_eq!(client.ask_about("2"), "REJECT no");
    second.stop();
}

#[test]
fn an_address_of_a_name_that_is_taken_is_an_error() {
    if !is_root() {
        return;
    }
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    let taken = Daemon::start(&["inet:127.0.0.2:0"], &["-s", &service(&stub)]);
    let port = ports(&taken).remove(0);
    let listen = format!("inet:policy.test:{port}");
    let hosts = "127.0.0.1 policy.test\n127.0.0.2 policy.test\n";
    let args = ["--listen", &listen, "-s", &service(&stub)];
    let ended = Process::of(&mut with_hosts(&dir, hosts, &args)).end();
    assert_eq!(ended.code, Some(71), "{ended:?}");
    assert!(
        ended.err.contains(&format!("cannot bind {listen}")),
        "{ended:?}"
    );
    taken.stop();
}

/// hapolicy in a mount namespace of its own, where names have these addresses.
fn with_hosts(dir: &TempDir, hosts: &str, args: &[&str]) -> Command {
    let path = dir.path().join("hosts");
    fs::write(&path, hosts).unwrap();
    let script = r#"mount --bind "$0" /etc/hosts && exec "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]);
    command
        .arg(path)
        .arg(hapolicy())
        .args(args)
        .stdin(Stdio::null());
    command
}

fn hosts(daemon: &Daemon) -> Vec<&str> {
    let endpoints = daemon.endpoints.iter();
    endpoints
        .filter_map(|endpoint| endpoint.split(':').nth(1))
        .collect()
}

fn ports(daemon: &Daemon) -> Vec<String> {
    let port = |endpoint: &String| endpoint.rsplit(':').next().unwrap().to_owned();
    daemon.endpoints.iter().map(port).collect()
}
