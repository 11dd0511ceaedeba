//! A state machine, its driver, and what comes over connections to backends.

use std::{io, time::Instant};

use mio::event::Event;
use policy_flow::{Flow, LinkId};

use crate::proxy::{
    driver::{ClientSide, Driver},
    failure,
    socket::{Poller, Read, Side},
};

/// A state machine with its driver.
#[derive(Debug)]
pub(crate) struct FlowIo<C> {
    pub(crate) flow: Flow,
    pub(crate) driver: Driver<C>,
    /// Where everything is read into.
    pub(crate) scratch: Box<[u8]>,
    pub(crate) now: Instant,
    links: Vec<LinkId>,
}

impl<C: ClientSide> FlowIo<C> {
    pub(crate) fn new(flow: Flow, driver: Driver<C>) -> Self {
        Self {
            flow,
            driver,
            scratch: vec![0; READ].into_boxed_slice(),
            now: Instant::now(),
            links: Vec::new(),
        }
    }

    /// Reads the clock.
    pub(crate) fn set_now(&mut self) {
        self.now = Instant::now();
        self.flow.set_now(self.now);
    }

    /// Whether a time-out is over: then what has come meanwhile is to be read before [`tick`](Self::tick).
    pub(crate) fn is_due(&self) -> bool {
        self.flow.is_due()
    }

    /// Does what time brings.
    pub(crate) fn tick(&mut self) {
        self.resume_links();
        self.flow.tick(&mut self.driver);
        self.resume_links();
    }

    /// Reports what the system has told of connections to backends.
    pub(crate) fn link_events(&mut self, poller: &Poller) {
        for event in poller.events() {
            if let Some(index) = Side::Backends.index_of(event.token()) {
                self.link_event(index, event);
            }
        }
    }

    /// The system has told of something at a connection to a backend.
    fn link_event(&mut self, index: usize, event: &Event) {
        let Some(connection) = self.driver.links.table.get(index) else {
            return;
        };
        let link = link(index);
        if connection.is_connecting {
            if !event.is_writable() && !event.is_error() && !event.is_write_closed() {
                return;
            }
            connection.is_connecting = false;
            let is_failed = event.is_error() || event.is_write_closed();
            if is_failed && let Some(error) = connection.connect_error() {
                let failure = failure::of_connecting(error);
                return self.flow.link_failed(link, failure, &mut self.driver);
            }
            self.flow.connected(link, &mut self.driver);
        }
        let table = &mut self.driver.links.table;
        let Some(connection) = table.get(index) else {
            return;
        };
        connection.heard(event);
        if event.is_writable() && connection.has_backlog() {
            let is_unix = connection.is_unix();
            match table.flush(index) {
                Ok(true) => self.flow.link_flushed(link),
                Ok(false) => {}
                // What it has sent before says more, if it has sent something.
                Err(error) if !event.is_readable() => {
                    let failure = failure::of_connection(error, is_unix);
                    return self.flow.link_failed(link, failure, &mut self.driver);
                }
                Err(_) => {}
            }
        }
        self.read_link(link);
    }

    /// Reads what has come from a backend.
    fn read_link(&mut self, link: LinkId) {
        loop {
            let room = self.flow.link_room(link).min(self.scratch.len());
            let Some(room) = self.scratch.get_mut(..room).filter(|room| !room.is_empty()) else {
                return;
            };
            let read = self.driver.links.table.read(link.index(), room);
            let Read::Data(count) = read else {
                return self.nothing_read(link, read);
            };
            let data = self.scratch.get(..count).unwrap_or_default();
            self.flow.link_data(link, data, &mut self.driver);
            if !self.driver.links.table.is_readable(link.index()) {
                return;
            }
        }
    }

    /// A connection to a backend has brought no data.
    #[cold]
    fn nothing_read(&mut self, link: LinkId, read: Read) {
        let error = match read {
            Read::Data(_) | Read::Nothing => return,
            Read::End => return self.flow.link_ended(link, &mut self.driver),
            Read::Descriptors => {
                self.driver.proxy.journal.descriptors_sent();
                io::ErrorKind::InvalidData.into()
            }
            Read::Failed(error) => error,
        };
        let connection = self.driver.links.table.get(link.index());
        let is_unix = connection.is_some_and(|connection| connection.is_unix());
        let failure = failure::of_connection(error, is_unix);
        self.flow.link_failed(link, failure, &mut self.driver);
    }

    /// Reads from connections that may be read from again, and reports look-ups that have ended.
    pub(crate) fn resume_links(&mut self) {
        if self.driver.links.has_resumed() {
            self.resume();
        }
    }

    #[cold]
    fn resume(&mut self) {
        while let Some((slot, found)) = self.driver.links.resolved.pop() {
            self.flow.resolved(slot, found, &mut self.driver);
        }
        while !self.driver.links.resumed.is_empty() {
            let mut links = std::mem::take(&mut self.links);
            self.driver.links.take_resumed(&mut links);
            for link in links.drain(..) {
                self.read_link(link);
            }
            self.links = links;
        }
    }
}

fn link(index: usize) -> LinkId {
    LinkId::from_index(u32::try_from(index).unwrap_or(u32::MAX))
}

/// As much as is read at a time: a request with long addresses, and more.
const READ: usize = 16 * 1024;
