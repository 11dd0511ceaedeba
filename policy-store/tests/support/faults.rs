//! A server that fails while it is asked by many: no call takes longer than its deadline, and none gets another's
//! answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use policy_store::{Breaker, BreakerState, RemoteOptions, Store};
use tokio::{
    task::{JoinSet, block_in_place},
    time::timeout,
};

/// Short, so that a test does not take long.
pub const DEADLINE: Duration = Duration::from_millis(300);

/// The result of a call that must end at its deadline. Both timers of a machine that stands still ring at once, and then the
/// call is asked first: only one that has no end of its own fails here.
pub async fn by_deadline<T>(call: impl Future<Output = T>) -> T {
    let ended = timeout(DEADLINE * 3, call).await;
    ended.expect("a call goes on after its deadline")
}

pub fn remote() -> RemoteOptions {
    let mut remote = RemoteOptions::default();
    remote.deadline = DEADLINE;
    remote.retry_max = Duration::from_millis(500);
    remote
}

/// Callers that ask until they are told to stop. Each key has a value that names it.
pub struct Load {
    ends: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    callers: JoinSet<()>,
}

impl Load {
    pub fn start(store: Arc<dyn Store>) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let mut callers = JoinSet::new();
        for caller in 0..8 {
            let (store, ends, answered) = (store.clone(), ends.clone(), answered.clone());
            callers.spawn(async move {
                for number in 0_u64.. {
                    if ends.load(Ordering::Relaxed) {
                        return;
                    }
                    if ask(&*store, caller, number).await {
                        answered.fetch_add(1, Ordering::Relaxed);
                    } else {
                        // The breaker answers at once: leave the machine to the others.
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                }
            });
        }
        Self {
            ends,
            answered,
            callers,
        }
    }

    /// Waits until so many more are answered.
    pub async fn answers(&self, more: u64) {
        let end = self.answered.load(Ordering::Relaxed) + more;
        let reached = async {
            while self.answered.load(Ordering::Relaxed) < end {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = timeout(Duration::from_secs(30), reached).await;
        assert!(in_time.is_ok(), "no {more} answers came");
    }

    /// Ends the callers; one that saw what it should not have seen fails the test.
    pub async fn end(mut self) {
        self.ends.store(true, Ordering::Relaxed);
        while let Some(result) = self.callers.join_next().await {
            result.unwrap();
        }
    }
}

/// Whether it was answered.
async fn ask(store: &dyn Store, caller: u64, number: u64) -> bool {
    let key = format!("key {caller} {}", number % 13);
    let value = format!(
        "{key} is {number} {}",
        "x".repeat((number % 50) as usize * 20)
    );
    if number.is_multiple_of(2) {
        let ttl = Some(Duration::from_secs(60));
        let set = store.set(key.as_bytes(), value.as_bytes(), ttl);
        by_deadline(set).await.is_ok()
    } else {
        let got = by_deadline(store.get(key.as_bytes())).await;
        if let Ok(Some(got)) = &got {
            assert!(
                got.starts_with(format!("{key} is ").as_bytes()),
                "{key}: {got:?}"
            );
        }
        got.is_ok()
    }
}

/// Waits until a breaker is in a state.
pub async fn state(breaker: &Breaker, wanted: BreakerState) {
    let mut watch = breaker.watch();
    let reached = watch.wait_for(|status| {
        status.state == wanted
            || (wanted == BreakerState::Open && status.state == BreakerState::Trying)
    });
    let in_time = timeout(Duration::from_secs(30), reached).await;
    assert!(in_time.is_ok(), "{breaker:?} is not {wanted:?}");
}

/// A server that is killed, then stopped, both under load, and comes back. The test needs a runtime of several threads:
/// it waits for the server on one of them.
pub async fn survives(store: Arc<dyn Store>, server: &mut super::Server, breaker: &Breaker) {
    let load = Load::start(store);
    load.answers(200).await;
    block_in_place(|| server.kill());
    state(breaker, BreakerState::Open).await;
    let error = breaker.status().error.unwrap();
    assert!(!error.contains("geheim"), "{error}");
    block_in_place(|| server.start_again());
    state(breaker, BreakerState::Closed).await;
    load.answers(200).await;

    server.stop();
    state(breaker, BreakerState::Open).await;
    server.go_on();
    state(breaker, BreakerState::Closed).await;
    load.answers(200).await;

    // So short that no breaker opens: connections end, and new ones are made.
    block_in_place(|| server.kill());
    block_in_place(|| server.start_again());
    load.answers(200).await;
    load.end().await;
}
