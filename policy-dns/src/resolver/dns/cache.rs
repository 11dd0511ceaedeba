//! Answers that are kept for their time to live, within a bound of bytes.

use std::{
    collections::{HashMap, VecDeque, hash_map},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::super::{Answer, Question};

/// Answers that are kept. Where there is no room the oldest ones go, whatever was asked for last: questions cannot
/// choose which.
#[derive(Debug)]
pub(super) struct Cache {
    most: usize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_question: HashMap<Question, Entry>,
    /// In the order in which they came; an entry that was replaced since has another number.
    by_age: VecDeque<(Question, u64)>,
    bytes: usize,
    number: u64,
}

#[derive(Debug)]
struct Entry {
    answer: Answer,
    until: Instant,
    size: usize,
    number: u64,
}

impl Cache {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            entries: Mutex::default(),
        }
    }

    /// The answer that is kept for a question, with what is left of its time, unless that is over.
    pub(super) fn get(&self, question: &Question) -> Option<Answer> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.by_question.get(question)?;
        let left = entry.until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| entry.answer.clone().within(left))
    }

    /// Keeps an answer for a time.
    pub(super) fn put(&self, question: Question, answer: &Answer, time: Duration) {
        let size = OVERHEAD + 2 * question.name.size() + answer.size();
        let Some(until) = Instant::now().checked_add(time) else {
            return;
        };
        if time.is_zero() || size > self.most {
            return;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = &mut *entries;
        entries.number += 1;
        let entry = Entry {
            answer: answer.clone(),
            until,
            size,
            number: entries.number,
        };
        let place = (question.clone(), entry.number);
        entries.by_age.push_back(place);
        entries.bytes += size;
        if let Some(replaced) = entries.by_question.insert(question, entry) {
            entries.bytes = entries.bytes.saturating_sub(replaced.size);
        }
        while entries.bytes > self.most
            || entries.by_age.len() > 2 * entries.by_question.len() + SLACK
        {
            let Some((oldest, number)) = entries.by_age.pop_front() else {
                break;
            };
            if let hash_map::Entry::Occupied(entry) = entries.by_question.entry(oldest)
                && entry.get().number == number
            {
                entries.bytes = entries.bytes.saturating_sub(entry.remove().size);
            }
        }
    }

    /// Keeps no more of the answers that are meant.
    pub(super) fn forget(&self, is_meant: impl Fn(&Answer) -> bool) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Entries {
            by_question,
            by_age,
            bytes,
            ..
        } = &mut *entries;
        by_question.retain(|_, entry| {
            let is_kept = !is_meant(&entry.answer);
            if !is_kept {
                *bytes = bytes.saturating_sub(entry.size);
            }
            is_kept
        });
        by_age.retain(|(question, number)| {
            let entry = by_question.get(question);
            entry.is_some_and(|entry| entry.number == *number)
        });
    }

    /// How many answers are kept, those whose time is over included.
    pub(super) fn len(&self) -> usize {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .by_question
            .len()
    }
}

/// The memory that an entry takes besides its names and records, about.
const OVERHEAD: usize = 256;
/// How many entries of `by_age` may be of answers that were replaced since, at least.
const SLACK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Data, Name, Outcome, Record, RecordType};

    fn question(index: usize) -> Question {
        Question::new(
            Name::parse(format!("a{index}.test")).unwrap(),
            RecordType::A,
        )
    }

    fn answer(outcome: Outcome) -> Answer {
        Answer::without_records(outcome)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_for_its_time() {
        let cache = Cache::new(10_000);
        cache.put(
            question(1),
            &answer(Outcome::NoData),
            Duration::from_secs(3),
        );
        cache.put(question(2), &answer(Outcome::NoData), Duration::ZERO);
        assert_eq!(cache.get(&question(1)), Some(answer(Outcome::NoData)));
        assert_eq!(cache.get(&question(2)), None);
        assert_eq!(
            cache.get(&Question::new(question(1).name, RecordType::Mx)),
            None
        );
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(cache.get(&question(1)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_says_what_is_left_of_its_time() {
        let cache = Cache::new(10_000);
        let record = Record {
            name: question(1).name,
            ttl: 300,
            data: Data::A([192, 0, 2, 1].into()),
        };
        let ttl = Duration::from_secs(300);
        let answer = Answer::from_section(&question(1), Outcome::Records, vec![record], ttl);
        cache.put(question(1), &answer, ttl);
        tokio::time::advance(Duration::from_secs(100)).await;
        let left = cache.get(&question(1)).map(|answer| answer.ttl());
        assert_eq!(left, Some(Duration::from_secs(200)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_answers_make_room() {
        let size = OVERHEAD + 2 * question(1).name.size();
        let cache = Cache::new(3 * size);
        let hour = Duration::from_secs(3600);
        for index in [1, 2, 3, 1, 4] {
            cache.put(question(index), &answer(Outcome::NoData), hour);
        }
        let kept: Vec<_> = (1..5)
            .filter(|&index| cache.get(&question(index)).is_some())
            .collect();
        assert_eq!(kept, [1, 3, 4]);
        for _ in 0..10_000 {
            cache.put(question(1), &answer(Outcome::NxDomain), hour);
        }
        let entries = cache.entries.lock().unwrap();
        assert!(entries.by_age.len() <= 2 * 3 + SLACK);
        assert_eq!(
            entries.bytes,
            entries
                .by_question
                .values()
                .map(|entry| entry.size)
                .sum::<usize>()
        );
    }

    #[tokio::test]
    async fn what_is_forgotten_takes_no_memory() {
        let cache = Cache::new(10_000);
        let hour = Duration::from_secs(3600);
        cache.put(question(1), &answer(Outcome::Timeout), hour);
        cache.put(question(2), &answer(Outcome::NoData), hour);
        cache.forget(|answer| answer.outcome() == Outcome::Timeout);
        assert_eq!(cache.get(&question(1)), None);
        assert_eq!(cache.get(&question(2)), Some(answer(Outcome::NoData)));
        cache.forget(|_| true);
        let entries = cache.entries.lock().unwrap();
        let left = (
            entries.by_question.len(),
            entries.by_age.len(),
            entries.bytes,
        );
        assert_eq!(left, (0, 0, 0));
    }

    #[tokio::test]
    async fn what_is_larger_than_all_is_not_kept() {
        let cache = Cache::new(10);
        cache.put(
            question(1),
            &answer(Outcome::NoData),
            Duration::from_secs(9),
        );
        assert_eq!(cache.len(), 0);
    }
}
