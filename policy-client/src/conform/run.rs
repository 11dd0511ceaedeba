//! The course of a run: cases side by side where they may, their results in order.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{
    case::Case,
    cases::Group,
    server::Server,
    verdict::{Miss, Verdict},
};

/// A case, its group, and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) group: &'static Group,
    pub(crate) case: &'static Case,
    pub(crate) verdict: Verdict,
    pub(crate) elapsed: Duration,
}

/// Cases under way.
#[derive(Debug)]
pub(crate) struct Run {
    server: Arc<Server>,
    /// So many side by side.
    jobs: usize,
    waiting: VecDeque<(usize, &'static Group, &'static Case)>,
    running: JoinSet<(usize, Ended)>,
    /// The one that runs has no other beside it.
    is_alone: bool,
    /// Those that ended before one that comes before them.
    early: BTreeMap<usize, Ended>,
    next: usize,
}

impl Run {
    pub(crate) fn new(
        server: Arc<Server>,
        jobs: usize,
        cases: Vec<(&'static Group, &'static Case)>,
    ) -> Self {
        let numbered = cases.into_iter().enumerate();
        Self {
            server,
            jobs,
            waiting: numbered
                .map(|(number, (group, case))| (number, group, case))
                .collect(),
            running: JoinSet::new(),
            is_alone: false,
            early: BTreeMap::new(),
            next: 0,
        }
    }

    /// The next result in order; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Ended> {
        loop {
            if let Some(ended) = self.early.remove(&self.next) {
                self.next += 1;
                return Some(ended);
            }
            self.start();
            // Each case has a limit of time in all that it waits for, and none panics.
            let (number, ended) = self.running.join_next().await?.ok()?;
            self.early.insert(number, ended);
        }
    }

    /// What has ended and was not given yet, though some before it have not.
    pub(crate) fn rest(self) -> impl Iterator<Item = Ended> {
        self.early.into_values()
    }

    fn start(&mut self) {
        while let Some(&(number, group, case)) = self.waiting.front() {
            let is_free = if group.is_alone {
                self.running.is_empty()
            } else {
                self.running.len() < self.jobs && (self.running.is_empty() || !self.is_alone)
            };
            if !is_free {
                return;
            }
            self.waiting.pop_front();
            self.is_alone = group.is_alone;
            let server = Arc::clone(&self.server);
            self.running.spawn(async move {
                let since = Instant::now();
                let verdict = verdict(case, server).await;
                let ended = Ended {
                    group,
                    case,
                    verdict,
                    elapsed: since.elapsed(),
                };
                (number, ended)
            });
        }
    }
}

/// Runs a case, unless the server has ended: then it is not the case's fault.
async fn verdict(case: &Case, server: Arc<Server>) -> Verdict {
    let ended = || Err(Miss::Skipped("nobody listens any more".to_owned()));
    if server.has_ended() {
        return ended();
    }
    match case.run(Arc::clone(&server)).await {
        Err(Miss::Failed(_)) if server.has_ended() => ended(),
        Err(Miss::Failed(why)) if server.is_found_ended().await => Err(Miss::Ended(format!(
            "{why}; nobody listens any more: --jobs 1 shows since which case"
        ))),
        verdict => verdict,
    }
}
