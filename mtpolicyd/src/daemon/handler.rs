//! Answers requests: chooses the virtual host, locks the session, runs the chain, writes the log line.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, PoisonError, RwLock},
    task::Poll,
    time::Duration,
};

use futures_util::stream::{FuturesUnordered, StreamExt};
use memchr::memchr3;
use policy_daemon::{
    log::{Entry, Field, Level, MessageId},
    trace::{Story, Traces},
};
use policy_net::{BoxError, Handler, Peer};
use policy_proto::{Request, Response};
use tokio::time::Instant;

use super::{choice::choose, steps};
use crate::{
    chain::plugin::PluginError,
    chain::{Attributes, Call, Trace, Verdict, log_line},
    config::{Config, Prefetch, VirtualHost},
    counters::ProcessCounters,
    services::{Manner, Services},
    session::{Held, Session, SessionError},
};

/// Answers requests by a configuration, which may be replaced while it does.
#[derive(Debug)]
pub struct Server {
    config: RwLock<Arc<Config>>,
    services: Services,
    counters: ProcessCounters,
    traces: Traces,
}

impl Server {
    /// A server with this configuration.
    #[must_use]
    pub fn new(config: Config, services: Services) -> Self {
        Self {
            config: RwLock::new(Arc::new(config)),
            services,
            counters: ProcessCounters::default(),
            traces: Traces::default(),
        }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on requests are answered by this configuration; those in progress by the one before.
    pub fn replace(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// What all requests share.
    #[must_use]
    pub const fn services(&self) -> &Services {
        &self.services
    }

    /// Whether each answer is `dunno`.
    const fn is_dry_run(&self) -> bool {
        matches!(self.services.manner, Manner::DryRun)
    }

    /// The traces of requests.
    pub(super) const fn traces(&self) -> &Traces {
        &self.traces
    }

    pub(crate) const fn counters(&self) -> &ProcessCounters {
        &self.counters
    }

    /// The verdict on a request, with its session locked meanwhile.
    pub(super) async fn decide(
        &self,
        config: &Config,
        host: &VirtualHost,
        attributes: &Attributes<'_>,
        trace: Option<&mut Trace>,
    ) -> Result<Option<Verdict>, PluginError> {
        let mut held = self.open_session(config, attributes).await?;
        let verdict = self
            .run_chain(config, host, attributes, &mut held.session, trace)
            .await;
        if let Err(error) = config.sessions.close(held).await {
            self.counters.lost();
            self.services.journal.failed(&error.to_string());
        }
        verdict
    }

    /// The session of the request. Where the store is away, requests go on with an empty one.
    async fn open_session(
        &self,
        config: &Config,
        attributes: &Attributes<'_>,
    ) -> Result<Held, PluginError> {
        // Without a store nobody asks for it.
        let instance = if config.sessions.is_kept() {
            attributes.text("instance")
        } else {
            None
        };
        let opened = config.sessions.open(instance.as_deref()).await;
        self.counters.opened(opened.as_ref().err());
        match opened {
            Ok(held) => Ok(held),
            Err(error) if self.services.compat => Err(PluginError::Other(error.to_string())),
            Err(error) => {
                let more = match error {
                    SessionError::Busy(_) => "another request has it, this one goes on without",
                    SessionError::Store(_) => "requests go on without sessions",
                };
                self.services.journal.failed(&format!("{error}: {more}"));
                Ok(Held::default())
            }
        }
    }

    async fn run_chain(
        &self,
        config: &Config,
        host: &VirtualHost,
        attributes: &Attributes<'_>,
        session: &mut Session,
        trace: Option<&mut Trace>,
    ) -> Result<Option<Verdict>, PluginError> {
        let deadline = Instant::now() + config.globals.request_timeout;
        let mut call = Call::new(attributes, session, &self.services).with_deadline(deadline);
        if let Some(trace) = trace {
            call = call.with_trace(trace);
        }
        let ahead = match config.globals.dns_prefetch {
            _ if self.services.compat => Vec::new(),
            Prefetch::Off => Vec::new(),
            Prefetch::Lists => host.chain.prefetch(&call, false),
            Prefetch::All => host.chain.prefetch(&call, true),
        };
        let mut run = pin!(host.chain.run(&mut call));
        if ahead.is_empty() {
            return run.await;
        }
        let mut ahead: FuturesUnordered<_> = ahead.into_iter().collect();
        poll_fn(|cx| {
            let verdict = run.as_mut().poll(cx);
            if verdict.is_pending() {
                while let Poll::Ready(Some(())) = ahead.poll_next_unpin(cx) {}
            }
            verdict
        })
        .await
    }

    async fn answer(&self, request: &Request, peer: &Peer) -> Result<Response, BoxError> {
        let begin = Instant::now();
        let config = self.config();
        let attributes = Attributes::of(request);
        let story = self.traces.story(request, peer.connection());
        let is_lenient = !self.services.compat;
        let host = match choose(&config, &attributes, peer.listener(), is_lenient) {
            Ok(host) => host,
            Err(error) => {
                if let Some(story) = story {
                    story.end(&steps::closed(&error));
                }
                return Err(error.into());
            }
        };
        let response = self
            .answer_of(&config, host, &attributes, begin, story)
            .await;
        host.counters.replied(response.as_ref().ok());
        response
    }

    async fn answer_of(
        &self,
        config: &Config,
        host: &VirtualHost,
        attributes: &Attributes<'_>,
        begin: Instant,
        story: Option<Story<'_>>,
    ) -> Result<Response, BoxError> {
        let mut steps = story.as_ref().map(|_| Trace::default());
        let verdict = self.decide(config, host, attributes, steps.as_mut()).await;
        if let Some((story, steps)) = story.zip(steps) {
            steps::tell(story, host, &steps, &verdict, self.is_dry_run());
        }
        let verdict = verdict?;
        if self.services.journal.is_logged(1) {
            self.log(config, host, attributes, verdict.as_ref(), begin.elapsed());
        }
        let action = verdict
            .filter(|_| !self.is_dry_run())
            .map(|verdict| verdict.action);
        Ok(response(action.unwrap_or_else(|| "dunno".to_owned()))?)
    }

    /// The log line of a request, if its message is one of those that are logged.
    fn log(
        &self,
        config: &Config,
        host: &VirtualHost,
        attributes: &Attributes<'_>,
        verdict: Option<&Verdict>,
        elapsed: Duration,
    ) {
        let journal = &self.services.journal;
        let instance = || attributes.get("instance").unwrap_or_default();
        let sample = config.globals.log_sample;
        if !sample.is_all() && !journal.log().takes_sampled(sample, instance()) {
            return;
        }
        let mut line = log_line(
            &host.name,
            attributes,
            verdict,
            elapsed,
            self.services.compat,
        );
        if self.is_dry_run() {
            line.push_str(&dry_run(attributes));
        }
        if !journal.log().has_fields() {
            return journal.line(1, &line);
        }
        let (plugin, action) =
            verdict.map_or(("", ""), |verdict| (&verdict.plugin, &verdict.action));
        let millis = elapsed.as_secs_f64() * 1000.0;
        let entry = Entry::new(Level::Info, line)
            .with_id(MessageId::REQUEST)
            .with_request(|name| attributes.get(name))
            .with(Field::VirtualHost, &*host.name)
            .with(Field::Plugin, plugin)
            .with(Field::Action, action)
            .with(Field::Ms, format!("{millis:.1}"));
        journal.entry(1, &entry);
    }
}

impl Handler for Server {
    async fn handle(&self, request: Request, peer: &Peer) -> Result<Response, BoxError> {
        self.answer(&request, peer).await
    }
}

/// What is added to the log line of a dry run: whom the answer would have been about.
fn dry_run(attributes: &Attributes<'_>) -> String {
    let text = |name| attributes.text(name).unwrap_or_default();
    format!(
        ", client={}[{}], sender=<{}>, recipient=<{}> (dry run: answered dunno)",
        text("client_name"),
        text("client_address"),
        text("sender"),
        text("recipient")
    )
}

/// The action as an answer that Postfix can read: in one line, and not blank.
fn response(mut action: String) -> Result<Response, policy_proto::InvalidResponse> {
    if memchr3(b'\0', b'\n', b'\r', action.as_bytes()).is_some() {
        action = action.replace(['\0', '\n', '\r'], " ");
    }
    if action.chars().all(char::is_whitespace) {
        return Ok(Response::dunno());
    }
    let mut end = MAX_ACTION.min(action.len());
    while !action.is_char_boundary(end) {
        end -= 1;
    }
    action.truncate(end);
    Response::new(action)
}

/// How long an action may be, in bytes.
const MAX_ACTION: usize = 8192;

#[cfg(test)]
mod tests {
    use super::response;

    #[test]
    fn an_action_is_one_line_that_postfix_can_read() {
        let long = "x".repeat(9000);
        for (action, answer) in [
            ("reject  a  b ", "reject  a  b "),
            ("reject a\nb\r\n", "reject a b  "),
            (" ", "DUNNO"),
            ("", "DUNNO"),
            (&long, &long[..8192]),
        ] {
            assert_eq!(response(action.to_owned()).unwrap().as_str(), Some(answer));
        }
    }
}
