//! The log of requests and services: what is said of them, and in which words.

use std::{sync::Arc, time::Instant};

use policy_daemon::{
    admin::Changes,
    log::{ALL, Entry, Field, Level, Log, Sample, Suppressor},
    trace::Traces,
};

use crate::options::{DEFAULT_GROUP, Detail, LogFormat, Service};

pub(crate) mod admission;
mod closed;
mod counted;
mod event;
mod foreign;
mod groups;
mod line;
mod outage;
mod outcome;
mod request;
mod services;
pub(crate) mod shortage;
mod states;
mod trace;

pub(crate) use outcome::Outcome;
pub(crate) use states::State;
pub(crate) use trace::ClientPlace;

use counted::Counted;
use groups::{GroupLog, Unanswered};

/// The log of requests and services, in the Perl script's words where it has any.
///
/// In the drop-in every warning is said. A daemon says a change of a service's state once, and a
/// warning that repeats at most once in 10 s, with its count.
#[derive(Debug)]
pub(crate) struct Journal {
    log: Log,
    services: Vec<Arc<Counted>>,
    /// Where a worker knows them in another order than the settings: the index of each of those of the settings.
    order: Vec<usize>,
    /// A line per attempt.
    attempts: bool,
    /// What is logged beside that.
    verbose: Detail,
    /// How the lines of requests are written.
    format: LogFormat,
    /// Of which requests they are written.
    sample: Sample,
    /// The stories that administrators have asked for.
    pub(crate) traces: Traces,
    /// As a daemon: what has been said lately.
    suppressor: Option<Arc<Suppressor>>,
    /// In the order of their services.
    groups: Vec<GroupLog>,
    unanswered: Unanswered,
    /// The last changes of services' states.
    pub(crate) changes: Arc<Changes>,
}

impl Journal {
    /// A journal of these services, which are known by their order.
    #[must_use]
    pub(crate) fn new(log: Log, services: Vec<Service>) -> Self {
        Self {
            log,
            services: services
                .into_iter()
                .map(Counted::new)
                .map(Arc::new)
                .collect(),
            order: Vec::new(),
            attempts: false,
            verbose: Detail::default(),
            format: LogFormat::Classic,
            sample: Sample::ALL,
            traces: Traces::default(),
            suppressor: None,
            groups: Vec::new(),
            unanswered: Unanswered::default(),
            changes: Arc::default(),
        }
        .with_groups([DEFAULT_GROUP])
    }

    /// A journal of other services, which goes on in this one's place. Each comes with its index in this one, if it was
    /// among them: then it keeps its counters.
    pub(crate) fn renewed<'a>(
        &self,
        services: Vec<Service>,
        kept: &[Option<usize>],
        groups: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let counted = |(service, kept): (Service, &Option<usize>)| {
            let known = kept.and_then(|index| self.services.get(index));
            Arc::new(match known {
                Some(known) => known.renewed(service),
                None => Counted::new(service),
            })
        };
        let all = services.into_iter().zip(kept).map(counted).collect();
        self.of(all).with_groups(groups)
    }

    /// A journal of the same services in the order in which a worker knows them: each with its place there. At other
    /// places are those of `before`, which requests may still be with.
    pub(crate) fn ordered(&self, places: &[usize], before: &Self) -> Self {
        let mut services = before.services.clone();
        put(&mut services, places, &self.services);
        Self {
            order: places.to_vec(),
            ..self.of(services)
        }
    }

    fn of(&self, services: Vec<Arc<Counted>>) -> Self {
        Self {
            log: self.log.clone(),
            services,
            order: Vec::new(),
            attempts: self.attempts,
            verbose: self.verbose,
            format: self.format,
            sample: self.sample,
            traces: self.traces.clone(),
            suppressor: self.suppressor.clone(),
            groups: self.groups.clone(),
            unanswered: self.unanswered.clone(),
            changes: Arc::clone(&self.changes),
        }
    }

    /// The services, in their order.
    pub(crate) fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().map(|counted| &counted.service)
    }

    /// With a line per attempt (`-l`), or with what there is to say besides (`-v`).
    #[must_use]
    pub(crate) fn with_detail(self, attempts: bool, verbose: Detail) -> Self {
        Self {
            attempts: attempts || verbose == Detail::ALL,
            verbose,
            ..self
        }
    }

    /// With the lines of `-l` for these messages only.
    #[must_use]
    pub(crate) fn with_sample(self, sample: Sample) -> Self {
        Self { sample, ..self }
    }

    /// With changes of state, without repeats, and with lines of requests in this format.
    #[must_use]
    pub(crate) fn for_daemon(self, format: LogFormat, suppressor: Arc<Suppressor>) -> Self {
        Self {
            suppressor: Some(suppressor),
            format,
            ..self
        }
    }

    /// With lines of requests in this format.
    pub(crate) fn with_format(self, format: LogFormat) -> Self {
        Self { format, ..self }
    }

    /// The services in the order of the settings, whatever the order here.
    fn in_order(&self) -> impl Iterator<Item = &Counted> {
        let as_here = self.order.is_empty();
        let of_order = self.order.iter().filter_map(|at| self.services.get(*at));
        let all = self.services.iter().filter(move |_| as_here);
        all.chain(of_order).map(Arc::as_ref)
    }

    /// The names of the services, in their order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|counted| counted.name.as_str())
    }

    fn name_of(&self, index: usize) -> Option<&str> {
        self.services.get(index).map(|counted| &*counted.name)
    }

    /// A service, as it was given.
    pub(crate) fn service(&self, index: usize) -> Option<&Service> {
        self.services.get(index).map(|counted| &counted.service)
    }

    /// Why a service failed last: nothing where it never has.
    pub(crate) fn reason(&self, index: usize) -> String {
        let counted = self.services.get(index);
        counted.map(|counted| counted.reason()).unwrap_or_default()
    }

    /// Since when a service has been up; `None` where it has never been down.
    pub(crate) fn up_since(&self, index: usize) -> Option<Instant> {
        self.services.get(index)?.up_since()
    }

    /// Where the lines go.
    #[must_use]
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Says a line unless it repeats one of less than 10 s ago.
    pub(crate) fn repeatable(&self, level: Level, kind: &'static str, about: usize, text: String) {
        match &self.suppressor {
            Some(suppressor) => suppressor.line(level, kind, about, text),
            None => self.log.line(level, text),
        }
    }

    /// Says a line about a service, unless it repeats one of less than 10 s ago.
    fn about_service(&self, level: Level, kind: &'static str, counted: &Counted, text: String) {
        match &self.suppressor {
            Some(suppressor) => {
                let entry = Entry::new(level, text).with(Field::Service, &counted.name);
                suppressor.entry(kind, counted.id, entry);
            }
            None => self.log.line(level, text),
        }
    }

    /// Lines of `-l` that were left out since the start, where some may be.
    pub(crate) fn left_out(&self) -> Option<u64> {
        (!self.sample.is_all()).then(|| self.log.left_out())
    }

    /// Writes lines that were held back and have waited for a minute, or `all` of them.
    pub(crate) fn say_held_back(&self, now: Instant, all: bool) {
        if let Some(suppressor) = &self.suppressor {
            suppressor.write_held_back(now, all);
        }
    }
}

/// Puts values at their places in a table, which grows for that by one place after the other.
pub(crate) fn put<T: Clone>(table: &mut Vec<T>, places: &[usize], values: &[T]) {
    for (place, value) in places.iter().zip(values) {
        match table.get_mut(*place) {
            Some(known) => known.clone_from(value),
            None => table.push(value.clone()),
        }
    }
}
