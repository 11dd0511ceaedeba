//! A session of a client whose address and name are those that it says (XCLIENT).

use std::net::SocketAddrV4;

use super::Smtp;

/// A session with an SMTP server that was set up with [`Setup::allow_xclient`](super::Setup::allow_xclient).
#[derive(Debug)]
pub struct Session(Smtp);

impl Session {
    /// Connects as this client, and names the sender.
    pub fn begin(server: SocketAddrV4, client: &str, name: &str, helo: &str, sender: &str) -> Self {
        let (smtp, _) = Smtp::connect(server);
        let mut session = Self(smtp);
        session.say("EHLO me", "250");
        session.say(&format!("XCLIENT NAME={name} ADDR={client}"), "220");
        session.say(&format!("EHLO {helo}"), "250");
        session.say(&format!("MAIL FROM:<{sender}>"), "250");
        session
    }

    /// The reply to a recipient at example.org.
    pub fn recipient(&mut self, name: &str) -> String {
        self.0.command(&format!("RCPT TO:<{name}@example.org>"))
    }

    /// Sends a mail to whom the server has taken, which it takes as well.
    pub fn send(self) {
        let reply = self.send_for();
        assert!(reply.starts_with("250"), "{reply}");
    }

    /// The reply to a mail to whom the server has taken.
    pub fn send_for(mut self) -> String {
        self.say("DATA", "354");
        let reply = self.0.command("Subject: hello\r\n\r\nhello\r\n.");
        self.say("QUIT", "221");
        reply
    }

    fn say(&mut self, command: &str, expected: &str) {
        let reply = self.0.command(command);
        assert!(reply.starts_with(expected), "{command}: {reply}");
    }
}
