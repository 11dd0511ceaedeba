//! Where the daemon listens and as whom it runs: what it binds, refuses, owns and removes.

mod process;
mod support;

use std::{
    fs,
    io::ErrorKind,
    net::SocketAddr,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::Path,
};

use process::{Client, Daemon, HAPOLICY, is_root, request, run};
use socket2::{Domain, Socket, Type};
use support::{
    eventually,
    stub::{Script, Stub},
};
use tempfile::TempDir;

#[test]
fn every_endpoint_is_said_once_and_answers() {
    let stub = Stub::tcp(Script::answer("REJECT no"));
    let dir = TempDir::new().unwrap();
    let socket = unix(&dir);
    let listen = [
        "inet:127.0.0.1:0",
        "inet:127.0.0.1:0",
        "inet:localhost:0",
        &socket,
    ];
    let daemon = Daemon::start(&listen, &["-s", &service(&stub)]);
    assert_eq!(daemon.endpoints.len(), 4, "{:?}", daemon.endpoints);
    assert_ne!(daemon.endpoints[0], daemon.endpoints[1]);
    assert_eq!(daemon.endpoints[3], socket);
    for endpoint in &daemon.endpoints {
        assert!(!endpoint.ends_with(":0"), "{endpoint}");
        assert_eq!(Client::connect(endpoint).ask_about("1"), "REJECT no");
    }
    let log = daemon.stop().out;
    assert_eq!(process::lines(&log, "listening on ").len(), 4);
}

#[test]
fn a_port_that_is_taken_is_an_error_and_its_daemon_goes_on() {
    let stub = Stub::tcp(Script::default());
    let first = Daemon::tcp(&["-s", &service(&stub)]);
    let mut client = first.connect();
    assert_eq!(client.ask_about("1"), "dunno");

    assert_cannot_bind(first.endpoint(), &stub);

    assert_eq!(client.ask_about("2"), "dunno");
    assert_eq!(first.connect().ask_about("3"), "dunno");
    first.stop();
}

/// The sockets of one daemon share a port, which the system would let those of two do as well.
#[test]
fn a_port_is_shared_by_the_workers_of_one_daemon_only() {
    let stub = Stub::tcp(Script::default());
    for (first, second) in [("1", "1"), ("1", "4"), ("4", "1"), ("4", "4")] {
        let daemon = Daemon::tcp(&["-s", &service(&stub), "--workers", first]);
        let port = daemon.endpoint().rsplit(':').next().unwrap();
        assert_eq!(listening_on(port.parse().unwrap()).to_string(), first);
        for other in [daemon.endpoint(), &format!("inet:0.0.0.0:{port}")] {
            let args = [
                "--listen",
                other,
                "--allow",
                "127.0.0.1",
                "--workers",
                second,
            ];
            let ended = run(HAPOLICY, &[&args[..], &["-s", &service(&stub)]].concat());
            assert_eq!(ended.code, Some(71), "{first} {second}: {ended:?}");
            assert!(ended.err.contains("in use"), "{ended:?}");
        }
        for _ in 0..20 {
            assert_eq!(daemon.connect().ask_about("x"), "dunno");
        }
        daemon.stop();
    }
}

#[test]
fn a_port_that_somebody_else_would_share_is_not_taken() {
    let stub = Stub::tcp(Script::default());
    let other = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    other.set_reuse_port(true).unwrap();
    other
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    other.listen(1).unwrap();
    let address = other.local_addr().unwrap().as_socket().unwrap();
    assert_cannot_bind(&format!("inet:{address}"), &stub);
}

#[test]
fn a_unix_socket_that_is_taken_is_an_error_and_its_daemon_goes_on() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    let first = Daemon::start(&[&unix(&dir)], &["-s", &service(&stub)]);
    let mut client = first.connect();
    assert_eq!(client.ask_about("1"), "dunno");

    assert_cannot_bind(first.endpoint(), &stub);

    assert_eq!(client.ask_about("2"), "dunno");
    assert_eq!(first.connect().ask_about("3"), "dunno");
    first.stop();
}

#[test]
fn what_cannot_be_bound_ends_the_start_with_71() {
    let stub = Stub::tcp(Script::default());
    for listen in [
        // Of the documentation: no machine has it.
        "inet:192.0.2.1:0",
        "inet:name.invalid:0",
        "unix:/nonexistent/policy.sock",
        &format!("unix:/tmp/{}", "x".repeat(200)),
    ] {
        assert_cannot_bind(listen, &stub);
    }
}

#[test]
fn a_worker_that_cannot_start_ends_the_start_with_71() {
    let stub = Stub::tcp(Script::default());
    for descriptors in 8..24 {
        let daemon = format!(
            "ulimit -n {descriptors}; exec {HAPOLICY} --listen inet:127.0.0.1:0 --workers 4 -s {}",
            service(&stub)
        );
        let ended = run("/bin/sh", &["-c", &daemon]);
        assert_eq!(ended.code, Some(71), "{descriptors}: {ended:?}");
    }
}

