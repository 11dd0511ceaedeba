//! The way of a request of the load: it is sent, answered, sent once more, or lost.

use std::{
    io,
    time::{Duration, Instant},
};

use mio::{Token, event::Event};

use super::{
    client::{Asked, Stream},
    load::{Life, Load},
    tally::Loss,
};

impl Load<'_> {
    pub(super) fn ask(&mut self, number: usize, planned: Instant, is_measured: bool, now: Instant) {
        let Some(client) = self.clients.get_mut(number) else {
            return;
        };
        let mut is_first = false;
        if client.left.is_empty() {
            client.left = self.mix.message(self.messages);
            client.message = self.messages;
            self.messages += 1;
            is_first = true;
        }
        let ends = match self.settings.life {
            Life::Kept => false,
            Life::Message => is_first,
            Life::Request => true,
        };
        if ends {
            client.disconnect();
        }
        client.asked = Some(Asked {
            planned,
            sent: now,
            place: client.left.next().unwrap_or_default(),
            is_measured,
            is_repeated: false,
        });
        self.under_way += 1;
        let late = now.saturating_duration_since(planned);
        self.tally.begun(is_measured, late);
        self.send(number, now);
    }

    /// Sends the request under way, over a new connection if there is none.
    pub(super) fn send(&mut self, number: usize, now: Instant) {
        let Some(client) = self.clients.get_mut(number) else {
            return;
        };
        let Some(asked) = client.asked else {
            return;
        };
        let registry = self.poll.registry();
        let stream = match &mut client.stream {
            Some(stream) => stream,
            none => match Stream::connect(&self.settings.target, registry, Token(number)) {
                Ok(stream) => {
                    self.tally.counts.connections += u64::from(asked.is_measured);
                    none.insert(stream)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.queueing.push(number);
                }
                Err(_) => return self.lose(number, Loss::Refused, now),
            },
        };
        let bytes = self.mix.request(asked.place, client.message);
        match stream.write(bytes) {
            Ok(count) => {
                client.is_open |= count > 0;
                if let Some(rest) = bytes.get(count..).filter(|rest| !rest.is_empty()) {
                    client.unsent = rest.to_vec();
                    if stream.wait_writable(registry, Token(number)).is_err() {
                        self.failed(number, now);
                    }
                }
            }
            Err(_) => self.failed(number, now),
        }
    }

    pub(super) fn event(&mut self, event: &Event, buffer: &mut [u8]) {
        let Token(number) = event.token();
        if event.is_writable() {
            self.flush(number);
        }
        let now = self.read(number, event.is_read_closed(), buffer);
        self.dispatch(now);
    }

    /// Sends the rest of a request.
    fn flush(&mut self, number: usize) {
        let Some(client) = self.clients.get_mut(number) else {
            return;
        };
        while let Some(stream) = client.stream.as_mut().filter(|_| !client.unsent.is_empty()) {
            match stream.write(&client.unsent) {
                Ok(0) => return,
                Ok(count) => {
                    client.is_open = true;
                    client.unsent.drain(..count);
                }
                Err(_) => return self.failed(number, Instant::now()),
            }
        }
    }

    /// Reads what is there, and up to the end where it is known that there is one; the time after that.
    fn read(&mut self, number: usize, to_end: bool, buffer: &mut [u8]) -> Instant {
        let mut last = None;
        loop {
            let client = self.clients.get_mut(number);
            let Some(stream) = client.and_then(|client| client.stream.as_mut()) else {
                break;
            };
            match stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => {
                    let now = *last.insert(Instant::now());
                    self.failed(number, now);
                    break;
                }
                Ok(count) => {
                    let now = *last.insert(Instant::now());
                    self.data(number, buffer.get(..count).unwrap_or_default(), now);
                    // Of more the system tells anew.
                    if !to_end && count < buffer.len() {
                        break;
                    }
                    // A server may send without an end.
                    self.give_up(now);
                }
            }
        }
        last.unwrap_or_else(Instant::now)
    }

    fn data(&mut self, number: usize, data: &[u8], now: Instant) {
        let Some(client) = self.clients.get_mut(number) else {
            return;
        };
        let Some(asked) = client.asked else {
            self.tally.counts.excess += 1;
            return client.disconnect();
        };
        let mut excess = data;
        match client.answers.next(&mut excess) {
            None => {}
            Some(Err(_)) => self.lose(number, Loss::Invalid, now),
            Some(Ok(answer)) => {
                let verdict = self.judge.judge(&answer.action);
                if asked.is_measured {
                    self.judge.count(verdict);
                    self.tally.counts.unusual += u64::from(answer.unusual.is_some());
                }
                let latency = now.saturating_duration_since(asked.planned);
                self.tally
                    .answered(asked.is_measured, verdict, now, latency);
                if excess.is_empty() {
                    client.has_answered = true;
                } else {
                    // Nobody knows what belongs to what any more.
                    self.tally.counts.excess += u64::from(asked.is_measured);
                    client.disconnect();
                }
                client.asked = None;
                self.under_way -= 1;
                self.free.push_back(number);
            }
        }
    }

    /// A connection has failed, or was closed by the server.
    ///
    /// As Postfix does, a request is sent once more if the server may have closed the connection before it came.
    fn failed(&mut self, number: usize, now: Instant) {
        let Some(client) = self.clients.get_mut(number) else {
            return;
        };
        let loss = if client.is_open {
            Loss::Closed
        } else {
            Loss::Refused
        };
        let was_idle = client.has_answered && client.answers.unfinished().is_none();
        client.disconnect();
        match &mut client.asked {
            None => {}
            Some(asked) if was_idle && !asked.is_repeated => {
                asked.is_repeated = true;
                self.tally.counts.repeated += u64::from(asked.is_measured);
                self.send(number, now);
            }
            Some(_) => self.lose(number, loss, now),
        }
    }

    /// A request has no answer.
    pub(super) fn lose(&mut self, number: usize, loss: Loss, now: Instant) {
        let Some(client) = self.clients.get_mut(number) else {
            return;
        };
        client.disconnect();
        let Some(asked) = client.asked.take() else {
            return;
        };
        self.under_way -= 1;
        self.tally.lost(loss, u64::from(asked.is_measured));
        if loss == Loss::Refused {
            self.resting.push_back((now + REST, number));
        } else {
            self.free.push_back(number);
        }
    }
}

/// How long a client waits after a connection that could not be opened: otherwise a server that is down would be asked
/// without a pause.
const REST: Duration = Duration::from_millis(100);
