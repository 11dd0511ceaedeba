//! The log on standard output.

use std::io::{Write, pipe};

use policy_testing::{
    eventually,
    port::Port,
    process::{Client, PATIENCE, request},
    stub::{Reply, Script, Stub},
};
use rustix::{
    io::retry_on_intr,
    net::{RecvFlags, recv},
};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use crate::{service, spawn, start, tcp_sockets, unix_sockets};

#[test]
fn the_lines_about_a_request_come_before_its_reply_in_one_write() {
    let stub = Stub::tcp(Script::answer("REJECT no"));
    // Each write to such a socket is a message of its own.
    let (near, far) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    near.set_read_timeout(Some(PATIENCE)).unwrap();
    let (input, mut requests) = pipe().unwrap();
    let process = start(&["-L", "-v", "-s", &service(&stub)], input, far);
    for _ in 0..3 {
        requests.write_all(b"rubbish\n").unwrap();
        requests.write_all(&request(&[("sender", "s")])).unwrap();
        let message = read_message(&near);
        assert_log_and_reply(&message);
    }
    drop(requests);
    assert_eq!(process.end().code, Some(0));
    assert_eq!(read_message(&near), "", "nothing after the last reply");
}

#[test]
fn on_a_socket_the_lines_come_in_one_write_as_well() {
    let stub = Stub::tcp(Script::answer("REJECT no"));
    for (near, far) in [tcp_sockets(), unix_sockets()] {
        let process = spawn(&["-L", "-v", "-s", &service(&stub)], far);
        let client = Client::of(near);
        for _ in 0..3 {
            client.send(b"rubbish\n");
            client.send(&request(&[("sender", "s")]));
            assert_log_and_reply(&String::from_utf8(client.read_once()).unwrap());
        }
        client.shut_down_writing();
        assert_eq!(client.read_once(), b"", "nothing after the last reply");
        assert_eq!(process.end().code, Some(0));
    }
}

#[test]
fn garbage_without_a_request_behind_it_is_told() {
    for (near, far) in [tcp_sockets(), unix_sockets()] {
        let process = spawn(&["-L", "-s", "a=127.0.0.1:1"], far);
        let client = Client::of(near);
        client.send(b"EHLO there\n");
        client.shut_down_writing();
        let told = String::from_utf8(client.read_once()).unwrap();
        assert_eq!(
            told,
            "[LOG notice]: error: ignoring garbage \"EHLO there\"\n"
        );
        process.end();
    }
}

#[test]
fn garbage_cannot_end_its_quotation() {
    let (near, far) = unix_sockets();
    let process = spawn(&["-L", "-s", "a=127.0.0.1:1"], far);
    let client = Client::of(near);
    client.send(b"\" it's \\ \x1b\xff \xe2\x80\xae\n");
    client.shut_down_writing();
    let told = String::from_utf8(client.read_once()).unwrap();
    assert_eq!(
        told,
        "[LOG notice]: error: ignoring garbage \"\\x22 it's \\x5c ?\\xff \\xe2\\x80\\xae\"\n"
    );
    process.end();
}

#[test]
fn of_much_garbage_eight_lines_are_told_and_the_others_counted() {
    let stub = Stub::tcp(Script::answer("no"));
    for (lines, counted) in [(8, None), (9, Some(1)), (60_000, Some(59_992))] {
        for (near, far) in [tcp_sockets(), unix_sockets()] {
            let process = spawn(&["-L", "-s", &service(&stub)], far);
            let client = Client::of(near);
            client.send(&b"x\n".repeat(lines));
            client.send(&request(&[]));
            let mut expected = "[LOG notice]: error: ignoring garbage \"x\"\n".repeat(8);
            if let Some(counted) = counted {
                let more =
                    format!("[LOG notice]: error: ignoring {counted} more lines of garbage\n");
                expected += &more;
            }
            expected += "action=no\n\n";
            assert_eq!(String::from_utf8(client.read_once()).unwrap(), expected);
            client.shut_down_writing();
            process.end();
        }
    }
}

