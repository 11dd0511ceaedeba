//! `Quota`: answers, or runs a nested chain, where a counter of `Accounting` has reached a threshold.

use super::accounting::{Counters, Metric};
use crate::{
    chain::plugin::{Plugin, PluginError, Step},
    chain::{Call, Chain, Setting, answer, answer_or_nested, failure},
    config::Section,
};

#[derive(Debug)]
struct Quota {
    enabled: Setting,
    field: Setting,
    metric: Setting,
    threshold: Setting,
    action: Setting,
    counters: Counters,
    chain: Option<Chain>,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    let field = section.required("field");
    _ = section.required("metric");
    _ = section.required("threshold");
    _ = section.integer("threshold", 0);
    let counters = Counters::new(section);
    counters.check("field", &field, section);
    let metric = section.setting("metric", None);
    if let Some(name) = metric
        .configured()
        .filter(|name| Metric::parse(name).is_none())
    {
        let text = format!(
            "`metric` is `{name}`, but one of count, count_rcpt, size, size_rcpt is wanted"
        );
        section.error("metric", text);
    }
    let chain = section.chain();
    // The original's action has a default, so that its nested chain never runs.
    let default = (chain.is_none() || section.compat()).then_some(ACTION);
    let action = section.action_setting("action", default);
    if chain.is_some() && action.configured().is_some() {
        let text = "the nested chain never runs, since `action` comes first";
        section.warning("Plugin", text);
    }
    Box::new(Quota {
        enabled: section.enabled(),
        field: section.setting("field", None),
        metric,
        threshold: section.score_setting("threshold", None),
        action,
        counters,
        chain,
    })
}

impl Quota {
    fn metric(&self, call: &Call<'_>) -> Result<Metric, PluginError> {
        let name = self.metric.text(call.session());
        Metric::parse(name)
            .ok_or_else(|| PluginError::Other(format!("there is no metric `{name}`")))
    }
}

impl Plugin for Quota {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        if self.enabled.is_off(call.session()) {
            return answer(None);
        }
        let field = self.field.text(call.session()).to_owned();
        let Some(value) = call.filled(&field) else {
            call.note(|| format!("field {field} is empty in request. skipping quota check."));
            return answer(None);
        };
        let metric = match self.metric(call) {
            Ok(metric) => metric,
            Err(error) => return failure(error),
        };
        Step::later(async move {
            let now = call.services().now();
            let count = self.counters.read(&field, &value, now, metric).await?;
            let threshold = self.threshold.number(call.session()).unwrap_or_default();
            call.note(|| format!("{field} {value}: {count} of {threshold}"));
            if (count as f64) < threshold {
                return Ok(None);
            }
            let action = self.action.get(call.session()).map(str::to_owned);
            answer_or_nested(action, self.chain.as_ref(), call)
                .outcome()
                .await
        })
    }

    fn nested(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }
}

const ACTION: &str = "defer smtp traffic quota has been exceeded";
