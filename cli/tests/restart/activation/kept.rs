//! Connections that the manager keeps.

use std::os::unix::net::UnixListener;

use policy_testing::{
    eventually,
    process::{self, Client, Gate, Manager, Signal, request},
    stub::{Script, Stub},
};
use tempfile::TempDir;

use super::{service, tcp};

#[test]
fn idle_connections_outlive_their_daemon_in_the_managers_store() {
    let gate = Gate::new();
    gate.release("soon");
    let args = ["-s", &format!("gate={}:::60", gate.address)];
    let dir = TempDir::new().unwrap();
    let unix = UnixListener::bind(dir.path().join("policy.sock")).unwrap();
    let manager = Manager::of(vec![tcp("127.0.0.1:0").0, unix.into()]);
    let mut daemon = manager.start(&args);
    let mut clients: Vec<Client> = (0..300)
        .map(|number| Client::connect(&daemon.endpoints[number % 2]))
        .collect();
    let soon = request(&[("sender", "soon")]);
    for restart in 0..3 {
        for client in &mut clients {
            assert_eq!(client.ask(&soon), "soon", "{restart}");
        }
        let (mut late, mark) = (daemon.connect(), format!("late {restart}"));
        late.send(&request(&[("sender", &mark)]));
        assert!(eventually(|| gate.arrived().contains(&mark)));
        daemon.process.signal(Signal::TERM);
        assert!(eventually(|| manager.kept() == clients.len()));
        gate.release(&mark);
        assert_eq!(late.action(), mark, "what is under way is answered");
        daemon.ended_well();
        clients.push(late);
        assert!(clients.iter().all(|client| !client.is_readable()));
        daemon = manager.start(&args);
    }
    for client in &mut clients {
        assert_eq!(client.ask(&soon), "soon");
    }
    let log = daemon.stop().out;
    assert_eq!(process::warnings(&log), [""; 0]);
}

/// The store holds a descriptor of its own: as long as it does, nobody else can close the connection.
#[test]
fn a_connection_from_the_managers_store_is_closed_when_its_new_daemon_closes_it() {
    let stub = Stub::tcp(Script::default());
    let service = service(&stub);
    let dir = TempDir::new().unwrap();
    let unix = UnixListener::bind(dir.path().join("policy.sock")).unwrap();
    let manager = Manager::of(vec![tcp("127.0.0.1:0").0, unix.into()]);
    let first = manager.start(&["-s", &service]);
    let connect = |endpoint: &String| {
        let mut client = Client::connect(endpoint);
        assert_eq!(client.ask_about("x"), "dunno", "it has been accepted");
        client
    };
    let idle: Vec<Client> = first.endpoints.iter().map(connect).collect();
    let too_long: Vec<Client> = first.endpoints.iter().map(connect).collect();
    let left: Vec<Client> = first.endpoints.iter().map(connect).collect();
    first.stop();
    assert_eq!(manager.kept(), 6);
    drop(left);

    let second = manager.start(&["-s", &service, "--idle", "1s"]);
    for mut client in too_long {
        client.send(&request(&[("sender", &"x".repeat(1 << 15))]));
        assert!(client.is_ended(), "after a line that is too long");
    }
    for mut client in idle {
        assert!(client.is_ended(), "after --idle");
    }
    assert_eq!(manager.kept(), 0, "nobody left comes back");
    let log = second.stop().out;
    assert_eq!(process::lines(&log, "listening").len(), 2);
    assert_eq!(manager.kept(), 0);
}