fn assert_log_and_reply(message: &str) {
    let log = message.strip_suffix("action=REJECT no\n\n").expect(message);
    assert!(log.lines().all(|line| line.starts_with("[LOG ")), "{log}");
    for part in [
        "[LOG notice]: error: ignoring garbage \"rubbish\"\n",
        "[LOG info]: Attribute: sender=s\n",
        "[LOG info]: Opening socket to 'a' (",
        "[LOG info]: Connection established to 'a' (",
        "[LOG info]: Answer from 'a' -> 'REJECT no'\n",
        "[LOG info]: [a] (",
        "[LOG info]: Action: REJECT no\n",
    ] {
        assert_eq!(log.matches(part).count(), 1, "{part}: {log}");
    }
}

#[test]
fn a_failed_attempt_is_told_with_its_reply_and_not_before() {
    let (bad, good) = (
        Stub::tcp(Script::reply(Reply::Hang)),
        Stub::tcp(Script::answer("good")),
    );
    let services = [
        format!("bad={}:1:1:0.3", bad.address()),
        format!("good={}:2", good.address()),
    ];
    let (near, far) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    near.set_read_timeout(Some(PATIENCE)).unwrap();
    let (input, mut requests) = pipe().unwrap();
    let _process = start(&["-L", "-s", &services[0], "-s", &services[1]], input, far);
    let expected = format!(
        "[LOG warning]: Timeout for 'bad' ({}): no answer within 300ms\naction=good\n\n",
        bad.address()
    );
    // A service is not blamed for a time in which the process stood still: then the next request tells.
    let mut said = String::new();
    let is_told = eventually(|| {
        requests.write_all(&request(&[])).unwrap();
        said = read_message(&near);
        assert!(said.ends_with("action=good\n\n"), "{said}");
        said == expected
    });
    assert!(is_told, "{said}");
}

#[test]
fn who_cannot_be_connected_to_is_told_with_the_reason() {
    let dir = TempDir::new().unwrap();
    let nowhere = format!("unix:{}/socket", dir.path().display());
    let port = Port::any();
    let refuses = port.number();
    let services = [format!("a=127.0.0.1:{refuses}:1"), format!("b={nowhere}:2")];
    let (near, far) = unix_sockets();
    let _process = spawn(&["-L", "-s", &services[0], "-s", &services[1]], far);
    let client = Client::of(near);
    client.send(&request(&[]));
    let expected = format!(
        "[LOG warning]: Could not open socket to 'a' (127.0.0.1:{refuses}): Connection refused (os error 111)\n\
         [LOG warning]: Could not open socket to 'b' ({nowhere}): No such file or directory (os error 2)\n\
         action=dunno\n\n"
    );
    assert_eq!(String::from_utf8(client.read_once()).unwrap(), expected);
}

/// The bytes before one reply have a bound, whatever there is to say.
#[test]
fn of_more_than_a_mebibyte_of_lines_the_rest_is_counted() {
    let name = "n".repeat(8000);
    let port = Port::any();
    let refuses = port.number();
    let services: Vec<String> = (0..64)
        .map(|number| format!("-s{number}{name}=127.0.0.1:{refuses}:{number}"))
        .collect();
    let mut args = vec!["-L", "-v"];
    args.extend(services.iter().map(String::as_str));
    let (near, far) = unix_sockets();
    let process = spawn(&args, far);
    let mut client = Client::of(near);
    for _ in 0..2 {
        client.send(&request(&[]));
        let said = String::from_utf8(client.reply().unwrap()).unwrap();
        let (lines, reply) = said.rsplit_once("[LOG warning]: ").unwrap();
        let (lost, action) = reply.split_once(" log lines were lost\n").expect(reply);
        assert_eq!(action, "action=dunno\n\n");
        assert!(lines.len() <= 1 << 20, "{} bytes", lines.len());
        assert!(lines.len() > (1 << 20) - 8300, "{} bytes", lines.len());
        let attributes = lines.matches("]: Attribute: ").count();
        // Of each service: that a socket is opened, that it cannot be, and the attempt. And the action.
        let all = attributes + 3 * services.len() + 1;
        assert_eq!(lines.lines().count() + lost.parse::<usize>().unwrap(), all);
    }
    drop(client);
    assert_eq!(process.end().code, Some(0));
}

fn read_message(socket: &Socket) -> String {
    let mut bytes = vec![0; 65536];
    let flags = RecvFlags::empty();
    let (count, _) = retry_on_intr(|| recv(socket, &mut bytes[..], flags)).unwrap();
    bytes.truncate(count);
    String::from_utf8(bytes).unwrap()
}
