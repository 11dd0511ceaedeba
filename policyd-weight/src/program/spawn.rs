//! Requests on standard input, as under spawn(8), one after the other.

use std::{
    io::{self, BufRead, Read, Write},
    sync::Arc,
};

use policy_daemon::log::{Level, Log};

use super::{
    Exit,
    handler::{log_attributes, printable},
    maintenance::open_backing,
    paths::Paths,
    runtime,
};
use crate::{
    mail::Attributes,
    policy::{NotAnswered, Policy, Settings},
};

/// Answers until the input ends.
pub(super) fn run(settings: Settings, paths: &Paths, log: Log) -> Result<(), Exit> {
    policy_daemon::silence_stderr();
    settings.log_findings(&log);
    let store = settings.options().scalar("CACHE_STORE").to_string();
    let policy = Arc::new(Policy::new(settings, log));
    let runtime = runtime()?;
    // Other processes share the cache: each request asks the file.
    let has_directory = paths.directory.is_dir() || paths.make_directory(false).is_ok();
    let file = paths.cache_file().filter(|_| has_directory);
    runtime.block_on(open_backing(&policy, &store, file.as_deref(), true));
    let mut input = io::stdin().lock();
    let mut request = Lines::default();
    loop {
        match request.read(&mut input, policy.log()) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                policy
                    .log()
                    .line(Level::Warning, format!("no more requests: {error}"));
                break;
            }
        }
        let lines = std::mem::take(&mut request);
        log_attributes(&policy, || lines.attributes.clone());
        let mut attributes = Attributes::default();
        for (name, value) in &lines.attributes {
            attributes.set(name, value);
        }
        // Beside this request and the next ones.
        let tested = Arc::clone(&policy);
        runtime.spawn(async move { tested.test_lists().await });
        let answer = runtime.block_on(policy.answer(&attributes));
        let action = answer.map_err(|error| match error {
            NotAnswered::Type(_) => Exit::died(""),
            NotAnswered::Label => Exit::died(error.to_string()),
        })?;
        let answer = [&b"action="[..], &printable(&action), b"\n\n"].concat();
        let mut output = io::stdout().lock();
        if output
            .write_all(&answer)
            .and_then(|()| output.flush())
            .is_err()
        {
            break;
        }
    }
    policy.log().flush();
    Ok(())
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
                None if line.is_empty() => return Ok(true),
                None => {
                    line.truncate(100);
                    log.line(Level::Warning, [&b"ignoring garbage: "[..], &line].concat());
                }
            }
        }
    }
}

/// What Postfix sends is far shorter.
const MAX_LINE: u64 = 16 << 10;
const MAX_REQUEST: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_a_sign_of_equality_are_passed_over() {
        let log = Log::buffered();
        let mut input = &b"request=x\r\nnonsense\nA=b=c\n\nrest"[..];
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
