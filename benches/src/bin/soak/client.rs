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

use crate::{health::Health, service::may_fail};

/// The daemon's answer when no service has answered.
pub(crate) const DEFAULT: &str = "DEFER_IF_PERMIT nobody";

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    Answered,
    /// By default, since no service was well.
    NoService,
    /// By default, since the services that were well fail this request.
    Failed,
    /// By default, although one was well that answers it.
    Unexplained,
    Abandoned,
    Unanswered,
    Wrong,
}

/// What all clients together have seen.
#[derive(Debug)]
pub(crate) struct Tally {
    health: Health,
    /// By outcome.
    counts: [AtomicU64; 7],
    /// The first wrong answers and lost requests.
    examples: Mutex<Vec<String>>,
}

impl Tally {
    pub(crate) fn new(health: Health) -> Self {
        Self {
            health,
            counts: Default::default(),
            examples: Mutex::default(),
        }
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    pub(crate) fn failure(&self) -> Option<String> {
        let [answered, .., unexplained, _, unanswered, wrong] = self.counts();
        let examples = self
            .examples
            .lock()
            .expect("no panic under the lock")
            .join("; ");
        if wrong + unanswered + unexplained > 0 {
            Some(format!(
                "{wrong} wrong answers, {unanswered} requests without one, {unexplained} answers by default without a \
                 reason, such as: {examples}"
            ))
        } else {
            (answered == 0).then(|| "no request was answered by a service".to_owned())
        }
    }

    fn check(&self, mark: &str, sent: Instant, answer: &[u8]) {
        let text = String::from_utf8_lossy(answer);
        let action = text
            .strip_prefix("action=")
            .and_then(|text| text.strip_suffix("\n\n"));
        let outcome = match action {
            Some(DEFAULT) => self.by_default(mark, sent),
            Some(action) if action.strip_prefix("OK ") == Some(mark) => Outcome::Answered,
            _ => {
                self.example(format!("to {mark}: {text:?}"));
                Outcome::Wrong
            }
        };
        self.count(outcome);
    }

    /// Why a request was answered by default.
    fn by_default(&self, mark: &str, sent: Instant) -> Outcome {
        let well = self.health.well_since(sent);
        if well.is_empty() {
            return Outcome::NoService;
        }
        if well.iter().all(|&number| may_fail(mark.as_bytes(), number)) {
            return Outcome::Failed;
        }
        self.example(format!(
            "{mark} by default after {:?}, with {well:?} well",
            sent.elapsed()
        ));
        Outcome::Unexplained
    }

    fn count(&self, outcome: Outcome) {
        self.counts[outcome as usize].fetch_add(1, Relaxed);
    }

    fn counts(&self) -> [u64; 7] {
        self.counts.each_ref().map(|count| count.load(Relaxed))
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
        let [
            answered,
            no_service,
            failed,
            unexplained,
            abandoned,
            unanswered,
            wrong,
        ] = self.counts();
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
        // Marks of its own in each run: what services do depends on them.
        let mut asked = self.chance.u64(..1 << 40);
        let rest = rest();
        while Instant::now() < end {
            let connected = self.endpoint.connect();
            let went = connected.and_then(|socket| {
                self.go_on(Connection::new(socket, None), end, &mut asked, &rest)
            });
            if let Err(error) = went {
                self.tally.count(Outcome::Unanswered);
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
            let mut sent = Instant::now();
            match self.chance.u32(0..3000) {
                // Leaves in the middle of a request, ...
                0 => {
                    let part = self.chance.usize(1..request.len());
                    connection.send(&request[..part])?;
                    self.tally.count(Outcome::Abandoned);
                    return Ok(());
                }
                // ... or while it is answered, ...
                1..=3 => {
                    connection.send(&request)?;
                    sleep(Duration::from_micros(self.chance.u64(0..20_000)));
                    self.tally.count(Outcome::Abandoned);
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
                    sent = Instant::now();
                    connection.send(&request)?;
                }
                _ => connection.send(&request)?,
            }
            let answer = connection.read(PATIENCE, whole).map_err(named)?;
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

/// A wait that has ended without an answer, in words.
fn named(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::other(format!("no answer within {PATIENCE:?}")),
        _ => error,
    }
}

/// Three times the daemon's deadline: the machine stands still at times.
const PATIENCE: Duration = Duration::from_secs(30);
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
        assert_eq!(tally.counts(), [1, 0, 0, 1, 0, 0, 3]);
        assert!(tally.failure().is_some_and(|text| text.contains("OK 1.6")));
    }

    #[test]
    fn an_answer_by_default_is_explained_by_services_that_fail_or_have_failed() {
        let tally = Tally::new(Health::new(2));
        let sent = Instant::now();
        let mark = |fails: [bool; 2]| {
            let mut marks = (0..).map(|number| format!("1.{number}"));
            let fits =
                |mark: &String| [0, 1].map(|number| may_fail(mark.as_bytes(), number)) == fails;
            marks.find(fits).unwrap()
        };
        let (none, first) = (mark([false, false]), mark([true, false]));
        assert_eq!(tally.by_default(&first, sent), Outcome::Unexplained);
        tally.health().fails(1);
        assert_eq!(tally.by_default(&first, sent), Outcome::Failed);
        assert_eq!(tally.by_default(&none, sent), Outcome::Unexplained);
        tally.health().fails(0);
        assert_eq!(tally.by_default(&none, sent), Outcome::NoService);
        tally.health().recovers(0);
        assert_eq!(tally.by_default(&none, sent), Outcome::NoService);
        assert_eq!(
            tally.by_default(&none, Instant::now()),
            Outcome::Unexplained
        );
    }

    #[test]
    fn a_run_without_an_answer_is_a_failure() {
        assert!(Tally::new(Health::new(1)).failure().is_some());
    }

    #[test]
    fn a_request_holds_its_mark_once() {
        let text = String::from_utf8(request("1.7", &rest())).unwrap();
        assert_eq!(text.matches("instance=").count(), 1);
        assert!(text.contains("\ninstance=1.7\n") && text.ends_with("=submission\n\n"));
    }
}
