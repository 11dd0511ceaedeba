//! Literals: numbers, words, quotes that begin with a word, and regular expressions.

use super::{
    Problem, Value,
    interpreter::{Interpreter, refusal},
    operand::Operand,
    quote::{Interpolation, single},
    value::Values,
};

impl Interpreter {
    /// `60`, `1_000`, `0x1f`, `0b11`, `017`, `.5`, `1e3`.
    pub(super) fn number(&mut self, position: usize) -> Result<Operand, Problem> {
        let mut text = String::new();
        let radix = match (self.cursor.peek(), self.cursor.ahead(1)) {
            (Some('0'), Some('x' | 'X')) => 16,
            (Some('0'), Some('b' | 'B')) => 2,
            (Some('0'), Some('0'..='9' | '_')) => 8,
            _ => 10,
        };
        self.cursor.advance(match radix {
            16 | 2 => 2,
            8 => 1,
            _ => 0,
        });
        self.digits_into(&mut text, radix);
        let mut is_float = false;
        if radix == 10 {
            if self.cursor.peek() == Some('.') && self.cursor.ahead(1) != Some('.') {
                is_float = true;
                self.cursor.advance(1);
                let fraction = self.cursor.position();
                let whole = std::mem::take(&mut text);
                self.digits_into(&mut text, 10);
                if whole.is_empty() && self.cursor.position() == fraction {
                    return Err(self.cursor.problem(position, "`.` is no value"));
                }
                text = format!("{whole}.{text}");
            }
            is_float |= self.exponent(&mut text);
        }
        self.end_of_number(position)?;
        let value = if is_float {
            Value::Float(crate::number::read(&text))
        } else {
            match i64::from_str_radix(&format!("0{text}"), radix) {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Float(crate::number::read(&text)),
            }
        };
        Ok(Operand::of_values(position, Values::Scalar(value)))
    }

    fn digits_into(&mut self, text: &mut String, radix: u32) {
        while let Some(c) = self
            .cursor
            .peek()
            .filter(|c| c.is_digit(radix) || *c == '_')
        {
            if c != '_' {
                text.push(c);
            }
            self.cursor.advance(1);
        }
    }

    fn exponent(&mut self, text: &mut String) -> bool {
        let sign = usize::from(matches!(self.cursor.ahead(1), Some('+' | '-')));
        let is_exponent = matches!(self.cursor.peek(), Some('e' | 'E'))
            && self
                .cursor
                .ahead(1 + sign)
                .is_some_and(|c| c.is_ascii_digit());
        if is_exponent {
            for _ in 0..=sign {
                text.extend(self.cursor.next());
            }
            self.digits_into(text, 10);
        }
        is_exponent
    }

    /// `6h` is no number, and `08` is none.
    fn end_of_number(&self, position: usize) -> Result<(), Problem> {
        let is_repetition = self.cursor.peek() == Some('x')
            && !self
                .cursor
                .ahead(1)
                .is_some_and(|c| c.is_ascii_alphabetic());
        let Some(c) = self
            .cursor
            .peek()
            .filter(|c| c.is_ascii_alphanumeric() && !is_repetition)
        else {
            return Ok(());
        };
        let message = if c.is_ascii_digit() {
            "a number that begins with 0 has the digits 0 to 7: leave the 0 out".to_owned()
        } else {
            format!(
                "`{c}` cannot follow a number: a value with a unit stands in quotes, as in '6h'"
            )
        };
        Err(self.cursor.problem(position, message))
    }

    /// A word: a quote, a declaration, or one that is not read.
    pub(super) fn word_or_quote(&mut self, position: usize) -> Result<Operand, Problem> {
        let word = self.cursor.word();
        if word.is_empty() {
            let c = self.cursor.peek().unwrap_or(' ');
            let message = if c == '%' {
                "hashes are not read here: write a list, `@NAME = (..);`".to_owned()
            } else if c.is_ascii() {
                format!(
                    "`{}` cannot stand here: a value is a number, or a text in quotes",
                    c.escape_default()
                )
            } else {
                format!(
                    "the byte 0x{:02x} cannot stand here: a text stands in quotes",
                    u32::from(c)
                )
            };
            return Err(self.cursor.problem(position, message));
        }
        let is_quote = matches!(
            word.as_str(),
            "q" | "qq" | "qw" | "qr" | "m" | "s" | "tr" | "y"
        );
        if is_quote && !self.is_before_arrow() {
            return self.word_quote(position, &word);
        }
        if self.is_before_arrow() {
            return Ok(Operand::of_values(position, Values::Scalar(word.into())));
        }
        match word.as_str() {
            "my" | "our" => return self.declaration(position),
            "undef" => {
                self.end_of_undef()?;
                return Ok(Operand::of_values(
                    position,
                    Values::Scalar(Value::Undefined),
                ));
            }
            _ => {}
        }
        if let Some(message) = refusal(&word) {
            return Err(self.cursor.problem(position, message));
        }
        let next = self.cursor.peek();
        let message = if matches!(word.to_ascii_lowercase().as_str(), "on" | "yes" | "true") {
            format!("`{word}` is no value: write 1")
        } else if matches!(word.to_ascii_lowercase().as_str(), "off" | "no" | "false") {
            format!("`{word}` is no value: write 0")
        } else if next == Some('(') {
            format!("functions (`{word}(..)`) are not called: write the value itself")
        } else if self.scope.is_any(&word) {
            format!("`{word}` is no value: an option begins with `$`, a list with `@`")
        } else {
            format!("`{word}` is no value: a text stands in quotes, as in '{word}'")
        };
        Err(self.cursor.problem(position, message))
    }

