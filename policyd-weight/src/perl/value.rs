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

    /// The whole number that the value is, if it is one.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Undefined => Some(0),
            Self::Integer(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            Self::Float(_) | Self::Regex(_) => None,
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
    List(Vec<Value>),
    Array(Vec<Value>),
}

impl Values {
    /// As a scalar: the last of a list, the length of an array.
    pub(super) fn scalar(self) -> Value {
        match self {
            Self::Scalar(value) => value,
            Self::List(values) => values.into_iter().next_back().unwrap_or_default(),
            Self::Array(values) => Value::Integer(i64::try_from(values.len()).unwrap_or(i64::MAX)),
        }
    }

    pub(super) fn list(self) -> Vec<Value> {
        match self {
            Self::Scalar(value) => vec![value],
            Self::List(values) | Self::Array(values) => values,
        }
    }
}

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
