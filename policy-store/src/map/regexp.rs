//! `regexp:` and `pcre:`: expressions and what they come to, the first one that matches; and plain lists of them.
//! Source: pcre_table(5).
//!
//! Each expression has a limit of steps, so that none can hold up a server, whatever it is asked about; one that reaches
//! it does not match, and where ten have reached it the look-up ends without a match. More than 64 KiB of a text are not
//! looked at. A look-up runs on the thread of its caller, and takes about a microsecond for each expression that is no
//! match: a table of some thousand holds up the other requests of that thread for some milliseconds.

use std::borrow::Cow;

use pcre2::bytes::{Captures, Regex, RegexBuilder};

use super::{MapError, lines::logical_lines};

/// How many steps a match may take: about 0.3 ms.
const LIMIT: &str = "(*LIMIT_MATCH=100000)";

/// How many expressions may reach it in one look-up: together about 3 ms.
const MAX_LIMITED: usize = 10;

/// How much of a text is looked at.
const MAX_SUBJECT: usize = 64 << 10;

/// Rules in their order.
#[derive(Debug)]
pub(super) struct Regexp {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    regex: Regex,
    is_negated: bool,
    then: Then,
}

#[derive(Debug)]
enum Then {
    Give(Vec<u8>),
    /// As it stands: no `$1`.
    GiveRaw(Vec<u8>),
    /// `if`: where to go on if it does not match.
    Enter(usize),
}

impl Regexp {
    /// `/PATTERN/FLAGS VALUE`, `!/PATTERN/FLAGS VALUE`, `if /PATTERN/FLAGS`, `endif`. Case does not matter but with the
    /// flag `i`, which turns that around as in Postfix.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, MapError> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut open = Vec::new();
        for (line, text) in logical_lines(bytes) {
            let wrong = |what: String| MapError::Line { line, what };
            if text.eq_ignore_ascii_case(b"endif") {
                let index: usize = open.pop().ok_or_else(|| wrong("endif without if".into()))?;
                let end = rules.len();
                if let Some(rule) = rules.get_mut(index) {
                    rule.then = Then::Enter(end);
                }
                continue;
            }
            let after_if = text
                .split_at_checked(2)
                .filter(|(word, rest)| {
                    word.eq_ignore_ascii_case(b"if")
                        && rest.starts_with(b" ") | rest.starts_with(b"\t")
                })
                .map(|(_, rest)| rest.trim_ascii());
            let pattern = after_if.unwrap_or(&text);
            let negated = pattern.strip_prefix(b"!").map(<[u8]>::trim_ascii_start);
            let parsed = Pattern::parse(negated.unwrap_or(pattern)).map_err(wrong)?;
            let regex = parsed.compile().map_err(wrong)?;
            let then = if after_if.is_some() {
                open.push(rules.len());
                Then::Enter(0)
            } else if parsed.value.is_empty() {
                return Err(wrong("an expression without a value".into()));
            } else if negated.is_some() && has_group(parsed.value) {
                return Err(wrong("`$1` of an expression that does not match".into()));
            } else {
                Then::Give(parsed.value.to_vec())
            };
            rules.push(Rule {
                regex,
                is_negated: negated.is_some(),
                then,
            });
        }
        if !open.is_empty() {
            let line = bytes.split(|byte| *byte == b'\n').count();
            return Err(MapError::Line {
                line,
                what: "if without endif".into(),
            });
        }
        Ok(Self { rules })
    }

    /// An expression on each line, as Perl reads it; `#` begins a comment line.
    pub(super) fn read_list(bytes: &[u8]) -> Result<Self, MapError> {
        let mut rules = Vec::new();
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.trim_ascii().is_empty() || line.trim_ascii_start().starts_with(b"#") {
                continue;
            }
            let wrong = |what| MapError::Line {
                line: index + 1,
                what,
            };
            let regex = compile(line, &RegexBuilder::new()).map_err(wrong)?;
            rules.push(Rule {
                regex,
                is_negated: false,
                then: Then::GiveRaw(line.to_vec()),
            });
        }
        Ok(Self { rules })
    }

    pub(super) fn get(&self, subject: &[u8]) -> Option<Cow<'_, [u8]>> {
        let subject = subject.get(..MAX_SUBJECT).unwrap_or(subject);
        let (mut at, mut limited) = (0, 0);
        while let Some(rule) = self.rules.get(at) {
            let Ok(matches) = rule.regex.is_match(subject) else {
                limited += 1;
                if limited == MAX_LIMITED {
                    return None;
                }
                at = rule.after_no_match(at);
                continue;
            };
            let matches = matches != rule.is_negated;
            match &rule.then {
                Then::Give(value) if matches => return Some(fill(value, &rule.regex, subject)),
                Then::GiveRaw(value) if matches => return Some(Cow::Borrowed(value)),
                Then::Enter(_) if matches => at += 1,
                _ => at = rule.after_no_match(at),
            }
        }
        None
    }

    pub(super) fn len(&self) -> usize {
        self.rules
            .iter()
            .filter(|rule| !matches!(rule.then, Then::Enter(_)))
            .count()
    }
}

