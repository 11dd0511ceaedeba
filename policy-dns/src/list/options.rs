//! Options of a list: the codes that count as listed, and when the list is skipped.

use std::time::Duration;

use super::{Codes, CodesError, Release, Subject};

/// Options of a list: the codes that count as listed, and when the list is skipped.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ListOptions {
    /// Classes of codes. Without any each code counts; with some, a code in none of them does not. Default: none.
    pub classes: Vec<Class>,
    /// Codes by which a list says that it does not answer such questions; they are errors. Default:
    /// 127.255.255.0/24, for all of Spamhaus' (a name that is wrong, a public resolver, too many questions).
    pub blocked: Codes,
    /// Which answers count. Default: strict.
    pub rule: AnswerRule,
    /// Whether the list's texts are asked for when something is listed. Default: no.
    pub text: bool,
    /// How long a check may take. Default: 5 s. That is the time of one try of a resolver by default, so that a check
    /// asks no second name server while the first one is silent: where there are several, a shorter time of a try
    /// (`DnsOptions::timeout`, `options timeout:2` in resolv.conf) is better.
    pub timeout: Duration,
    /// After how many errors in a row a list is skipped, on the next one. Default: 2, since one answer gets lost at
    /// times.
    pub skip_after: u32,
    /// When a list that was skipped is asked again. Default: after 60 s, so that a list that is away costs one client
    /// a minute its time.
    pub release: Release,
    /// Whether a list that is known to be dead is never asked. Default: yes.
    pub skip_dead: bool,
    /// How the list is tested. Default: as RFC 5782 says.
    pub self_test: SelfTest,
}

impl Default for ListOptions {
    fn default() -> Self {
        let blocked = "127.255.255.0/24".parse().unwrap_or_default();
        Self {
            classes: vec![],
            blocked,
            rule: AnswerRule::Strict,
            text: false,
            timeout: Duration::from_secs(5),
            skip_after: 2,
            release: Release::Time(Duration::from_secs(60)),
            skip_dead: true,
            self_test: SelfTest::Standard,
        }
    }
}

/// A name for some of a list's codes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Class {
    /// The name.
    pub name: String,
    /// The codes.
    pub codes: Codes,
}

impl Class {
    /// A class of the codes in a text.
    ///
    /// # Errors
    ///
    /// See [`Codes`].
    pub fn new(name: impl Into<String>, codes: &str) -> Result<Self, CodesError> {
        Ok(Self {
            name: name.into(),
            codes: codes.parse()?,
        })
    }
}

/// Which answers count as listed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AnswerRule {
    /// Addresses within 127.0.0.0/8. Others, blocked codes and response codes other than success and "no such
    /// name" are errors.
    Strict,
    /// Any record, an alias alone as well, whatever the response code: what policyd-weight and Mail::RBL take for
    /// listed. Only no answer is an error.
    AnyRecord,
}

/// How a list is tested.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SelfTest {
    /// 127.0.0.2 has to be listed and 127.0.0.1 not; `test` and `invalid` for domains (RFC 5782, 5).
    Standard,
    /// Others, for a list without these.
    With {
        /// The subject that has to be listed.
        listed: Subject,
        /// The subject that must not be listed.
        unlisted: Subject,
    },
    /// Not at all. The list is skipped after errors in a row alone.
    Off,
}
