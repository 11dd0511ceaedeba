//! The counters of a configuration: of its virtual hosts, plugins and limits. A reload keeps those whose names stay.
//!
//! One worker serves all requests, and it alone counts.

use std::{collections::BTreeMap, sync::Arc};

use policy_daemon::metrics::{ActionClass, Counter, Values};
use policy_proto::Response;

use crate::error::{OnError, PluginError};

mod process;
pub(crate) use process::ProcessCounters;

/// The counters of a configuration. Each is there once: two plugins of one name in a virtual host have the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    /// The virtual host that is being built.
    host: Arc<str>,
    pub(crate) hosts: BTreeMap<Arc<str>, Arc<HostCounters>>,
    pub(crate) plugins: BTreeMap<PluginKey, Arc<PluginCounters>>,
    pub(crate) limits: BTreeMap<LimitKey, Arc<LimitCounters>>,
}

/// The virtual host and the plugin.
type PluginKey = (Arc<str>, Arc<str>);
/// The virtual host, the plugin and the metric.
type LimitKey = (Arc<str>, Arc<str>, &'static str);

/// What is counted of a virtual host.
#[derive(Debug, Default)]
pub(crate) struct HostCounters {
    replies: [Counter; ActionClass::ALL.len()],
}

/// What is counted of a plugin.
#[derive(Debug, Default)]
pub(crate) struct PluginCounters {
    outcomes: [Counter; OUTCOMES.len()],
    on_error: [Counter; OnError::ALL.len()],
}

/// What is counted of a limit.
#[derive(Debug, Default)]
pub(crate) struct LimitCounters {
    pub(crate) blocks: Counter,
    /// How many different values an account has. `None` where amounts are counted.
    pub(crate) values: Option<Values>,
}

impl Counters {
    /// The counters of a virtual host, whose plugins follow.
    pub(crate) fn host(&mut self, name: &str, previous: &Self) -> Arc<HostCounters> {
        self.host = name.into();
        same_or_new(&mut self.hosts, &previous.hosts, Arc::clone(&self.host))
    }

    /// The counters of a plugin of this virtual host.
    pub(crate) fn plugin(&mut self, name: &Arc<str>, previous: &Self) -> Arc<PluginCounters> {
        let key = (Arc::clone(&self.host), Arc::clone(name));
        same_or_new(&mut self.plugins, &previous.plugins, key)
    }

    /// The counters of a limit of this virtual host.
    pub(crate) fn limit(
        &mut self,
        name: &Arc<str>,
        metric: &'static str,
        is_distinct: bool,
        previous: &Self,
    ) -> Arc<LimitCounters> {
        let key = (Arc::clone(&self.host), Arc::clone(name), metric);
        let old = previous.limits.get(&key).map(Arc::clone);
        let new = || {
            old.unwrap_or_else(|| {
                let values = is_distinct.then(|| Values::new(&DISTINCT));
                let blocks = Counter::default();
                Arc::new(LimitCounters { blocks, values })
            })
        };
        Arc::clone(self.limits.entry(key).or_insert_with(new))
    }
}

impl Counters {
    /// The effects of plugins' errors, with how often there was each.
    pub(crate) fn on_error(&self) -> impl Iterator<Item = (&'static str, u64)> {
        OnError::ALL.into_iter().enumerate().map(|(at, (_, name))| {
            let counts = self.plugins.values().filter_map(|of| of.on_error.get(at));
            (name, counts.map(Counter::get).sum())
        })
    }
}

impl HostCounters {
    /// A request has its answer, or none.
    pub(crate) fn replied(&self, response: Option<&Response>) {
        if let Some(count) = self.replies.get(ActionClass::of(response) as usize) {
            count.add(1);
        }
    }

    pub(crate) fn replies(&self, class: ActionClass) -> u64 {
        self.replies.get(class as usize).map_or(0, Counter::get)
    }
}

impl PluginCounters {
    /// A plugin had its turn.
    pub(crate) fn ran(&self, result: &Result<Option<String>, PluginError>) {
        let outcome = match result {
            Ok(None) => 0,
            Ok(Some(_)) => 1,
            Err(error) if error.is_timeout() => 3,
            Err(_) => 2,
        };
        if let Some(count) = self.outcomes.get(outcome) {
            count.add(1);
        }
    }

    /// An error of the plugin had this effect.
    pub(crate) fn recovered(&self, on_error: OnError) {
        if let Some(count) = self.on_error.get(on_error as usize) {
            count.add(1);
        }
    }

    /// The outcomes, with how often there was each.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        OUTCOMES
            .into_iter()
            .zip(self.outcomes.iter().map(Counter::get))
    }
}

impl LimitCounters {
    /// An account has so many different values now.
    pub(crate) fn counted(&self, used: u64) {
        if let Some(values) = &self.values {
            values.add(used as f64);
        }
    }
}

fn same_or_new<K: Clone + Ord, V: Default>(
    all: &mut BTreeMap<K, Arc<V>>,
    previous: &BTreeMap<K, Arc<V>>,
    key: K,
) -> Arc<V> {
    let same = previous.get(&key).map(Arc::clone);
    Arc::clone(all.entry(key).or_insert_with(|| same.unwrap_or_default()))
}

const OUTCOMES: [&str; 4] = ["passed", "answered", "failed", "timeout"];
/// How many addresses, countries or recipients an account has: one or two as a rule, many where it was stolen.
const DISTINCT: [f64; 9] = [1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_keeps_the_counters_whose_names_stay() {
        let mut before = Counters::default();
        before.host("a", &Counters::default());
        let name: Arc<str> = "spf".into();
        before.plugin(&name, &Counters::default()).ran(&Ok(None));
        let limit = before.limit(&name, "countries", true, &Counters::default());
        limit.counted(3);

        let mut after = Counters::default();
        for (host, kept) in [("a", 1), ("b", 0)] {
            after.host(host, &before);
            let passed = |counters: &PluginCounters| counters.outcomes().next().unwrap().1;
            assert_eq!(passed(&after.plugin(&name, &before)), kept, "{host}");
            let limit = after.limit(&name, "countries", true, &before);
            let values = limit.values.as_ref().unwrap().histogram();
            assert_eq!(values.count(), kept, "{host}");
        }
        after.host("a", &before);
        after.plugin(&name, &before).ran(&Ok(None));
        let both = before.plugin(&name, &Counters::default());
        assert_eq!(both.outcomes().next(), Some(("passed", 2)), "they are one");
    }

    #[test]
    fn each_outcome_of_a_plugin_is_counted() {
        let counters = PluginCounters::default();
        let nested = PluginError::Nested {
            plugin: "inner".into(),
            error: Box::new(PluginError::Timeout),
        };
        for result in [
            Ok(None),
            Ok(Some("reject".to_owned())),
            Err(PluginError::other("x")),
            Err(PluginError::Timeout),
            Err(nested),
        ] {
            counters.ran(&result);
        }
        let outcomes: Vec<_> = counters.outcomes().collect();
        let expected = [
            ("passed", 1),
            ("answered", 1),
            ("failed", 1),
            ("timeout", 2),
        ];
        assert_eq!(outcomes, expected);
    }
}
