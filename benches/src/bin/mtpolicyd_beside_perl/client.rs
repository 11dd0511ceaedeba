//! Load: so many connections, each with one request after the other.

use std::{
    error::Error,
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use crate::case::Asked;

/// How much is asked.
pub(crate) struct Load {
    request: Asked,
    connections: usize,
    time: Duration,
}

/// What came of it.
pub(crate) struct Answers {
    pub(crate) answered: u64,
    /// Requests whose connection was closed instead of an answer.
    pub(crate) failed: u64,
    /// How many connections had an answer.
    pub(crate) served: usize,
    /// Microseconds.
    pub(crate) times: Histogram<u64>,
}

impl Load {
    pub(crate) const fn new(request: Asked, connections: usize, time: Duration) -> Self {
        Self {
            request,
            connections,
            time,
        }
    }

    pub(crate) fn run(&self, port: u16) -> Result<Answers, Box<dyn Error>> {
        let (request, time) = (self.request, self.time);
        let clients: Vec<_> = (0..self.connections)
            .map(|number| thread::spawn(move || ask(port, number, time, request)))
            .collect();
        let mut all = Answers::new();
        for client in clients {
            let answers = client.join().map_err(|_| "a client has panicked")??;
            all.answered += answers.answered;
            all.failed += answers.failed;
            all.served += answers.served;
            all.times
                .add(&answers.times)
                .map_err(|error| error.to_string())?;
        }
        Ok(all)
    }
}

impl Answers {
    fn new() -> Self {
        Self {
            answered: 0,
            failed: 0,
            served: 0,
            times: Histogram::new_with_max(MAX_MICROS, 3).expect("the bounds are possible"),
        }
    }
}

fn ask(port: u16, number: usize, time: Duration, asked: Asked) -> Result<Answers, String> {
    let connect = || {
        let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
        // A daemon with fewer places than there are connections leaves the others waiting.
        let bounded = stream.set_read_timeout(Some(time + PATIENCE));
        bounded.map_err(|error| error.to_string()).map(|()| stream)
    };
    let mut stream = connect()?;
    let (begin, mut answers, mut bytes) = (Instant::now(), Answers::new(), [0; 4096]);
    let mut count = 0;
    while begin.elapsed() < time {
        let request = request(asked, number, count);
        count += 1;
        let sent = Instant::now();
        let read = stream
            .write_all(request.as_bytes())
            .and_then(|()| stream.read(&mut bytes));
        let answer = read.ok().and_then(|read| bytes.get(..read));
        let is_whole = |answer: &&[u8]| answer.starts_with(b"action=") && answer.ends_with(b"\n\n");
        if answer.filter(is_whole).is_some() {
            let elapsed = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
            answers.times.saturating_record(elapsed);
            answers.answered += 1;
        } else {
            answers.failed += 1;
            stream = connect()?;
        }
    }
    answers.served = usize::from(answers.answered > 0);
    Ok(answers)
}

fn request(asked: Asked, number: usize, count: u64) -> String {
    // Each round has other mails and clients.
    let run = RUN.with(|run| *run);
    let mail = if asked == Asked::MailsTwice {
        count / 2
    } else {
        count
    };
    let client = if asked == Asked::Clients {
        let unique = run.wrapping_add(count);
        let [_, _, a, b] = (unique as u32).to_be_bytes();
        format!("10.{}.{a}.{b}", unique >> 16 & 255)
    } else {
        "192.0.2.10".to_owned()
    };
    let (state, sender) = if asked == Asked::Senders {
        ("END-OF-MESSAGE", count * 7 % 100)
    } else {
        ("RCPT", 0)
    };
    format!(
        "request=smtpd_access_policy\nprotocol_state={state}\nprotocol_name=ESMTP\nhelo_name=mail.acme.example\nqueue_id=\n\
         sender=carol{sender}@acme.example\nrecipient=dave@ours.example\nrecipient_count=1\nclient_address={client}\n\
         client_name=mail.acme.example\nreverse_client_name=mail.acme.example\ninstance={run:x}.{number}.{mail}\nsize=12345\n\n"
    )
}

thread_local! {
    static RUN: u64 = fastrand::u64(..1 << 40);
}

/// A minute: none waits as long.
const MAX_MICROS: u64 = 60_000_000;
/// How much longer than the round an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
