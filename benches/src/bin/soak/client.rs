//! A client that knows what answer it must get, and leaves at any time.

use std::{
    cell::{Cell, RefCell},
    fmt, io,
    rc::Rc,
    time::Duration,
};

use fastrand::Rng;
use policy_benches::{
    endpoint::Endpoint,
    samples::{TYPICAL, typical},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    task::yield_now,
    time::{Instant, sleep, timeout},
};

/// What the daemon says when no service has answered.
pub(crate) const DEFAULT: &str = "DEFER_IF_PERMIT nobody";

/// What all clients together have seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: Cell<u64>,
    pub(crate) by_default: Cell<u64>,
    abandoned: Cell<u64>,
    unanswered: Cell<u64>,
    wrong: Cell<u64>,
    /// The first wrong answers and lost requests.
    examples: RefCell<Vec<String>>,
}

impl Tally {
    pub(crate) fn failure(&self) -> Option<String> {
        let (wrong, unanswered) = (self.wrong.get(), self.unanswered.get());
        let examples = self.examples.borrow().join("; ");
        (wrong + unanswered > 0).then(|| {
            format!("{wrong} wrong answers, {unanswered} requests without one, such as: {examples}")
        })
    }

    fn example(&self, text: impl FnOnce() -> String) {
        let mut examples = self.examples.borrow_mut();
        if examples.len() < EXAMPLES {
            examples.push(text());
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests answered by a service, {} by default, {} abandoned; {} without an answer, {} wrong",
            self.answered.get(),
            self.by_default.get(),
            self.abandoned.get(),
            self.unanswered.get(),
            self.wrong.get()
        )
    }
}

/// Asks one request after the other, and connects anew after some.
pub(crate) async fn ask_until(
    end: Instant,
    number: usize,
    endpoint: Endpoint,
    mut chance: Rng,
    tally: Rc<Tally>,
) {
    let mut asked = 0;
    while Instant::now() < end {
        let connected = match &endpoint {
            Endpoint::Tcp(address) => match TcpStream::connect(address).await {
                Ok(stream) => {
                    let mut talk = Talk::new(stream, &mut chance, &tally);
                    talk.go_on(end, number, &mut asked).await
                }
                Err(error) => Err(error),
            },
            Endpoint::Unix(path) => match UnixStream::connect(path).await {
                Ok(stream) => {
                    let mut talk = Talk::new(stream, &mut chance, &tally);
                    talk.go_on(end, number, &mut asked).await
                }
                Err(error) => Err(error),
            },
        };
        if let Err(error) = connected {
            add(&tally.unanswered);
            tally.example(|| format!("client {number}, request {asked}: {error}"));
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// One connection.
struct Talk<'a, S> {
    stream: S,
    chance: &'a mut Rng,
    tally: &'a Tally,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Talk<'a, S> {
    fn new(stream: S, chance: &'a mut Rng, tally: &'a Tally) -> Self {
        Self {
            stream,
            chance,
            tally,
            request: Vec::with_capacity(2 * TYPICAL),
            answer: Vec::with_capacity(256),
        }
    }

    /// Some requests on this connection; an error is a request without an answer.
    async fn go_on(&mut self, end: Instant, number: usize, asked: &mut u64) -> io::Result<()> {
        for _ in 0..self.chance.usize(1..2000) {
            if Instant::now() >= end {
                break;
            }
            *asked += 1;
            let mark = format!("{number}.{asked}");
            self.prepare(&mark);
            let length = self.request.len();
            match self.chance.u32(0..3000) {
                // Leaves in the middle of a request, ...
                0 => {
                    let part = self.chance.usize(1..length);
                    self.stream.write_all(&self.request[..part]).await?;
                    add(&self.tally.abandoned);
                    return Ok(());
                }
                // ... or while it is answered, ...
                1..=3 => {
                    self.stream.write_all(&self.request).await?;
                    sleep(Duration::from_micros(self.chance.u64(0..20_000))).await;
                    add(&self.tally.abandoned);
                    return Ok(());
                }
                // ... or is slow, ...
                4 => {
                    for part in self.request.chunks(97) {
                        self.stream.write_all(part).await?;
                        yield_now().await;
                    }
                }
                // ... or has nothing to ask for a while.
                5 => {
                    sleep(Duration::from_millis(self.chance.u64(0..2000))).await;
                    self.stream.write_all(&self.request).await?;
                }
                _ => self.stream.write_all(&self.request).await?,
            }
            timeout(PATIENCE, self.read()).await??;
            self.check(&mark);
        }
        Ok(())
    }

    /// A typical request with this mark.
    fn prepare(&mut self, mark: &str) {
        self.request.clear();
        self.request
            .extend_from_slice(b"request=smtpd_access_policy\n");
        self.request
            .extend_from_slice(format!("instance={mark}\n").as_bytes());
        // The other attributes, as they are.
        let rest = REST.with(|rest| rest.clone());
        self.request.extend_from_slice(&rest);
    }

    async fn read(&mut self) -> io::Result<()> {
        self.answer.clear();
        while !self.answer.ends_with(b"\n\n") {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    fn check(&self, mark: &str) {
        let text = String::from_utf8_lossy(&self.answer);
        match text
            .strip_prefix("action=")
            .and_then(|text| text.strip_suffix("\n\n"))
        {
            Some(DEFAULT) => add(&self.tally.by_default),
            Some(action) if action.strip_prefix("OK ") == Some(mark) => add(&self.tally.answered),
            _ => {
                add(&self.tally.wrong);
                self.tally.example(|| format!("to {mark}: {text:?}"));
            }
        }
    }
}

thread_local! {
    /// What follows the mark: a typical request without its type and its instance.
    static REST: Rc<[u8]> = {
        let request = typical(1);
        let lines = request.split_inclusive(|byte| *byte == b'\n');
        let rest = lines.filter(|line| !line.starts_with(b"request=") && !line.starts_with(b"instance="));
        rest.flatten().copied().collect()
    };
}

fn add(count: &Cell<u64>) {
    count.set(count.get() + 1);
}

/// Far more than the daemon's deadline: the machine stands still at times.
const PATIENCE: Duration = Duration::from_secs(120);
const EXAMPLES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_another_request_is_wrong() {
        let tally = Tally::default();
        let mut chance = Rng::with_seed(1);
        let mut talk = Talk::new(tokio::io::empty(), &mut chance, &tally);
        for answer in ["OK 1.7", DEFAULT, "OK 1.6", "OK 1.77", "DUNNO"] {
            talk.answer = format!("action={answer}\n\n").into_bytes();
            talk.check("1.7");
        }
        let counts = [&tally.answered, &tally.by_default, &tally.wrong].map(Cell::get);
        assert_eq!(counts, [1, 1, 3]);
        assert!(tally.failure().is_some_and(|text| text.contains("OK 1.6")));
    }

    #[test]
    fn a_request_holds_its_mark_once() {
        let tally = Tally::default();
        let mut chance = Rng::with_seed(1);
        let mut talk = Talk::new(tokio::io::empty(), &mut chance, &tally);
        talk.prepare("1.7");
        let text = String::from_utf8_lossy(&talk.request);
        assert_eq!(text.matches("instance=").count(), 1);
        assert!(text.contains("\ninstance=1.7\n") && text.ends_with("=submission\n\n"));
    }
}
