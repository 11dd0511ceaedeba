//! A client that knows what answer it must get, and leaves at any time.

use std::{
    fmt, io,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{sleep, yield_now},
    time::{Duration, Instant},
};

use fastrand::Rng;
use policy_benches::{
    connection::{Connection, whole},
    endpoint::Endpoint,
    samples::typical,
};

use crate::{
    health::Health,
    service::{Failure, failure},
};

/// The daemon's answer when no service has answered.
pub(crate) const DEFAULT: &str = "DEFER_IF_PERMIT nobody";

/// What all clients together have seen.
#[derive(Debug)]
pub(crate) struct Tally {
    health: Health,
    answered: AtomicU64,
    /// By default, since no service was well.
    no_service: AtomicU64,
    /// By default, since the services that were well fail this request.
    failed: AtomicU64,
    /// By default, although one was well that answers it.
    unexplained: AtomicU64,
    abandoned: AtomicU64,
    unanswered: AtomicU64,
    wrong: AtomicU64,
    /// The first wrong answers and lost requests.
    examples: Mutex<Vec<String>>,
}

impl Tally {
    pub(crate) fn new(health: Health) -> Self {
        Self {
            health,
            answered: AtomicU64::default(),
            no_service: AtomicU64::default(),
            failed: AtomicU64::default(),
            unexplained: AtomicU64::default(),
            abandoned: AtomicU64::default(),
            unanswered: AtomicU64::default(),
            wrong: AtomicU64::default(),
            examples: Mutex::default(),
        }
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    pub(crate) fn failure(&self) -> Option<String> {
        let counts = [&self.wrong, &self.unanswered, &self.unexplained];
        let [wrong, unanswered, unexplained] = counts.map(|count| count.load(Relaxed));
        let examples = self
            .examples
            .lock()
            .expect("no panic under the lock")
            .join("; ");
        (wrong + unanswered + unexplained > 0).then(|| {
            format!(
                "{wrong} wrong answers, {unanswered} requests without one, {unexplained} answers by default without a \
                 reason, such as: {examples}"
            )
        })
    }

    fn check(&self, mark: &str, sent: Instant, answer: &[u8]) {
        let text = String::from_utf8_lossy(answer);
        let action = text
            .strip_prefix("action=")
            .and_then(|text| text.strip_suffix("\n\n"));
        let count = match action {
            Some(DEFAULT) => self.by_default(mark, sent),
            Some(action) if action.strip_prefix("OK ") == Some(mark) => &self.answered,
            _ => {
                self.example(format!("to {mark}: {text:?}"));
                &self.wrong
            }
        };
        count.fetch_add(1, Relaxed);
    }

    /// Why a request was answered by default.
    fn by_default(&self, mark: &str, sent: Instant) -> &AtomicU64 {
        let well = self.health.well_since(sent);
        if well.is_empty() {
            return &self.no_service;
        }
        let failures: Vec<_> = well
            .iter()
            .filter_map(|&number| failure(mark.as_bytes(), number))
            .collect();
        let closed = failures
            .iter()
            .filter(|&&failure| failure == Failure::Closed);
        if failures.len() == well.len() || closed.count() > 1 {
            return &self.failed;
        }
        self.example(format!(
            "{mark} by default after {:?}, with {well:?} well",
            sent.elapsed()
        ));
        &self.unexplained
    }

    fn example(&self, text: String) {
        let mut examples = self.examples.lock().expect("no panic under the lock");
        if examples.len() < EXAMPLES {
            examples.push(text);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            answered,
            no_service,
            failed,
            unexplained,
            abandoned,
            unanswered,
            wrong,
            ..
        } = self;
        let counts = [
            answered,
            no_service,
            failed,
            unexplained,
            abandoned,
            unanswered,
            wrong,
        ];
        let [
            answered,
            no_service,
            failed,
            unexplained,
            abandoned,
            unanswered,
            wrong,
        ] = counts.map(|count| count.load(Relaxed));
        write!(
            f,
            "{answered} requests answered by a service, {no_service} by default while none was well, {failed} since those \
             that were well fail it, {unexplained} without a reason; {abandoned} abandoned; {unanswered} without an \
             answer, {wrong} wrong"
        )
    }
}

/// One client among several.
pub(crate) struct Client<'a> {
    pub(crate) number: usize,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) chance: Rng,
    pub(crate) tally: &'a Tally,
}

