//! A Postfix of our own that delivers into a mailbox: private directories and a loopback port; it ends with the test.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    os::unix::fs::{PermissionsExt as _, chown},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use policy_testing::{eventually, port::Port};

/// A running Postfix.
pub(crate) struct MailSystem {
    directory: tempfile::TempDir,
    port: Port,
}

impl MailSystem {
    /// Starts one that asks this policy server at RCPT, and has a mailbox for all of example.org.
    pub(crate) fn start(policy: &str) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("postfix-")
            .tempdir()
            .unwrap();
        let home = directory.path();
        fs::set_permissions(home, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["config", "queue", "mail"] {
            fs::create_dir(home.join(name)).unwrap();
        }
        chown(home.join("mail"), Some(NOBODY), Some(NOBODY)).unwrap();
        let port = Port::any();
        let main = MAIN_CF
            .replace("$DIRECTORY", &home.display().to_string())
            .replace("$POLICY", policy);
        fs::write(home.join("config/main.cf"), main).unwrap();
        let smtpd = format!(
            "127.0.0.1:{} inet n - n - - smtpd\n{MASTER_CF}",
            port.number()
        );
        fs::write(home.join("config/master.cf"), smtpd).unwrap();
        let system = Self { directory, port };
        assert!(system.control("start"), "{}", system.log());
        system
    }

    fn control(&self, verb: &str) -> bool {
        let config = self.directory.path().join("config");
        let mut command = Command::new("postfix");
        command.arg("-c").arg(config).arg(verb);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().unwrap().success()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("maillog")).unwrap_or_default()
    }

    /// Sends a mail as a client with this address and name; the reply to RCPT, or to the end of the mail.
    pub(crate) fn send(&self, client: &str, helo: &str, sender: &str, recipient: &str) -> String {
        let stream = TcpStream::connect(("127.0.0.1", self.port.number())).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let mut smtp = BufReader::new(stream);
        reply(&mut smtp);
        for line in [
            "EHLO localhost".to_owned(),
            format!("XCLIENT {client}"),
            format!("EHLO {helo}"),
            format!("MAIL FROM:<{sender}>"),
        ] {
            let said = command(&mut smtp, &line);
            assert!(said.starts_with('2'), "{line}: {said}");
        }
        let said = command(&mut smtp, &format!("RCPT TO:<{recipient}>"));
        if !said.starts_with('2') {
            return said;
        }
        command(&mut smtp, "DATA");
        command(&mut smtp, "Subject: test\r\n\r\ntext\r\n.")
    }

    /// The mails that are in the mailbox, once there are so many.
    pub(crate) fn delivered(&self, count: usize) -> Vec<String> {
        let files = || -> Vec<PathBuf> {
            let entries = fs::read_dir(self.directory.path().join("mail/box/new"));
            entries
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().path())
                .collect()
        };
        assert!(eventually(|| files().len() == count), "{}", self.log());
        let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
        files().iter().map(read).collect()
    }
}

impl Drop for MailSystem {
    fn drop(&mut self) {
        self.control("stop");
    }
}

fn command(smtp: &mut BufReader<TcpStream>, line: &str) -> String {
    smtp.get_mut()
        .write_all(format!("{line}\r\n").as_bytes())
        .unwrap();
    reply(smtp)
}

/// The last line of a reply.
fn reply(smtp: &mut BufReader<TcpStream>) -> String {
    loop {
        let mut line = String::new();
        smtp.read_line(&mut line).unwrap();
        if line.as_bytes().get(3) != Some(&b'-') {
            return line.trim_end().to_owned();
        }
    }
}

const NOBODY: u32 = 65_534;

const MAIN_CF: &str = "\
compatibility_level = 3.6
queue_directory = $DIRECTORY/queue
data_directory = $DIRECTORY/data
maillog_file = $DIRECTORY/maillog
maillog_file_prefixes = $DIRECTORY
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = mail.example.org
mydestination =
alias_maps =
virtual_mailbox_domains = example.org
virtual_mailbox_base = $DIRECTORY/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_peername_lookup = no
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_policy_service $POLICY
";

const MASTER_CF: &str = "\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
";
