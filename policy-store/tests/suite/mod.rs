//! The behaviour of every store, as cases that run against each of them.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test that includes this module uses a part of it"
)]

mod changes;
mod entries;
mod windows;

use std::{sync::Arc, time::Duration};

use policy_store::{RemoteOptions, Store};
use tokio::time::sleep;

pub use self::{changes::*, entries::*, windows::*};

/// A store to test, and whether its keys can be guessed by others: each case uses its own.
pub type Tested = Arc<dyn Store>;

/// How a remote is asked where the deadline is not what is tested: a machine with much else to do may be slow.
pub fn patient() -> RemoteOptions {
    let mut remote = RemoteOptions::default();
    remote.deadline = Duration::from_secs(20);
    remote
}

/// Waits for a condition; false after some 20 seconds. On the paused clock that takes no time.
pub async fn eventually(mut condition: impl AsyncFnMut() -> bool) -> bool {
    for _ in 0..4000 {
        if condition().await {
            return true;
        }
        sleep(Duration::from_millis(5)).await;
    }
    false
}

/// A time to live that ends within a test.
pub const SHORT: Option<Duration> = Some(Duration::from_millis(300));

/// One that does not.
pub const LONG: Option<Duration> = Some(Duration::from_secs(3600));

/// All cases: as tests of their own, where `$make` makes a store and what has to live as long; or as a function that
/// runs one after the other over one store, for stores that take long to start.
#[macro_export]
macro_rules! store_suite {
    (run_all) => {
        $crate::store_cases!(@run_all);
    };
    ($test:meta, $make:path) => {
        $crate::store_cases!(@tests $test, $make);
    };
}

/// The list of cases.
#[macro_export]
macro_rules! store_cases {
    ($($how:tt)*) => {
        $crate::store_cases_as!(
            [$($how)*]
            a_value_is_got_as_it_was_set
            a_key_is_any_bytes
            no_call_fails_for_a_long_key
            a_key_is_no_command
            what_is_too_large_is_refused
            a_value_ends_at_its_time
            a_new_value_has_a_new_time
            a_deleted_value_is_gone
            only_an_absent_value_is_set
            a_value_whose_time_is_over_is_absent
            only_the_expected_value_is_replaced
            only_the_expected_value_is_deleted
            numbers_add_up
            a_sum_keeps_the_time_of_its_beginning
            what_is_no_number_is_not_added_to
            a_sum_that_is_too_large_is_refused
            many_callers_lose_no_count
            one_of_many_callers_replaces_a_value
            a_lock_is_held_by_one
            a_lock_whose_time_is_over_is_lost
            who_has_the_lock_writes_whatever_was_written_without_it
            answers_are_those_of_their_questions
            an_answer_that_nobody_waits_for_reaches_nobody
            events_are_counted_up_to_the_limit
            all_windows_count_or_none
            bytes_and_recipients_are_counted_as_amounts
            distinct_values_count_once
            what_is_denied_can_be_counted
            what_has_its_mark_is_counted_already
            a_window_slides
            a_window_is_shown_without_counting
            a_preview_says_what_counting_would_and_counts_nothing
            a_window_is_reset
            many_callers_are_let_through_up_to_the_limit
            another_kind_of_event_starts_anew
            limits_that_could_not_be_kept_are_refused
        );
    };
}

/// What is made of the list.
#[macro_export]
macro_rules! store_cases_as {
    ([@tests $test:meta, $make:path] $($case:ident)*) => {
        $(
            #[$test]
            async fn $case() {
                let (store, _alive) = $make().await;
                $crate::suite::$case(store).await;
            }
        )*
    };
    ([@run_all] $($case:ident)*) => {
        async fn run_all(store: $crate::suite::Tested) {
            $(
                println!("{}", stringify!($case));
                $crate::suite::$case(store.clone()).await;
            )*
        }
    };
}
