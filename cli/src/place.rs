//! A connection's place among those that are served, and what becomes of the connection when it gives that up.

use std::sync::Arc;

use policy_net::Stream;
use rustix::net::{RecvFlags, recv};

use crate::{
    slot::{Leaving, SlotHandle},
    worker::Common,
};

/// A connection that counts as a client's and as its worker's until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    common: Arc<Common>,
    slot: SlotHandle,
    worker: usize,
}

impl Place {
    pub(crate) fn new(common: Arc<Common>, slot: SlotHandle, worker: usize) -> Self {
        common.crew.add(worker);
        Self {
            common,
            slot,
            worker,
        }
    }

    pub(crate) fn slot(&self) -> &SlotHandle {
        &self.slot
    }

    /// Ends when the connection is to leave: to be polled while it is idle, and not else.
    pub(crate) fn leaving(&self) -> Leaving {
        Leaving(self.slot.clone())
    }

    /// What becomes of a connection that is not served on, between two requests.
    pub(crate) fn part_with(self, io: Stream) {
        if !self.slot.is_evicted() {
            return self.common.passing.pass(io);
        }
        // It is closed, unless a request has come in this moment: then it needs a place again.
        if has_bytes(&io)
            && let Ok(descriptor) = io.into_descriptor()
        {
            let common = Arc::clone(&self.common);
            drop(self);
            common.crew.take(descriptor);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.common.crew.remove(self.worker);
        self.common.slots.leave(&self.slot);
    }
}

/// Whether something has come that was not read.
fn has_bytes(io: &Stream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    recv(io, &mut [0; 1], flags).is_ok_and(|(_, length)| length > 0)
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        net::Shutdown,
        os::{fd::OwnedFd, unix::net::UnixStream},
        sync::mpsc,
    };

    use policy_net::Listener;

    use super::*;
    use crate::{
        DefaultAction, Journal, Log, Proxy,
        admission::{Admission, Client},
        crew::Crew,
        passing::Passing,
        slots::{SlotLimits, Slots},
    };

    #[tokio::test]
    async fn a_connection_is_passed_on_at_the_end_and_closed_where_another_one_has_its_place() {
        for (evicted, sent, ended, goes) in [
            (false, false, false, "on"),
            (false, true, false, "on"),
            (true, false, false, "nowhere"),
            (true, false, true, "nowhere"),
            (true, true, false, "back"),
            (true, true, true, "back"),
        ] {
            let (crew, served) = Listener::passed();
            let (passed, on) = mpsc::channel();
            let common = common(Crew::new(vec![crew]));
            common
                .passing
                .to(common.proxy.journal.log(), move |connections| {
                    _ = passed.send(connections.len());
                    Ok(())
                });
            let slot = common.slots.enter(Client::User(1)).unwrap().0;
            let place = Place::new(Arc::clone(&common), slot, 0);
            if evicted {
                common.slots.enter(Client::User(2)).unwrap();
            }
            let (near, mut far) = UnixStream::pair().unwrap();
            if sent {
                far.write_all(b"request=smtpd_access_policy\n").unwrap();
            }
            if ended {
                far.shutdown(Shutdown::Write).unwrap();
            }
            place.part_with(Stream::try_from(OwnedFd::from(near)).unwrap());
            common.passing.end();
            let is_back = tokio::select! {
                biased;
                io = served.accept() => io.is_ok(),
                () = std::future::ready(()) => false,
            };
            let went = match (on.try_recv().is_ok(), is_back) {
                (true, false) => "on",
                (false, true) => "back",
                (false, false) => "nowhere",
                (true, true) => "both ways",
            };
            assert_eq!(went, goes, "{evicted} {sent} {ended}");
        }
    }

    /// Of a daemon with one place.
    fn common(crew: Crew) -> Arc<Common> {
        let journal = Journal::new(Log::syslog(), Vec::new());
        Arc::new(Common {
            proxy: Proxy::new(None, DefaultAction::default(), journal),
            crew,
            admission: Admission::new(Vec::new()),
            slots: Slots::new(SlotLimits {
                all: 1.into(),
                per_address: None,
                per_user: None,
            }),
            passing: Passing::default(),
            pulses: None,
            successor: std::sync::atomic::AtomicI32::new(0),
        })
    }
}
