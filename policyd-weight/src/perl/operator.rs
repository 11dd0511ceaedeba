//! Operators between two values.

use super::{Value, cursor::Cursor};

/// An operator between two values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Binary {
    Equal,
    Add,
    Subtract,
    Concatenate,
    Multiply,
    Divide,
    Remainder,
    Repeat,
    Power,
}

/// The operator that comes next, and its length.
pub(super) fn at(cursor: &Cursor) -> Option<(Binary, usize)> {
    let next = cursor.ahead(1);
    let operator = match cursor.peek()? {
        '=' if next == Some('=') => return Some((Binary::Equal, 2)),
        '*' if next == Some('*') => return Some((Binary::Power, 2)),
        '.' if next == Some('.') => return None,
        '+' => Binary::Add,
        '-' => Binary::Subtract,
        '.' => Binary::Concatenate,
        '*' => Binary::Multiply,
        '/' => Binary::Divide,
        '%' => Binary::Remainder,
        'x' if !next.is_some_and(|c| c.is_ascii_alphabetic() || c == '_') => Binary::Repeat,
        _ => return None,
    };
    Some((operator, 1))
}

impl Binary {
    /// How tightly it binds.
    pub(super) fn level(self) -> u8 {
        match self {
            Self::Equal => 0,
            Self::Add | Self::Subtract | Self::Concatenate => 1,
            Self::Multiply | Self::Divide | Self::Remainder | Self::Repeat => 2,
            Self::Power => 3,
        }
    }

    /// The value of both, or why there is none.
    pub(super) fn apply(self, left: &Value, right: &Value) -> Result<Value, &'static str> {
        let (a, b) = (left.number(), right.number());
        let whole = left.integer().zip(right.integer());
        let exact =
            |operation: fn(i64, i64) -> Option<i64>| whole.and_then(|(a, b)| operation(a, b));
        let number = match self {
            Self::Equal => {
                let is_equal = a.partial_cmp(&b) == Some(std::cmp::Ordering::Equal);
                return Ok(if is_equal {
                    Value::Integer(1)
                } else {
                    "".into()
                });
            }
            Self::Concatenate => return limited(format!("{left}{right}")),
            Self::Repeat => {
                let count = if b >= 1.0 { b.min(1e9) } else { 0.0 };
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "between 0 and 1e9"
                )]
                let count = count as usize;
                let text = left.to_string();
                if text.len().saturating_mul(count) > MAX_TEXT {
                    return Err("the text grows too long");
                }
                return Ok(text.repeat(count).into());
            }
            Self::Add => exact(i64::checked_add).map_or(a + b, as_float),
            Self::Subtract => exact(i64::checked_sub).map_or(a - b, as_float),
            Self::Multiply => exact(i64::checked_mul).map_or(a * b, as_float),
            Self::Divide if b == 0.0 => return Err("a division by zero"),
            Self::Divide => a / b,
            Self::Remainder => return remainder(a, b),
            Self::Power => a.powf(b),
        };
        Ok(from_number(number))
    }
}

#[expect(clippy::cast_precision_loss, reason = "checked by from_number")]
fn as_float(number: i64) -> f64 {
    number as f64
}

/// Whole numbers stay whole as long as a double has them exactly.
fn from_number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < MAX_EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "exact")]
        return Value::Integer(number as i64);
    }
    Value::Float(number)
}

/// The remainder has the sign of the divisor, of whole numbers.
fn remainder(a: f64, b: f64) -> Result<Value, &'static str> {
    let (a, b) = (a.trunc(), b.trunc());
    if b == 0.0 {
        return Err("a division by zero");
    }
    let rest = a % b;
    Ok(from_number(if rest != 0.0 && (rest < 0.0) != (b < 0.0) {
        rest + b
    } else {
        rest
    }))
}

fn limited(text: String) -> Result<Value, &'static str> {
    if text.len() > MAX_TEXT {
        return Err("the text grows too long");
    }
    Ok(text.into())
}

/// Where doubles begin to leave out whole numbers; Perl prints larger ones with an exponent.
const MAX_EXACT: f64 = 1e15;
/// How long a text may grow.
const MAX_TEXT: usize = 64 << 10;
