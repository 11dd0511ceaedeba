//! Requests on standard input, as under spawn(8), one after the other.

use std::{
    io::{self, BufRead, Read, Write},
    sync::Arc,
    thread,
    time::Duration,
};

use policy_daemon::log::{Level, Log};
use tokio::{sync::mpsc, time::sleep};

use super::{Exit, cache_place::CachePlace, handler::log_attributes, paths::Paths, runtime};
use crate::{
    mail::Attributes,
    policy::{Policy, Settings},
    text::bytes,
};

/// Answers until the input ends.
pub(super) fn run(settings: Settings, paths: &Paths, log: Log) -> Result<(), Exit> {
    policy_daemon::silence_stderr();
    settings.log_findings(&log);
    let mut place = CachePlace::new(settings.options(), paths);
    let policy = Arc::new(Policy::new(settings, log));
    let runtime = runtime()?;
    runtime.block_on(place.share(&policy));
    let (send, requests) = mpsc::channel(1);
    let of_reader = policy.log().clone();
    // While it waits for a request, the store that is away is tried, and what comes late from DNS is taken.
    let reader = thread::Builder::new().name("requests".to_owned());
    let started = reader.spawn(move || read_requests(&send, &of_reader));
    started.map_err(|error| Exit::with_status(71, format!("cannot start: {error}")))?;
    let served = runtime.block_on(async {
        let served = serve(&policy, requests, &mut place).await;
        policy.cache().close().await;
        served
    });
    policy.log().flush();
    served
}

/// Reads until the input ends, or nobody takes requests any more.
fn read_requests(requests: &mpsc::Sender<Lines>, log: &Log) {
    let mut input = io::stdin().lock();
    loop {
        let mut request = Lines::default();
        match request.read(&mut input, log) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                log.line(Level::Warning, format!("no more requests: {error}"));
                return;
            }
        }
        if requests.blocking_send(request).is_err() {
            return;
        }
    }
}

async fn serve(
    policy: &Arc<Policy>,
    mut requests: mpsc::Receiver<Lines>,
    place: &mut CachePlace,
) -> Result<(), Exit> {
    loop {
        let request = tokio::select! {
            request = requests.recv() => request,
            () = sleep(BETWEEN_LOOKS), if place.fails() => {
                place.look(policy);
                continue;
            }
        };
        let Some(request) = request else {
            return Ok(());
        };
        log_attributes(policy, || request.attributes.clone());
        let mut attributes = Attributes::default();
        for (name, value) in &request.attributes {
            attributes.set(name, value);
        }
        // Beside this request and the next ones.
        let tested = Arc::clone(policy);
        tokio::spawn(async move { tested.test_lists().await });
        let answer = policy.answer(&attributes).await;
        let action = answer.map_err(|error| {
            // Under spawn(8) nobody reads standard error: the log has it as well.
            policy.log().line(Level::Warning, bytes(&error.to_string()));
            Exit::died(format!("fatal: {error}"))
        })?;
        place.look(policy);
        let answer = [&b"action="[..], &bytes(&action), b"\n\n"].concat();
        let mut output = io::stdout().lock();
        if output
            .write_all(&answer)
            .and_then(|()| output.flush())
            .is_err()
        {
            return Ok(());
        }
    }
}

/// The lines of a request.
#[derive(Default)]
struct Lines {
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
    length: usize,
}

impl Lines {
    /// Reads up to an empty line: false if the input ends before.
    fn read(&mut self, input: &mut impl BufRead, log: &Log) -> io::Result<bool> {
        loop {
            let mut line = vec![];
            let length = input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
            self.length += length;
            if self.length > MAX_REQUEST {
                return Err(io::Error::other("a request of more than 128 KiB"));
            }
            if line.last() != Some(&b'\n') {
                // What the end cuts off is no request.
                return if length == 0 {
                    Ok(false)
                } else {
                    Err(io::Error::other(
                        "a line that does not end, or is longer than 16 KiB",
                    ))
                };
            }
            line.retain(|byte| !b"\r\n".contains(byte));
            match line.iter().position(|&byte| byte == b'=') {
                Some(at) => {
                    let (name, value) = line.split_at(at);
                    self.attributes
                        .push((name.to_vec(), value.get(1..).unwrap_or_default().to_vec()));
                }
                // Blank lines before a request are passed over, as by a daemon: no request has no attribute.
                None if line.is_empty() && self.attributes.is_empty() => self.length = 0,
                None if line.is_empty() => return Ok(true),
                None => {
                    line.truncate(100);
                    log.line(Level::Warning, [&b"ignoring garbage: "[..], &line].concat());
                }
            }
        }
    }
}

/// How often a process without requests looks whether its store is back.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// What Postfix sends is far shorter.
const MAX_LINE: u64 = 16 << 10;
const MAX_REQUEST: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_and_those_without_a_sign_of_equality_are_passed_over() {
        let log = Log::buffered();
        let mut input = &b"\n\r\nrequest=x\r\nnonsense\nA=b=c\n\n\n\nrest"[..];
        let mut lines = Lines::default();
        assert!(lines.read(&mut input, &log).unwrap());
        let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        assert_eq!(lines.attributes, [pair("request", "x"), pair("A", "b=c")]);
        assert_eq!(
            log.take_buffered(),
            b"[LOG warning]: ignoring garbage: nonsense\n"
        );
        assert!(Lines::default().read(&mut input, &log).is_err());
        assert!(!Lines::default().read(&mut input, &log).unwrap());
    }

    #[test]
    fn a_request_without_an_end_is_refused() {
        let log = Log::buffered();
        let blank = "\n".repeat(200_000);
        assert!(!Lines::default().read(&mut blank.as_bytes(), &log).unwrap());
        let endless = "a=b\n".repeat(40_000);
        assert!(
            Lines::default()
                .read(&mut endless.as_bytes(), &log)
                .is_err()
        );
        let long = "a".repeat(20_000);
        assert!(Lines::default().read(&mut long.as_bytes(), &log).is_err());
    }
}
