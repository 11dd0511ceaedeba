//! The policy server of `examples/check.rs`, as a process, with a name server of its own.
#![cfg(feature = "hickory")]

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
};

use policy_testing::NameServer;

const ZONE: &str = r#"
    127.0.0.2@zen.spamhaus.org    A 127.0.0.2
    127.0.0.2@bl.spamcop.net      A 127.0.0.2
    127.0.0.2@psbl.surriel.com    A 127.0.0.2
    192.0.2.66@bl.spamcop.net     A 127.0.0.2
    2001:db8::66@zen.spamhaus.org A 127.0.0.11
    192.0.2.67@zen.spamhaus.org   A 127.255.255.254
    acme.test                     TXT "v=spf1 ip4:192.0.2.0/28 -all"
"#;

/// The server, which ends with the test.
struct Server {
    child: Child,
    socket: std::path::PathBuf,
    _directory: tempfile::TempDir,
}

impl Server {
    fn start(name_server: &NameServer) -> Self {
        // Tests stand in `target/debug/deps`, examples beside that.
        let program = env::current_exe()
            .unwrap()
            .with_file_name("../examples/check");
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("check");
        let mut child = Command::new(program)
            .args([
                format!("unix:{}", socket.display()),
                name_server.address().to_string(),
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "listening\n");
        Self {
            child,
            socket,
            _directory: directory,
        }
    }

    fn ask(&self, client: &str, sender: &str) -> String {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        let request = "request=smtpd_access_policy\nhelo_name=mail.acme.test\n";
        write!(
            stream,
            "{request}client_address={client}\nsender={sender}\n\n"
        )
        .unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.trim_end().into()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_policy_server_checks_lists_and_spf() {
    let name_server = NameServer::start(ZONE);
    let server = Server::start(&name_server);
    for (client, sender, expected) in [
        (
            "192.0.2.1",
            "carol@acme.test",
            "action=PREPEND Received-SPF: pass (acme.test: 192.0.2.1 is authorized to use 'carol@acme.test' in \
             'mfrom' identity (mechanism 'ip4:192.0.2.0/28' matched)) receiver=unknown; identity=mailfrom; \
             envelope-from=\"carol@acme.test\"; helo=mail.acme.test; client-ip=192.0.2.1",
        ),
        (
            "192.0.2.67",
            "carol@acme.test",
            "action=REJECT acme.test: Sender is not authorized by default to use 'carol@acme.test' in 'mfrom' \
             identity (mechanism '-all' matched)",
        ),
        (
            "192.0.2.66",
            "carol@acme.test",
            "action=REJECT 192.0.2.66 is listed by bl.spamcop.net",
        ),
        (
            "2001:db8::66",
            "",
            "action=REJECT 2001:db8::66 is listed by zen.spamhaus.org",
        ),
    ] {
        assert_eq!(server.ask(client, sender), expected);
    }
}
