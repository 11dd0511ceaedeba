//! DNS lists: what they have said, and which are trusted.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use policy_dns::{
    Resolver,
    list::{DnsList, Skipped, Subject, check_all},
};
use tokio::{sync::OnceCell, time::Instant};

use super::{
    list::{List, ListStatus},
    schedule::Schedule,
};
use crate::{
    config::{Config, ListOption},
    mail::Mail,
    score::ListFact,
};

/// The lists of a configuration, and what is known of their health.
#[derive(Debug)]
pub struct Lists {
    addresses: Kind,
    domains: Kind,
    compat: bool,
    /// With `compat`, the errors in a row of each zone, counted as the Perl program does.
    errors: Arc<Mutex<HashMap<String, f64>>>,
    tested: Arc<OnceCell<()>>,
    schedule: Arc<Mutex<Schedule>>,
}

/// Lists of addresses, or of domains. Each is there once.
#[derive(Debug)]
struct Kind {
    lists: Vec<Arc<List>>,
    /// For each option in its order: the list, and the use of it.
    uses: Vec<(usize, usize)>,
}

impl Lists {
    pub(super) fn new(config: &Config, before: Option<&Self>) -> Self {
        let compat = config.compat;
        let before = before.filter(|before| before.compat == compat);
        let of = |options: &[ListOption], before: Option<&Kind>, make| {
            Kind::new(options, compat, before, make)
        };
        let (addresses, are_known) = of(
            &config.lists,
            before.map(|before| &before.addresses),
            DnsList::addresses,
        );
        let (domains, domains_are_known) = of(
            &config.domain_lists,
            before.map(|before| &before.domains),
            DnsList::domains,
        );
        // New lists are tested before they are asked.
        let known = before.filter(|_| are_known && domains_are_known);
        Self {
            addresses,
            domains,
            compat,
            errors: before
                .map(|before| Arc::clone(&before.errors))
                .unwrap_or_default(),
            tested: known
                .map(|known| Arc::clone(&known.tested))
                .unwrap_or_default(),
            schedule: known
                .map(|known| Arc::clone(&known.schedule))
                .unwrap_or_default(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &List> {
        let all = self.addresses.lists.iter().chain(&self.domains.lists);
        all.map(Arc::as_ref)
    }

    /// The lists of addresses and of domains, but for those whose zone is no name.
    pub fn iter(&self) -> impl Iterator<Item = &DnsList> {
        self.all().filter_map(|list| list.list.as_deref())
    }

    /// The same, each with the names of the options that it is asked for.
    pub fn with_uses(&self) -> impl Iterator<Item = (&DnsList, String)> {
        self.all()
            .filter_map(|list| Some((list.list.as_deref()?, list.uses())))
    }

    /// What each list has said about the client, in their order.
    pub async fn facts(
        &self,
        config: &Config,
        resolver: &impl Resolver,
        mail: &Mail,
    ) -> Vec<ListFact> {
        let Some(address) = mail.address else {
            // The Perl program asks for a name without an address, which no list has.
            let fact = if self.compat {
                ListFact::NotListed
            } else {
                ListFact::NoAddress
            };
            return vec![fact; self.addresses.uses.len()];
        };
        let subject = if self.compat {
            Subject::Address(address)
        } else {
            Subject::from(address)
        };
        self.ask(&self.addresses, resolver, &subject, |zone| {
            self.is_skipped(config, zone)
        })
        .await
    }

    /// What each list of domains has said about the sender's.
    pub(super) async fn domain_facts(
        &self,
        resolver: &impl Resolver,
        mail: &Mail,
    ) -> Vec<ListFact> {
        let domain = mail.listed_domain().and_then(super::name);
        let none = || vec![ListFact::NotListed; self.domains.uses.len()];
        let Some(domain) = domain else {
            return none();
        };
        // The lists are for domains of two labels and more; the Perl program asks for all.
        let subject = if self.compat {
            Some(Subject::Domain(domain))
        } else {
            mail.listed_domain().and_then(Subject::domain)
        };
        let Some(subject) = subject else {
            return none();
        };
        self.ask(&self.domains, resolver, &subject, |_| false).await
    }

    async fn ask(
        &self,
        kind: &Kind,
        resolver: &impl Resolver,
        subject: &Subject,
        is_skipped: impl Fn(&str) -> bool,
    ) -> Vec<ListFact> {
        let skipped: Vec<bool> = kind
            .lists
            .iter()
            .map(|list| is_skipped(&list.zone))
            .collect();
        let asked = kind.lists.iter().zip(&skipped);
        let asked = asked.map(|(list, skipped)| list.list.as_deref().filter(|_| !skipped));
        let asked: Vec<_> = asked.collect();
        let checks: Vec<(&DnsList, &Subject)> = asked
            .iter()
            .flatten()
            .map(|list| (*list, subject))
            .collect();
        let mut results = check_all(resolver, checks).await.into_iter();
        let results: Vec<_> = asked
            .iter()
            .map(|asked| asked.and_then(|_| results.next()))
            .collect();
        let facts = kind.uses.iter().filter_map(|&(index, of)| {
            if *skipped.get(index)? {
                return Some(ListFact::Skipped(Skipped::Errors));
            }
            let result = results.get(index)?.as_ref();
            Some(kind.lists.get(index)?.fact(of, result, self.compat))
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
        for (option, fact) in config.lists.iter().zip(facts) {
            let count = errors.entry(option.zone.clone()).or_default();
            match fact {
                ListFact::Error(_) => *count += 1.0,
                ListFact::Skipped(_) => {
                    *count += 1.0;
                    if *count >= release {
                        *count = 0.0;
                    }
                }
                _ => *count = 0.0,
            }
        }
    }

    fn errors(&self) -> MutexGuard<'_, HashMap<String, f64>> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tests the lists, if nobody has so far: requests that come meanwhile wait for it.
    pub async fn test_once(&self, resolver: &impl Resolver) {
        self.tested
            .get_or_init(async || {
                self.schedule().take(Instant::now());
                self.test(resolver).await;
            })
            .await;
    }

    /// Tests the lists, if that is due.
    pub async fn test_if_due(&self, resolver: &impl Resolver) {
        if !self.tested.initialized() {
            return self.test_once(resolver).await;
        }
        let is_due = self.schedule().take(Instant::now());
        if is_due {
            self.test(resolver).await;
        }
    }

    /// Has the lists tested at once: what they did not answer before, they may answer now.
    pub fn test_soon(&self) {
        self.schedule().hasten();
    }

    /// Whether a test is due or under way.
    pub(crate) fn await_test(&self) -> bool {
        self.schedule().is_awaited(Instant::now())
    }

    async fn test(&self, resolver: &impl Resolver) {
        let tests = self.iter().map(|list| list.self_test(resolver));
        futures_util::future::join_all(tests).await;
        let have_answered = self.all().all(List::has_answered_test);
        self.schedule().tested(have_answered, Instant::now());
    }

    /// What has become of lists since that was asked for.
    pub fn changes(&self) -> impl Iterator<Item = ListStatus> {
        self.all().filter_map(List::change)
    }
}

impl Kind {
    /// The lists, and whether each of them is one of before.
    fn new(
        options: &[ListOption],
        compat: bool,
        before: Option<&Self>,
        make: fn(&str, policy_dns::list::ListOptions) -> Result<DnsList, policy_dns::NameError>,
    ) -> (Self, bool) {
        let mut grouped: Vec<Vec<&ListOption>> = vec![];
        let mut uses = vec![];
        for option in options {
            let same = |group: &Vec<&ListOption>| {
                !compat && group.first().is_some_and(|first| first.zone == option.zone)
            };
            let index = grouped.iter().position(same).unwrap_or(grouped.len());
            if index == grouped.len() {
                grouped.push(vec![]);
            }
            if let Some(group) = grouped.get_mut(index) {
                uses.push((index, group.len()));
                group.push(option);
            }
        }
        let mut are_known = true;
        let lists = grouped.iter().map(|group| {
            let list = List::new(group, compat, make);
            let mut known = before.iter().flat_map(|before| &before.lists);
            if let Some(known) = known.find(|known| known.is_same(&list)) {
                return Arc::clone(known);
            }
            are_known = false;
            Arc::new(list)
        });
        let lists = lists.collect();
        (Self { lists, uses }, are_known)
    }
}
