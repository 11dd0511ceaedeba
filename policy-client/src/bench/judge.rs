//! The worth of an answer: the expected action, a default action.

use regex::bytes::Regex;

/// Tells answers apart, and counts them by their first words.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    expected: Option<Regex>,
    default: Option<Regex>,
    /// The answer before, of which nothing has to be found out again.
    last: Vec<u8>,
    verdict: Verdict,
    counts: Vec<(String, u64)>,
    /// Of those that are more kinds than are counted each.
    others: u64,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) is_wrong: bool,
    pub(crate) is_default: bool,
    /// Its place among the counts.
    kind: Option<usize>,
}

impl Judge {
    pub(crate) fn new(expected: Option<Regex>, default: Option<Regex>) -> Self {
        Self {
            expected,
            default,
            ..Self::default()
        }
    }

    pub(crate) fn judge(&mut self, action: &[u8]) -> Verdict {
        if self.last != action || action.is_empty() {
            self.verdict = self.look(action);
            self.last.clear();
            self.last.extend_from_slice(action);
        }
        self.verdict
    }

    /// Counts an answer that was judged.
    pub(crate) fn count(&mut self, verdict: Verdict) {
        match verdict.kind.and_then(|kind| self.counts.get_mut(kind)) {
            Some((_, count)) => *count += 1,
            None => self.others += 1,
        }
    }

    pub(crate) const fn knows_default(&self) -> bool {
        self.default.is_some()
    }

    /// The first words of answers in the order of their first appearance, and how many there were.
    pub(crate) fn counts(&self) -> Vec<(String, u64)> {
        let counted = self.counts.iter().filter(|(_, count)| *count > 0).cloned();
        let others = (self.others > 0).then(|| ("others".to_owned(), self.others));
        counted.chain(others).collect()
    }

    fn look(&mut self, action: &[u8]) -> Verdict {
        let is = |regex: &Option<Regex>| regex.as_ref().map(|regex| regex.is_match(action));
        let word = action.split(|byte| byte.is_ascii_whitespace()).next();
        let word = policy_daemon::log::escaped(word.unwrap_or_default(), MAX_WORD, |_| false);
        let known = self.counts.iter().position(|(known, _)| *known == word);
        let kind = known.or_else(|| {
            let is_room = self.counts.len() < MAX_WORDS;
            is_room.then(|| {
                self.counts.push((word, 0));
                self.counts.len() - 1
            })
        });
        let is_default = is(&self.default) == Some(true);
        Verdict {
            is_wrong: is(&self.expected) == Some(false) && !is_default,
            is_default,
            kind,
        }
    }
}

const MAX_WORD: usize = 40;
const MAX_WORDS: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compared_and_counted_by_their_first_word() {
        let regex = |text| Regex::new(text).ok();
        let mut judge = Judge::new(regex("^DUNNO"), regex("^DEFER nobody$"));
        for (action, is_wrong, is_default) in [
            (&b"DUNNO"[..], false, false),
            (b"DUNNO", false, false),
            (b"DEFER nobody", false, true),
            (b"DEFER greylisted", true, false),
            (b"REJECT \x1b[2J", true, false),
        ] {
            let verdict = judge.judge(action);
            judge.count(verdict);
            assert_eq!(
                (verdict.is_wrong, verdict.is_default),
                (is_wrong, is_default)
            );
        }
        let counts = [("DUNNO", 2), ("DEFER", 2), ("REJECT", 1)];
        assert_eq!(
            judge.counts(),
            counts.map(|(word, count)| (word.to_owned(), count))
        );
    }

    #[test]
    fn a_server_that_never_says_the_same_word_twice_makes_nothing_grow() {
        let mut judge = Judge::default();
        for number in 0..1000 {
            let verdict = judge.judge(format!("{number} x").as_bytes());
            judge.count(verdict);
        }
        let counts = judge.counts();
        assert_eq!(counts.len(), MAX_WORDS + 1);
        assert_eq!(
            counts.last(),
            Some(&("others".to_owned(), 1000 - MAX_WORDS as u64))
        );
    }
}
