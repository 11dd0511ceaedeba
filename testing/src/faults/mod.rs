//! The ways in which a policy server goes wrong, and what `hapolicy --listen` is to make of each.
//!
//! There are two services, of which the first is asked first and goes wrong, and the second is well. The
//! answer of each is its name and the request's `sender`, so that no answer can pass for another's.

mod check;
pub use check::check;

mod first;
pub use first::{First, Means, answer_names};

use std::time::Duration;

use rustix::process::Signal;

use crate::stub::{Reply, Script};

/// One way to go wrong.
#[derive(Debug)]
pub struct Fault {
    pub name: &'static str,
    pub trouble: Trouble,
    /// What is expected where no connection to the first service is open when its trouble begins;
    /// `None` where that makes no sense.
    pub fresh: Option<Expected>,
    /// The same with one that has been used before and kept.
    pub kept: Option<Expected>,
}

/// What happens to the first service.
#[derive(Debug)]
pub enum Trouble {
    /// It meets each request like this.
    Meets(fn() -> Script),
    /// It starts again, and meets each connection like this.
    Restarts(fn() -> Script),
    /// The same on a UNIX socket.
    RestartsUnix(fn() -> Script),
    /// It closes its connections, and listens no more.
    Stops,
    /// The system drops all packets to it.
    Unplugged,
    /// It says this over connections that are idle.
    Says(&'static [u8]),
    /// It closes connections that are idle.
    HangsUp,
    /// It resets connections that are idle.
    Resets,
    /// Its process gets this signal.
    Gets(Signal),
    /// The file of its UNIX socket is removed.
    Unlinked,
    /// Nobody but root may connect to its UNIX socket.
    Forbidden,
    /// It lives behind a network and a name server to play with: see `world.sh`.
    Far(Network),
}

/// What is wrong on the way to a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Network {
    /// The network swallows all packets to its address.
    SwallowsPackets,
    /// There is no route to its address.
    HasNoRoute,
    /// Its name is not known.
    KnowsNoName,
    /// The name server does not answer.
    HasNoNameServer,
    /// The first address of its name swallows packets; at the second one it is well.
    HasADeadAddressFirst,
}

/// What a client gets while the trouble lasts, and who is blamed.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The beginning of the action: the name of the service.
    pub action: &'static str,
    /// What is in the line that says that the first service is down; `None` when it is not to go down.
    pub blame: Option<&'static str>,
}

impl Expected {
    /// Whether the second request is to get the same answer. Not where the first one's own answer is
    /// still to come: it may come behind the second request.
    pub fn is_lasting(&self) -> bool {
        self.action != "early"
    }

    /// Whether nothing but time shows this fault.
    pub fn costs_a_timeout(&self) -> bool {
        self.blame.is_some_and(|blame| blame.ends_with(TIMED_OUT))
    }
}

const fn second(blame: &'static str) -> Option<Expected> {
    Some(Expected {
        action: "second",
        blame: Some(blame),
    })
}

const fn first() -> Option<Expected> {
    Some(Expected {
        action: "first",
        blame: None,
    })
}

/// What a server says before it is asked cannot be told from its answer.
const fn early() -> Option<Expected> {
    Some(Expected {
        action: "early",
        blame: None,
    })
}

/// One line a fault: what happens, what a new connection meets, what a kept one.
macro_rules! faults {
    ($($name:literal, $trouble:expr, $fresh:expr, $kept:expr;)*) => {
        &[$(Fault { name: $name, trouble: $trouble, fresh: $fresh, kept: $kept },)*]
    };
}