impl Rule {
    /// The place of the rule after this one, which is at `at` and does not match. What reaches the limit does not match,
    /// negated or not.
    fn after_no_match(&self, at: usize) -> usize {
        match self.then {
            // Never back: an end lies behind its beginning.
            Then::Enter(end) => end,
            Then::Give(_) | Then::GiveRaw(_) => at + 1,
        }
    }
}

/// The pattern of a rule.
struct Pattern<'a> {
    pattern: &'a [u8],
    flags: &'a [u8],
    value: &'a [u8],
}

impl<'a> Pattern<'a> {
    fn parse(text: &'a [u8]) -> Result<Self, String> {
        let Some((delimiter, rest)) = text.split_first() else {
            return Err("no expression".into());
        };
        if delimiter.is_ascii_alphanumeric() {
            return Err(format!(
                "`{}` does not delimit an expression",
                char::from(*delimiter)
            ));
        }
        let mut is_escaped = false;
        let end = rest.iter().position(|byte| {
            let is_end = byte == delimiter && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            is_end
        });
        let (pattern, rest) = end
            .and_then(|end| rest.split_at_checked(end))
            .ok_or("no end of the expression")?;
        let rest = rest.get(1..).unwrap_or_default();
        let flags = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        let (flags, value) = rest.split_at_checked(flags).unwrap_or((rest, b""));
        Ok(Self {
            pattern,
            flags,
            value: value.trim_ascii(),
        })
    }

    fn compile(&self) -> Result<Regex, String> {
        let (mut caseless, mut multi_line, mut dotall, mut extended) = (true, false, true, false);
        let mut anchored = false;
        for flag in self.flags {
            match flag {
                b'i' => caseless = !caseless,
                b'm' => multi_line = !multi_line,
                b's' => dotall = !dotall,
                b'x' => extended = !extended,
                b'A' => anchored = !anchored,
                // Greediness and the end of a text; nothing that tables in use have.
                other => return Err(format!("flag `{}` is not known", char::from(*other))),
            }
        }
        let mut builder = RegexBuilder::new();
        builder
            .caseless(caseless)
            .multi_line(multi_line)
            .dotall(dotall)
            .extended(extended);
        if anchored {
            let pattern = [b"\\A(?:", self.pattern, b")"].concat();
            return compile(&pattern, &builder);
        }
        compile(self.pattern, &builder)
    }
}

/// A pattern's own verbs would come behind the limit, where they are none.
fn compile(pattern: &[u8], builder: &RegexBuilder) -> Result<Regex, String> {
    let pattern = str::from_utf8(pattern).map_err(|_| "not UTF-8".to_owned())?;
    if pattern.starts_with("(*") {
        return Err("an expression that begins with a verb".into());
    }
    let mut builder = builder.clone();
    builder
        .jit_if_available(true)
        .max_jit_stack_size(Some(1 << 20));
    builder
        .build(&format!("{LIMIT}{pattern}"))
        .map_err(|error| error.to_string())
}

fn has_group(value: &[u8]) -> bool {
    let mut after_dollar = false;
    value.iter().any(|byte| {
        let is_group = after_dollar && matches!(byte, b'0'..=b'9' | b'{' | b'(');
        after_dollar = *byte == b'$' && !after_dollar;
        is_group
    })
}

/// Replaces `$1`, `${1}` and `$(1)`; `$$` is a dollar sign.
fn fill<'a>(value: &'a [u8], regex: &Regex, subject: &[u8]) -> Cow<'a, [u8]> {
    if !value.contains(&b'$') {
        return Cow::Borrowed(value);
    }
    let captures = regex.captures(subject).ok().flatten();
    let mut out = Vec::new();
    let mut rest = value;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'$' {
            out.push(*byte);
        } else if let Some(after) = after.strip_prefix(b"$") {
            out.push(b'$');
            rest = after;
        } else if let Some((number, after)) = group(after) {
            out.extend_from_slice(captured(captures.as_ref(), number));
            rest = after;
        } else {
            out.push(b'$');
        }
    }
    Cow::Owned(out)
}

fn captured<'s>(captures: Option<&Captures<'s>>, number: usize) -> &'s [u8] {
    let found = captures.and_then(|captures| captures.get(number));
    found.map(|found| found.as_bytes()).unwrap_or_default()
}

/// The number of a group, and what follows.
fn group(text: &[u8]) -> Option<(usize, &[u8])> {
    let close = match text.first()? {
        b'{' => Some(b'}'),
        b'(' => Some(b')'),
        _ => None,
    };
    let text = if close.is_some() {
        text.get(1..)?
    } else {
        text
    };
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at_checked(digits)?;
    let number = str::from_utf8(number).ok()?.parse().ok()?;
    match close {
        None => Some((number, rest)),
        Some(close) => Some((number, rest.strip_prefix(&[close])?)),
    }
}
