//! The two policy services behind hapolicy: what ails the first, who answers then.

use std::net::{Ipv4Addr, SocketAddrV4};

use policy_testing::stub::{Reply, Script, Stub};
use socket2::{Domain, Socket, Type};

use crate::session::Session;

/// How the policy services are; the second one is well unless all are dead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Condition {
    Well,
    /// Refuses connections.
    FirstDead,
    /// Accepts, and never answers.
    FirstHung,
    /// Answers, then closes the connection: each time.
    FirstCloses,
    /// Takes the request, then closes without an answer.
    FirstHangsUp,
    /// Answers what is no policy reply.
    FirstTalksGarbage,
    AllDead,
}

impl Condition {
    pub const ALL: [Self; 7] = [
        Self::Well,
        Self::FirstDead,
        Self::FirstHung,
        Self::FirstCloses,
        Self::FirstHangsUp,
        Self::FirstTalksGarbage,
        Self::AllDead,
    ];

    /// The name of the service whose answers Postfix should get.
    pub fn answering(self) -> Option<&'static str> {
        match self {
            Self::Well | Self::FirstCloses => Some("first"),
            Self::FirstDead | Self::FirstHung | Self::FirstHangsUp | Self::FirstTalksGarbage => {
                Some("second")
            }
            Self::AllDead => None,
        }
    }
}

/// The first and the second service.
#[derive(Debug)]
pub struct Services {
    first: Service,
    second: Service,
}

#[derive(Debug)]
enum Service {
    Stub(Stub),
    /// Bound, but not listening: connections are refused, and nobody else gets the port.
    Dead(Socket),
}

impl Services {
    pub fn start(condition: Condition) -> Self {
        let well = Reply::Call(|request| answer("first", request));
        let first = match condition {
            Condition::Well => Some(Script::reply(well)),
            Condition::FirstCloses => Some(Script::reply(well).closing()),
            Condition::FirstHung => Some(Script::reply(Reply::Hang)),
            Condition::FirstHangsUp => Some(Script::reply(Reply::CloseUnanswered)),
            Condition::FirstTalksGarbage => Some(Script::bytes("220 hello\r\n")),
            Condition::FirstDead | Condition::AllDead => None,
        };
        let second = Script::reply(Reply::Call(|request| answer("second", request)));
        let second = (condition != Condition::AllDead).then_some(second);
        Self {
            first: Service::start(first),
            second: Service::start(second),
        }
    }

    /// The arguments for hapolicy.
    ///
    /// A second of patience with the first service: that is what a hung one costs each process
    /// under spawn(8), and the daemon once.
    pub fn arguments(&self) -> Vec<String> {
        let first = format!("first={}:10:1:1", self.first.address());
        let second = format!("second={}:20", self.second.address());
        let default = format!("DEFER_IF_PERMIT {}", crate::session::DEFAULT_TEXT);
        ["-s", &first, "-s", &second, "-d", &default]
            .map(str::to_owned)
            .to_vec()
    }

    /// What this service was asked in the session, by its name.
    pub fn seen(&self, name: &str, session: &Session) -> Vec<Seen> {
        let stub = self.stub(name);
        stub.map_or_else(Vec::new, |stub| Seen::of_session(stub, session))
    }

    /// How many requests this service got.
    pub fn requests(&self, name: &str) -> usize {
        self.stub(name).map_or(0, |stub| stub.requests().len())
    }

    /// The service of this name, unless it is dead.
    fn stub(&self, name: &str) -> Option<&Stub> {
        let service = match name {
            "first" => &self.first,
            _ => &self.second,
        };
        match service {
            Service::Stub(stub) => Some(stub),
            Service::Dead(_) => None,
        }
    }
}

impl Service {
    fn start(script: Option<Script>) -> Self {
        let Some(script) = script else {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
            socket.bind(&address.into()).expect("a port is free");
            return Self::Dead(socket);
        };
        Self::Stub(Stub::tcp(script))
    }

    fn address(&self) -> String {
        match self {
            Self::Stub(stub) => stub.address(),
            Self::Dead(socket) => {
                let address = socket.local_addr().expect("it is bound");
                address.as_socket().expect("it is TCP").to_string()
            }
        }
    }
}

/// What the service of this name answers: the addresses say what it thinks of a message.
pub fn answer(name: &str, request: &[u8]) -> Vec<u8> {
    let seen = Seen::new(request);
    let recipient = seen.get("recipient");
    let sender = seen.get("sender");
    let action = match seen.get("protocol_state").as_str() {
        "RCPT" if recipient.starts_with("rejected") => format!("REJECT says {name}"),
        "RCPT" if recipient.starts_with("deferred") => format!("DEFER says {name}"),
        "RCPT" if recipient.starts_with("permitted") => "OK".to_owned(),
        "DATA" if sender.starts_with("no-data") => format!("REJECT says {name}"),
        "END-OF-MESSAGE" if sender.starts_with("no-end") => format!("REJECT says {name}"),
        _ => "DUNNO".to_owned(),
    };
    format!("action={action}\n\n").into_bytes()
}

/// A request as a policy service saw it.
#[derive(Clone, Debug)]
pub struct Seen(Vec<u8>);

impl Seen {
    pub fn new(request: &[u8]) -> Self {
        Self(request.to_vec())
    }

    /// Those of the session's client: CONNECT and EHLO do not say the sender, but the port.
    pub fn of_session(stub: &Stub, session: &Session) -> Vec<Self> {
        let mut all: Vec<Self> = stub.requests().into_iter().map(Self).collect();
        let ports: Vec<String> = all
            .iter()
            .filter(|seen| seen.get("sender") == session.sender)
            .map(|seen| seen.get("client_port"))
            .collect();
        all.retain(|seen| ports.contains(&seen.get("client_port")));
        all
    }

    /// The stage, with the recipient and the number of recipients where there are any.
    pub fn stage(&self) -> String {
        let mut stage = self.get("protocol_state");
        for name in ["recipient", "recipient_count"] {
            match self.get(name).as_str() {
                "" | "0" => {}
                value => stage = format!("{stage} {value}"),
            }
        }
        stage
    }

    /// An attribute's value, empty when it is absent.
    ///
    /// # Panics
    ///
    /// Panics when it is not UTF-8: nothing in these tests is.
    pub fn get(&self, name: &str) -> String {
        let text = str::from_utf8(&self.0).expect("all that these clients say is UTF-8");
        let mut attributes = text.lines().filter_map(|line| line.split_once('='));
        let value = attributes.find_map(|(n, value)| (n == name).then_some(value));
        value.unwrap_or_default().to_owned()
    }
}
