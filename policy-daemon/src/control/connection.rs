//! One connection of the control socket: a command, its answer, and the line of the log.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{Arc, mpsc},
    time::Instant,
};

use nix::unistd::{Uid, geteuid};
use policy_socket::Peer;

use super::{
    Control, DaemonStatus, Done,
    protocol::{PATIENCE, answer_to_bytes, read_words, write},
};
use crate::{
    log::{ALL, Entry, Level, MessageId},
    options::Reloaded,
    process::user,
    side::Client,
    worker::Shared,
};

/// Has the main thread read the options again, and send here what comes of it.
pub(crate) type AskReload = Box<dyn Fn(mpsc::Sender<Reloaded>) + Send + Sync>;

/// Serves the clients of the control socket.
pub(super) struct Commands<M> {
    pub(super) control: Arc<dyn Control>,
    pub(super) shared: Arc<Shared<M>>,
    pub(super) reload: AskReload,
    pub(super) start: Instant,
}

impl<M> Commands<M> {
    /// Serves one client. One that goes, or sends no command, needs no line in the log.
    pub(super) fn serve(&self, connection: OwnedFd, peer: Peer, client: &Client) {
        let stream = UnixStream::from(connection);
        _ = self.exchange(&stream, peer, client);
    }

    fn exchange(&self, stream: &UnixStream, peer: Peer, client: &Client) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        // Before it is refused as well: what has not been read would have the system take the answer back.
        let words = read_words(stream)?;
        let uid = match self.allowed(peer) {
            Ok(uid) => uid,
            Err(text) => return write(stream, &answer_to_bytes(&Err(text))),
        };
        match (words.split_first(), self.control.traces()) {
            (Some((command, filter)), Some(traces)) if command == "trace" => {
                return client.served(|| self.trace(stream, &traces, filter, uid));
            }
            _ => {}
        }
        let answer = client.served(|| self.carry_out(&words, uid));
        write(stream, &answer_to_bytes(&answer))
    }

    /// The user, if it may command this daemon.
    fn allowed(&self, peer: Peer) -> Result<Uid, String> {
        // The process may have become another user since it was started: its own user of now counts.
        match peer {
            Peer::User(uid) if uid == 0 || uid == geteuid().as_raw() => Ok(Uid::from_raw(uid)),
            peer => {
                let text = format!(
                    "--control refuses {peer}: only root and the daemon's user may command"
                );
                self.shared.log.line(Level::Warning, "--control", ALL, text);
                Err("only root and the daemon's user may command".to_owned())
            }
        }
    }

    fn carry_out(&self, words: &[String], uid: Uid) -> Result<String, String> {
        let done = match words {
            [word] if word == "reload" => self.reload()?,
            words => self.control.command(words, &self.status())?,
        };
        if let Some(change) = done.change {
            self.log_change(&change, uid);
        }
        Ok(done.text)
    }

    /// Logs what this user has asked for.
    pub(super) fn log_change(&self, change: &str, uid: Uid) {
        let user = match user::known(uid) {
            Ok(Some(user)) => format!("{} (uid {uid})", user.name),
            _ => format!("uid {uid}"),
        };
        let text = format!("control: {change}, as {user} has asked");
        let entry = Entry::new(Level::Notice, text).with_id(MessageId::COMMAND);
        self.shared.log.log().entry(&entry);
    }

    /// Has the main thread do as after SIGHUP, and waits for that.
    fn reload(&self) -> Result<Done, String> {
        let (reply, reloaded) = mpsc::channel();
        (self.reload)(reply);
        match reloaded.recv_timeout(PATIENCE) {
            Ok(Reloaded::Done(lines)) => {
                let mut done = Done::changed("the configuration is reloaded");
                let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
                done.text.insert_str(0, &lines);
                Ok(done)
            }
            Ok(Reloaded::Failed(lines)) => Err(lines.join("\n")),
            Ok(Reloaded::Unsupported) => {
                Err("the options are read at the start only, a restart is needed".to_owned())
            }
            Err(_) => Err("the daemon does not answer in time; its log has the result".to_owned()),
        }
    }

    fn status(&self) -> DaemonStatus {
        let shared = &self.shared;
        DaemonStatus {
            uptime: self.start.elapsed(),
            workers: shared.workers.len(),
            clients: shared.workers.connections(),
            max_clients: shared.max_clients.number(),
            log_lines_lost: shared.log.log().lost(),
            is_stopping: shared.is_stopping(),
        }
    }
}
