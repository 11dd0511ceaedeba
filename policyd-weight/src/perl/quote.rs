//! Quoted texts: `'..'`, `"..."`, `q()`, `qq()`, `qw()`, `qr//` and what is replaced in them.

use super::{
    Problem, Value,
    cursor::{Cursor, Delimited},
    variables::{Scope, Variable},
};

/// A text without replacements: a backslash stands for itself, but before another one or a delimiter.
pub(super) fn single(quoted: &Delimited) -> String {
    let close = match quoted.open {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        '<' => '>',
        other => other,
    };
    let mut text = String::new();
    let mut rest = quoted.text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\\', Some(&next)) if next == '\\' || next == quoted.open || next == close => {
                text.push(next);
                rest.next();
            }
            _ => text.push(c),
        }
    }
    text
}

/// Replaces escapes and variables.
pub(super) struct Interpolation<'a> {
    pub(super) cursor: &'a Cursor,
    pub(super) scope: &'a Scope,
    /// What is odd, for the log.
    pub(super) warnings: &'a mut Vec<Problem>,
}

impl Interpolation<'_> {
    /// A text in double quotes.
    pub(super) fn text(&mut self, quoted: &Delimited) -> Result<String, Problem> {
        let inner: Vec<char> = quoted.text.chars().collect();
        let mut text = String::new();
        let mut at = 0;
        while let Some(&c) = inner.get(at) {
            let place = quoted.position + at;
            at += match c {
                '\\' => self.escape(inner.get(at + 1..).unwrap_or_default(), place, &mut text)? + 1,
                '$' | '@' => {
                    self.variable(inner.get(at..).unwrap_or_default(), place, &mut text)?
                }
                _ => {
                    text.push(c);
                    1
                }
            };
        }
        Ok(text)
    }

    /// What an escape stands for, and how many characters it has after the backslash.
    fn escape(&self, rest: &[char], place: usize, text: &mut String) -> Result<usize, Problem> {
        let Some(&c) = rest.first() else {
            text.push('\\');
            return Ok(0);
        };
        let simple = match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\x07',
            'b' => '\x08',
            'e' => '\x1b',
            'f' => '\x0c',
            '0'..='7' => {
                let digits: String = rest.iter().take(3).take_while(|c| c.is_digit(8)).collect();
                text.push(byte(u32::from_str_radix(&digits, 8), self, place)?);
                return Ok(digits.len());
            }
            'x' => {
                let braced = rest.get(1) == Some(&'{');
                let digits = rest.iter().skip(1 + usize::from(braced));
                let most = if braced { 8 } else { 2 };
                let digits: String = digits
                    .take(most)
                    .take_while(|c| c.is_ascii_hexdigit())
                    .collect();
                if braced && rest.get(2 + digits.len()) != Some(&'}') {
                    let message = "`\\x{` is not ended by digits and a `}`";
                    return Err(self.cursor.problem(place, message));
                }
                text.push(byte(
                    u32::from_str_radix(&format!("0{digits}"), 16),
                    self,
                    place,
                )?);
                return Ok(1 + digits.len() + 2 * usize::from(braced));
            }
            'u' | 'U' | 'l' | 'L' | 'Q' | 'E' | 'F' | 'N' | 'c' => {
                let message =
                    format!("the escape `\\{c}` is not read here: write the characters themselves");
                return Err(self.cursor.problem(place, message));
            }
            other => other,
        };
        text.push(simple);
        Ok(1)
    }

    /// The value of the variable that comes next, and how many characters its name has.
    fn variable(
        &mut self,
        rest: &[char],
        place: usize,
        text: &mut String,
    ) -> Result<usize, Problem> {
        let is_array = rest.first() == Some(&'@');
        let after: String = rest.iter().skip(1).collect();
        let braced = after.starts_with('{');
        let name = Cursor::new(after.strip_prefix('{').unwrap_or(&after)).peek_word();
        if name.is_empty() {
            return self.special(&after, is_array, place, text);
        }
        let mut length = 1 + name.chars().count();
        if braced {
            if rest.get(length + 1) != Some(&'}') {
                return Err(self.computed(place));
            }
            length += 2;
        }
        let follows = (rest.get(length).copied(), rest.get(length + 1).copied());
        if matches!(
            follows,
            (Some('['), Some('0'..='9' | '-' | '$')) | (Some('{'), _)
        ) || matches!(follows, (Some('-'), Some('>')))
        {
            return Err(self.computed(place));
        }
        let variable = Variable { is_array, name };
        if !self.scope.knows(&variable) {
            let shown = variable.shown();
            let message = if is_array {
                format!(
                    "in double quotes `{shown}` is an array, and there is none: write `\\{shown}`, or single quotes"
                )
            } else {
                let meant = self.scope.suggestion(&variable);
                let meant = meant
                    .map(|meant| format!("; did you mean `{meant}`?"))
                    .unwrap_or_default();
                format!("there is no `{shown}`: write `\\{shown}` for the characters{meant}")
            };
            return Err(self.cursor.problem(place, message));
        }
        if is_array {
            let values = self.scope.array(&variable);
            let texts: Vec<_> = values.iter().map(Value::to_string).collect();
            text.push_str(&texts.join(" "));
        } else {
            text.push_str(&self.scope.scalar(&variable).to_string());
        }
        Ok(length)
    }

    /// A `$` or `@` without a name after it.
    fn special(
        &mut self,
        after: &str,
        is_array: bool,
        place: usize,
        text: &mut String,
    ) -> Result<usize, Problem> {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if is_array && !after.starts_with(['{', '$', '-', '+']) {
            text.push('@');
            return Ok(1);
        }
        if digits > 0 && !is_array {
            let number = after.get(..digits).unwrap_or_default();
            let message = format!(
                "`${number}` is a variable without a value: write `\\${number}` for the characters"
            );
            self.warnings.push(self.cursor.problem(place, message));
            return Ok(1 + digits);
        }
        if after.starts_with('{') {
            return Err(self.computed(place));
        }
        let c = if is_array { '@' } else { '$' };
        let message = format!("a lone `{c}` in double quotes: write `\\{c}`, or single quotes");
        Err(self.cursor.problem(place, message))
    }

    fn computed(&self, place: usize) -> Problem {
        let message = "nothing is computed within quotes: write the parts with ` . ` between them";
        self.cursor.problem(place, message)
    }

    /// The pattern of a regular expression: variables are replaced, and `\Q..\E` is quoted.
    pub(super) fn pattern(&mut self, quoted: &Delimited) -> Result<String, Problem> {
        let inner: Vec<char> = quoted.text.chars().collect();
        let (mut pattern, mut at, mut is_literal) = (String::new(), 0, false);
        let replaces = quoted.open != '\'';
        while let Some(&c) = inner.get(at) {
            let next = inner.get(at + 1).copied();
            let mut piece = String::new();
            let names = next.is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '{'));
            match (c, next) {
                ('\\', Some('Q')) if replaces => {
                    is_literal = true;
                    at += 2;
                }
                ('\\', Some('E')) if replaces => {
                    is_literal = false;
                    at += 2;
                }
                ('\\', Some(next)) if !is_literal => {
                    piece.extend(['\\', next]);
                    at += 2;
                }
                ('$' | '@', Some(_)) if replaces && names => {
                    let rest = inner.get(at..).unwrap_or_default();
                    at += self.variable(rest, quoted.position + at, &mut piece)?;
                }
                _ => {
                    piece.push(c);
                    at += 1;
                }
            }
            if is_literal {
                pattern.extend(piece.chars().flat_map(|c| {
                    let plain = c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
                    (!plain).then_some('\\').into_iter().chain([c])
                }));
            } else {
                pattern.push_str(&piece);
            }
        }
        Ok(pattern)
    }
}

fn byte(
    code: Result<u32, std::num::ParseIntError>,
    interpolation: &Interpolation<'_>,
    place: usize,
) -> Result<char, Problem> {
    let code = code.ok().and_then(|code| u8::try_from(code).ok());
    let message = "a character above 255 has no place in an answer: write its UTF-8 bytes";
    code.map(char::from)
        .ok_or_else(|| interpolation.cursor.problem(place, message))
}
