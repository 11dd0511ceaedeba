//! DNS lists: what they have said, and which are trusted.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use policy_dns::{
    Resolver,
    list::{
        AnswerRule, DnsList, ListOptions, ListResult, SelfTest, Skipped, Status, Subject, check_all,
    },
};
use tokio::sync::OnceCell;

use crate::{
    config::{Config, ListOption},
    mail::Mail,
    score::ListFact,
};

/// The lists of a configuration, and what is known of their health.
#[derive(Debug)]
pub struct Lists {
    addresses: Vec<List>,
    domains: Vec<List>,
    compat: bool,
    /// With `compat`, the errors in a row of each zone, counted as the Perl program does.
    errors: Arc<Mutex<HashMap<String, f64>>>,
    tested: Arc<OnceCell<()>>,
}

#[derive(Clone, Debug)]
struct List {
    option: ListOption,
    /// None where the zone is no name.
    list: Option<Arc<DnsList>>,
}

/// A list whose state has changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListStatus {
    /// The zone, without a key.
    pub zone: String,
    /// Why it is skipped; none if it is asked again.
    pub skipped: Option<String>,
}

impl Lists {
    pub(super) fn new(config: &Config, before: Option<&Self>) -> Self {
        let same = |option: &ListOption, all: fn(&Self) -> &[List]| {
            let before = before.filter(|before| before.compat == config.compat)?;
            all(before)
                .iter()
                .find(|list| list.option == *option)
                .cloned()
        };
        let addresses = config.lists.iter().map(|option| {
            same(option, |lists| &lists.addresses)
                .unwrap_or_else(|| List::new(option, config.compat, DnsList::addresses))
        });
        let domains = config.domain_lists.iter().map(|option| {
            same(option, |lists| &lists.domains)
                .unwrap_or_else(|| List::new(option, config.compat, DnsList::domains))
        });
        Self {
            addresses: addresses.collect(),
            domains: domains.collect(),
            compat: config.compat,
            errors: before
                .map(|before| Arc::clone(&before.errors))
                .unwrap_or_default(),
            tested: Arc::default(),
        }
    }

    /// The lists of addresses and of domains, but for those whose zone is no name.
    pub fn iter(&self) -> impl Iterator<Item = &DnsList> {
        let all = self.addresses.iter().chain(&self.domains);
        all.filter_map(|list| list.list.as_deref())
    }

    /// What each list has said about the client, in their order. The first ones wait until the lists are tested.
    pub async fn facts(
        &self,
        config: &Config,
        resolver: &impl Resolver,
        mail: &Mail,
    ) -> Vec<ListFact> {
        let Some(address) = mail.address else {
            return vec![ListFact::NotListed; self.addresses.len()];
        };
        let subject = if self.compat {
            Subject::Address(address)
        } else {
            Subject::from(address)
        };
        let mut facts = self
            .ask(&self.addresses, resolver, &subject, |zone| {
                self.is_skipped(config, zone)
            })
            .await;
        facts.truncate(self.addresses.len());
        facts
    }

    /// What each list of domains has said about the sender's.
    pub(super) async fn domain_facts(
        &self,
        resolver: &impl Resolver,
        mail: &Mail,
    ) -> Vec<ListFact> {
        let domain = mail.listed_domain().and_then(super::name);
        let Some(domain) = domain else {
            return vec![ListFact::NotListed; self.domains.len()];
        };
        // The lists are for domains of two labels and more; the Perl program asks for all.
        let subject = if self.compat {
            Some(Subject::Domain(domain))
        } else {
            mail.listed_domain().and_then(Subject::domain)
        };
        let Some(subject) = subject else {
            return vec![ListFact::NotListed; self.domains.len()];
        };
        self.ask(&self.domains, resolver, &subject, |_| false).await
    }

