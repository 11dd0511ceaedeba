//! Each request gets its own answer or the next server's, never another request's: whatever comes late,
//! twice or unasked, and clients that leave in the middle.

use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
    time::Duration,
};

use policy_testing::{
    process::{Client, Daemon, request},
    stub::{Reply, Script, Stub},
};
use tempfile::TempDir;

/// One in seven comes after the attempt is over, when the request has long been put to the other.
#[test]
fn late_answers_are_never_taken_for_others() {
    let late = ask_all(late, |_, _| {});
    // A failure takes a server down only where it answers nobody else.
    assert!(late > 50, "{late} were put to the server that is late");
}

#[test]
fn second_answers_are_never_taken_for_others() {
    ask_all(twice, |_, _| {});
}

#[test]
fn answers_for_clients_that_left_are_never_given_to_others() {
    ask_all(late, |number, client| {
        // In the middle of a request, of its answer, or between the two.
        let mark = format!("left {number} late");
        let request = request(&[("sender", &mark), ("instance", &mark)]);
        match number % 4 {
            0 => client.send(&request[..request.len() / 2]),
            1 => client.send(&request),
            2 => {
                client.send(&request);
                return client.reset();
            }
            _ => {
                client.send(&request);
                client.shut_down_writing();
            }
        }
        drop(client);
    });
}

/// Has many clients ask over TCP and UNIX sockets, of which each checks its marks, while others connect
/// and do something else.
fn ask_all(reply: fn(&[u8]) -> Vec<u8>, else_do: impl Fn(usize, Client) + Sync) -> usize {
    let (a, b) = (
        Stub::tcp(Script::reply(Reply::Call(reply))),
        Stub::tcp(Script::reply(Reply::Call(echo))),
    );
    let dir = TempDir::new().unwrap();
    let unix = format!("unix:{}", dir.path().join("policy.sock").display());
    let services = [
        format!("a={}:1:1:0.1", a.address()),
        format!("b={}:2", b.address()),
    ];
    let args = [
        "-s",
        &services[0],
        "-s",
        &services[1],
        "-d",
        "none",
        "--workers",
        "3",
    ];
    let daemon = Daemon::start(&["inet:127.0.0.1:0", &unix], &args);
    let connect = |number: usize| Client::connect(&daemon.endpoints[number % 2]);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (over, else_do) = (&over, &else_do);
        let others = scope.spawn(move || {
            for number in (0..).take_while(|_| !over.load(SeqCst)) {
                else_do(number, connect(number));
                thread::sleep(Duration::from_millis(1));
            }
        });
        let _ends = Ends(over);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || ask(number, connect(number))))
            .collect();
        for client in clients {
            client.join().expect("own answers");
        }
        over.store(true, SeqCst);
        others.join().expect("it connects");
    });
    daemon.stop();
    let is_late = |request: &&Vec<u8>| echo(request).ends_with(LATE);
    a.requests().iter().filter(is_late).count()
}

fn ask(number: usize, mut client: Client) {
    for serial in 0..REQUESTS {
        // Never all of them: a server that answers nobody is down.
        let is_late = (number + serial).is_multiple_of(7);
        let mark = format!("{number}.{serial}{}", if is_late { " late" } else { "" });
        // Each is a message of its own: none sticks to a server.
        let action = client.ask(&request(&[("sender", &mark), ("instance", &mark)]));
        assert_eq!(action, mark);
    }
}

/// Has the others end when this is dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Answers with the request's sender; where that says so, when the attempt is over.
fn late(request: &[u8]) -> Vec<u8> {
    let answer = echo(request);
    if answer.ends_with(LATE) {
        thread::sleep(Duration::from_millis(150));
    }
    answer
}

/// Answers twice.
fn twice(request: &[u8]) -> Vec<u8> {
    echo(request).repeat(2)
}

/// Answers with the request's sender.
fn echo(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let mark = text.lines().find_map(|line| line.strip_prefix("sender="));
    format!("action={}\n\n", mark.unwrap_or_default()).into_bytes()
}

const LATE: &[u8] = b" late\n\n";
const CLIENTS: usize = 32;
const REQUESTS: usize = 100;
