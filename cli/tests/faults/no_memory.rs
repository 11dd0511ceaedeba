//! A system without memory for a socket: that is no service's fault, and ends nothing but
//! the attempt that needed one.

use std::{
    collections::BTreeMap,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Command,
    thread,
};

use policy_testing::{
    process::{self, Client, Daemon, Process, hapolicy, lines, request},
    stub::{Script, Stub},
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};
use tempfile::TempDir;

#[test]
fn a_daemon_without_memory_for_a_connection_blames_no_service_and_asks_the_next() {
    let dir = TempDir::new().unwrap();
    let (far, near) = (dir.path().join("far"), dir.path().join("near"));
    let tcp = Stub::tcp(Script::answer("tcp"));
    let unix = Stub::unix(&near, Script::answer("unix"));
    let services = [
        format!("a={}:1", tcp.address()),
        format!("b={}:2", unix.address()),
    ];
    let listen = format!("unix:{}", far.display());
    for (errno, text) in OUT_OF_MEMORY {
        for (call, action) in [(Call::TcpSocket, "unix"), (Call::Connect, "dunno")] {
            let daemon = without_memory(call, errno, || {
                let args = [
                    "-s",
                    &services[0],
                    "-s",
                    &services[1],
                    "--last-resort",
                    "0s",
                ];
                Daemon::start(&[&listen], &args)
            });
            let mut client = daemon.connect();
            for message in ["x", "y", "z"] {
                // One that is down would not even be tried.
                assert_eq!(
                    client.ask_about(message),
                    action,
                    "{call:?}: {}",
                    daemon.process.out.text()
                );
            }
            daemon.process.signal(process::Signal::USR1);
            let state = format!(
                "service 'a' ({}): enabled, up, answered: 0, failed: 3",
                tcp.address()
            );
            assert!(
                daemon.process.out.wait_lines(1, &state),
                "{}",
                daemon.process.out.text()
            );
            let log = daemon.stop().out;
            let said = format!(
                "warning: Could not open socket to 'a' ({}): {text}",
                tcp.address()
            );
            assert!(log.contains(&said), "{log}");
            assert_eq!(lines(&log, "is down"), [""; 0], "{log}");
            assert_eq!(lines(&log, "internal error"), [""; 0], "{log}");
        }
    }
}

#[test]
fn a_daemon_without_memory_for_a_client_lets_it_wait_and_ends_in_order() {
    for (errno, text) in OUT_OF_MEMORY {
        let daemon = without_memory(Call::Accept, errno, || {
            Daemon::tcp(&["-s", "a=127.0.0.1:1"])
        });
        let client = daemon.connect();
        client.send(&request(&[]));
        let said = format!("warning: cannot accept: {text}");
        assert!(
            daemon.process.out.wait_lines(1, &said),
            "{}",
            daemon.process.out.text()
        );
        assert!(!client.is_readable(), "it is neither answered nor closed");
        let log = daemon.stop().out;
        assert_eq!(lines(&log, "internal error"), [""; 0], "{log}");
    }
}

#[test]
fn a_drop_in_without_memory_for_a_connection_asks_the_next_service() {
    let dir = TempDir::new().unwrap();
    let tcp = Stub::tcp(Script::answer("tcp"));
    let unix = Stub::unix(dir.path().join("near"), Script::answer("unix"));
    let services = [
        format!("a={}:1", tcp.address()),
        format!("b={}:2", unix.address()),
    ];
    for (errno, text) in OUT_OF_MEMORY {
        for (services, action) in [(&services[..], "unix"), (&services[..1], "dunno")] {
            let (near, far) = UnixStream::pair().unwrap();
            let process = without_memory(Call::TcpSocket, errno, || {
                let far = OwnedFd::from(far);
                let mut command = Command::new(hapolicy());
                let services = services.iter().flat_map(|service| ["-s", service]);
                Process::untouched(
                    command
                        .arg("-L")
                        .args(services)
                        .stdin(far.try_clone().unwrap())
                        .stdout(far),
                )
            });
            let mut client = Client::of(near);
            client.send(&request(&[]));
            let said = String::from_utf8(client.reply().unwrap()).unwrap();
            let expected = format!(
                "[LOG warning]: Could not open socket to 'a' ({}): {text} (os error {errno})\naction={action}\n\n",
                tcp.address()
            );
            assert_eq!(said, expected);
            drop(client);
            assert_eq!(process.end().code, Some(0));
        }
    }
}

/// What the system cannot do.
#[derive(Clone, Copy, Debug)]
enum Call {
    /// Make a socket of TCP over IPv4.
    TcpSocket,
    Connect,
    Accept,
}

/// Starts a process in which this fails, for as long as it lives.
fn without_memory<T: Send>(call: Call, errno: i32, start: impl FnOnce() -> T + Send) -> T {
    let family = u64::from(libc::AF_INET.unsigned_abs());
    let is_tcp = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, family);
    let (number, rules) = match call {
        Call::TcpSocket => {
            let rule = SeccompRule::new(vec![is_tcp.expect("an argument")]);
            (libc::SYS_socket, vec![rule.expect("a condition")])
        }
        Call::Connect => (libc::SYS_connect, Vec::new()),
        Call::Accept => (libc::SYS_accept4, Vec::new()),
    };
    let filter = SeccompFilter::new(
        BTreeMap::from([(number, rules)]),
        SeccompAction::Allow,
        SeccompAction::Errno(errno.unsigned_abs()),
        std::env::consts::ARCH
            .try_into()
            .expect("a processor that it knows"),
    );
    let program: BpfProgram = filter.and_then(TryInto::try_into).expect("a filter");
    // It holds for the thread and for the processes that it starts.
    let start = move || {
        apply_filter(&program).expect("a system with seccomp");
        start()
    };
    thread::scope(|scope| scope.spawn(start).join().expect("no panic"))
}

/// The errors of a system that has none left, and its words for them.
const OUT_OF_MEMORY: [(i32, &str); 2] = [
    (libc::ENOBUFS, "No buffer space available"),
    (libc::ENOMEM, "Cannot allocate memory"),
];
