//! Deadlines, and the transitions of the breaker, on the paused clock.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    task::{Context, Waker},
};

use tokio::time::{Instant, timeout};

use super::*;

/// A guard whose remote is what the test says.
fn guard(answers: Arc<Mutex<bool>>) -> Arc<Guard> {
    let probe = move || {
        let answers = *answers.lock().unwrap();
        Box::pin(async move {
            if answers {
                Ok(())
            } else {
                Err(StoreError::NotServing("starting".into()))
            }
        }) as Pin<Box<_>>
    };
    Guard::new("test".into(), RemoteOptions::default(), Box::new(probe))
}

async fn fails() -> Result<(), StoreError> {
    Err(StoreError::NotServing("starting".into()))
}

#[tokio::test(start_paused = true)]
async fn a_hung_remote_costs_a_call_its_deadline() {
    let guard = guard(Arc::default());
    let begin = Instant::now();
    let result = guard.call(pending::<Result<(), _>>()).await;
    assert!(matches!(result, Err(StoreError::TimedOut(after)) if after == Duration::from_secs(1)));
    assert_eq!(begin.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn after_three_outages_in_a_row_calls_fail_at_once() {
    let guard = guard(Arc::default());
    for _ in 0..3 {
        assert_eq!(guard.breaker().state(), BreakerState::Closed);
        let _ = guard.call(pending::<Result<(), _>>()).await;
    }
    let begin = Instant::now();
    let result = guard.call(async { Ok(()) }).await;
    assert!(
        matches!(&result, Err(StoreError::Away(cause)) if &**cause == "no answer within 1s"),
        "{result:?}"
    );
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn callers_that_give_up_late_open_the_breaker_and_those_that_give_up_early_do_not() {
    let guard = guard(Arc::new(Mutex::new(true)));
    let give_up_after = async |time| {
        let call = guard.call(pending::<Result<(), _>>());
        assert!(timeout(time, call).await.is_err());
    };
    for _ in 0..10 {
        give_up_after(Duration::from_millis(499)).await;
    }
    assert_eq!(guard.breaker().calls(), Calls::default());
    for _ in 0..3 {
        assert_eq!(guard.breaker().state(), BreakerState::Closed);
        give_up_after(Duration::from_millis(500)).await;
    }
    let status = guard.breaker().status();
    assert_eq!(status.state, BreakerState::Open);
    assert_eq!(status.error.as_deref(), Some("no answer within 500ms"));
    assert_eq!(guard.breaker().calls().timed_out, 3);
    // Nobody asks any more, and it is tried nevertheless.
    let mut watch = guard.breaker().watch();
    watch
        .wait_for(|status| status.state == BreakerState::Closed)
        .await
        .unwrap();
}

#[test]
fn calls_that_are_given_up_outside_of_a_runtime_count_and_another_call_begins_the_trials() {
    let mut options = RemoteOptions::default();
    (options.deadline, options.retry_min) = (Duration::from_millis(200), Duration::ZERO);
    let probe = || Box::pin(async { Ok(()) }) as Pin<Box<_>>;
    let guard = Guard::new("test".into(), options, Box::new(probe));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    for _ in 0..3 {
        let mut call = Box::pin(guard.call(pending::<Result<(), _>>()));
        runtime.block_on(async {
            // It is looked at once, so that it cannot end itself, however long this process stands still.
            let mut context = Context::from_waker(Waker::noop());
            assert!(call.as_mut().poll(&mut context).is_pending());
            sleep(Duration::from_millis(150)).await;
        });
        drop(call);
    }
    assert_eq!(guard.breaker().state(), BreakerState::Open);
    runtime.block_on(async {
        let mut watch = guard.breaker().watch();
        assert!(guard.call(async { Ok(()) }).await.is_err());
        watch
            .wait_for(|status| status.state == BreakerState::Closed)
            .await
            .unwrap();
    });
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_much_is_quoted_in_part() {
    let guard = guard(Arc::default());
    let text = format!("{}{}", "x".repeat(499), "ü".repeat(500_000));
    for _ in 0..3 {
        let refused = Err::<(), _>(StoreError::NotServing(text.clone()));
        let error = guard.call(async { refused }).await.unwrap_err();
        let said = "x".repeat(499) + "...";
        assert_eq!(error.to_string(), said);
    }
    assert!(guard.breaker().status().error.unwrap().len() < 600);
}

#[tokio::test(start_paused = true)]
async fn a_remote_behind_another_guard_is_said_to_be_away_once() {
    let guard = guard(Arc::default());
    for _ in 0..3 {
        let away = Err::<(), _>(StoreError::Away("starting".into()));
        guard.call(async { away }).await.unwrap_err();
    }
    let refused = guard.call(async { Ok(()) }).await.unwrap_err();
    assert_eq!(refused.to_string(), "not asked, since it is away: starting");
    assert_eq!(&*refused.reason(), "starting");
}

#[tokio::test(start_paused = true)]
async fn an_answer_between_two_outages_counts_anew() {
    let guard = guard(Arc::default());
    for _ in 0..4 {
        let _ = guard.call(fails()).await;
        let _ = guard.call(fails()).await;
        guard.call(async { Ok(()) }).await.unwrap();
    }
    assert_eq!(guard.breaker().state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_no_outage() {
    let guard = guard(Arc::default());
    for _ in 0..10 {
        let _ = guard
            .call(async { Err::<(), _>(StoreError::Refused("syntax".into())) })
            .await;
    }
    assert_eq!(guard.breaker().state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn trials_come_later_and_later_and_close_the_breaker_without_a_call() {
    let begin = Instant::now();
    let trials = Arc::new(Mutex::new(Vec::new()));
    let noted = trials.clone();
    let probe = move || {
        let mut trials = noted.lock().unwrap();
        trials.push(begin.elapsed().as_millis());
        let back = trials.len() == 6;
        Box::pin(async move { if back { Ok(()) } else { fails().await } }) as Pin<Box<_>>
    };
    let guard = Guard::new("test".into(), RemoteOptions::default(), Box::new(probe));
    for _ in 0..3 {
        let _ = guard.call(fails()).await;
    }
    let mut watch = guard.breaker().watch();
    watch
        .wait_for(|status| status.state == BreakerState::Closed)
        .await
        .unwrap();
    assert_eq!(*trials.lock().unwrap(), [250, 750, 1750, 3750, 5750, 7750]);
    guard.call(async { Ok(()) }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_began_before_the_breaker_opened_does_not_close_it() {
    let guard = guard(Arc::default());
    let early = guard.call(async {
        sleep(Duration::from_millis(100)).await;
        Ok(())
    });
    let failing = async {
        for _ in 0..3 {
            let _ = guard.call(fails()).await;
        }
    };
    let (early, ()) = tokio::join!(early, failing);
    early.unwrap();
    assert_ne!(guard.breaker().state(), BreakerState::Closed);
}

#[test]
fn another_runtime_goes_on_trying_when_the_first_one_ends() {
    let answers = Arc::new(Mutex::new(false));
    let guard = guard(answers.clone());
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
    };
    runtime().block_on(async {
        for _ in 0..3 {
            let _ = guard.call(fails()).await;
        }
    });
    *answers.lock().unwrap() = true;
    runtime().block_on(async {
        let mut watch = guard.breaker().watch();
        assert!(guard.call(async { Ok(()) }).await.is_err());
        watch
            .wait_for(|status| status.state == BreakerState::Closed)
            .await
            .unwrap();
    });
}

#[tokio::test(start_paused = true)]
async fn the_trials_end_with_the_guard() {
    let guard = guard(Arc::default());
    for _ in 0..3 {
        let _ = guard.call(fails()).await;
    }
    let watch = guard.breaker().watch();
    drop(guard);
    let mut watch = watch;
    // The last sender is gone once the task is.
    while watch.changed().await.is_ok() {}
}

#[tokio::test(start_paused = true)]
async fn no_wait_between_trials_is_a_short_one() {
    let trials = Arc::new(Mutex::new(0));
    let probe = {
        let trials = trials.clone();
        move || {
            *trials.lock().unwrap() += 1;
            Box::pin(async { fails().await }) as Pin<Box<_>>
        }
    };
    let mut options = RemoteOptions::default();
    (options.retry_min, options.retry_max) = (Duration::ZERO, Duration::ZERO);
    let guard = Guard::new("test".into(), options, Box::new(probe));
    for _ in 0..3 {
        let _ = guard.call(fails()).await;
    }
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(*trials.lock().unwrap(), 0);
    sleep(Duration::from_secs(1)).await;
    assert!((1..=100).contains(&*trials.lock().unwrap()));
}