#[rustfmt::skip]
pub const FAULTS: &[Fault] = faults! {
    "nobody listens", Stops, second(REFUSED), second(REFUSED);
    "killed (SIGKILL)", Gets(Signal::KILL), second(REFUSED), second(REFUSED);
    "stopped (SIGSTOP)", Gets(Signal::STOP), second(TIMED_OUT), second(TIMED_OUT);
    "full queue of connections", Restarts(|| reply(Reply::Backlog)), second(TIMED_OUT), second(TIMED_OUT);
    "packets dropped by its system", Unplugged, second(TIMED_OUT), second(TIMED_OUT);
    "closes without reading", Meets(|| reply(Reply::CloseAtOnce)), second("connection "), second("connection ");
    "reads and closes", Meets(|| reply(Reply::CloseUnanswered)), second(CLOSED), second(CLOSED);
    "reset before the answer", Meets(|| resets(b"")), second(RESET), second(RESET);
    "reset within the answer", Meets(|| resets(b"action=fir")), second(RESET), second(RESET);
    "reset after the answer", Meets(|| resets(b"action=first\n\n")), first(), first();
    "half an answer, then closed", Meets(|| says(b"action=fir").closing()), second(CUT), second(CUT);
    "half an answer, then nothing", Meets(|| says(b"action=fir")), second(TIMED_OUT), second(TIMED_OUT);
    "a byte a second", Meets(drips), second(TIMED_OUT), second(TIMED_OUT);
    "a line without end", Meets(|| reply(Reply::Flood)), second("line longer"), second("line longer");
    "lines without end", Meets(|| says(&b"a=b\n".repeat(1 << 18))), second("message longer"), second("message longer");
    "garbage", Meets(|| says(b"hello\n\n")), second("no '='"), second("no '='");
    "a banner", Restarts(|| greets(b"220 hello\r\n")), second("no '='"), None;
    "only a blank line", Meets(|| says(b"\n")), second("blank line before"), second(TIMED_OUT);
    "an empty action", Meets(|| says(b"action=\n\n")), second("blank action"), second("blank action");
    "NUL in the action", Meets(|| says(b"action=fi\0rst\n\n")), second("NUL"), second("NUL");
    "an action of 20 kB", Meets(|| says(&[b"action=", &[b'x'; 20_000][..], b"\n\n"].concat())), second("line longer"), second("line longer");
    "CR LF ends lines", Meets(|| call(|request| answer("first", request, "\r\n\r\n"))), first(), first();
    "no blank line", Meets(|| call(|request| answer("first", request, "\n"))), first(), first();
    "a line before the action", Meets(|| call(|request| [b"a=b\n", &*first_of(request)].concat())), first(), first();
    "two answers", Meets(|| call(|request| first_of(request).repeat(2))), first(), first();
    "an answer before the request", Restarts(|| greets(b"action=early\n\n")), early(), None;
    "an answer while idle", Says(b"action=early\n\n"), None, first();
    "closes while idle", HangsUp, None, first();
    "resets while idle", Resets, None, first();
    "closes after each answer", Meets(|| call(first_of).closing()), first(), first();
    "hangs", Meets(|| reply(Reply::Hang)), second(TIMED_OUT), second(TIMED_OUT);
    "slow: 2 s", Meets(|| call(first_of).after(SECOND * 2)), first(), first();
    "no UNIX socket", Unlinked, second("No such file"), None;
    "UNIX socket of others", Forbidden, second("Permission denied"), None;
    "UNIX socket with a full queue", RestartsUnix(|| reply(Reply::Backlog)), second(TIMED_OUT), second(TIMED_OUT);
    "packets swallowed by the network", Far(SwallowsPackets), second(TIMED_OUT), second(TIMED_OUT);
    "no route", Far(HasNoRoute), second("No route"), second(TIMED_OUT);
    "an unknown name", Far(KnowsNoName), second("cannot connect"), None;
    "a silent name server", Far(HasNoNameServer), second(LOOKING_UP), None;
    "a name with a dead address first", Far(HasADeadAddressFirst), first(), None;
};

/// What a server called so answers when it is well: `action=NAME SENDER` and a blank line.
pub fn well(name: &'static str) -> Script {
    match name {
        "first" => call(first_of),
        _ => call(|request| answer("second", request, "\n\n")),
    }
}

fn first_of(request: &[u8]) -> Vec<u8> {
    answer("first", request, "\n\n")
}

fn answer(name: &str, request: &[u8], end: &str) -> Vec<u8> {
    let mut lines = request.split(|byte| *byte == b'\n');
    let sender = lines.find_map(|line| line.strip_prefix(b"sender="));
    [
        b"action=",
        name.as_bytes(),
        b" ",
        sender.unwrap_or_default(),
        end.as_bytes(),
    ]
    .concat()
}

fn reply(reply: Reply) -> Script {
    Script::reply(reply)
}

fn call(make: fn(&[u8]) -> Vec<u8>) -> Script {
    reply(Reply::Call(make))
}

fn says(bytes: &[u8]) -> Script {
    Script::bytes(bytes)
}

fn greets(bytes: &[u8]) -> Script {
    reply(Reply::Banner(
        bytes.to_vec(),
        Box::new(Reply::Call(first_of)),
    ))
}

fn resets(after: &[u8]) -> Script {
    reply(Reply::Reset(after.to_vec()))
}

fn drips() -> Script {
    reply(Reply::Drip(b"action=first\n\n".to_vec(), SECOND))
}

use Network::{HasADeadAddressFirst, HasNoNameServer, HasNoRoute, KnowsNoName, SwallowsPackets};
use Trouble::{
    Far, Forbidden, Gets, HangsUp, Meets, Resets, Restarts, RestartsUnix, Says, Stops, Unlinked,
    Unplugged,
};

const REFUSED: &str = "Connection refused";
const TIMED_OUT: &str = "timed out";
const LOOKING_UP: &str = "looking up 'silent.test' timed out";
const CLOSED: &str = "closed without an answer";
const RESET: &str = "Connection reset";
const CUT: &str = "end of the stream";
const SECOND: Duration = Duration::from_secs(1);

/// A script that runs a command in a world of its own, where networks and name servers fail.
pub const WORLD_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/world.sh");
