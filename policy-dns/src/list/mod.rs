//! DNS lists: whether an address or a domain is listed (RFC 5782).
//!
//! A [`DnsList`] asks one list, and is strict about what counts: addresses within 127.0.0.0/8 only, no code by
//! which a list says that it is not to be asked, no list that is known to be dead, none that fails its test. One
//! value is shared by all that ask: it counts errors for all of them, and skips a list that does not answer.
//!
//! ```
//! use policy_dns::{Table, list::{Class, DnsList, ListOptions, ListResult, check_all}};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dns: Table = "192.0.2.9@zen.example A 127.0.0.3\n192.0.2.9@zen.example A 127.0.0.10".parse()?;
//! let mut options = ListOptions::default();
//! options.classes = vec![Class::new("SBL", "127.0.0.2-3")?, Class::new("PBL", "127.0.0.10,127.0.0.11")?];
//! let zen = DnsList::addresses("zen.example", options)?;
//! let other = DnsList::addresses("other.example", ListOptions::default())?;
//!
//! let client = "192.0.2.9".parse::<std::net::IpAddr>()?.into();
//! let results = check_all(&dns, [(&zen, &client), (&other, &client)]).await;
//! let ListResult::Listed(listed) = &results[0] else { panic!("{results:?}") };
//! // A score by class: the list is asked once.
//! let score: f64 = listed.classes().map(|class| if zen.class(class) == Some("SBL") { 4.35 } else { 3.25 }).sum();
//! assert_eq!(score, 7.6);
//! assert_eq!(results[1], ListResult::NotListed);
//! # Ok(()) }
//! ```

mod breaker;
mod codes;
mod counts;
mod failing;
mod health;
mod known;
mod options;
mod result;
mod self_test;
mod subject;
mod zone;

use std::fmt;

use futures_util::stream::{FuturesOrdered, StreamExt};
use tokio::time::Instant;

use crate::{Answer, Name, NameError, Outcome, Question, RecordType, Resolver};

pub use breaker::Release;
pub use codes::{Codes, CodesError};
pub use counts::ListCounts;
pub use failing::Failing;
pub use health::{LastTest, Status, TestOutcome};
pub use known::{DeadZone, dead_zone, part_of};
pub use options::{AnswerRule, Class, ListOptions, SelfTest};
pub use result::{ListError, ListResult, Listed, Skipped};
pub use self_test::keep_tested;
pub use subject::Subject;

use health::Health;
use zone::Zone;

/// A DNS list of addresses or domains, and what is known of its health.
///
/// Share one for all that ask it, in an [`Arc`](std::sync::Arc).
pub struct DnsList {
    zone: Zone,
    kind: Kind,
    options: ListOptions,
    health: Health,
    counters: counts::Counters,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Addresses,
    Domains,
}

impl DnsList {
    /// A list of addresses, IPv4 and IPv6. A key in the zone of Spamhaus' DQS or of Abusix
    /// (`KEY.zen.dq.spamhaus.net`) is never shown.
    ///
    /// # Errors
    ///
    /// The zone is no name.
    pub fn addresses(zone: &str, options: ListOptions) -> Result<Self, NameError> {
        Ok(Self::new(Zone::parse(zone)?, Kind::Addresses, options))
    }

    /// A list of domains.
    ///
    /// # Errors
    ///
    /// As for [`addresses`](Self::addresses).
    pub fn domains(zone: &str, options: ListOptions) -> Result<Self, NameError> {
        Ok(Self::new(Zone::parse(zone)?, Kind::Domains, options))
    }

    /// This list asked with a key, which is never shown: `key` below the zone.
    ///
    /// # Errors
    ///
    /// Both together are no name.
    pub fn with_key(mut self, key: &str) -> Result<Self, NameError> {
        self.zone = self.zone.with_key(key)?;
        Ok(self)
    }

    fn new(zone: Zone, kind: Kind, options: ListOptions) -> Self {
        let dead = dead_zone(zone.shown()).filter(|_| options.skip_dead);
        let has_test = options.self_test != SelfTest::Off;
        let health = Health::new(dead, has_test, options.skip_after, options.release);
        Self {
            zone,
            kind,
            options,
            health,
            counters: counts::Counters::default(),
        }
    }

    /// The zone, without a key. For logs, metrics and replies.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.zone.shown()
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> &ListOptions {
        &self.options
    }

    /// The name of a class, by its place in the options.
    #[must_use]
    pub fn class(&self, index: usize) -> Option<&str> {
        self.options.classes.get(index).map(|class| &*class.name)
    }

    /// The health of the list, as far as it is known.
    #[must_use]
    pub fn status(&self) -> Status {
        self.health.status()
    }

    /// The last test, whether or not it has changed anything; `None` before the first one.
    #[must_use]
    pub fn last_test(&self) -> Option<LastTest> {
        self.health.last_test()
    }

    /// Forgets the errors in a row, which were no fault of the list: no name server has answered anything. A list that
    /// fails its test does so still.
    pub fn forget_errors(&self) {
        self.health.forget_errors();
    }

