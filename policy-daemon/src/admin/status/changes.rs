//! The last changes of a service's state, for the page.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

/// The last changes: twenty, the oldest of which goes for each new one.
///
/// ```
/// use policy_daemon::admin::Changes;
///
/// let changes = Changes::default();
/// for number in 0..30 {
///     changes.add(format!("change {number}"));
/// }
/// let last = changes.last();
/// assert_eq!((last.len(), &*last[0].1), (20, "change 29"), "the newest is the first");
/// ```
#[derive(Debug, Default)]
pub struct Changes(Mutex<VecDeque<(SystemTime, String)>>);

impl Changes {
    /// Adds a change that happens now. A text of more than 300 bytes is cut off.
    pub fn add(&self, text: impl Into<String>) {
        let mut text = text.into();
        text.truncate(end_within(&text, MAX_TEXT));
        let mut changes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        changes.truncate(MAX - 1);
        changes.push_front((SystemTime::now(), text));
    }

    /// The changes, the newest first.
    #[must_use]
    pub fn last(&self) -> Vec<(SystemTime, String)> {
        let changes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        changes.iter().cloned().collect()
    }
}

/// The end of a text that has this many bytes at most.
fn end_within(text: &str, most: usize) -> usize {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

const MAX: usize = 20;
const MAX_TEXT: usize = 300;
