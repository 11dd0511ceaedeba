//! The drop-in: standard input and output as the only client.

use std::{io, sync::Arc, time::Duration};

use policy_daemon::{log::Log, worker};
use policy_flow::{ClientId, Peer};

use crate::proxy::{
    Proxy,
    driver::Driver,
    flow_io::FlowIo,
    links::Links,
    message::{Inbox, Message},
    socket::{Poller, Read, Source},
};

mod client;
use client::Stdio;

/// Serves the one connection of standard input and output to its end.
///
/// # Errors
///
/// Errors of the system about the descriptors.
pub(crate) fn serve_stdio(proxy: Proxy, log: Log) -> io::Result<()> {
    let inbox = Arc::new(Inbox::new()?);
    let (poller, registry) = Poller::new(EVENTS, &inbox)?;
    let client = Stdio::new(Arc::clone(&registry), log)?;
    let proxy = Arc::new(proxy);
    let links = Links::new(registry, Arc::clone(&proxy.backends), Arc::clone(&inbox));
    let flow = proxy.flow(0);
    let mut io = FlowIo::new(flow, Driver::new(client, links, proxy, 0));
    let accepted = io.flow.accept(Peer::User(0), &mut io.driver);
    let client = accepted.map_err(io::Error::other)?;
    let mut session = Session {
        poller,
        io,
        client,
        inbox,
    };
    while !session.io.driver.clients.is_closed {
        session.turn()?;
    }
    Ok(())
}

struct Session {
    poller: Poller,
    io: FlowIo<Stdio>,
    client: ClientId,
    inbox: Arc<Inbox>,
}

impl Session {
    /// Waits until something happens, and does what is to be done then. Data counts before a time-out.
    fn turn(&mut self) -> io::Result<()> {
        let patience = if self.is_readable() {
            Some(Duration::ZERO)
        } else {
            self.io.flow.time_left()
        };
        let is_complete = self.poller.wait(patience)?;
        self.io.set_now();
        self.report();
        if !is_complete || self.io.is_due() {
            self.poller.wait(Some(Duration::ZERO))?;
            self.report();
        }
        self.io.resume_links();
        self.read();
        self.io.tick();
        Ok(())
    }

    fn report(&mut self) {
        self.io.link_events(&self.poller);
        let mut has_messages = false;
        let mut is_gone = false;
        for event in self.poller.events() {
            match Source::of(event.token()) {
                Source::Client(index) => {
                    let heard = self.io.driver.clients.heard(index, event);
                    if heard.is_flushed {
                        self.io
                            .flow
                            .client_flushed(self.client, &mut self.io.driver);
                    }
                    is_gone |= heard.is_gone;
                }
                Source::Inbox => has_messages = true,
                Source::Link(_) | Source::Listener(_) => {}
            }
        }
        if has_messages {
            self.read_messages();
        }
        self.poller.clear();
        if is_gone {
            // Bytes that it has sent before are read first.
            self.read();
            self.io.flow.client_gone(self.client, &mut self.io.driver);
        }
    }

    fn read_messages(&mut self) {
        let mut messages = Vec::new();
        self.inbox.take(&mut messages);
        for message in messages {
            if let worker::Message::Service(Message::Resolved(slot, found)) = message {
                self.io.flow.resolved(slot, found, &mut self.io.driver);
            }
        }
    }

    /// Whether something may have come that is waited for.
    fn is_readable(&self) -> bool {
        let is_reading = self.io.flow.clients().is_reading(self.client);
        is_reading && self.io.driver.clients.input.is_readable()
    }

    /// Reads what has come, as far as it is waited for.
    fn read(&mut self) {
        while self.is_readable() {
            let room = self.io.flow.clients().room(self.client);
            let room = room.min(self.io.scratch.len());
            let Some(room) = self
                .io
                .scratch
                .get_mut(..room)
                .filter(|room| !room.is_empty())
            else {
                return;
            };
            match self.io.driver.clients.input.read(room) {
                Read::Data(count) => {
                    let data = self.io.scratch.get(..count).unwrap_or_default();
                    self.io
                        .flow
                        .client_data(self.client, data, &mut self.io.driver);
                }
                Read::Nothing => return,
                Read::End => return self.io.flow.client_ended(self.client, &mut self.io.driver),
                Read::Descriptors => {
                    self.io.driver.proxy.journal.descriptors_sent();
                    return self.io.flow.client_gone(self.client, &mut self.io.driver);
                }
                Read::Failed(_) => {
                    return self.io.flow.client_gone(self.client, &mut self.io.driver);
                }
            }
        }
    }
}

/// Standard input, and connections to backends: there are a few at most.
const EVENTS: usize = 16;
