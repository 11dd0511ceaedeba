//! Traces: the whole story of the requests that an administrator asks for, while they are served.
//!
//! A [`Traces`] belongs to a service, which gives it a line wherever something happens to a request. As long as nobody
//! traces, that costs a look at one number. The [control](crate::control) socket begins a trace and ends it. No request
//! waits for one: lines that do not fit into its queue are lost, and counted.

mod filter;
#[cfg(feature = "requests")]
mod story;

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use chrono::Local;

pub use filter::{InvalidFilter, TraceFilter};
#[cfg(feature = "requests")]
pub use story::Story;

use crate::log::{append_field, escaped, printable};

/// The traces of a service. Clones are of the same service.
///
/// ```
/// use policy_daemon::trace::Traces;
/// use std::time::Duration;
///
/// let traces = Traces::default();
/// let attribute = |name: &str| (name == "sender").then_some(&b"a@example.com"[..]);
/// assert!(!traces.is_on());
///
/// let trace = traces.begin("sender=A@example.com".parse().unwrap()).unwrap();
/// traces.line(attribute, "1.7", || "answered: dunno".to_owned());
/// let lines = trace.lines(Duration::ZERO);
/// assert!(lines.ends_with(" [1.7] answered: dunno\n"), "{lines}");
///
/// drop(trace);
/// assert!(!traces.is_on());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Traces(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// How many there are: looked at for each request.
    count: AtomicUsize,
    queues: Mutex<Vec<Arc<Queue>>>,
}

/// The lines of one trace, on their way.
#[derive(Debug)]
struct Queue {
    filter: TraceFilter,
    state: Mutex<State>,
    has_lines: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    /// The bytes of these.
    bytes: usize,
    /// All that there were.
    written: u64,
    lost: u64,
}

impl Traces {
    /// Whether there is a trace: if not, a service need not tell anything.
    #[inline]
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.count.load(Relaxed) > 0
    }

    /// Begins a trace of these requests, which lasts until it is dropped. There may be 4.
    ///
    /// # Errors
    ///
    /// There are as many already.
    pub fn begin(&self, filter: TraceFilter) -> Result<Trace, TooManyTraces> {
        let mut queues = self.queues();
        if queues.len() >= MAX_TRACES {
            return Err(TooManyTraces);
        }
        let queue = Arc::new(Queue {
            filter,
            state: Mutex::default(),
            has_lines: Condvar::new(),
        });
        queues.push(Arc::clone(&queue));
        self.0.count.store(queues.len(), Relaxed);
        Ok(Trace {
            traces: self.clone(),
            queue,
        })
    }

    /// Whether a trace is of the request with these attributes.
    pub fn has<'a>(&self, attribute: impl Fn(&str) -> Option<&'a [u8]>) -> bool {
        self.is_on()
            && self
                .queues()
                .iter()
                .any(|queue| queue.filter.takes(&attribute))
    }

    /// Something has happened to the request with these attributes. The `place` tells one request from another, such as
    /// that of its connection. The text is made only where some trace wants it, and becomes one line.
    pub fn line<'a>(
        &self,
        attribute: impl Fn(&str) -> Option<&'a [u8]>,
        place: impl fmt::Display,
        text: impl FnOnce() -> String,
    ) {
        let queues = self.queues();
        let mut wanted = queues
            .iter()
            .filter(|queue| queue.filter.takes(&attribute))
            .peekable();
        if wanted.peek().is_none() {
            return;
        }
        let time = Local::now().format("%H:%M:%S%.6f");
        let line = printable(format!("{time} [{place}] {}", text())) + "\n";
        for queue in wanted {
            queue.push(&line);
        }
    }

    fn queues(&self) -> MutexGuard<'_, Vec<Arc<Queue>>> {
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn push(&self, line: &str) {
        let mut state = self.state();
        if state.bytes + line.len() > MAX_WAITING {
            state.lost += 1;
            return;
        }
        state.bytes += line.len();
        state.written += 1;
        state.lines.push_back(line.to_owned());
        self.has_lines.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A trace that has begun. It ends when it is dropped.
#[derive(Debug)]
pub struct Trace {
    traces: Traces,
    queue: Arc<Queue>,
}

impl Trace {
    /// The lines so far, after a wait of at most this long for the first.
    #[must_use]
    pub fn lines(&self, wait: Duration) -> String {
        let is_empty = |state: &mut State| state.lines.is_empty();
        let waited = self
            .queue
            .has_lines
            .wait_timeout_while(self.queue.state(), wait, is_empty);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.bytes = 0;
        state.lines.drain(..).collect()
    }

    /// The line about its end: how many lines there were, and how many of them were lost.
    #[must_use]
    pub fn end(&self) -> String {
        let state = self.queue.state();
        let lost = match state.lost {
            0 => String::new(),
            lost => format!(", and {lost} that were lost"),
        };
        format!("{END}{} lines{lost}\n", state.written)
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let mut queues = self.traces.queues();
        queues.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
        self.traces.0.count.store(queues.len(), Relaxed);
    }
}

/// The line about a request with these attributes, by which each story begins.
///
/// ```
/// let attributes = [(&b"sender"[..], &b"a@example.com"[..]), (b"size", b"")];
/// assert_eq!(policy_daemon::trace::request_line(attributes), "request: sender=a@example.com size=\"\"");
/// ```
pub fn request_line<'a>(attributes: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let mut line = "request:".to_owned();
    for (name, value) in attributes {
        let name = escaped(name, MAX_VALUE, |c| c == '\\');
        append_field(&mut line, &name, value, MAX_VALUE);
    }
    line
}

