//! The test that a list has to pass (RFC 5782, 5).

use std::{net::Ipv4Addr, time::Duration};

use tokio::time::{Instant, sleep};

use super::{DnsList, Failing, Kind, ListError, SelfTest, Status, Subject, TestOutcome};
use crate::{Name, Outcome, Question, RecordType, Resolver};

impl DnsList {
    /// Tests the list: what has to be listed is, and what must not be is not. Returns the status if that has
    /// changed.
    ///
    /// A list that does not answer is left as it was: that is what the errors in a row are for. A dead one, and
    /// one without a test, is not asked.
    pub async fn self_test(&self, resolver: &impl Resolver) -> Option<Status> {
        let before = self.status();
        if matches!(before, Status::Dead(_)) {
            return None;
        }
        let [listed, unlisted] = self.test_subjects()?;
        let (listed, unlisted) = futures_util::future::join(
            self.ask_for_test(resolver, &listed),
            self.ask_for_test(resolver, &unlisted),
        )
        .await;
        self.health.tested(judge(listed, unlisted));
        let after = self.status();
        (after != before).then_some(after)
    }

    fn test_subjects(&self) -> Option<[Subject; 2]> {
        match &self.options.self_test {
            SelfTest::Off => None,
            SelfTest::With { listed, unlisted } => Some([listed.clone(), unlisted.clone()]),
            SelfTest::Standard => Some(match self.kind {
                Kind::Addresses => {
                    [2, 1].map(|last| Subject::Address(Ipv4Addr::new(127, 0, 0, last).into()))
                }
                Kind::Domains => {
                    // Both are names.
                    ["test", "invalid"]
                        .map(|name| Subject::Domain(name.parse().unwrap_or_else(|_| Name::root())))
                }
            }),
        }
    }

    /// Whether a subject is listed with any code.
    async fn ask_for_test(
        &self,
        resolver: &impl Resolver,
        subject: &Subject,
    ) -> Result<bool, ListError> {
        let Some(Ok(name)) = self.name_of(subject) else {
            return Ok(false);
        };
        let question = Question::new(name, RecordType::A);
        let answer = match Instant::now().checked_add(self.options.timeout) {
            Some(deadline) => resolver.until(deadline).ask(question).await,
            None => resolver.ask(question).await,
        };
        if !answer.outcome().is_answer() {
            return Err(ListError::Dns(answer.outcome()));
        }
        let is_blocked = |code: &Ipv4Addr| self.options.blocked.contain(*code);
        match answer
            .codes()
            .find(|code| !code.is_loopback() || is_blocked(code))
        {
            Some(code) if code.is_loopback() => Err(ListError::Blocked(code)),
            Some(code) => Err(ListError::Outside(code)),
            None => Ok(answer.outcome() == Outcome::Records),
        }
    }
}

/// Passed, failed, or none if the list did not answer.
fn judge(
    listed: Result<bool, ListError>,
    unlisted: Result<bool, ListError>,
) -> Option<Result<(), Failing>> {
    let verdict = match (listed, unlisted) {
        (Err(ListError::Outside(code)), _) | (_, Err(ListError::Outside(code))) => {
            Err(Failing::Outside(code))
        }
        (Err(ListError::Blocked(code)), _) | (_, Err(ListError::Blocked(code))) => {
            Err(Failing::Blocked(code))
        }
        (_, Ok(true)) => Err(Failing::ListsAll),
        (Ok(false), _) => Err(Failing::EntryMissing),
        (Ok(true), Ok(false)) => Ok(()),
        _ => return None,
    };
    Some(verdict)
}

/// Tests lists at once, and again and again after a time; the usual one is an hour. Where a list has not answered, all are
/// tested again within a minute: a machine's network may come later than its daemons. `changed` is told of each
/// status that has changed, so that it can be logged once.
///
/// The future never ends by itself; dropping it ends the tests.
pub async fn keep_tested<L: AsRef<DnsList>>(
    lists: &[L],
    resolver: &impl Resolver,
    every: Duration,
    mut changed: impl FnMut(&DnsList, Status),
) {
    loop {
        let tests = lists.iter().map(|list| list.as_ref().self_test(resolver));
        let statuses = futures_util::future::join_all(tests).await;
        for (list, status) in lists.iter().zip(statuses) {
            if let Some(status) = status {
                changed(list.as_ref(), status);
            }
        }
        let is_silent = |list: &L| {
            let last = list.as_ref().last_test();
            last.is_some_and(|test| test.outcome == TestOutcome::NoAnswer)
        };
        let is_due_soon = lists.iter().any(is_silent);
        sleep(if is_due_soon { every.min(SOON) } else { every }).await;
    }
}

/// When lists are tested again that have not answered.
const SOON: Duration = Duration::from_secs(60);
