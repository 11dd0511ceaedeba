//! The clients of a world, and what they do.

use std::time::Duration;

use super::{
    net::{Client, ClientState, Net, Ready, Request},
    plan::{AskKind, Cut, End, Plan, millis},
    queue::Event,
};

impl Client {
    pub(crate) fn new(plan: &Plan, at: usize) -> Self {
        Self {
            id: None,
            state: ClientState::Away,
            worker: at % plan.workers,
            chance: fastrand::Rng::with_seed(plan.seed ^ at as u64),
            wire: Default::default(),
            last_arrival: Duration::ZERO,
            rx: Vec::new(),
            has_ended: false,
            is_reset: false,
            told_end: false,
            is_ready: false,
            asked: Vec::new(),
            next_ask: 0,
            sent: 0,
            read: 0,
            whole: 0,
            begun: 0,
            replied: 0,
            owes: false,
            excuse: None,
            active: Duration::ZERO,
            stuck: [None; 2],
        }
    }
}

/// What services are looked at by: the first request of a world where they are.
pub(crate) fn probe() -> Request {
    let number = 0;
    Request {
        client: usize::MAX,
        kind: AskKind::Probe,
        message: 0,
        group: 0,
        stick: None,
        is_asked: false,
        bytes: format!("request=smtpd_access_policy\nid={number}\n\n").into_bytes(),
        begun: None,
        replied: false,
        up: 0,
        sends: Vec::new(),
        reads: 0,
    }
}

