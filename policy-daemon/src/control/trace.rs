//! The command `trace`: the story of requests, line by line, for a time.

use std::{
    io,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use nix::unistd::Uid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    connection::Commands,
    protocol::{PATIENCE, answer_to_bytes, write, write_until},
};
use crate::{
    command_line::parse_duration,
    trace::{Trace, TraceFilter, Traces},
};

impl<M> Commands<M> {
    /// Begins a trace as the words after `trace` say, and streams its lines until its time is over or nobody reads them
    /// any more.
    pub(super) fn trace(
        &self,
        stream: &UnixStream,
        traces: &Traces,
        words: &[String],
        uid: Uid,
    ) -> io::Result<()> {
        match begin(traces, words) {
            Ok((trace, what, time)) => {
                let time_shown = time.as_secs_f64();
                self.log_change(&format!("a trace of {what} for {time_shown}s"), uid);
                write(stream, &answer_to_bytes(&Ok(String::new())))?;
                pass_on(stream, &trace, time)?;
                write(stream, trace.end().as_bytes())
            }
            Err(text) => write(stream, &answer_to_bytes(&Err(text))),
        }
    }
}

/// The trace, of which requests it is, and its time.
fn begin(traces: &Traces, words: &[String]) -> Result<(Trace, String, Duration), String> {
    let mut time = DEFAULT_TIME;
    let mut filter = Vec::new();
    for word in words {
        match word.strip_prefix("for=") {
            Some(text) => time = parse_duration(text)?,
            None => filter.push(word.as_str()),
        }
    }
    if time > MAX_TIME {
        return Err("a trace takes an hour at most".to_owned());
    }
    let filter: TraceFilter = filter
        .join("\n")
        .parse()
        .map_err(|error| format!("{error}"))?;
    let what = filter.to_string();
    let trace = traces.begin(filter).map_err(|error| error.to_string())?;
    Ok((trace, what, time))
}

fn pass_on(stream: &UnixStream, trace: &Trace, time: Duration) -> io::Result<()> {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let lines = trace.lines(left.min(PERIOD));
        // A terminal may be stopped for a while.
        write_until(stream, lines.as_bytes(), end + PATIENCE)?;
        if has_gone(stream) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if left.is_zero() {
            return Ok(());
        }
    }
}

/// Whether the client has closed its end.
fn has_gone(stream: &UnixStream) -> bool {
    let mut watched = [PollFd::new(stream, PollFlags::empty())];
    let polled = poll(&mut watched, Some(&Timespec::default()));
    polled.is_ok()
        && watched
            .iter()
            .any(|watched| watched.revents().contains(PollFlags::HUP))
}

const DEFAULT_TIME: Duration = Duration::from_secs(60);
const MAX_TIME: Duration = Duration::from_secs(3600);
/// How often it is looked whether the client is still there.
const PERIOD: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_say_which_requests_and_for_how_long() {
        let begun = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            begin(&Traces::default(), &words).map(|(_, what, time)| (what, time.as_secs()))
        };
        for (words, what, seconds) in [
            (&[][..], "all requests", 60),
            (&["sender=a@b"], "sender=a@b", 60),
            (
                &["sender=a@b", "for=5s", "client=::1"],
                "sender=a@b, client=::1",
                5,
            ),
            (&["for=60m"], "all requests", 3600),
        ] {
            assert_eq!(begun(words), Ok((what.to_owned(), seconds)), "{words:?}");
        }
        for (words, error) in [
            (&["for=61m"][..], "an hour"),
            (&["for=5"], "unit"),
            (&["x"], "no filter 'x'"),
        ] {
            let said = begun(words).unwrap_err();
            assert!(said.contains(error), "{said}");
        }
    }

    #[test]
    fn a_client_that_goes_ends_its_trace() {
        let traces = Traces::default();
        let trace = traces.begin(TraceFilter::default()).unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        assert!(pass_on(&near, &trace, Duration::ZERO).is_ok());
        drop(far);
        let ended = pass_on(&near, &trace, MAX_TIME);
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
