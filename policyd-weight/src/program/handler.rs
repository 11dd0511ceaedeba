//! The requests of a daemon's connections.

use std::{sync::Arc, time::Duration};

use policy_daemon::trace::Story;
use policy_net::{BoxError, Handler, Peer};
use policy_proto::{Request, Response};
use tokio::{sync::watch, time::timeout};

use crate::{
    mail::Attributes,
    policy::{Decided, NotAnswered, Policy},
    text::{bytes, into_bytes},
};

/// Answers requests.
#[derive(Clone, Debug)]
pub(super) struct WeightHandler {
    pub(super) policy: Arc<Policy>,
    /// Whether the cache has been read.
    pub(super) ready: watch::Receiver<bool>,
}

impl Handler for WeightHandler {
    async fn handle(&self, request: Request, peer: &Peer) -> Result<Response, BoxError> {
        let story = self.policy.traces().story(&request, peer.connection());
        if !*self.ready.borrow() {
            let mut ready = self.ready.clone();
            // A cache that cannot be read in time is none.
            _ = timeout(MAX_WAIT, ready.wait_for(|ready| *ready)).await;
        }
        let attributes = attributes(&request);
        log_attributes(&self.policy, || {
            request
                .attributes()
                .map(|(name, value)| (name.to_vec(), value.to_vec()))
                .collect()
        });
        let mut told = story.as_ref().map(|_| Decided::default());
        let answered = self
            .policy
            .answer_and_tell(&attributes, told.as_mut())
            .await;
        if let Some((story, told)) = story.zip(told) {
            tell(story, &told, &answered);
        }
        Ok(Response::new(into_bytes(answered?))?)
    }
}

/// The attributes of a request that count.
pub(super) fn attributes(request: &Request) -> Attributes<'_> {
    let mut attributes = Attributes::default();
    for (name, value) in request.attributes() {
        attributes.set(name, value);
    }
    attributes
}

/// Tells those who trace a request: the words of `--explain`.
#[cold]
fn tell(story: Story<'_>, told: &Decided, answered: &Result<String, NotAnswered>) {
    let text = |text: &str| String::from_utf8_lossy(&bytes(text)).into_owned();
    story.lines(&text(&told.lines()));
    match answered {
        Ok(action) => story.end(&text(action)),
        Err(error) => story.end(&format!("(connection closed without an answer: {error})")),
    }
}

/// With `$VERBOSE`, the attributes in the order of their names.
pub(super) fn log_attributes(
    policy: &Policy,
    attributes: impl FnOnce() -> Vec<(Vec<u8>, Vec<u8>)>,
) {
    if !policy.settings().config().verbose {
        return;
    }
    let mut attributes = attributes();
    attributes.sort();
    for (name, value) in attributes {
        let line = [&b"debug: Attribute: "[..], &name, b"=", &value]
            .concat()
            .to_ascii_lowercase();
        policy.log().info(line);
    }
}

/// How long the first requests wait until the cache is read.
const MAX_WAIT: Duration = Duration::from_secs(2);
