//! Who comes after this daemon: what is done when another process calls at the handover socket.

use std::{io, os::fd::OwnedFd, path::PathBuf, sync::Arc, thread, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    Level, Log,
    handover::{Call, Successor, deliver},
    listening::Listening,
    notify::{self, notify},
    worker::Common,
};

/// What is given to a successor.
#[derive(Debug)]
pub(crate) struct Succession {
    pub(crate) path: PathBuf,
    /// The users whose processes are trusted.
    pub(crate) friends: Vec<u32>,
    pub(crate) listening: Arc<Listening>,
    pub(crate) common: Arc<Common>,
    pub(crate) log: Log,
    /// Cancelled when there is a successor that serves.
    pub(crate) done: CancellationToken,
}

impl Succession {
    /// Answers calls until there is a successor, or the socket for them has been shut down.
    pub(crate) fn answer(self) {
        let Some(listener) = self.listening.calls() else {
            return;
        };
        // It may take its time, as long as it lives: others are heard meanwhile.
        let mut starting: Option<Successor> = None;
        loop {
            match Call::wait(listener, starting.as_ref()) {
                Err(_) => thread::sleep(PAUSE),
                Ok(true) => match starting.take().map(Successor::hear) {
                    Some(Ok(process)) => return self.pass_on_to(process),
                    Some(Err(error)) => self.go_on(&error),
                    None => {}
                },
                Ok(false) => match Call::next(listener, &self.friends) {
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
                    Err(_) => thread::sleep(PAUSE),
                    Ok(Err(error)) => self.no_handover(&error),
                    Ok(Ok(Call::Clients(connections))) => self.common.take(connections),
                    Ok(Ok(Call::Sockets(_))) if starting.is_some() => {
                        self.no_handover(&"another process is about to take over");
                    }
                    Ok(Ok(Call::Sockets(successor))) => match self.hand_over(&successor) {
                        Ok(()) => starting = Some(successor),
                        Err(error) => self.go_on(&error),
                    },
                },
            }
        }
    }

    fn hand_over(&self, successor: &Successor) -> io::Result<()> {
        notify::reloading(&self.log);
        successor.hand_over(&self.listening.share()?)
    }

    /// There is a successor: whoever is idle goes to it.
    fn pass_on_to(&self, process: u32) {
        let (path, friends) = (self.path.clone(), self.friends.clone());
        let deliver = move |connections: &[OwnedFd]| deliver(&path, &friends, connections);
        self.common.passing.to(&self.log, deliver);
        notify(&self.log, &format!("MAINPID={process}\nREADY=1"));
        self.log
            .line(Level::Info, format!("handing over to process {process}"));
        self.done.cancel();
    }

    /// There is none.
    fn go_on(&self, why: &io::Error) {
        self.listening.unshare();
        notify(&self.log, "READY=1");
        self.no_handover(why);
    }

    fn no_handover(&self, why: &dyn std::fmt::Display) {
        self.log.line(Level::Warning, format!("no handover: {why}"));
    }
}

/// After an error, such as running out of descriptors.
const PAUSE: Duration = Duration::from_millis(100);
