//! The worth of an answer: a reply at all, the expected action, a default action.

use regex::bytes::Regex;

use crate::exchange::restriction;

/// What has come over a connection since the last request.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Reply<'a> {
    /// It may still become a reply.
    Part,
    /// The text of its action, and what has come after it.
    Whole {
        action: &'a [u8],
        excess: &'a [u8],
    },
    Invalid,
}

impl<'a> Reply<'a> {
    /// Lines up to a blank one, of which the first `action=` counts. As Postfix does, other attributes are skipped; a line that is
    /// none is the greeting of another protocol, and known at once.
    pub(crate) fn parse(bytes: &'a [u8]) -> Self {
        let mut action = None;
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            match (line.strip_prefix(b"action="), action) {
                (Some(text), None) if text.ends_with(b"\r") && restriction(line).is_some() => {
                    return Self::Invalid;
                }
                (Some(text), None) => action = Some(text).filter(|text| is_taken(text)),
                (None, Some(action)) if line.is_empty() => {
                    return Self::Whole {
                        action,
                        excess: rest,
                    };
                }
                _ if line.contains(&b'=') => {}
                _ => return Self::Invalid,
            }
        }
        if bytes.len() > MAX_REPLY {
            Self::Invalid
        } else {
            Self::Part
        }
    }
}

/// Whether Postfix takes this for an action as it stands.
fn is_taken(action: &[u8]) -> bool {
    let text = str::from_utf8(action);
    text.is_ok_and(|text| !text.trim_ascii().is_empty() && !text.contains('\0'))
}

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

/// More than any action; a server that never ends its line is no reason to grow.
const MAX_REPLY: usize = 64 * 1024;
const MAX_WORD: usize = 40;
const MAX_WORDS: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_an_action_and_a_blank_line() {
        use Reply::{Invalid, Part};
        let whole = |action, excess| Reply::Whole { action, excess };
        for (bytes, reply) in [
            (&b""[..], Part),
            (b"act", Part),
            (b"action=DUNNO", Part),
            (b"action=DUNNO\n", Part),
            (b"action=DUNNO\n\n", whole(&b"DUNNO"[..], &b""[..])),
            (b"action=DUNNO\n\n\n", whole(b"DUNNO", b"\n")),
            (b"x=y\naction=OK\naction=DUNNO\n\n", whole(b"OK", b"")),
            (b"220 hello\n", Invalid),
            (b"\n", Invalid),
            (b"x=y\n\n", Invalid),
            (b"action=\n\n", Invalid),
            (b"action= \n\n", Invalid),
            (b"action=a\0b\n\n", Invalid),
            (b"action=REJECT \xe9\n\n", Invalid),
            (b"action=DUNNO\r\n\n", Invalid),
            (b"action=DUNNO\r\n\r\n", Invalid),
            (b"action=REJECT no\r\n\n", whole(b"REJECT no\r", b"")),
            (b"action=OK\n220 hello\n", Invalid),
        ] {
            assert_eq!(Reply::parse(bytes), reply, "{}", bytes.escape_ascii());
        }
        assert_eq!(Reply::parse(&[b'a'; MAX_REPLY + 1]), Invalid);
    }

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
