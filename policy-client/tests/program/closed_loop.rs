//! The load of `bench` as benchmarks use it: strict, and run after run over the same connections.

use std::{os::unix::net::UnixStream, thread, time::Duration};

use policy_client::{ClosedLoop, Target};
use policy_testing::stub::{Reply, Script, Stub};

#[test]
fn runs_go_over_the_connections_of_those_before_unless_each_request_has_its_own() {
    for (is_new_each, connections) in [(false, 3), (true, 6)] {
        let stub = Stub::tcp(Script::answer("DUNNO"));
        let mut load = closed_loop(&stub, is_new_each);
        for _ in 0..2 {
            let answered = load.ask_once().unwrap();
            assert_eq!(answered.answers, 3);
            let latency = answered.latency(1.0);
            // It has three digits, the last of them rounded up.
            assert!(!latency.is_zero() && latency <= answered.elapsed * 1002 / 1000);
        }
        assert_eq!(stub.connections(), connections);
        // One after the other; the stub's threads note them in any order.
        let requests = stub.requests();
        let asked = |request: &[u8]| {
            let asked = requests.iter().filter(|asked| asked.starts_with(request));
            asked.count()
        };
        assert_eq!((asked(b"request=a"), asked(b"request=b")), (3, 3));
        let answered = load.run(Duration::from_millis(20)).unwrap();
        assert_eq!(stub.requests().len() as u64, 6 + answered.answers);
    }
}

#[test]
fn an_answer_that_is_not_the_expected_one_or_none_is_an_error() {
    for reply in [
        Reply::Bytes(b"action=DUNNO 1\n\n".to_vec()),
        Reply::Bytes(b"action=DUNNO\n\n\n".to_vec()),
        Reply::Bytes(b"rubbish\naction=DUNNO\n\n".to_vec()),
        Reply::Bytes(b"x=y\n\n".to_vec()),
        Reply::CloseUnanswered,
    ] {
        let stub = Stub::tcp(Script::reply(reply.clone()));
        let result = closed_loop(&stub, false).ask_once();
        assert!(result.is_err(), "{reply:?}");
    }
}

#[test]
fn connections_that_are_open_already_are_used() {
    let (near, far) = UnixStream::pair().unwrap();
    let server = thread::spawn(move || {
        let mut server = policy_testing::process::Client::of(far);
        while server.reply().is_some() {
            server.send(b"action=OK\n\n");
        }
    });
    let target = Target::Open(vec![near]);
    let mut load = ClosedLoop::new(target, 1, false, REQUESTS, "OK").unwrap();
    for _ in 0..2 {
        assert_eq!(load.ask_once().unwrap().answers, 1);
    }
    drop(load);
    server.join().unwrap();
}

fn closed_loop(stub: &Stub, is_new_each: bool) -> ClosedLoop {
    let address = stub.address().parse().unwrap();
    ClosedLoop::new(Target::Tcp(address), 3, is_new_each, REQUESTS, "DUNNO").unwrap()
}

const REQUESTS: &[u8] = b"request=a\n\nrequest=b\n\n";