impl Client<'_> {
    /// Asks one request after the other, and connects again after some.
    pub(crate) fn ask_until(mut self, end: Instant) {
        let mut asked = 0;
        let rest = rest();
        while Instant::now() < end {
            let connected = self.endpoint.connect();
            let went = connected.and_then(|socket| {
                self.go_on(Connection::new(socket, None), end, &mut asked, &rest)
            });
            if let Err(error) = went {
                self.tally.unanswered.fetch_add(1, Relaxed);
                self.tally
                    .example(format!("client {}, request {asked}: {error}", self.number));
                sleep(Duration::from_millis(100));
            }
        }
    }

    /// Some requests on this connection; an error is a request without an answer.
    fn go_on(
        &mut self,
        mut connection: Connection,
        end: Instant,
        asked: &mut u64,
        rest: &str,
    ) -> io::Result<()> {
        for _ in 0..self.chance.usize(1..2000) {
            if Instant::now() >= end {
                break;
            }
            *asked += 1;
            let mark = format!("{}.{asked}", self.number);
            let request = request(&mark, rest);
            let sent = Instant::now();
            match self.chance.u32(0..3000) {
                // Leaves in the middle of a request, ...
                0 => {
                    let part = self.chance.usize(1..request.len());
                    connection.send(&request[..part])?;
                    self.tally.abandoned.fetch_add(1, Relaxed);
                    return Ok(());
                }
                // ... or while it is answered, ...
                1..=3 => {
                    connection.send(&request)?;
                    sleep(Duration::from_micros(self.chance.u64(0..20_000)));
                    self.tally.abandoned.fetch_add(1, Relaxed);
                    return Ok(());
                }
                // ... or is slow, ...
                4 => {
                    for part in request.chunks(97) {
                        connection.send(part)?;
                        yield_now();
                    }
                }
                // ... or has nothing to ask for a while.
                5 => {
                    sleep(Duration::from_millis(self.chance.u64(0..2000)));
                    connection.send(&request)?;
                }
                _ => connection.send(&request)?,
            }
            let answer = connection.read(PATIENCE, whole)?;
            self.tally.check(&mark, sent, &answer);
        }
        Ok(())
    }
}

/// Has an answer: the daemon has opened all that it needs, which it has not yet where it only listens.
pub(crate) fn ask_once(endpoint: &Endpoint) -> io::Result<()> {
    let mut connection = Connection::new(endpoint.connect()?, None);
    connection.send(&request("0.0", &rest()))?;
    connection.read(PATIENCE, whole).map(drop)
}

/// A typical request with this mark.
fn request(mark: &str, rest: &str) -> Vec<u8> {
    format!("request=smtpd_access_policy\ninstance={mark}\n{rest}").into_bytes()
}

/// A typical request without its type and its instance.
fn rest() -> String {
    let request = String::from_utf8(typical(1)).expect("ASCII");
    let lines = request.split_inclusive('\n');
    lines
        .filter(|line| !line.starts_with("request=") && !line.starts_with("instance="))
        .collect()
}

/// Far more than the daemon's deadline: the machine stands still at times.
const PATIENCE: Duration = Duration::from_secs(120);
const EXAMPLES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_another_request_is_wrong() {
        let tally = Tally::new(Health::new(1));
        for answer in ["OK 1.7", DEFAULT, "OK 1.6", "OK 1.77", "DUNNO"] {
            tally.check(
                "1.7",
                Instant::now(),
                format!("action={answer}\n\n").as_bytes(),
            );
        }
        let counts = [&tally.answered, &tally.unexplained, &tally.wrong];
        assert_eq!(counts.map(|count| count.load(Relaxed)), [1, 1, 3]);
        assert!(tally.failure().is_some_and(|text| text.contains("OK 1.6")));
    }

    #[test]
    fn a_request_holds_its_mark_once() {
        let text = String::from_utf8(request("1.7", &rest())).unwrap();
        assert_eq!(text.matches("instance=").count(), 1);
        assert!(text.contains("\ninstance=1.7\n") && text.ends_with("=submission\n\n"));
    }
}
