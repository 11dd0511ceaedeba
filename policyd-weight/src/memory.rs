//! The answers to the last mails, for their next recipients. All connections share it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

/// The answers to the last mails, by their keys.
#[derive(Debug)]
pub struct Memory {
    /// How many mails of each kind: the Perl program knows one.
    size: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    accepted: Recent<()>,
    rejected: Recent<Arc<str>>,
    /// What the Perl program answers to the next recipients of any rejected mail: known where it is asked for.
    last_text: Option<Arc<str>>,
}

/// What is remembered of a mail.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Remembered {
    /// It was accepted.
    Accepted,
    /// It was rejected with this text.
    Rejected(Arc<str>),
}

impl Memory {
    /// The memory for so many mails of each kind; with one it is the Perl program's, whose texts are those of another
    /// mail at times.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self {
            size: size.max(1),
            state: Mutex::default(),
        }
    }

    /// What is remembered of a mail. `reject_message` is the text where there has been none.
    #[must_use]
    pub fn get(&self, key: &str, reject_message: &str) -> Option<Remembered> {
        let state = self.state();
        if state.accepted.entries.contains_key(key) {
            return Some(Remembered::Accepted);
        }
        let own = state.rejected.entries.get(key)?;
        let text = if self.size > 1 {
            Some(own)
        } else {
            state.last_text.as_ref()
        };
        Some(Remembered::Rejected(
            text.map_or_else(|| reject_message.into(), Arc::clone),
        ))
    }

    /// A mail was accepted.
    pub fn accepted(&self, key: &str) {
        self.state().accepted.insert(key, (), self.size);
    }

    /// A mail was rejected. `text` is what others are told, if the mail has one.
    pub fn rejected(&self, key: &str, text: Option<&str>, action: &str) {
        let mut state = self.state();
        if let Some(text) = text.filter(|_| self.size == 1) {
            state.last_text = Some(text.into());
        }
        state.rejected.insert(key, action.into(), self.size);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Entries of which the oldest go.
#[derive(Debug)]
struct Recent<T> {
    entries: HashMap<Arc<str>, T>,
    order: VecDeque<Arc<str>>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<T> Recent<T> {
    fn insert(&mut self, key: &str, value: T, size: usize) {
        let key: Arc<str> = key.into();
        if self.entries.insert(Arc::clone(&key), value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > size {
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(text: &str) -> Option<Remembered> {
        Some(Remembered::Rejected(text.into()))
    }

    #[test]
    fn mails_have_their_own_texts() {
        let memory = Memory::new(2);
        memory.accepted("a");
        memory.rejected("b", None, "550 b");
        memory.rejected("c", Some("550"), "550 c");
        assert_eq!(memory.get("a", "550"), Some(Remembered::Accepted));
        assert_eq!(memory.get("b", "550"), rejected("550 b"));
        memory.rejected("d", None, "550 d");
        assert_eq!(
            (memory.get("b", "550"), memory.get("c", "550")),
            (None, rejected("550 c"))
        );
    }

    #[test]
    fn a_memory_of_one_has_the_text_of_any_mail() {
        let memory = Memory::new(1);
        memory.rejected("a", None, "550 too many lists");
        assert_eq!(memory.get("a", "550 default"), rejected("550 default"));
        memory.rejected("b", Some("550 scored"), "550 scored; and more");
        assert_eq!(
            (memory.get("a", ""), memory.get("b", "")),
            (None, rejected("550 scored"))
        );
        memory.rejected("c", None, "550 too many lists");
        assert_eq!(memory.get("c", ""), rejected("550 scored"));
    }
}