#[test]
fn a_file_in_the_place_of_a_socket_is_left_alone() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    fs::write(path(&dir), "precious").unwrap();
    assert_cannot_bind(&unix(&dir), &stub);
    assert_eq!(fs::read_to_string(path(&dir)).unwrap(), "precious");
}

#[test]
fn an_endpoint_that_cannot_be_bound_leaves_no_socket_of_another_behind() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    let args = [
        "--listen",
        &unix(&dir),
        "--listen",
        "inet:192.0.2.1:0",
        "--allow",
        "192.0.2.0/24",
        "-s",
        &service(&stub),
    ];
    assert_eq!(run(HAPOLICY, &args).code, Some(71));
    assert!(!Path::new(&path(&dir)).exists());
}

#[test]
fn the_same_endpoint_twice_is_an_error() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    let socket = unix(&dir);
    let args = [
        "--listen",
        &socket,
        "--listen",
        &socket,
        "-s",
        &service(&stub),
    ];
    let ended = run(HAPOLICY, &args);
    assert_eq!(ended.code, Some(71), "{ended:?}");
    assert!(!Path::new(&path(&dir)).exists());
}

#[test]
fn an_ipv6_address_is_said_in_brackets() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        println!("SKIPPED: no IPv6");
        return;
    }
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::start(&["inet:[::1]:0"], &["-s", &service(&stub)]);
    assert!(
        daemon.endpoint().starts_with("inet:[::1]:"),
        "{}",
        daemon.endpoint()
    );
    assert_eq!(daemon.connect().ask_about("1"), "dunno");
    daemon.stop();
}

#[test]
fn a_stale_unix_socket_is_replaced() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    drop(UnixListener::bind(path(&dir)).unwrap());
    assert!(fs::symlink_metadata(path(&dir)).is_ok(), "it stays");
    let daemon = Daemon::start(&[&unix(&dir)], &["-s", &service(&stub)]);
    assert_eq!(daemon.connect().ask_about("1"), "dunno");
    daemon.stop();
}

#[test]
fn a_unix_socket_is_gone_when_its_daemon_is() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(&[&unix(&dir)], &["-s", &service(&stub)]);
    assert!(
        fs::symlink_metadata(path(&dir))
            .unwrap()
            .file_type()
            .is_socket()
    );
    daemon.stop();
    let gone = fs::symlink_metadata(path(&dir)).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[test]
fn a_socket_that_another_has_put_in_its_place_is_left_alone() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(&[&unix(&dir)], &["-s", &service(&stub)]);
    // Both inodes exist for a moment, so that their numbers differ.
    let other = dir.path().join("other.sock");
    let _listener = UnixListener::bind(&other).unwrap();
    fs::rename(&other, path(&dir)).unwrap();
    daemon.stop();
    assert!(fs::symlink_metadata(path(&dir)).is_ok());
}

#[test]
fn a_unix_socket_has_the_mode_that_was_asked_for() {
    let stub = Stub::tcp(Script::default());
    for (mode, expected) in [
        ("0660", 0o660),
        ("0666", 0o666),
        ("600", 0o600),
        ("0777", 0o777),
    ] {
        let dir = TempDir::new().unwrap();
        let listen = format!("{},mode={mode}", unix(&dir));
        let daemon = Daemon::start(&[&listen], &["-s", &service(&stub)]);
        let found = fs::symlink_metadata(path(&dir)).unwrap().permissions();
        assert_eq!(found.mode() & 0o7777, expected, "{mode}");
        assert_eq!(daemon.endpoint(), unix(&dir), "without its options");
        daemon.stop();
    }
}

#[test]
fn a_unix_socket_has_the_owner_and_the_group_that_were_asked_for() {
    if !is_root() {
        return;
    }
    let stub = Stub::tcp(Script::default());
    for (options, expected) in [
        (",owner=nobody", (NOBODY, 0)),
        (",group=daemon", (0, DAEMON)),
        (",owner=65534,group=1,mode=0600", (NOBODY, DAEMON)),
        (",mode=0660,group=daemon,owner=nobody", (NOBODY, DAEMON)),
    ] {
        let dir = TempDir::new().unwrap();
        let listen = format!("{}{options}", unix(&dir));
        let daemon = Daemon::start(&[&listen], &["-s", &service(&stub)]);
        let found = fs::symlink_metadata(path(&dir)).unwrap();
        assert_eq!((found.uid(), found.gid()), expected, "{options}");
        daemon.stop();
    }
}

#[test]
fn listen_options_that_make_no_sense_are_refused() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    for options in [
        ",mode=rw",
        ",mode=1777",
        ",mode=",
        ",owner=no-such-user",
        ",group=no-such-group",
        ",color=red",
        ",",
    ] {
        let listen = format!("{}{options}", unix(&dir));
        let ended = run(HAPOLICY, &["--listen", &listen, "-s", &service(&stub)]);
        // A setting that is wrong, or a wrong command line.
        assert!(matches!(ended.code, Some(64 | 78)), "{options}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{options}: {ended:?}");
        assert!(!Path::new(&path(&dir)).exists(), "{options}");
    }
}

