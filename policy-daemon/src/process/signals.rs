//! Signals of a daemon: none of them ends it without a line in the log.

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

use nix::sys::signal::{self, SigSet, Signal::SIGHUP};
use rustix::process::Signal;
use signal_hook::iterator::{backend::SignalDelivery, exfiltrator::SignalOnly};

/// All signals that would end the process, except those of a fault in it.
#[derive(Debug)]
pub(crate) struct Signals(SignalDelivery<UnixStream, SignalOnly>);

/// Signals that wait, but for those that ask for the end. They come once this is dropped, or once [`unblock`] lets them in.
#[derive(Debug)]
pub(crate) struct HeldSignals {
    /// What this thread held back before.
    before: SigSet,
}

impl HeldSignals {
    pub(crate) fn hold() -> io::Result<Self> {
        let before = SigSet::thread_get_mask()?;
        let mut held = SigSet::all();
        for stop in STOPS.map(|stop| signal::Signal::try_from(stop.as_raw())) {
            held.remove(stop?);
        }
        held.thread_block()?;
        Ok(Self { before })
    }
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        // The daemon has let all of them in before: of these none is held back again.
        let is_held = SigSet::thread_get_mask().is_ok_and(|now| now.contains(SIGHUP));
        if is_held {
            _ = self.before.thread_set_mask();
        }
    }
}

/// The request that a signal stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    /// End: SIGTERM, SIGINT, SIGQUIT.
    Stop,
    /// Read the options again: SIGHUP.
    Reload,
    /// Log the state of the service: SIGUSR1.
    Report,
    /// A signal without a meaning here, by its number.
    Unknown(i32),
}

/// Lets signals in that the starter had blocked. To be called before threads are started: they inherit the mask.
pub(crate) fn unblock() -> io::Result<()> {
    SigSet::all().thread_unblock()?;
    Ok(())
}

impl Signals {
    /// From now on signals no longer end the process, except those that ask for its end.
    pub(crate) fn new() -> io::Result<Self> {
        let (near, far) = UnixStream::pair()?;
        far.set_nonblocking(true)?;
        let signals = [Signal::HUP, Signal::USR1].map(Signal::as_raw);
        let signals = SignalDelivery::with_pipe(near, far, SignalOnly, signals)?;
        let others = OTHERS.iter().map(|(signal, _)| signal.as_raw());
        for number in others.chain(FIRST_REAL_TIME..=LAST_REAL_TIME) {
            // The C library may keep some for itself: they end the process as before.
            _ = signals.handle().add_signal(number);
        }
        Ok(Self(signals))
    }

    /// From now on those that ask for the end no longer end the process either: to be called once somebody takes them. A
    /// start that waits, such as for the address of a name, can be ended until then.
    pub(crate) fn add_stops(&self) -> io::Result<()> {
        let mut stops = STOPS.iter();
        stops.try_for_each(|signal| self.0.handle().add_signal(signal.as_raw()))
    }

    /// The signals that have come.
    pub(crate) fn take(&mut self) -> Vec<Command> {
        self.0.pending().map(command).collect()
    }
}

impl AsFd for Signals {
    /// Readable when a signal has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_read().as_fd()
    }
}

/// The name of a signal, for the log.
pub(crate) fn name_of(number: i32) -> String {
    let known = OTHERS.iter().find(|(signal, _)| signal.as_raw() == number);
    match known {
        Some((_, name)) => (*name).to_owned(),
        None => format!("signal {number}"),
    }
}

fn command(number: i32) -> Command {
    let is = |signal: Signal| signal.as_raw() == number;
    match number {
        _ if STOPS.into_iter().any(is) => Command::Stop,
        _ if is(Signal::HUP) => Command::Reload,
        _ if is(Signal::USR1) => Command::Report,
        number => Command::Unknown(number),
    }
}

/// They ask for the end.
const STOPS: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::QUIT];
/// Other processes send these, and they end a process by default. (Every Rust program ignores SIGPIPE.)
const OTHERS: [(Signal, &str); 9] = [
    (Signal::USR2, "SIGUSR2"),
    (Signal::ALARM, "SIGALRM"),
    (Signal::VTALARM, "SIGVTALRM"),
    (Signal::PROF, "SIGPROF"),
    (Signal::IO, "SIGIO"),
    (Signal::POWER, "SIGPWR"),
    (Signal::STKFLT, "SIGSTKFLT"),
    (Signal::XCPU, "SIGXCPU"),
    (Signal::XFSZ, "SIGXFSZ"),
];
/// The C library uses the two before it.
const FIRST_REAL_TIME: i32 = 34;
const LAST_REAL_TIME: i32 = 64;
