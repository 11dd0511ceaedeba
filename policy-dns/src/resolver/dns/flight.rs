//! One question under way for all that ask it.

use std::{
    collections::{HashMap, hash_map::Entry},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::{FutureExt, Shared, WeakShared};

use super::super::{Answer, Question};

/// The questions that are under way.
///
/// Each caller that waits drives the question on. When the last one gives up, the question is given up.
#[derive(Clone, Default)]
pub(super) struct Flights {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    under_way: HashMap<Question, Flight>,
    number: u64,
}

struct Flight {
    number: u64,
    asking: WeakShared<Asking>,
}

type Asking = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl Flights {
    /// The answer of the question that is under way, or of `ask`, which then is.
    pub(super) fn join<F>(&self, question: &Question, ask: impl FnOnce() -> F) -> Shared<Asking>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { under_way, number } = &mut *state;
        let place = under_way.entry(question.clone());
        if let Entry::Occupied(flight) = &place
            && let Some(shared) = flight.get().asking.upgrade()
        {
            return shared;
        }
        *number += 1;
        let number = *number;
        let registration = Registration {
            flights: self.clone(),
            question: question.clone(),
            number,
        };
        let asking = ask();
        let asking: Asking = Box::pin(async move {
            let _registration = registration;
            asking.await
        });
        let shared = asking.shared();
        if let Some(asking) = shared.downgrade() {
            place.insert_entry(Flight { number, asking });
        }
        shared
    }
}

/// Takes a question off the list when it is answered or given up.
struct Registration {
    flights: Flights,
    question: Question,
    number: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut state = self
            .flights
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Another one may be under way for the same question, if this one was given up.
        if let Entry::Occupied(flight) = state.under_way.entry(self.question.clone())
            && flight.get().number == self.number
        {
            flight.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        time::Duration,
    };

    use super::*;
    use crate::{Name, Outcome, RecordType};

    fn slow(asked: &Arc<AtomicUsize>) -> impl Future<Output = Answer> + Send + use<> {
        asked.fetch_add(1, Relaxed);
        async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Answer::without_records(Outcome::NxDomain)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_is_asked_once_for_all() {
        let (flights, asked) = (Flights::default(), Arc::new(AtomicUsize::new(0)));
        let question = Question::new(Name::parse("a.test").unwrap(), RecordType::A);
        let join = || flights.join(&question, || slow(&asked));
        let answers = futures_util::future::join_all((0..20).map(|_| join())).await;
        assert_eq!((answers.len(), asked.load(Relaxed)), (20, 1));
        assert!(flights.state.lock().unwrap().under_way.is_empty());
        join().await;
        assert_eq!(asked.load(Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_all_give_up_is_gone() {
        let (flights, asked) = (Flights::default(), Arc::new(AtomicUsize::new(0)));
        let question = Question::new(Name::parse("a.test").unwrap(), RecordType::A);
        let half = Duration::from_millis(500);
        let (first, second) = (
            flights.join(&question, || slow(&asked)),
            flights.join(&question, || slow(&asked)),
        );
        assert!(tokio::time::timeout(half, first).await.is_err());
        assert_eq!(second.await.outcome(), Outcome::NxDomain);
        assert_eq!(asked.load(Relaxed), 1);
        assert!(
            tokio::time::timeout(half, flights.join(&question, || slow(&asked)))
                .await
                .is_err()
        );
        assert!(flights.state.lock().unwrap().under_way.is_empty());
    }
}