    async fn ask(
        &self,
        lists: &[List],
        resolver: &impl Resolver,
        subject: &Subject,
        is_skipped: impl Fn(&str) -> bool,
    ) -> Vec<ListFact> {
        let asked: Vec<_> = lists
            .iter()
            .map(|list| {
                list.list
                    .as_deref()
                    .filter(|_| !is_skipped(&list.option.zone))
            })
            .collect();
        let checks: Vec<(&DnsList, &Subject)> = asked
            .iter()
            .flatten()
            .map(|list| (*list, subject))
            .collect();
        let mut results = check_all(resolver, checks).await.into_iter();
        let facts = lists.iter().zip(&asked).map(|(list, asked)| match asked {
            None if list.list.is_none() => ListFact::NotListed,
            None => ListFact::Skipped,
            Some(asked) => fact(asked, results.next().as_ref(), self.compat),
        });
        facts.collect()
    }

    /// With `compat`: whether a list has had too many errors in a row.
    fn is_skipped(&self, config: &Config, zone: &str) -> bool {
        self.compat
            && self
                .errors()
                .get(zone)
                .is_some_and(|&errors| errors != 0.0 && errors > config.list_error_skip)
    }

    /// With `compat`: counts the errors of the lists that a score has considered.
    pub fn count_errors(&self, config: &Config, facts: &[ListFact]) {
        if !self.compat {
            return;
        }
        let mut errors = self.errors();
        let release = config.list_skip_release + config.list_error_skip;
        for (list, fact) in self.addresses.iter().zip(facts) {
            let count = errors.entry(list.option.zone.clone()).or_default();
            match fact {
                ListFact::Error => *count += 1.0,
                ListFact::Skipped => {
                    *count += 1.0;
                    if *count >= release {
                        *count = 0.0;
                    }
                }
                _ => *count = 0.0,
            }
        }
    }

    fn errors(&self) -> std::sync::MutexGuard<'_, HashMap<String, f64>> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tests the lists, if nobody has so far: requests that come meanwhile wait for it. `changed` is told of each that
    /// is not to be trusted.
    pub async fn test_once(&self, resolver: &impl Resolver, changed: impl Fn(ListStatus)) {
        self.tested
            .get_or_init(|| self.test(resolver, changed))
            .await;
    }

    /// Tests the lists. `changed` is told of each whose state is another one.
    pub async fn test(&self, resolver: &impl Resolver, changed: impl Fn(ListStatus)) {
        let lists: Vec<_> = self
            .addresses
            .iter()
            .chain(&self.domains)
            .filter_map(|list| list.list.as_ref())
            .collect();
        let tests = lists.iter().map(|list| list.self_test(resolver));
        let statuses = futures_util::future::join_all(tests).await;
        for (list, status) in lists.iter().zip(statuses) {
            let skipped = match status {
                Some(Status::Failing(failing)) => Some(failing.to_string()),
                // That a list is good at the start is nothing to tell.
                Some(Status::Good) if self.tested.initialized() => None,
                _ => continue,
            };
            changed(ListStatus {
                zone: list.zone().to_owned(),
                skipped,
            });
        }
    }
}

impl List {
    fn new(
        option: &ListOption,
        compat: bool,
        make: fn(&str, ListOptions) -> Result<DnsList, policy_dns::NameError>,
    ) -> Self {
        let mut options = if compat {
            ListOptions::default()
        } else {
            ListOptions::for_zone(&option.zone)
        };
        options.classes = option.classes();
        options.timeout = MAX_TIME;
        if compat {
            options.rule = AnswerRule::AnyRecord;
            options.skip_after = u32::MAX;
            options.skip_dead = false;
            options.self_test = SelfTest::Off;
        }
        Self {
            option: option.clone(),
            list: make(&option.zone, options).ok().map(Arc::new),
        }
    }
}

fn fact(list: &DnsList, result: Option<&ListResult>, compat: bool) -> ListFact {
    match result {
        Some(ListResult::Listed(_)) => ListFact::Listed {
            is_trusted: compat || matches!(list.status(), Status::Good),
        },
        Some(ListResult::Error(_)) => ListFact::Error,
        Some(ListResult::Skipped(Skipped::Dead)) => ListFact::Dead,
        Some(ListResult::Skipped(Skipped::OtherKind)) | Some(ListResult::NotListed) | None => {
            ListFact::NotListed
        }
        Some(_) => ListFact::Skipped,
    }
}

/// The time of a list: that of a question and of a request are shorter.
const MAX_TIME: std::time::Duration = std::time::Duration::from_secs(90);
