//! What is looked after beside the requests.

use std::sync::Arc;

use policy_net::Check;

use crate::{
    Proxy,
    shortage::{EVERY, Shortage},
};

impl Proxy {
    /// What a daemon does beside its clients, for ever: closing connections that have been idle for too
    /// long, looking at services that are down, and saying when memory is used up.
    pub(crate) async fn upkeep(self: Arc<Self>, check: Option<Check>) {
        let Some(upstream) = &self.upstream else {
            return;
        };
        let checking = async {
            if let Some(check) = check {
                let on_event = |event: policy_net::Event<'_>| self.journal.checked(&event);
                upstream.check(&check, on_event).await;
            }
        };
        tokio::join!(upstream.maintain(), checking, self.watch_memory());
    }

    async fn watch_memory(&self) {
        let Some(budget) = &self.terms.memory else {
            return;
        };
        let mut shortage = Shortage::default();
        let mut tick = tokio::time::interval(EVERY);
        loop {
            tick.tick().await;
            if let Some(memory) = shortage.look_at(budget) {
                self.journal.memory(memory, budget.bytes());
            }
        }
    }
}