#[test]
fn a_daemon_runs_as_the_user_that_was_asked_for_and_no_group_of_root_is_left() {
    if !is_root() {
        return;
    }
    let stub = Stub::tcp(Script::default());
    for (user, gid) in [
        ("nobody", NOGROUP),
        ("nobody:daemon", DAEMON),
        ("65534:1", DAEMON),
    ] {
        let dir = TempDir::new().unwrap();
        let listen = ["inet:127.0.0.1:0", &unix(&dir)];
        let daemon = Daemon::start(&listen, &["-s", &service(&stub), "--user", user]);
        let pid = daemon.process.id();
        let ids = |id: u32| vec![id.to_string(); 4];
        assert_eq!(status(&format!("/proc/{pid}/status"), "Uid"), ids(NOBODY));
        for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
            let file = thread.unwrap().path().join("status").display().to_string();
            assert_eq!(status(&file, "Uid"), ids(NOBODY), "{user}");
            assert_eq!(status(&file, "Gid"), ids(gid), "{user}");
            assert_eq!(status(&file, "Groups"), [gid.to_string()], "{user}");
            assert_eq!(status(&file, "CapEff"), ["0000000000000000"], "{user}");
        }
        for endpoint in &daemon.endpoints {
            assert_eq!(Client::connect(endpoint).ask_about("1"), "dunno");
        }
        daemon.stop();
    }
}

#[test]
fn a_user_that_does_not_exist_ends_the_start_with_78() {
    let stub = Stub::tcp(Script::default());
    for user in ["no-such-user", "nobody:no-such-group", "", ":"] {
        let args = [
            "--listen",
            "inet:127.0.0.1:0",
            "-s",
            &service(&stub),
            "--user",
            user,
        ];
        let ended = run(HAPOLICY, &args);
        assert_eq!(ended.code, Some(78), "{user}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{user}: {ended:?}");
        assert_eq!(ended.out, "", "{user}");
    }
}

#[test]
fn requests_are_answered_by_any_number_of_workers() {
    let stub = Stub::tcp(Script::default());
    for workers in ["1", "2", "7"] {
        let daemon = Daemon::tcp(&["-s", &service(&stub), "--workers", workers]);
        let mut clients: Vec<Client> = (0..20).map(|_| daemon.connect()).collect();
        for client in &clients {
            client.send(&request(&[("instance", "1")]));
        }
        for client in &mut clients {
            assert_eq!(client.action(), "dunno");
        }
        daemon.stop();
    }
}

/// Whoever accepts them: with one socket for all that may be one worker.
#[test]
fn connections_are_shared_out_among_the_workers() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    for listen in ["inet:127.0.0.1:0", &unix(&dir)] {
        let daemon = Daemon::start(&[listen], &["-s", &service(&stub), "--workers", "4"]);
        let before = watched(daemon.process.id());
        let clients: Vec<Client> = (0..64).map(|_| daemon.connect()).collect();
        let more = || {
            let now = watched(daemon.process.id());
            let more = now.iter().zip(&before).map(|(now, before)| now - before);
            more.collect::<Vec<_>>()
        };
        // Each worker has two descriptors of its epoll instance.
        let all = || more().iter().sum::<usize>() == 2 * clients.len();
        assert!(eventually(all), "{listen}: {:?}", more());
        let (least, most) = (more().into_iter().min(), more().into_iter().max());
        assert!(
            least >= Some(13) && most <= Some(19),
            "{listen}: {:?}",
            more()
        );
        daemon.stop();
    }
}

fn assert_cannot_bind(listen: &str, stub: &Stub) {
    let args = ["--listen", listen, "--allow", "192.0.2.0/24"];
    let ended = run(HAPOLICY, &[&args[..], &["-s", &service(stub)]].concat());
    assert_eq!(ended.code, Some(71), "{listen}: {ended:?}");
    assert_eq!(ended.err.lines().count(), 1, "{listen}: {ended:?}");
    assert_eq!(ended.out, "", "{listen}");
}

fn service(stub: &Stub) -> String {
    format!("a={}", stub.address())
}

fn path(dir: &TempDir) -> String {
    dir.path().join("policy.sock").display().to_string()
}

fn unix(dir: &TempDir) -> String {
    format!("unix:{}", path(dir))
}

/// How many sockets listen on this port of IPv4, by proc(5).
fn listening_on(port: u16) -> usize {
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X} 00000000:0000 0A ");
    sockets.lines().filter(|line| line.contains(&local)).count()
}

/// How much the epoll instances of a process watch, in the order of their descriptors, by proc(5).
fn watched(process: u32) -> Vec<usize> {
    let files = fs::read_dir(format!("/proc/{process}/fdinfo")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort_by_key(|file| {
        file.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .parse::<u32>()
            .unwrap()
    });
    // One that is closed meanwhile is none.
    let texts = files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    let counts = texts.map(|text| text.matches("tfd:").count());
    counts.filter(|count| *count > 0).collect()
}

/// The words of a line in a status file of proc(5).
fn status(file: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let words = line.unwrap().trim_start_matches(':').split_whitespace();
    words.map(str::to_owned).collect()
}

const NOBODY: u32 = 65534;
const NOGROUP: u32 = 65534;
/// The group `daemon`.
const DAEMON: u32 = 1;