/// There are as many traces as there may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{MAX_TRACES} traces are under way: wait for the end of one")]
pub struct TooManyTraces;

/// How the line about the end begins. Any other line begins with a time.
pub(crate) const END: &str = "the trace is over: ";
/// Some places of the control socket stay free for commands.
const MAX_TRACES: usize = 4;
/// The longest value of an attribute, in bytes as written.
const MAX_VALUE: usize = 512;
/// The bytes of lines that may wait for one administrator.
const MAX_WAITING: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn of_sender(sender: &'static str) -> impl Fn(&str) -> Option<&'static [u8]> {
        move |name| (name == "sender").then_some(sender.as_bytes())
    }

    #[test]
    fn each_trace_has_the_lines_of_its_requests() {
        let traces = Traces::default();
        let [a, all] =
            ["sender=a", ""].map(|filter| traces.begin(filter.parse().unwrap()).unwrap());
        for sender in ["a", "b"] {
            traces.line(of_sender(sender), sender, || format!("text\nof {sender}"));
        }
        let texts = |trace: &Trace| {
            let lines = trace.lines(Duration::ZERO);
            let after_time = |line: &str| line.split_once(' ').unwrap().1.to_owned();
            lines.lines().map(after_time).collect::<Vec<_>>()
        };
        assert_eq!(texts(&a), ["[a] text?of a"]);
        assert_eq!(texts(&all), ["[a] text?of a", "[b] text?of b"]);
        assert_eq!(texts(&all), [""; 0], "they have been taken");
        assert_eq!(all.end(), "the trace is over: 2 lines\n");
    }

    #[test]
    fn a_text_is_not_made_where_nobody_wants_it() {
        let traces = Traces::default();
        let never = || -> String { panic!("nobody wants it") };
        traces.line(of_sender("b"), "", never);
        let _trace = traces.begin("sender=a".parse().unwrap()).unwrap();
        traces.line(of_sender("b"), "", never);
        assert!(traces.has(of_sender("a")) && !traces.has(of_sender("b")));
    }

    #[test]
    fn there_are_few_traces_and_one_that_ends_makes_room() {
        let traces = Traces::default();
        let begin = || traces.begin(TraceFilter::default());
        let mut all: Vec<_> = (0..MAX_TRACES).map(|_| begin().unwrap()).collect();
        assert_eq!(begin().err(), Some(TooManyTraces));
        all.pop();
        all.push(begin().unwrap());
        assert!(begin().is_err() && traces.is_on());
        all.clear();
        assert!(!traces.is_on());
    }

    #[test]
    fn a_bounded_number_of_bytes_waits_and_what_is_lost_is_counted() {
        let traces = Traces::default();
        let trace = traces.begin(TraceFilter::default()).unwrap();
        let text = "x".repeat(4000);
        let lines = || {
            for _ in 0..300 {
                traces.line(of_sender(""), "", || text.clone());
            }
        };
        lines();
        let taken = trace.lines(Duration::ZERO);
        assert!(
            (MAX_WAITING - 5000..=MAX_WAITING).contains(&taken.len()),
            "{}",
            taken.len()
        );
        let written = taken.lines().count();
        let end = format!(
            "the trace is over: {written} lines, and {} that were lost\n",
            300 - written
        );
        assert_eq!(trace.end(), end);
        lines();
        assert!(
            !trace.lines(Duration::ZERO).is_empty(),
            "there is room again"
        );
    }
}
