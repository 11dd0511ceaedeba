use std::sync::Arc;

use policy_net::Check;

use crate::Proxy;

impl Proxy {
    /// What a daemon does beside its clients, for ever: closing connections that have been idle for too
    /// long, and looking at services that are down.
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
        tokio::join!(upstream.maintain(), checking);
    }
}
