//! A policy server that is sound but for one fault.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use policy_testing::within;

/// The one fault of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    None,
    SendsABanner,
    ClosesAfterAnAnswer,
    /// What it answers, whatever it is asked.
    Answers(&'static [u8]),
    ClosesIdleConnections,
    AnswersAPart,
    KeepsEndedConnections,
    LeavesWithItsClient,
    TakesAReadForARequest,
    AnswersAfterAnyLine,
    LosesASecondRequest,
    PrependsAtTheEnd,
    NamesTheSender,
    RefusesUnknownNames,
    NeedsAnOrder,
    RefusesDuplicates,
    RefusesEmptyValues,
    RefusesEqualsSigns,
    RefusesWhatIsNotUtf8,
    RefusesUtf8,
    RefusesLongLines,
    NeedsASize,
    KnowsRecipientsOnly,
    RemembersAttributes,
    SharesABuffer,
    TakesAnything,
    EndsOnRubbish,
    HasNoLimit,
    ServesOneAtATime,
    /// It has so many places, and closes further connections.
    HasPlaces(usize),
}

/// Starts a server that ends with the test's process; where it listens.
pub(crate) fn start(fault: Fault) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let server = Arc::new(Server {
        fault,
        has_ended: AtomicBool::new(false),
        open: AtomicUsize::new(0),
        shared: Mutex::default(),
    });
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if server.has_ended.load(SeqCst) {
                return;
            }
            let server = Arc::clone(&server);
            if fault == Fault::ServesOneAtATime {
                server.connection(stream);
            } else {
                thread::spawn(move || server.connection(stream));
            }
        }
    });
    address
}

#[derive(Debug)]
struct Server {
    fault: Fault,
    has_ended: AtomicBool,
    open: AtomicUsize,
    shared: Mutex<Vec<u8>>,
}

impl Server {
    fn connection(&self, stream: TcpStream) {
        let open = self.open.fetch_add(1, SeqCst);
        let is_served = !matches!(self.fault, Fault::HasPlaces(places) if open >= places);
        if is_served && self.serve(&stream).is_none() && self.fault == Fault::KeepsEndedConnections
        {
            // It is closed with the process.
            std::mem::forget(stream);
        }
        self.open.fetch_sub(1, SeqCst);
    }

    /// Serves until the connection ends or is to be closed.
    fn serve(&self, mut stream: &TcpStream) -> Option<()> {
        let mut buffer = Vec::new();
        let mut known = HashMap::new();
        if self.fault == Fault::SendsABanner {
            stream.write_all(b"220 hello\n").ok()?;
        }
        if self.fault == Fault::ClosesIdleConnections {
            let limit = Some(Duration::from_millis(150));
            stream.set_read_timeout(limit).ok()?;
        }
        loop {
            let mut bytes = [0; 65_536];
            let count = match stream.read(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read.ok()?,
            };
            if count == 0 {
                if self.fault == Fault::AnswersAPart && !buffer.is_empty() {
                    stream.write_all(DUNNO).ok()?;
                }
                return None;
            }
            let read = bytes.get(..count)?;
            let mut shared;
            let buffer = if self.fault == Fault::SharesABuffer {
                shared = self.shared.lock().ok()?;
                &mut *shared
            } else {
                &mut buffer
            };
            buffer.extend_from_slice(read);
            while let Some(request) = self.next_request(buffer)? {
                let answer = self.answer(&request, &mut known)?;
                if self.fault == Fault::LeavesWithItsClient && has_ended(stream) {
                    return None;
                }
                stream.write_all(&answer).ok()?;
                if self.fault == Fault::LosesASecondRequest {
                    buffer.clear();
                }
                if self.fault == Fault::ClosesAfterAnAnswer {
                    return Some(());
                }
            }
        }
    }

    /// Takes the first request that is whole; `None` where the connection is to be closed.
    fn next_request(&self, buffer: &mut Vec<u8>) -> Option<Option<Vec<u8>>> {
        let ends = |end: &[u8]| buffer.windows(end.len()).position(|window| window == end);
        let end = match self.fault {
            Fault::TakesAReadForARequest if !buffer.is_empty() => {
                return buffer
                    .ends_with(b"\n\n")
                    .then(|| Some(std::mem::take(buffer)));
            }
            Fault::AnswersAfterAnyLine if buffer.ends_with(b"\n") => Some(buffer.len()),
            _ => ends(b"\n\n").map(|end| end + 2),
        };
        if end.is_none() && buffer.len() > 256 << 10 && self.fault != Fault::HasNoLimit {
            return None;
        }
        Some(end.map(|end| buffer.drain(..end).collect()))
    }

    /// The answer; `None` where the connection is to be closed.
    fn answer(&self, request: &[u8], known: &mut HashMap<Vec<u8>, Vec<u8>>) -> Option<Vec<u8>> {
        if self.fault == Fault::TakesAnything {
            return Some(DUNNO.to_vec());
        }
        if self.fault != Fault::RemembersAttributes {
            known.clear();
        }
        let lines = request.split(|&byte| byte == b'\n');
        for (number, line) in lines.filter(|line| !line.is_empty()).enumerate() {
            let Some(equals) = line.iter().position(|&byte| byte == b'=') else {
                self.has_ended
                    .store(self.fault == Fault::EndsOnRubbish, SeqCst);
                return None;
            };
            let (name, value) = (line.get(..equals)?, line.get(equals + 1..)?);
            let is_refused = match self.fault {
                Fault::RefusesUnknownNames => !names().any(|known| known.as_bytes() == name),
                Fault::NeedsAnOrder => number == 0 && name != b"request",
                Fault::RefusesDuplicates => known.contains_key(name),
                Fault::RefusesEmptyValues => value.is_empty(),
                Fault::RefusesEqualsSigns => value.contains(&b'='),
                Fault::RefusesWhatIsNotUtf8 => str::from_utf8(value).is_err(),
                Fault::RefusesUtf8 => !value.is_ascii(),
                Fault::RefusesLongLines => line.len() > 1024,
                _ => false,
            };
            if is_refused || line.contains(&0) {
                return None;
            }
            known.insert(name.to_vec(), value.to_vec());
        }
        let get = |name: &str| known.get(name.as_bytes()).map(Vec::as_slice);
        let is_refused = match self.fault {
            Fault::AnswersAfterAnyLine => false,
            Fault::NeedsASize => get("size").is_none(),
            Fault::KnowsRecipientsOnly => get("protocol_state") != Some(b"RCPT"),
            _ => get("request") != Some(b"smtpd_access_policy"),
        };
        if is_refused {
            return None;
        }
        Some(match self.fault {
            Fault::Answers(answer) => answer.to_vec(),
            Fault::PrependsAtTheEnd => b"action=PREPEND X-A: b\n\n".to_vec(),
            Fault::NamesTheSender => {
                let sender = get("sender").unwrap_or_default();
                [b"action=REJECT no mail from ", sender, b"\n\n"].concat()
            }
            Fault::RemembersAttributes if get("sasl_username").is_some() => {
                b"action=OK logged in\n\n".to_vec()
            }
            _ => DUNNO.to_vec(),
        })
    }
}

/// Whether the client closes its side after its request, which it does at once or not at all.
fn has_ended(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let ended = within(Duration::from_secs(1), || {
        matches!(stream.peek(&mut [0]), Ok(0))
    });
    stream.set_nonblocking(false).expect("a socket");
    ended
}

fn names() -> impl Iterator<Item = &'static str> {
    policy_proto::attr::ALL.iter().copied()
}

const DUNNO: &[u8] = b"action=DUNNO\n\n";
