//! `mtpolicyd limits show|reset KEY`, and the same of `mtpolicyd ctl`: what the windows of somebody hold, and how they are emptied.

use super::{Limit, window_text};
use crate::chain::plugin::{LimitOrder, PluginError};

/// A line for each window in which something is counted, or what was emptied.
pub(super) async fn run(limit: &Limit, order: LimitOrder<'_>) -> Result<Vec<String>, PluginError> {
    let failed = |error| limit.store.failed(error);
    let store = limit.store.get().await.map_err(failed)?;
    // A memory has no remote that could be away.
    if !order.is_daemon && store.breakers().is_empty() {
        return Err(PluginError::other(
            "it counts in the daemon's memory, which nobody else sees: ask it with mtpolicyd ctl limits, or use a store with a \
             module Sql or Redis",
        ));
    }
    let mut lines = Vec::new();
    for subject in limit.subjects.all(order.key) {
        let id = limit.id(&subject);
        if order.is_reset {
            let was_there = store.delete(&id).await.map_err(failed)?;
            let was_told = store.delete(&limit.told(&subject)).await.map_err(failed)?;
            if was_there || was_told {
                lines.push(format!("{subject}: reset"));
            }
            continue;
        }
        let client = subject.value.split('/').next();
        let client = client.and_then(|text| text.parse().ok());
        let (rule, errors) = limit.own.look_up(&subject, client).await;
        lines.extend(errors.iter().map(|error| format!("{subject}: {error}")));
        let Some(windows) = rule.windows() else {
            lines.push(format!("{subject}: unlimited"));
            continue;
        };
        let usage = store.usage(&id, &windows).await.map_err(failed)?;
        let used = usage.windows.iter().filter(|of| of.used > 0);
        lines.extend(used.map(|of| {
            let metric = limit.metric.name();
            format!(
                "{subject}: {} of {} {metric}",
                of.used,
                window_text(of.window)
            )
        }));
    }
    Ok(lines)
}
