//! Ends of what waits: one timer for all that ends in the same millisecond.
//!
//! A timer that rings before all others costs its runtime a system call when it is set: the runtime wakes itself up. The
//! questions of a request are asked at once, and so their times end at once.

use std::{cell::RefCell, pin::Pin, time::Duration};

use futures_util::future::{FutureExt, Shared, WeakShared};
use tokio::{
    runtime::{Handle, Id},
    time::{Instant, Sleep, sleep_until},
};

/// A timer that several wait for.
pub(super) type End = Shared<Pin<Box<Sleep>>>;

/// A timer that is known as long as somebody waits for it.
struct Known {
    runtime: Id,
    at: Instant,
    end: WeakShared<Pin<Box<Sleep>>>,
}

thread_local! {
    /// The last ones of this thread's runtime.
    static LAST: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
}

/// Rings at this time, or less than a millisecond before: timers are not more exact.
pub(super) fn end_at(at: Instant) -> End {
    let runtime = Handle::current().id();
    LAST.with_borrow_mut(|last| {
        let is_same = |known: &&Known| {
            let before = at.checked_duration_since(known.at);
            known.runtime == runtime && before.is_some_and(|before| before < MILLISECOND)
        };
        let mut known = last.iter().filter(is_same);
        if let Some(end) = known.find_map(|known| known.end.upgrade()) {
            return end;
        }
        let end = Box::pin(sleep_until(at)).shared();
        last.truncate(MAX_KNOWN - 1);
        let known = end.downgrade().map(|end| Known { runtime, at, end });
        last.splice(..0, known);
        end
    })
}

const MILLISECOND: Duration = Duration::from_millis(1);
/// The deadline of a request, that of a list, the time of a try, and one more.
const MAX_KNOWN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_ends_in_the_same_millisecond_has_one_timer_as_long_as_somebody_waits() {
        let at = Instant::now() + Duration::from_secs(1);
        let micros = |micros| end_at(at + Duration::from_micros(micros));
        let (first, other) = (micros(0), micros(1000));
        assert!(first.ptr_eq(&micros(999)));
        assert!(!first.ptr_eq(&other) && other.ptr_eq(&micros(1000)));
        // One that ends later is none for what ends before.
        assert!(!first.ptr_eq(&end_at(at - MILLISECOND / 2)));
        first.await;
        assert_eq!(Instant::now(), at);
        other.await;
        let again = end_at(Instant::now() + MILLISECOND);
        again.await;
        assert_eq!(Instant::now(), at + 2 * MILLISECOND);
    }

    #[test]
    fn no_timer_is_one_of_another_runtime() {
        let runtime = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_time().build().unwrap()
        };
        let at = Instant::now() + MILLISECOND;
        let (one, other) = (runtime(), runtime());
        let of = |runtime: &tokio::runtime::Runtime| {
            let _inside = runtime.enter();
            end_at(at)
        };
        let (of_one, of_other) = (of(&one), of(&other));
        assert!(!of_one.ptr_eq(&of_other));
        drop(one);
        other.block_on(of_other);
    }
}