    /// How many checks had which result, of all that ask the list.
    #[must_use]
    pub fn counts(&self) -> ListCounts {
        self.counters.get()
    }

    /// Whether an address or a domain is listed.
    ///
    /// With [`ListOptions::text`] the texts are asked for when it is. Nothing is asked where the list is skipped,
    /// and where a name below the zone would be too long for DNS, which is not listed then.
    pub async fn check(&self, resolver: &impl Resolver, subject: &Subject) -> ListResult {
        let result = self.result(resolver, subject).await;
        self.counters.count(&result);
        result
    }

    async fn result(&self, resolver: &impl Resolver, subject: &Subject) -> ListResult {
        let Some(name) = self.name_of(subject) else {
            return ListResult::Skipped(Skipped::OtherKind);
        };
        let Ok(name) = name else {
            return ListResult::NotListed;
        };
        let permit = match self.health.admit() {
            Ok(permit) => permit,
            Err(skipped) => return ListResult::Skipped(skipped),
        };
        let deadline = Instant::now().checked_add(self.options.timeout);
        let result = match deadline {
            Some(deadline) => self.ask(&resolver.until(deadline), name).await,
            None => self.ask(resolver, name).await,
        };
        permit.report(&result);
        result
    }

    /// Asks ahead what a [`check`](Self::check) asks, for a resolver that keeps answers. Errors do not count: those of
    /// the check do. Nothing is asked while the list is skipped.
    pub async fn ask_ahead(&self, resolver: &impl Resolver, subject: &Subject) {
        if let Some(Ok(name)) = self.name_of(subject)
            && matches!(self.status(), Status::Untested | Status::Good)
        {
            match Instant::now().checked_add(self.options.timeout) {
                Some(deadline) => self.ask(&resolver.until(deadline), name).await,
                None => self.ask(resolver, name).await,
            };
        }
    }

    async fn ask(&self, resolver: &impl Resolver, name: Name) -> ListResult {
        let answer = resolver
            .ask(Question::new(name.clone(), RecordType::A))
            .await;
        let mut listed = match self.classify(&answer) {
            Ok(Some(listed)) => listed,
            Ok(None) => return ListResult::NotListed,
            Err(error) => return ListResult::Error(error),
        };
        if self.options.text {
            // No text is no reason to let a listed client in.
            let answer = resolver.ask(Question::new(name, RecordType::Txt)).await;
            listed.texts = answer
                .texts()
                .map(|text| self.zone.without_key(text))
                .collect();
        }
        ListResult::Listed(listed)
    }

    /// The meaning of an answer; none if it means that nothing is listed.
    fn classify(&self, answer: &Answer) -> Result<Option<Listed>, ListError> {
        let codes: Vec<_> = answer.codes().collect();
        let outcome = answer.outcome();
        match self.options.rule {
            AnswerRule::AnyRecord => {
                if matches!(outcome, Outcome::Timeout | Outcome::Unreachable) {
                    return Err(ListError::Dns(outcome));
                }
                if answer.section().is_empty() {
                    return Ok(None);
                }
            }
            AnswerRule::Strict => {
                if !outcome.is_answer() {
                    return Err(ListError::Dns(outcome));
                }
                if let Some(&code) = codes.iter().find(|code| !code.is_loopback()) {
                    return Err(ListError::Outside(code));
                }
                if let Some(&code) = codes
                    .iter()
                    .find(|code| self.options.blocked.contain(**code))
                {
                    return Err(ListError::Blocked(code));
                }
                if outcome != Outcome::Records {
                    return Ok(None);
                }
            }
        }
        let classes = self.options.classes.iter().enumerate();
        let of_code = |class: &Class| codes.iter().any(|code| class.codes.contain(*code));
        let classes: Vec<_> = classes
            .filter(|(_, class)| of_code(class))
            .map(|(index, _)| index)
            .collect();
        let counts = self.options.classes.is_empty() || !classes.is_empty();
        Ok(counts.then_some(Listed {
            codes,
            classes,
            texts: vec![],
        }))
    }

    /// The name to ask for, if the list is for such subjects.
    fn name_of(&self, subject: &Subject) -> Option<Result<Name, NameError>> {
        let name = match (self.kind, subject) {
            (Kind::Addresses, Subject::Address(address)) => {
                Name::reversed_below(address.to_canonical(), self.zone.name())
            }
            (Kind::Domains, Subject::Domain(domain)) => domain.below(self.zone.name()),
            _ => return None,
        };
        Some(name)
    }
}

/// Asks many lists at once. The results have the order of the checks.
pub async fn check_all<'a>(
    resolver: &impl Resolver,
    checks: impl IntoIterator<Item = (&'a DnsList, &'a Subject)>,
) -> Vec<ListResult> {
    let checks = checks
        .into_iter()
        .map(|(list, subject)| list.check(resolver, subject));
    // An answer wakes the check of its list alone.
    let checks: FuturesOrdered<_> = checks.collect();
    checks.collect().await
}

/// Without the key.
impl fmt::Debug for DnsList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsList")
            .field("zone", &self.zone.shown())
            .field("kind", &self.kind)
            .field("options", &self.options)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
