//! What is told of a block, and the time that telling it may take.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::time::timeout;

use crate::chain::fill;

/// What is told.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub(super) limit: Arc<str>,
    pub(super) label: String,
    pub(super) key: String,
    pub(super) metric: &'static str,
    pub(super) window: String,
    pub(super) used: u64,
    pub(super) time: u64,
}

impl Notice {
    pub(super) fn json(&self) -> String {
        let notice = json!({
            "limit": &*self.limit,
            "by": self.label,
            "key": self.key,
            "metric": self.metric,
            "window": self.window,
            "used": self.used,
            "time": self.time,
        });
        notice.to_string()
    }

    /// Puts what is known into a text.
    pub(super) fn fill(&self, text: &str) -> String {
        fill(
            text,
            &[
                ("%KEY%", &self.key),
                ("%LIMIT%", &self.window),
                ("%USED%", &self.used.to_string()),
                ("%METRIC%", self.metric),
                ("%NAME%", &self.limit),
            ],
        )
    }
}

/// Does it in time, or has failed.
pub(super) async fn within<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = || Err(format!("not done within {} s", LIMIT.as_secs()));
    timeout(LIMIT, work).await.unwrap_or_else(|_| late())
}

/// How long a command or a web server may take.
const LIMIT: Duration = Duration::from_secs(10);
