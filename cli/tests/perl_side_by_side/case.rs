//! One case: what is run, what is sent, and what is expected of either program.

use std::fmt;
use std::time::Duration;

use policy_testing::stub::Script;

use super::expect::Expect;
use super::program::Outcome;

/// Built by [`case`] and the methods below; a plain record otherwise.
pub struct Case {
    /// The clause of `compat.md`, with a letter.
    pub number: &'static str,
    pub name: &'static str,
    /// `{A}` stands for the address of stub A, `{A.port}` for its port.
    pub args: Vec<Vec<u8>>,
    /// Before the others, for our program only: options that the Perl script does not have.
    pub extra_args: Vec<&'static str>,
    pub env: Vec<(&'static str, &'static str)>,
    /// Files put over those of the system, with placeholders.
    pub files: Vec<(&'static str, &'static str)>,
    pub stubs: Vec<(&'static str, Listen)>,
    pub steps: Vec<Step>,
    pub stdio: Stdio,
    pub syslog: Syslog,
    /// How many processes one after the other, each with the same steps.
    pub runs: usize,
    /// When a program that still runs is killed.
    pub limit: Duration,
    pub common: Expect,
    pub perl: Expect,
    pub ours: Expect,
    pub reasons: Vec<Why>,
    /// Aspects which chance decides; a check looks at them instead.
    pub by_check: Vec<Aspect>,
    pub checks: Vec<Check>,
    /// Whether the message of a wrong command line is due on our standard error.
    pub complains: bool,
}

/// A server of a case.
#[derive(Clone, Debug)]
pub enum Listen {
    Tcp(Script),
    /// `{A}` is `unix:/path`.
    Unix(Script),
    /// A port that refuses.
    Refusing,
}

/// Looks at both outcomes, Perl's and ours, and says what is wrong.
pub type Check = Box<dyn Fn(&Outcome, &Outcome) -> Result<(), String> + Send + Sync>;

/// How the program's descriptors 0, 1 and 2 are connected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stdio {
    Pipes,
    /// A socket pair for input, another for output.
    TwoSockets,
    /// One socket pair for input and output, a pipe for standard error.
    OneSocket,
    /// As spawn(8) does: one TCP connection for 0, 1 and 2, SIGPIPE ignored.
    Spawn,
    /// The same with a UNIX socket.
    SpawnUnix,
    /// Input from a file that holds all that the steps send.
    File,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Syslog {
    Present,
    Absent,
    /// Nobody reads.
    Hung,
}

#[derive(Clone, Debug)]
pub enum Step {
    Send(Vec<u8>),
    /// Each byte in a write of its own, a pause of a millisecond between.
    Bytewise(Vec<u8>),
    /// Waits for that many replies in all, at most the time given.
    Replies(usize, Duration),
    /// Waits for that many requests at a stub, ten seconds at most.
    Arrived(&'static str, usize),
    Release(&'static str),
    Stop(&'static str),
    Restart(&'static str),
    /// What the stub does with later requests, one after the other.
    Set(&'static str, Vec<Script>),
    Sleep(Duration),
    /// Remembers the time since the start under a name.
    Mark(&'static str),
    /// The end of input; a socket still takes replies.
    Eof,
    /// Closes the socket altogether, as smtpd does.
    Close,
    /// The same by a reset.
    Reset,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Aspect {
    Stdout,
    Status,
    Log,
    Received,
    Connections,
    Seconds,
}

/// What allows a difference: a number of section 2, or a decision of `interfaces.md`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Why {
    Defect(u8),
    Decided(&'static str),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defect(number) => write!(f, "defect {number}"),
            Self::Decided(key) => write!(f, "decided: {key}"),
        }
    }
}

pub fn case(number: &'static str, name: &'static str) -> Case {
    Case {
        number,
        name,
        args: Vec::new(),
        extra_args: Vec::new(),
        env: Vec::new(),
        files: Vec::new(),
        stubs: Vec::new(),
        steps: Vec::new(),
        stdio: Stdio::Pipes,
        syslog: Syslog::Present,
        runs: 1,
        limit: Duration::from_secs(20),
        common: Expect::new().status("exit 0"),
        perl: Expect::new(),
        ours: Expect::new(),
        reasons: Vec::new(),
        by_check: Vec::new(),
        checks: Vec::new(),
        complains: false,
    }
}

impl Case {
    pub fn args<A: AsRef<[u8]>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        let args = args.into_iter().map(|arg| arg.as_ref().to_vec());
        self.args.extend(args);
        self
    }

    pub fn extra_args(mut self, args: &[&'static str]) -> Self {
        self.extra_args.extend(args);
        self
    }

    pub fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    pub fn file(mut self, path: &'static str, content: &'static str) -> Self {
        self.files.push((path, content));
        self
    }

    pub fn stub(mut self, name: &'static str, script: Script) -> Self {
        self.stubs.push((name, Listen::Tcp(script)));
        self
    }

    /// A stub that answers its own name.
    pub fn named(self, name: &'static str) -> Self {
        self.stub(name, Script::answer(name))
    }

    /// An address where nobody listens.
    pub fn refusing(mut self, name: &'static str) -> Self {
        self.stubs.push((name, Listen::Refusing));
        self
    }

    /// A stub on a UNIX socket that answers its own name.
    pub fn unix(mut self, name: &'static str) -> Self {
        self.stubs.push((name, Listen::Unix(Script::answer(name))));
        self
    }

    pub fn stdio(self, stdio: Stdio) -> Self {
        Self { stdio, ..self }
    }

    pub fn syslog(self, syslog: Syslog) -> Self {
        Self { syslog, ..self }
    }

    pub fn runs(self, runs: usize) -> Self {
        Self { runs, ..self }
    }

    pub fn limit(self, seconds: u64) -> Self {
        Self {
            limit: Duration::from_secs(seconds),
            ..self
        }
    }

    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Send(bytes.as_ref().to_vec()))
    }

    /// Waits until there are that many replies in all; ten seconds at most.
    pub fn replies(self, count: usize) -> Self {
        self.step(Step::Replies(count, Duration::from_secs(10)))
    }

    pub fn sleep(self, milliseconds: u64) -> Self {
        self.step(Step::Sleep(Duration::from_millis(milliseconds)))
    }

    pub fn stdout(mut self, stdout: impl AsRef<[u8]>) -> Self {
        self.common = self.common.stdout(stdout);
        self
    }

    pub fn status(mut self, status: &str) -> Self {
        self.common = self.common.status(status);
        self
    }

    pub fn log<L: Into<String>>(mut self, log: impl IntoIterator<Item = L>) -> Self {
        self.common = self.common.log(log);
        self
    }

    pub fn received<R: AsRef<[u8]>>(
        mut self,
        stub: &'static str,
        requests: impl IntoIterator<Item = R>,
    ) -> Self {
        self.common = self.common.received(stub, requests);
        self
    }

    pub fn connections(mut self, stub: &'static str, count: usize) -> Self {
        self.common = self.common.connections(stub, count);
        self
    }

    pub fn seconds(mut self, least: f64, most: f64) -> Self {
        self.common = self.common.seconds(least, most);
        self
    }

    /// Declares a difference: what Perl's script does, and what ours does.
    pub fn differs(mut self, why: Why, perl: Expect, ours: Expect) -> Self {
        self.reasons.push(why);
        self.perl = self.perl.and(perl);
        self.ours = self.ours.and(ours);
        self
    }

    /// Names another reason of a difference declared.
    pub fn also(mut self, why: Why) -> Self {
        self.reasons.push(why);
        self
    }

    /// Has the check below look at an aspect that chance decides.
    pub fn by_check(mut self, aspects: &[Aspect]) -> Self {
        self.by_check.extend(aspects);
        self
    }

    pub fn check(
        mut self,
        check: impl Fn(&Outcome, &Outcome) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.checks.push(Box::new(check));
        self
    }

    /// Ours ends with a message on standard error.
    pub fn complains(self) -> Self {
        Self {
            complains: true,
            ..self
        }
    }
}
