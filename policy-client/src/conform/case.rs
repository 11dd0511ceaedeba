//! A case of the suite: a rule, the sentence behind it, and its test.

use std::{fmt, pin::Pin, sync::Arc};

use super::{attributes::Attributes, server::Server, source::Source, verdict::Verdict};

/// A case of the suite.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Its group and its place there: `2.3`.
    pub(crate) number: &'static str,
    pub(crate) level: Level,
    /// What the server does: a sentence without its subject.
    pub(crate) title: &'static str,
    pub(crate) source: Source,
    pub(crate) test: Test,
}

/// How much a rule counts, in the words of RFC 2119.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    /// Postfix loses answers, or time, without it.
    Must,
    /// Wanted by a document with this word, or what a server without it will have trouble with.
    Should,
}

/// How a rule is tested.
#[derive(Clone, Copy)]
pub(crate) enum Test {
    /// This request is answered, on a connection of its own.
    Answered(fn() -> Attributes),
    /// Anything else.
    Steps(fn(Arc<Server>) -> Steps),
}

/// A test under way.
pub(crate) type Steps = Pin<Box<dyn Future<Output = Verdict> + Send>>;

impl Case {
    pub(crate) async fn run(&self, server: Arc<Server>) -> Verdict {
        match self.test {
            Test::Answered(request) => server.ask(&request().bytes()).await.map(drop),
            Test::Steps(steps) => steps(server).await,
        }
    }

    /// The number of its group.
    pub(crate) fn group(&self) -> &'static str {
        self.number.split('.').next().unwrap_or(self.number)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
        })
    }
}

impl fmt::Debug for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answered(_) => "Answered",
            Self::Steps(_) => "Steps",
        })
    }
}

/// A case with MUST.
pub(super) const fn must(
    number: &'static str,
    title: &'static str,
    source: Source,
    test: Test,
) -> Case {
    Case {
        number,
        level: Level::Must,
        title,
        source,
        test,
    }
}

/// A case with SHOULD.
pub(super) const fn should(
    number: &'static str,
    title: &'static str,
    source: Source,
    test: Test,
) -> Case {
    Case {
        number,
        level: Level::Should,
        title,
        source,
        test,
    }
}
