//! The values of a configuration's variables: Perl's scalars.

use std::fmt;

use crate::number;

/// A scalar. Texts are bytes, each a character from U+0000 to U+00FF, as in a Perl program that decodes nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// No value: an empty text, and 0.
    #[default]
    Undefined,
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// A text.
    Text(String),
    /// A regular expression, as Perl prints it: `(?^i:x)`.
    Regex(String),
}

impl Value {
    /// The value as a number: that with which a text begins.
    #[must_use]
    pub fn number(&self) -> f64 {
        match self {
            Self::Undefined | Self::Regex(_) => 0.0,
            #[expect(clippy::cast_precision_loss, reason = "so do Perl's numbers")]
            Self::Integer(number) => *number as f64,
            Self::Float(number) => *number,
            Self::Text(text) => number::read(text),
        }
    }

    /// The whole number that the value is, if it is one that Perl counts with exactly.
    pub(super) fn integer(&self) -> Option<i64> {
        let of_float = |number: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "exact")]
            let whole = number as i64;
            (number.fract() == 0.0 && number.abs() < MAX_EXACT).then_some(whole)
        };
        match self {
            Self::Undefined => Some(0),
            Self::Integer(number) => Some(*number),
            Self::Float(number) => of_float(*number),
            Self::Text(text) => {
                let text = text.trim_ascii();
                // Neither a word such as `inf`, nor a number with something behind it.
                let is_number = text
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
                let number = || text.parse().ok().and_then(of_float);
                text.parse()
                    .ok()
                    .or_else(|| is_number.then(number).flatten())
            }
            Self::Regex(_) => None,
        }
    }

    /// With the other sign. Of a text that begins with a letter or a sign, Perl changes the sign alone.
    pub(super) fn negated(&self) -> Self {
        if let Self::Text(text) = self {
            let is_number = text.trim_ascii().parse::<f64>().is_ok();
            if text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                return format!("-{text}").into();
            }
            if let Some(rest) = text.strip_prefix('+') {
                return format!("-{rest}").into();
            }
            if let Some(rest) = text.strip_prefix('-').filter(|_| !is_number) {
                return format!("+{rest}").into();
            }
        }
        match self {
            Self::Float(number) => Self::Float(-number),
            other => match other.integer().and_then(i64::checked_neg) {
                Some(number) => Self::Integer(number),
                None => Self::Float(-other.number()),
            },
        }
    }

    /// Whether Perl takes the value for true: not the empty text, `0`, or no value.
    #[must_use]
    pub fn is_true(&self) -> bool {
        !matches!(self.to_string().as_str(), "" | "0")
    }

    /// The text that tests compare: regular expressions are marked.
    #[must_use]
    pub fn shown(&self) -> String {
        if let Self::Regex(pattern) = self {
            return format!("qr:{pattern}");
        }
        self.to_string()
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undefined => Ok(()),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => f.write_str(&number::print(*number)),
            Self::Text(text) | Self::Regex(text) => f.write_str(text),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// What an expression is: a scalar, a list in parentheses, or an array. The last two differ where a scalar is wanted.
#[derive(Clone, Debug)]
pub(super) enum Values {
    Scalar(Value),
    /// Its items, and what it is as a scalar: its last expression, of an array the length.
    List(Vec<Value>, Value),
    Array(Vec<Value>),
}

impl Values {
    /// As a scalar: the last of a list, the length of an array.
    pub(super) fn scalar(self) -> Value {
        match self {
            Self::Scalar(value) => value,
            Self::List(_, scalar) => scalar,
            Self::Array(values) => Value::Integer(i64::try_from(values.len()).unwrap_or(i64::MAX)),
        }
    }

    pub(super) fn list(self) -> Vec<Value> {
        match self {
            Self::Scalar(value) => vec![value],
            Self::List(values, _) | Self::Array(values) => values,
        }
    }
}

/// Where doubles begin to leave out whole numbers.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_true_as_in_perl() {
        for (value, is_true) in [
            (Value::Undefined, false),
            (Value::Integer(0), false),
            (Value::Float(0.0), false),
            ("".into(), false),
            ("0".into(), false),
            ("0.0".into(), true),
            ("off".into(), true),
            (Value::Integer(-1), true),
        ] {
            assert_eq!(value.is_true(), is_true, "{value:?}");
        }
    }
}