impl Net<'_> {
    pub(crate) fn client_connects(&mut self, client: usize) {
        let plan = &self.plan.clients[client];
        let state = &mut self.clients[client];
        state.state = ClientState::Waits;
        state.last_arrival = self.now;
        let worker = state.worker;
        self.tell(worker, Ready::Accept(client));
        if let End::Resets(time) = plan.end {
            self.after(time, Event::ClientResets(client));
        }
        self.thinks(client);
    }

    /// A client will send its next request after it has thought, or ends.
    fn thinks(&mut self, client: usize) {
        let plan = &self.plan.clients[client];
        let next = self.clients[client].next_ask;
        match plan.asks.get(next) {
            Some(ask) => self.after(ask.think, Event::ClientSends(client)),
            None if plan.end == End::HalfCloses => self.after(millis(0), Event::ClientEnds(client)),
            None if plan.end == End::Leaves && self.has_all(client) => {
                self.after(millis(1), Event::ClientEnds(client));
            }
            None => {}
        }
    }

    fn has_all(&self, client: usize) -> bool {
        let state = &self.clients[client];
        state.replied == state.asked.len()
    }

    pub(crate) fn client_sends(&mut self, client: usize) {
        let plan = &self.plan.clients[client];
        let state = &mut self.clients[client];
        let Some(ask) = plan.asks.get(state.next_ask) else {
            return;
        };
        if state.is_reset || matches!(state.state, ClientState::Away | ClientState::Gone) {
            return;
        }
        let number = self.requests.len();
        let group = state.next_ask % self.plan.groups();
        let mut bytes = match ask.kind {
            AskKind::Blank | AskKind::Probe => b"\n".to_vec(),
            AskKind::Garbage => b"this is no request\n\n".to_vec(),
            AskKind::Foreign => format!("GET /?x=1 HTTP/1.1\nid={number}\n\n").into_bytes(),
            AskKind::Other => format!("request=junk_policy\nid={number}\n\n").into_bytes(),
            AskKind::Unfinished => {
                format!("request=smtpd_access_policy\nid={number}\n").into_bytes()
            }
            AskKind::Policy | AskKind::Poison | AskKind::Large(_) => {
                let message = ask.message;
                format!(
                    "request=smtpd_access_policy\nid={number}\ninstance={client}.{message}\npolicy_context=g{group}\n"
                )
                .into_bytes()
            }
        };
        if let AskKind::Large(more) = ask.kind {
            for line in (0..more).step_by(1000) {
                bytes.extend_from_slice(format!("pad{line}=").as_bytes());
                bytes.resize(bytes.len() + 990, b'x');
                bytes.push(b'\n');
            }
        }
        if matches!(
            ask.kind,
            AskKind::Policy | AskKind::Poison | AskKind::Large(_)
        ) {
            bytes.push(b'\n');
        }
        state.next_ask += 1;
        state.sent += bytes.len();
        state.wire.extend(&bytes);
        let is_asked = !matches!(
            ask.kind,
            AskKind::Blank | AskKind::Garbage | AskKind::Unfinished
        );
        if is_asked {
            state.asked.push((number, state.sent));
        }
        let len = bytes.len();
        self.requests.push(Request {
            client,
            kind: ask.kind,
            message: ask.message,
            group,
            stick: None,
            is_asked: false,
            bytes,
            begun: None,
            replied: false,
            up: 0,
            sends: Vec::new(),
            reads: 0,
        });
        self.counts.requests += u64::from(is_asked);
        self.note(|| format!("client {client} sends request {number}, {:?}", ask.kind));
        self.send_cut(client, len);
        let is_last = self.clients[client].next_ask >= plan.asks.len();
        if plan.pipelines || !is_asked || is_last {
            self.thinks(client);
        }
    }

    fn send_cut(&mut self, client: usize, len: usize) {
        let arrives = |net: &mut Self, later, bytes| {
            let delay = net.delay(millis(0));
            let now = net.now;
            let state = &mut net.clients[client];
            state.last_arrival = state.last_arrival.max(now + later + delay);
            let at = state.last_arrival;
            net.queue.push(at, Event::ClientBytes(client, bytes));
        };
        match self.plan.clients[client].cut {
            Cut::Whole => arrives(self, millis(0), len),
            Cut::Once(gap) => {
                let at = self.clients[client].chance.usize(0..len);
                arrives(self, millis(0), at);
                arrives(self, gap, len - at);
            }
            Cut::Pieces(size, gap) => {
                // A large request in no more pieces than some.
                let size = size.max(len / 50).max(1);
                let mut sent = 0;
                for nth in 0u32.. {
                    let piece = size.min(len - sent);
                    if piece == 0 {
                        break;
                    }
                    arrives(self, gap * nth, piece);
                    sent += piece;
                }
            }
        }
    }

    pub(crate) fn client_bytes(&mut self, client: usize, bytes: usize) {
        let state = &mut self.clients[client];
        let bytes = bytes.min(state.wire.len());
        if state.is_reset || bytes == 0 {
            return;
        }
        state.rx.extend(state.wire.drain(..bytes));
        self.tell_client(client);
    }

    pub(crate) fn client_ends(&mut self, client: usize) {
        let state = &mut self.clients[client];
        // After all that it has sent.
        if state.last_arrival > self.now {
            let at = state.last_arrival;
            return self.queue.push(at, Event::ClientEnds(client));
        }
        state.has_ended = true;
        self.note(|| format!("client {client} has ended"));
        self.tell_client(client);
    }

    pub(crate) fn client_resets(&mut self, client: usize) {
        let state = &mut self.clients[client];
        state.is_reset = true;
        state.rx.clear();
        state.excuse = Some("it has gone");
        self.note(|| format!("client {client} resets"));
        self.tell_client(client);
    }

    /// It goes on when it has all of its replies.
    pub(crate) fn client_has_reply(&mut self, client: usize, replied: usize) {
        let plan = &self.plan.clients[client];
        let is_last = self.clients[client].next_ask >= plan.asks.len();
        if is_last && plan.end == End::HalfCloses {
            return;
        }
        if (!plan.pipelines || is_last) && replied == self.clients[client].asked.len() {
            self.thinks(client);
        }
    }

    pub(crate) fn client_takes(&mut self, client: usize) {
        let state = &mut self.clients[client];
        if state.state == ClientState::Served && state.owes {
            let worker = state.worker;
            self.tell(worker, Ready::Taken(client));
        }
    }
}
