//! One case: what is run, what is sent, and what is expected of either program.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use crate::expect::{Expect, Expecting, expect};
use crate::program::Outcome;
use crate::servers::Listen;
use crate::stdio::Stdio;
use crate::texts::FULL;
use crate::{Reply, Script};

/// Built by [`case`] and the methods below; a plain record otherwise.
#[derive(Default)]
pub struct Case {
    /// The number of its clause, with a letter, then what is shown.
    pub name: &'static str,
    /// `{A}` stands for the address of stub A, `{A.port}` for its port.
    pub args: Vec<Vec<u8>>,
    /// Before the others, for our program only: options that the Perl script does not have.
    pub extra_args: &'static [&'static str],
    pub env: Vec<(&'static str, &'static str)>,
    /// A file put over that of the system, with placeholders.
    pub file: Option<(&'static str, &'static str)>,
    /// One that only the arguments name answers its own name.
    pub stubs: BTreeMap<&'static str, Listen>,
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
    /// What allows the differences: keys of [`REASONS`](crate::differences::REASONS).
    pub reasons: Vec<&'static str>,
    /// Aspects that chance decides; a check looks at them instead.
    pub by_check: &'static [Aspect],
    pub checks: Vec<Check>,
}

/// Looks at both outcomes, Perl's and ours, and says what is wrong.
pub type Check = Box<dyn Fn(&Outcome, &Outcome) -> Result<(), String> + Send + Sync>;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Syslog {
    #[default]
    Present,
    Absent,
    /// Nothing reads.
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
    /// Remembers the time since the start.
    Mark,
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

/// A table: the cases that a function makes of its rows.
macro_rules! rows {
    ($function:expr; $($($cell:expr),+;)+) => { vec![$($function($($cell),+)),+] };
}

/// Cases, one after the other: first what is done, then what is expected.
macro_rules! cases {
    ($($case:expr;)+) => { vec![$($case),+] };
}
pub(crate) use {cases, rows};

/// A case with these arguments, which have no blanks but between them.
pub fn case(name: &'static str, args: &str) -> Case {
    let case = Case {
        name,
        runs: 1,
        limit: Duration::from_secs(20),
        common: expect().status("exit 0"),
        ..Case::default()
    };
    case.args(args)
}

/// One request, [`FULL`].
pub fn asks(name: &'static str, args: &str) -> Case {
    case(name, args).send(FULL)
}

/// One request, which a stub A gets as it is and answers.
pub fn forwards(name: &'static str, args: &str) -> Case {
    asks(name, args).answer("A").received("A", [FULL])
}

impl Case {
    pub fn number(&self) -> &'static str {
        self.name.split(' ').next().unwrap_or_default()
    }

    pub fn args(self, args: &str) -> Self {
        args.split_whitespace().fold(self, Self::arg)
    }

    pub fn arg(mut self, arg: impl AsRef<[u8]>) -> Self {
        let text = String::from_utf8_lossy(arg.as_ref());
        for name in STUBS {
            let [address, port] = ["}", ".port"].map(|end| format!("{{{name}{end}"));
            if text.contains(&address) || text.contains(&port) {
                let answers = || Listen::Tcp(Script::answer(name));
                self.stubs.entry(name).or_insert_with(answers);
            }
        }
        self.args.push(arg.as_ref().to_vec());
        self
    }

    pub fn extra_args(mut self, args: &'static [&'static str]) -> Self {
        self.extra_args = args;
        self
    }

    pub fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    pub fn file(mut self, path: &'static str, content: &'static str) -> Self {
        self.file = Some((path, content));
        self
    }

    pub fn stub(self, name: &'static str, script: Script) -> Self {
        self.listen(name, Listen::Tcp(script))
    }

    /// Stubs that read and never answer, with blanks between their names.
    pub fn hanging(self, names: &'static str) -> Self {
        let hang = || Listen::Tcp(Script::reply(Reply::Hang));
        names
            .split(' ')
            .fold(self, |case, name| case.listen(name, hang()))
    }

    /// Addresses where nothing listens.
    pub fn refusing(self, names: &'static str) -> Self {
        names
            .split(' ')
            .fold(self, |case, name| case.listen(name, Listen::Refusing))
    }

    pub fn listen(mut self, name: &'static str, listen: Listen) -> Self {
        self.stubs.insert(name, listen);
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

    pub fn limit(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds);
        self
    }

    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Send(bytes.as_ref().to_vec()))
    }

    /// Sends one request after the other, each when the one before has its reply.
    pub fn send_in_turn(mut self, requests: &[impl AsRef<[u8]>]) -> Self {
        for (answered, request) in requests.iter().enumerate() {
            if answered > 0 {
                self = self.replies(answered);
            }
            self = self.send(request);
        }
        self
    }

    /// Waits until there are that many replies in all; ten seconds at most.
    pub fn replies(self, count: usize) -> Self {
        self.step(Step::Replies(count, Duration::from_secs(10)))
    }

    /// What the stub does with the requests to come, one after the other.
    pub fn set(self, stub: &'static str, scripts: impl Into<Vec<Script>>) -> Self {
        self.step(Step::Set(stub, scripts.into()))
    }

    pub fn sleep(self, milliseconds: u64) -> Self {
        self.step(Step::Sleep(Duration::from_millis(milliseconds)))
    }

    /// Declares a difference: what Perl's script does, and what ours does.
    pub fn differs(mut self, why: &'static str, perl: Expect, ours: Expect) -> Self {
        self.reasons.push(why);
        self.perl = self.perl.and(perl);
        self.ours = self.ours.and(ours);
        self
    }

    /// A difference in the log alone.
    pub fn log_differs<P: Into<String>, O: Into<String>>(
        self,
        why: &'static str,
        perl: impl IntoIterator<Item = P>,
        ours: impl IntoIterator<Item = O>,
    ) -> Self {
        self.differs(why, expect().log(perl), expect().log(ours))
    }

    /// A difference in one line of the log alone.
    pub fn line_differs(self, why: &'static str, perl: &str, ours: &str) -> Self {
        self.log_differs(why, [perl], [ours])
    }

    /// A difference on standard output alone.
    pub fn stdout_differs(self, why: &'static str, perl: &str, ours: &str) -> Self {
        self.differs(why, expect().stdout(perl), expect().stdout(ours))
    }

    /// Names another reason of a difference declared, or that of one that a check states.
    pub fn because(mut self, why: &'static str) -> Self {
        self.reasons.push(why);
        self
    }

    /// Has the checks look at aspects that chance decides.
    pub fn by_check(self, by_check: &'static [Aspect]) -> Self {
        Self { by_check, ..self }
    }

    pub fn check(
        mut self,
        check: impl Fn(&Outcome, &Outcome) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.checks.push(Box::new(check));
        self
    }

    /// The same check of either program.
    pub fn check_each(
        self,
        check: impl Fn(&Outcome) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.check(move |perl, ours| {
            check(perl).map_err(|wrong| format!("perl: {wrong}"))?;
            check(ours).map_err(|wrong| format!("ours: {wrong}"))
        })
    }
}

impl Expecting for Case {
    fn expected(&mut self) -> &mut Expect {
        &mut self.common
    }
}

/// What a check finds: `wrong`, unless something holds.
pub fn ensure(holds: bool, wrong: impl Display) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(wrong.to_string())
    }
}

/// The names of stubs.
const STUBS: [&str; 6] = ["A", "A1", "A2", "B", "C", "D"];
