//! The thread that shows and records what passes, so that neither a terminal nor a disk delays an answer.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use policy_daemon::log::printable;
use serde_json::json;

use super::{
    anonymise::Anonymiser,
    describe::{describe, object},
    seen::Seen,
};
use crate::{
    output::measured::Measured,
    output::{Lines, Output},
    status::Status,
    status::note::{complain, note},
};

/// How what passes is shown.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) json: bool,
    pub(super) is_verbose: bool,
    pub(super) is_quiet: bool,
    pub(super) anonymiser: Option<Anonymiser>,
}

/// Something to show or to record.
#[derive(Debug)]
pub(super) enum Event {
    Seen(Box<Seen>),
    Note(String),
    /// There is no more.
    End,
}

/// A way to the thread, which never waits.
#[derive(Clone, Debug)]
pub(super) struct Sink {
    sender: SyncSender<Event>,
    lost: Arc<AtomicU64>,
}

impl Sink {
    pub(super) fn send(&self, event: Event) {
        if self.sender.try_send(event).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The thread, until its end.
#[derive(Debug)]
pub(super) struct Writer {
    sink: Sink,
    /// The status, at its end.
    ended: Receiver<Status>,
}

impl Writer {
    /// Creates the file and starts the thread, which says first where the program listens.
    pub(super) fn start(
        settings: Settings,
        record: Option<&Path>,
        listens: Option<String>,
    ) -> Result<Self, (String, Status)> {
        let cannot = |path: &Path, error: io::Error| {
            let text = format!("{}: {error}", path.display());
            let is_there = error.kind() == io::ErrorKind::AlreadyExists;
            let advice = if is_there { IS_KEPT } else { "" };
            (text + advice, Status::CannotCreate)
        };
        let record = match record {
            Some(path) => Some(create(path).map_err(|error| cannot(path, error))?),
            None => None,
        };
        let (sender, events) = sync_channel(QUEUE);
        let (said, ended) = sync_channel(1);
        let lost = Arc::new(AtomicU64::new(0));
        let mut thread = Thread {
            lines: Lines::new(Output {
                json: settings.json,
            }),
            settings,
            record,
            measured: Measured::new(),
            begin: None,
            lost: Arc::clone(&lost),
        };
        let run = move || {
            thread.listening(listens.as_deref());
            for event in events {
                match event {
                    Event::Seen(seen) => thread.seen(*seen),
                    Event::Note(text) => thread.note(&text),
                    Event::End => break,
                }
            }
            // Nobody waits for it any more where that fails.
            _ = said.send(thread.end());
        };
        let started = thread::Builder::new().name("writer".to_owned()).spawn(run);
        started.map_err(|error| (format!("no thread: {error}"), Status::System))?;
        let sink = Sink { sender, lost };
        Ok(Self { sink, ended })
    }

    pub(super) fn sink(&self) -> Sink {
        self.sink.clone()
    }

    /// Waits until all is written, but not for somebody who does not read.
    pub(super) fn end(self) -> Status {
        // Where the queue is full, the end of all sinks says the same.
        self.sink.send(Event::End);
        drop(self.sink);
        self.ended.recv_timeout(PATIENCE).unwrap_or(Status::Io)
    }
}

/// What the thread has.
#[derive(Debug)]
struct Thread {
    settings: Settings,
    /// Forwarding goes on once they fail.
    lines: Lines,
    record: Option<BufWriter<File>>,
    measured: Measured,
    /// The time of the first request.
    begin: Option<Duration>,
    lost: Arc<AtomicU64>,
}

impl Thread {
    fn listening(&mut self, endpoint: Option<&str>) {
        let endpoint = endpoint.unwrap_or_default();
        let text = format!("listening on {endpoint}");
        self.lines
            .line(text.as_bytes(), || json!({ "listening": endpoint }));
    }

    fn seen(&mut self, mut seen: Seen) {
        let elapsed = seen.facts.elapsed.unwrap_or_default();
        self.measured.record(seen.facts.action.is_some(), elapsed);
        if let Some(anonymiser) = &self.settings.anonymiser {
            seen = anonymiser.seen(&seen);
        }
        let time = seen.facts.time.unwrap_or_default();
        let since = time.saturating_sub(*self.begin.get_or_insert(time));
        if !self.settings.is_quiet {
            let text = describe(&seen, since, self.settings.is_verbose);
            // Objects have all attributes anyway.
            let lines = if self.settings.json { 1 } else { usize::MAX };
            for line in text.lines().take(lines) {
                self.lines.line(line.as_bytes(), || object(&seen));
            }
        }
        if let Some(record) = &mut self.record
            && let Err(error) = write(record, &seen)
        {
            complain(&format!("recording ends: {error}"));
            self.record = None;
            self.measured.status = Status::Io;
        }
    }

    fn note(&mut self, text: &str) {
        let text = printable(text);
        self.lines.line(text.as_bytes(), || json!({ "note": text }));
    }

    fn end(&self) -> Status {
        if !self.settings.json {
            note(&format!("{}", self.measured));
        }
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 {
            note(&format!(
                "{lost} were neither shown nor recorded: the terminal or the disk is too slow"
            ));
        }
        self.measured.status.max(self.lines.status())
    }
}

/// What is recorded may be private, and another file is not written over.
fn create(path: &Path) -> io::Result<BufWriter<File>> {
    use std::os::unix::fs::OpenOptionsExt;

    let mut options = File::options();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let mut record = BufWriter::new(file);
    record.write_all(b"# policy-client tap\n")?;
    Ok(record)
}

/// A request is there as a whole, also when the program is killed after it.
fn write(record: &mut impl Write, seen: &Seen) -> io::Result<()> {
    record.write_all(&seen.facts.line())?;
    record.write_all(seen.request.as_bytes())?;
    record.flush()
}

/// What is said of a file that is there already.
const IS_KEPT: &str = ": it is not written over: name another";
/// As many as wait for the terminal or the disk.
const QUEUE: usize = 1024;
/// How long the end waits for them.
const PATIENCE: Duration = Duration::from_secs(2);