    /// Perl takes what follows for what is to lose its value.
    fn end_of_undef(&mut self) -> Result<(), Problem> {
        self.cursor.skip_blanks();
        let next = self.cursor.peek();
        let is_text =
            next == Some('.') && !self.cursor.ahead(1).is_some_and(|c| c.is_ascii_digit());
        if is_text || matches!(next, None | Some(',' | ';' | ')' | ']' | '}' | '=')) {
            return Ok(());
        }
        let message =
            "after `undef` a `,`, a `;` or a `)` has to stand: write '' or 0 for an empty value";
        Err(self.cursor.problem(self.cursor.position(), message))
    }

    /// Whether `=>` comes next, which makes a text of the word before it.
    fn is_before_arrow(&self) -> bool {
        let blanks =
            (0..).take_while(|&at| self.cursor.ahead(at).is_some_and(|c| c == ' ' || c == '\t'));
        let at = blanks.count();
        self.cursor.ahead(at) == Some('=') && self.cursor.ahead(at + 1) == Some('>')
    }

    fn word_quote(&mut self, position: usize, word: &str) -> Result<Operand, Problem> {
        if self.cursor.peek() != Some('#') {
            self.cursor.skip_blanks();
        }
        let values = match word {
            "q" => Values::Scalar(single(&self.cursor.delimited("the text")?).into()),
            "qq" => return self.double(position),
            "qw" => {
                let text = single(&self.cursor.delimited("the list")?);
                let items: Vec<_> = text.split_ascii_whitespace().map(Value::from).collect();
                let last = items.last().cloned().unwrap_or_default();
                Values::List(items, last)
            }
            "qr" => Values::Scalar(self.regex()?),
            "m" => return self.match_at_once(position),
            _ => {
                let message =
                    format!("`{word}` is not read here: write the text itself, in quotes");
                return Err(self.cursor.problem(position, message));
            }
        };
        Ok(Operand::of_values(position, values))
    }

    /// What follows `qr`.
    fn regex(&mut self) -> Result<Value, Problem> {
        let start = self.cursor.position();
        let quoted = self.cursor.delimited("the regular expression")?;
        let flags_at = self.cursor.position();
        let flags = self.cursor.peek_word();
        self.cursor.advance(flags.len());
        if let Some(flag) = flags.chars().find(|flag| !"msixpnaluod".contains(*flag)) {
            let message =
                format!("`{flag}` is no flag of a regular expression: i, m, n, s and x are");
            return Err(self.cursor.problem(flags_at, message));
        }
        let mut interpolation = Interpolation {
            cursor: &self.cursor,
            scope: &self.scope,
            warnings: &mut self.warnings,
        };
        let pattern = interpolation.pattern(&quoted)?;
        // In the order in which Perl prints them.
        let flags: String = "msixn"
            .chars()
            .filter(|flag| flags.contains(*flag))
            .collect();
        let text = format!("(?^{flags}:{pattern})");
        if let Err(error) = crate::regex::compile(&text) {
            return Err(self.cursor.problem(
                start,
                format!("the regular expression cannot be read: {error}"),
            ));
        }
        Ok(Value::Regex(text))
    }

    /// A match without `qr` is done at once, with an empty text: of a list it leaves nothing.
    pub(super) fn match_at_once(&mut self, position: usize) -> Result<Operand, Problem> {
        let regex = self.regex()?.to_string();
        let message = "a regular expression without `qr` before it is compared at once, and leaves nothing: write `qr/../`";
        let matches_nothing = crate::regex::compile(&regex).is_ok_and(|regex| !regex.is_match(b""));
        if !matches_nothing {
            return Err(self.cursor.problem(position, message));
        }
        self.warn(position, message);
        Ok(Operand::of_values(
            position,
            Values::List(vec![], Value::Undefined),
        ))
    }
}
