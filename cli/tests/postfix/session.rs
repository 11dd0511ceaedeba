//! SMTP sessions: what the client says, what it should hear, what policy servers should see.

use std::net::SocketAddrV4;

use policy_testing::mail_system::{CLIENT, Smtp};

/// One session with one message.
///
/// The addresses say what the policy services answer: see [`crate::services::answer`].
#[derive(Clone, Copy, Debug)]
pub struct Session {
    pub sender: &'static str,
    pub recipients: &'static [&'static str],
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Plain,
    Tls,
    /// With `SMTPUTF8`.
    Utf8,
}

impl Session {
    pub const fn new(
        kind: Kind,
        sender: &'static str,
        recipients: &'static [&'static str],
    ) -> Self {
        Self {
            sender,
            recipients,
            kind,
        }
    }

    /// Speaks with a server; returns what it replied to each command.
    pub fn run(&self, server: SocketAddrV4) -> Vec<String> {
        let mut replies = Vec::new();
        let mut smtp = if self.kind == Kind::Tls {
            Smtp::connect_tls(server)
        } else {
            let (smtp, greeting) = Smtp::connect(server);
            replies.push(greeting);
            smtp
        };
        let mut say = |command: String| {
            let reply = smtp.command(&command);
            // The queue's name for the message is not known in advance.
            let (reply, _) = reply.split_once(" as ").unwrap_or((&reply, ""));
            replies.push(reply.to_owned());
            reply.starts_with('3')
        };
        let parameter = match self.kind {
            Kind::Utf8 => " SMTPUTF8",
            Kind::Plain | Kind::Tls => "",
        };
        say(format!("EHLO {CLIENT}"));
        say(format!("MAIL FROM:<{}>{parameter}", self.sender));
        for recipient in self.recipients {
            say(format!("RCPT TO:<{recipient}>"));
        }
        if say("DATA".to_owned()) {
            say("Subject: hello\r\n\r\nhello\r\n.".to_owned());
        }
        say("QUIT".to_owned());
        replies
    }

    /// The replies when this service answers, or none does and the default action comes.
    pub fn replies(&self, answering: Option<&str>) -> Vec<String> {
        let mut replies = Vec::new();
        if self.kind != Kind::Tls {
            replies.push("220 mail.example.org ESMTP Postfix".to_owned());
        }
        replies.push("250 CHUNKING".to_owned());
        replies.push("250 2.1.0 Ok".to_owned());
        for recipient in self.recipients {
            replies.push(match answering {
                // Of the stage at which it came first, though it is told at RCPT.
                None => {
                    format!("450 4.7.1 <unknown[127.0.0.1]>: Client host rejected: {DEFAULT_TEXT}")
                }
                Some(name) if recipient.starts_with("rejected") => {
                    format!("554 5.7.1 <{recipient}>: Recipient address rejected: says {name}")
                }
                Some(name) if recipient.starts_with("deferred") => {
                    format!("450 4.7.1 <{recipient}>: Recipient address rejected: says {name}")
                }
                Some(_) => "250 2.1.5 Ok".to_owned(),
            });
        }
        let data = "354 End data with <CR><LF>.<CR><LF>".to_owned();
        match answering {
            None => replies.push("554 5.5.1 Error: no valid recipients".to_owned()),
            Some(name) if self.sender.starts_with("no-data") => {
                replies.push(format!(
                    "554 5.7.1 <DATA>: Data command rejected: says {name}"
                ));
            }
            Some(name) if self.sender.starts_with("no-end") => replies.extend([
                data,
                format!("554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: says {name}"),
            ]),
            Some(_) => replies.extend([data, "250 2.0.0 Ok: queued".to_owned()]),
        }
        replies.push("221 2.0.0 Bye".to_owned());
        replies
    }

    /// The requests that the answering service sees, as [`crate::services::Seen::stage`] shows them.
    pub fn stages(&self) -> Vec<String> {
        let mut stages = vec!["CONNECT".to_owned(), "EHLO".to_owned()];
        if self.kind == Kind::Tls {
            stages.push("EHLO".to_owned());
        }
        stages.push("MAIL".to_owned());
        for recipient in self.recipients {
            stages.push(format!("RCPT {recipient}"));
        }
        let accepted: Vec<&str> = self.accepted().collect();
        // Of several recipients Postfix names none after RCPT.
        let recipients = match accepted.as_slice() {
            [recipient] => format!("{recipient} 1"),
            several => several.len().to_string(),
        };
        stages.push(format!("DATA {recipients}"));
        if !self.sender.starts_with("no-data") {
            stages.push(format!("END-OF-MESSAGE {recipients}"));
        }
        stages
    }

    /// Whether Postfix takes the message when a service answers.
    pub fn delivers(&self) -> bool {
        !self.sender.starts_with("no-")
    }

    fn accepted(&self) -> impl Iterator<Item = &'static str> {
        let accepted = |recipient: &&str| {
            !recipient.starts_with("rejected") && !recipient.starts_with("deferred")
        };
        self.recipients.iter().copied().filter(accepted)
    }
}

/// The text of the default action in all set-ups.
pub const DEFAULT_TEXT: &str = "no policy service answers";
