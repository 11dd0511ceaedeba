//! One DNS list, and what it is used for: several options may ask it for codes of their own.

use std::sync::{Arc, Mutex, PoisonError};

use policy_dns::{
    NameError,
    list::{
        AnswerRule, Class, DnsList, ListOptions, ListResult, SelfTest, Skipped, Status, TestOutcome,
    },
};

use crate::{config::ListOption, score::ListFact};

/// What has become of a list, by its zone without a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ListStatus {
    /// It has failed its test, and why.
    Failing(String, String),
    /// It has not answered several times in a row.
    Errors(String),
    /// It is asked again.
    Asked(String),
    /// It has not answered its test so far.
    NoTest(String),
    /// It has answered its test, and passed it.
    Tested(String),
    /// The same of a list that was skipped since it had not answered its test.
    Back(String),
}

/// What the log has said of a list.
#[derive(Debug, Default)]
struct Told {
    skipped: Option<Skipped>,
    /// That it has not answered its test, and nothing else of that since.
    no_test: bool,
}

/// A list with its uses.
#[derive(Debug)]
pub(super) struct List {
    /// The zone as the file has it. It may hold a key.
    pub(super) zone: String,
    /// The names in the log of the options that ask it, with their codes; all codes where there are none.
    uses: Vec<Class>,
    /// None where the zone is no name.
    pub(super) list: Option<Arc<DnsList>>,
    /// What the log has said last.
    told: Mutex<Told>,
}

type Make = fn(&str, ListOptions) -> Result<DnsList, NameError>;

impl List {
    pub(super) fn new(options: &[&ListOption], compat: bool, make: Make) -> Self {
        let zone = options
            .first()
            .map(|option| option.zone.clone())
            .unwrap_or_default();
        let uses: Vec<_> = options.iter().map(|option| option.class()).collect();
        let has_codes = options.iter().any(|option| option.codes.is_some());
        let mut list = if compat {
            ListOptions::default()
        } else {
            ListOptions::for_zone(&zone)
        };
        list.classes = if has_codes { uses.clone() } else { vec![] };
        list.timeout = MAX_TIME;
        if compat {
            list.rule = AnswerRule::AnyRecord;
            list.skip_after = u32::MAX;
            list.skip_dead = false;
            list.self_test = SelfTest::Off;
        }
        Self {
            list: make(&zone, list).ok().map(Arc::new),
            zone,
            uses,
            told: Mutex::default(),
        }
    }

    /// Whether both ask the same list for the same codes: what is known of one holds for the other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.zone == other.zone && self.uses == other.uses
    }

    /// The names of its uses.
    pub(super) fn uses(&self) -> String {
        let names: Vec<_> = self.uses.iter().map(|class| class.name.as_str()).collect();
        names.join(", ")
    }

    /// What a result says to a use.
    pub(super) fn fact(&self, of: usize, result: Option<&ListResult>, compat: bool) -> ListFact {
        match (&self.list, result) {
            (Some(list), Some(ListResult::Listed(listed))) => {
                let counts =
                    list.options().classes.is_empty() || listed.classes().any(|class| class == of);
                if counts {
                    ListFact::Listed {
                        is_trusted: compat || matches!(list.status(), Status::Good),
                    }
                } else {
                    ListFact::NotListed
                }
            }
            (_, Some(ListResult::Error(error))) => ListFact::Error(*error),
            (_, Some(ListResult::Skipped(Skipped::OtherKind))) => ListFact::NotListed,
            (_, Some(ListResult::Skipped(skipped))) => ListFact::Skipped(*skipped),
            _ => ListFact::NotListed,
        }
    }

    /// Whether the last test has had an answer, where there is a test.
    pub(super) fn has_answered_test(&self) -> bool {
        let test = self.list.as_ref().and_then(|list| list.last_test());
        test.is_none_or(|test| test.outcome != TestOutcome::NoAnswer)
    }

    /// What is new since the last time that was asked for.
    pub(super) fn change(&self) -> Option<ListStatus> {
        let list = self.list.as_ref()?;
        let (skipped, no_test) = match list.status() {
            Status::Failing(failing) => (Some(Skipped::Failing(failing)), false),
            Status::Skipped => (Some(Skipped::Errors), false),
            Status::Untested => (None, !self.has_answered_test()),
            _ => (None, false),
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let was_skipped = std::mem::replace(&mut told.skipped, skipped);
        let zone = list.zone().to_owned();
        if skipped != was_skipped
            && let Some(skipped) = skipped
        {
            return Some(match skipped {
                Skipped::Errors => ListStatus::Errors(zone),
                why => ListStatus::Failing(zone, why.to_string()),
            });
        }
        if skipped.is_some() {
            return None;
        }
        let had_no_test = std::mem::replace(&mut told.no_test, no_test);
        match (was_skipped.is_some(), had_no_test, no_test) {
            (false, false, true) => Some(ListStatus::NoTest(zone)),
            (false, true, false) => Some(ListStatus::Tested(zone)),
            (true, true, false) => Some(ListStatus::Back(zone)),
            (true, ..) => Some(ListStatus::Asked(zone)),
            (false, ..) => None,
        }
    }
}

/// The time of a list: that of a question and of a request are shorter.
const MAX_TIME: std::time::Duration = std::time::Duration::from_secs(90);
