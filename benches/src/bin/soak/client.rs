//! A client that knows what answer it must get, and leaves at any time.

use std::{
    fmt, io,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use fastrand::Rng;
use policy_benches::{endpoint::Endpoint, samples::typical};
use policy_client::{Connection, Failure, Idle};
use tokio::{runtime, task::yield_now, time::sleep};

use crate::{health::Health, service::may_fail};

/// The daemon's answer when no service has answered.
pub(crate) const DEFAULT: &str = "DEFER_IF_PERMIT nobody";

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
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

    fn check(&self, mark: &str, sent: Instant, action: &[u8]) {
        let text = String::from_utf8_lossy(action);
        match &*text {
            DEFAULT => self.count(self.by_default(mark, sent)),
            action if action.strip_prefix("OK ") == Some(mark) => self.count(Outcome::Answered),
            action => self.wrong(mark, &format!("{action:?}")),
        }
    }

    fn wrong(&self, mark: &str, what: &str) {
        self.example(format!("to {mark}: {what}"));
        self.count(Outcome::Wrong);
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

    #[cfg(test)]
    pub(crate) fn count_of(&self, outcome: Outcome) -> u64 {
        self.counts()[outcome as usize]
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
    /// How long it waits for an answer.
    pub(crate) patience: Duration,
}

impl Client<'_> {
    /// Asks one request after the other, and connects again after some.
    pub(crate) fn ask_until(self, end: Instant) -> io::Result<()> {
        run(self.ask(end))
    }

    async fn ask(mut self, end: Instant) {
        // Marks of its own in each run: what services do depends on them.
        let mut asked = self.chance.u64(..1 << 40);
        let rest = rest();
        while Instant::now() < end {
            if let Err(failure) = self.go_on(end, &mut asked, &rest).await {
                self.tally.count(Outcome::Unanswered);
                let number = self.number;
                self.tally
                    .example(format!("client {number}, request {asked}: {failure}"));
                sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// Some requests on a connection; a failure is a request without an answer.
    async fn go_on(&mut self, end: Instant, asked: &mut u64, rest: &str) -> Result<(), Failure> {
        let mut connection = Connection::open(&self.endpoint.policy(), self.patience).await?;
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
                    connection.send(&request[..part], self.patience).await?;
                    self.tally.count(Outcome::Abandoned);
                    return Ok(());
                }
                // ... or while it is answered, ...
                1..=3 => {
                    connection.send(&request, self.patience).await?;
                    sleep(Duration::from_micros(self.chance.u64(0..20_000))).await;
                    self.tally.count(Outcome::Abandoned);
                    return Ok(());
                }
                // ... or is slow, ...
                4 => {
                    for part in request.chunks(97) {
                        connection.send(part, self.patience).await?;
                        yield_now().await;
                    }
                }
                // ... or has nothing to ask for a while.
                5 => {
                    sleep(Duration::from_millis(self.chance.u64(0..2000))).await;
                    sent = Instant::now();
                    connection.send(&request, self.patience).await?;
                }
                _ => connection.send(&request, self.patience).await?,
            }
            let answer = connection.answer(self.patience).await?;
            // Of an answer that comes late, or too often, the mark is another request's.
            let closed = connection.idle() == Idle::Closed;
            let excess = connection.take_excess();
            if let Some(unusual) = answer.unusual {
                self.tally.wrong(&mark, &unusual.to_string());
            } else if !excess.is_empty() {
                let what = format!("'{}' after its answer", excess.escape_ascii());
                self.tally.wrong(&mark, &what);
                return Ok(());
            } else {
                self.tally.check(&mark, sent, &answer.action);
            }
            if closed {
                return Err(Failure::Closed);
            }
        }
        Ok(())
    }
}

/// Has an answer: the daemon has opened all that it needs, which it has not yet where it only listens.
pub(crate) fn ask_once(endpoint: &Endpoint) -> io::Result<()> {
    let asked = run(async {
        let mut connection = Connection::open(&endpoint.policy(), PATIENCE).await?;
        connection.send(&request("0.0", &rest()), PATIENCE).await?;
        connection.answer(PATIENCE).await.map(drop)
    });
    asked?.map_err(io::Error::other)
}

/// On this thread.
fn run<T>(task: impl Future<Output = T>) -> io::Result<T> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(task))
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

/// Three times the daemon's deadline: the machine stands still at times.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const EXAMPLES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_another_request_is_wrong() {
        let tally = Tally::new(Health::new(1));
        for answer in ["OK 1.7", DEFAULT, "OK 1.6", "OK 1.77", "DUNNO"] {
            tally.check("1.7", Instant::now(), answer.as_bytes());
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
