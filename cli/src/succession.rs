//! Who comes after this daemon: what is done when another process calls at the handover socket.

use std::{io, os::fd::OwnedFd, path::PathBuf, sync::Arc, thread, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    Bound, Level, Log,
    handover::{Call, Successor, deliver},
    notify::{self, notify},
    worker::Common,
};

/// What is given to a successor.
#[derive(Debug)]
pub(crate) struct Succession {
    pub(crate) path: PathBuf,
    /// The users whose processes are trusted.
    pub(crate) friends: Vec<u32>,
    /// Where others call.
    pub(crate) calls: Arc<Bound>,
    pub(crate) sockets: Arc<Vec<Bound>>,
    pub(crate) common: Arc<Common>,
    pub(crate) log: Log,
    /// Cancelled when there is a successor that serves.
    pub(crate) done: CancellationToken,
}

impl Succession {
    /// Answers calls until there is a successor.
    pub(crate) fn answer(self) {
        while self.next().is_continue() {}
    }

    fn next(&self) -> std::ops::ControlFlow<()> {
        use std::ops::ControlFlow::{Break, Continue};

        match self.calls.call(&self.friends) {
            // The socket has been shut down.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Break(()),
            Err(_) => thread::sleep(PAUSE),
            Ok(Ok(Call::Clients(connections))) => self.common.crew.take(connections),
            Ok(Ok(Call::Sockets(successor))) => match self.hand_over(&successor) {
                Ok(()) => return Break(()),
                Err(error) => {
                    self.everything().for_each(Bound::unshare);
                    notify(&self.log, "READY=1");
                    self.no_handover(&error);
                }
            },
            Ok(Err(error)) => self.no_handover(&error),
        }
        Continue(())
    }

    fn hand_over(&self, successor: &Successor) -> io::Result<()> {
        notify::reloading(&self.log);
        let shared = self.everything().map(Bound::share);
        let mut shared = shared.collect::<io::Result<Vec<_>>>()?;
        if let Some(calls) = shared.last_mut() {
            calls.name = HANDOVER.to_owned();
        }
        successor.hand_over(&shared)?;
        // From here on there is a successor.
        let (path, friends) = (self.path.clone(), self.friends.clone());
        let deliver = move |connections: &[OwnedFd]| deliver(&path, &friends, connections);
        self.common.passing.to(&self.log, deliver);
        let process = successor.process;
        notify(&self.log, &format!("MAINPID={process}\nREADY=1"));
        self.log
            .line(Level::Info, format!("handing over to process {process}"));
        self.done.cancel();
        Ok(())
    }

    /// The sockets for clients, and that for calls behind them.
    fn everything(&self) -> impl Iterator<Item = &Bound> {
        self.sockets.iter().chain([&*self.calls])
    }

    fn no_handover(&self, error: &io::Error) {
        self.log
            .line(Level::Warning, format!("no handover: {error}"));
    }
}

/// After an error, such as running out of descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// What the socket for calls is called among those that are handed over.
pub(crate) const HANDOVER: &str = "handover";
