//! Signals of a daemon: none of them ends it without a line in the log.

use std::{
    io,
    os::{fd::AsRawFd, unix::net::UnixStream},
};

use mio::{Interest, Registry, Token, unix::SourceFd};
use nix::sys::signal::SigSet;
use rustix::process::Signal;
use signal_hook::iterator::{backend::SignalDelivery, exfiltrator::SignalOnly};

/// The signals that would end a process, but for those of a fault in it.
#[derive(Debug)]
pub(crate) struct Signals(SignalDelivery<UnixStream, SignalOnly>);

/// What a signal asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    /// To end: SIGTERM, SIGINT, SIGQUIT.
    End,
    /// To read the options again: SIGHUP.
    Reload,
    /// To log the states of the services: SIGUSR1.
    Report,
    /// Nothing that is known: the number of the signal.
    Unknown(i32),
}

/// Lets signals in that the starter had kept out. To be called before threads are started, which have the same.
pub(crate) fn unblock() -> io::Result<()> {
    SigSet::all().thread_unblock()?;
    Ok(())
}

impl Signals {
    /// From now on they end the process no more.
    pub(crate) fn new() -> io::Result<Self> {
        let (near, far) = UnixStream::pair()?;
        far.set_nonblocking(true)?;
        let signals = [Signal::TERM, Signal::INT].map(Signal::as_raw);
        let signals = SignalDelivery::with_pipe(near, far, SignalOnly, signals)?;
        let others = OTHERS.iter().map(|(signal, _)| signal.as_raw());
        for number in others.chain(FIRST_REAL_TIME..=LAST_REAL_TIME) {
            // Some may be the system's own: they end the process as before.
            _ = signals.handle().add_signal(number);
        }
        Ok(Self(signals))
    }

    /// The system tells of them under this token.
    pub(crate) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let pipe = self.0.get_read().as_raw_fd();
        registry.register(&mut SourceFd(&pipe), token, Interest::READABLE)
    }

    /// Those that have come.
    pub(crate) fn take(&mut self) -> Vec<Asked> {
        self.0.pending().map(asked).collect()
    }
}

fn asked(number: i32) -> Asked {
    let is = |signal: Signal| signal.as_raw() == number;
    match number {
        _ if is(Signal::TERM) || is(Signal::INT) || is(Signal::QUIT) => Asked::End,
        _ if is(Signal::HUP) => Asked::Reload,
        _ if is(Signal::USR1) => Asked::Report,
        number => Asked::Unknown(number),
    }
}

/// What a signal is called.
pub(crate) fn name_of(number: i32) -> String {
    let known = OTHERS.iter().find(|(signal, _)| signal.as_raw() == number);
    match known {
        Some((_, name)) => (*name).to_owned(),
        None => format!("signal {number}"),
    }
}

/// Their default is to end the process, and somebody else sends them. (That of a closed pipe is ignored
/// by every Rust program.)
const OTHERS: [(Signal, &str); 12] = [
    (Signal::QUIT, "SIGQUIT"),
    (Signal::HUP, "SIGHUP"),
    (Signal::USR1, "SIGUSR1"),
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
/// The two before it are the C library's own.
const FIRST_REAL_TIME: i32 = 34;
const LAST_REAL_TIME: i32 = 64;
