//! The servers of a world, and what they do.

use std::time::Duration;

use super::{
    net::{ConnState, Net, Ready},
    plan::{AskKind, secs},
    queue::Event,
    trouble::Trouble,
};

impl Net<'_> {
    /// A SYN has come, or comes to nothing and is repeated.
    pub(crate) fn syn(&mut self, conn: usize, turn: u32) {
        let (number, state) = (self.conns[conn].server, self.conns[conn].state);
        if state != ConnState::Connecting {
            return;
        }
        let server = self.server(number);
        let trouble = server.trouble(self.now);
        let is_away = self.servers[number].away_until > self.now;
        let is_full = self.is_full(number);
        match trouble {
            Some(Trouble::Refuses | Trouble::Away) => {
                let delay = self.delay(server.way);
                self.after(delay, Event::Refused(conn));
            }
            _ if is_away => {
                let delay = self.delay(server.way);
                self.after(delay, Event::Refused(conn));
            }
            Some(Trouble::Swallows) => {
                self.after(secs(1 << turn.min(6)), Event::Syn(conn, turn + 1))
            }
            _ if is_full => self.after(secs(1 << turn.min(6)), Event::Syn(conn, turn + 1)),
            _ => {
                self.accept(conn);
                let delay = self.delay(server.way);
                self.conns[conn].last_arrival = self.now + delay;
                self.after(delay, Event::Established(conn));
                if trouble == Some(Trouble::Greets) {
                    self.say(conn, b"220 mail.example.com ESMTP\r\n", Duration::ZERO);
                }
            }
        }
    }

    /// Whether no process is free, and there is no room in the queue.
    pub(crate) fn is_full(&self, number: usize) -> bool {
        let (server, state) = (self.server(number), &self.servers[number]);
        state.serving >= server.processes.unwrap_or(usize::MAX)
            && state.queue.len() >= server.backlog
    }

    /// A process of the server takes the connection, or it waits for one.
    pub(crate) fn accept(&mut self, conn: usize) {
        let number = self.conns[conn].server;
        let processes = self.server(number).processes.unwrap_or(usize::MAX);
        let server = &mut self.servers[number];
        server.open.push(conn);
        if server.serving < processes {
            server.serving += 1;
            self.conns[conn].is_accepted = true;
            self.watch_idle(conn);
        } else {
            server.queue.push_back(conn);
        }
    }

    /// The server is done with a connection.
    fn release(&mut self, conn: usize) {
        if std::mem::replace(&mut self.conns[conn].is_over, true) {
            return;
        }
        let number = self.conns[conn].server;
        let server = &mut self.servers[number];
        server.open.retain(|other| *other != conn);
        if !self.conns[conn].is_accepted {
            return server.queue.retain(|other| *other != conn);
        }
        server.serving -= 1;
        if let Some(next) = server.queue.pop_front() {
            server.serving += 1;
            self.conns[next].is_accepted = true;
            self.watch_idle(next);
            self.read_request(next);
        }
    }

    fn watch_idle(&mut self, conn: usize) {
        let number = self.conns[conn].server;
        if let Some(idle) = self.server(number).closes_idle {
            let answers = self.conns[conn].answers;
            self.after(idle, Event::IdleTooLong(conn, answers));
        }
    }

    pub(crate) fn idle_too_long(&mut self, conn: usize, answers: u32) {
        let state = &self.conns[conn];
        if !state.is_over && state.answers == answers && state.arrived == 0 {
            self.server_closes(conn, false);
        }
    }

    pub(crate) fn reaches_server(&mut self, conn: usize, bytes: usize) {
        let state = &mut self.conns[conn];
        if state.is_over || state.is_dead {
            return;
        }
        state.arrived += bytes;
        self.read_request(conn);
    }

    /// A server reads a request, if it has come whole.
    fn read_request(&mut self, conn: usize) {
        let state = &self.conns[conn];
        let Some(request) = state.request else {
            return;
        };
        if !state.is_accepted || state.is_over || state.arrived < state.wanted || state.wanted == 0
        {
            return;
        }
        let number = state.server;
        let trouble = self.server(number).trouble(self.now);
        if trouble == Some(Trouble::ReadsNot) {
            let until = self.server(number).well_again(self.now);
            return self.queue.push(until, Event::ToServer(conn, 0));
        }
        let state = &mut self.conns[conn];
        (state.arrived, state.wanted) = (0, 0);
        self.requests[request].reads += 1;
        if self.requests[request].kind == AskKind::Poison {
            return self.dies(conn);
        }
        self.answer(conn, request, trouble);
    }

    fn dies(&mut self, conn: usize) {
        let number = self.conns[conn].server;
        self.servers[number].killed.push(self.now);
        let away = self.server(number).dies;
        self.note(|| format!("server {number} is killed by the request"));
        let Some(away) = away else {
            return self.server_closes(conn, false);
        };
        self.servers[number].away_until = self.now + away;
        for conn in std::mem::take(&mut self.servers[number].open) {
            self.server_closes(conn, true);
        }
    }

    fn answer(&mut self, conn: usize, request: usize, trouble: Option<Trouble>) {
        let number = self.conns[conn].server;
        let server = self.server(number);
        let mut answer = format!("action=ok {request} by {number}").into_bytes();
        answer.resize(answer.len() + server.pad, b'.');
        let works = server.works;
        let (line, blank) = (answer.len() + 1, answer.len() + 2);
        answer.extend_from_slice(b"\n\n");
        match trouble {
            None
            | Some(
                Trouble::Refuses
                | Trouble::Unreachable
                | Trouble::Swallows
                | Trouble::Forgets
                | Trouble::Greets
                | Trouble::Away
                | Trouble::ReadsNot,
            ) => match server.cuts {
                None => self.say(conn, &answer, works),
                Some(gap) => {
                    let at = self.chance.usize(1..blank);
                    self.say(conn, &answer[..at], works);
                    self.say(conn, &answer[at..], works + gap);
                }
            },
            Some(Trouble::Hangs) => return,
            Some(Trouble::Slow(time)) => self.say(conn, &answer, works + time),
            Some(Trouble::Drips(gap)) => {
                // A long answer in no more drops than some.
                let drop = (answer.len() / 30).max(1);
                for (nth, drop) in (0u32..).zip(answer.chunks(drop)) {
                    self.say(conn, drop, works + gap * nth);
                }
            }
            Some(Trouble::Garbage) => self.say(conn, b"500 what?\r\n\r\n", works),
            Some(Trouble::TwoAnswers(gap)) => {
                let second = format!("action=ok {request} once more\n\n");
                match gap.is_zero() {
                    true => {
                        answer.extend_from_slice(second.as_bytes());
                        self.say(conn, &answer, works);
                    }
                    false => {
                        self.conns[conn].is_off = true;
                        self.say(conn, &answer, works);
                        self.say(conn, second.as_bytes(), works + gap);
                    }
                }
            }
            Some(Trouble::Closes) => return self.after(works, Event::ServerCloses(conn, false)),
            Some(Trouble::Resets) => return self.after(works, Event::ServerCloses(conn, true)),
            Some(Trouble::ClosesHalfWay) => {
                self.say(conn, &answer[..line / 2], works);
                return self.after(works, Event::ServerCloses(conn, false));
            }
            Some(Trouble::LateBlank(gap)) => {
                self.say(conn, &answer[..line], works);
                self.say(conn, &answer[line..], works + gap);
            }
            Some(Trouble::ExtraNewline(gap)) => {
                self.say(conn, &answer, works);
                self.say(conn, b"\n", works + gap);
            }
        }
        let state = &mut self.conns[conn];
        state.answers += 1;
        let answers = state.answers;
        if server.closes_after.is_some_and(|most| answers >= most) {
            self.after(works, Event::ServerCloses(conn, false));
        } else if let Some(idle) = server.closes_idle {
            self.after(works + idle, Event::IdleTooLong(conn, answers));
        }
    }

    /// A server sends this, so much later.
    fn say(&mut self, conn: usize, bytes: &[u8], later: Duration) {
        let way = self.server(self.conns[conn].server).way;
        let delay = self.delay(way);
        let now = self.now;
        let state = &mut self.conns[conn];
        state.wire.extend(bytes);
        // In order: what was sent earlier comes earlier.
        state.last_arrival = state.last_arrival.max(now + later + delay);
        let at = state.last_arrival;
        self.queue.push(at, Event::FromServer(conn, bytes.len()));
    }

    pub(crate) fn server_closes(&mut self, conn: usize, by_reset: bool) {
        let state = &self.conns[conn];
        if state.is_over {
            return;
        }
        let number = state.server;
        let has_unread = state.arrived > 0;
        let is_unix = self.server(number).is_unix;
        let delay = match is_unix {
            true => Duration::ZERO,
            false => self.delay(self.server(number).way),
        };
        let now = self.now;
        let state = &mut self.conns[conn];
        // A UNIX socket that is closed with bytes unread says so.
        state.unread = is_unix && has_unread;
        if by_reset {
            // What is on its way is lost.
            state.wire.clear();
            state.last_arrival = now;
        }
        state.last_arrival = state.last_arrival.max(now + delay);
        let at = state.last_arrival;
        if !state.is_dead {
            self.queue
                .push(at, Event::Closed(conn, by_reset || has_unread));
        }
        self.release(conn);
    }

    /// This side has closed: a process is free.
    pub(crate) fn peer_closes(&mut self, conn: usize) {
        if !self.conns[conn].is_dead {
            self.release(conn);
        }
    }

    pub(crate) fn trouble_begins(&mut self, number: usize, trouble: usize) {
        let (_, trouble) = self.server(number).troubles[trouble];
        let open = self.servers[number].open.clone();
        self.note(|| format!("server {number}: {trouble:?}, {} open", open.len()));
        for conn in open {
            match trouble {
                Trouble::Away => self.server_closes(conn, true),
                Trouble::Forgets => {
                    // Its processes have noticed, or were started again.
                    self.release(conn);
                    self.conns[conn].is_dead = true;
                }
                _ => {}
            }
        }
    }

    pub(crate) fn established(&mut self, conn: usize) {
        let state = &mut self.conns[conn];
        if state.state == ConnState::Connecting {
            state.state = ConnState::Open;
            let worker = state.worker;
            self.tell(worker, Ready::Connected(conn));
        }
    }

    pub(crate) fn refused(&mut self, conn: usize) {
        let state = &mut self.conns[conn];
        if state.state == ConnState::Connecting {
            state.refused = true;
            let worker = state.worker;
            self.tell(worker, Ready::Link(conn));
        }
    }

    pub(crate) fn reaches_worker(&mut self, conn: usize, bytes: usize) {
        let state = &mut self.conns[conn];
        if state.state == ConnState::Closed || state.is_dead {
            return;
        }
        let bytes = bytes.min(state.wire.len());
        if bytes == 0 {
            return;
        }
        state.rx.extend(state.wire.drain(..bytes));
        self.tell_link(conn);
    }

    pub(crate) fn closed(&mut self, conn: usize, by_reset: bool) {
        let state = &mut self.conns[conn];
        if state.state == ConnState::Closed {
            return;
        }
        match by_reset {
            true => state.reset = true,
            false => state.eof = true,
        }
        self.tell_link(conn);
    }
}
