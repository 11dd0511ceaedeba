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
        let is_of_texts = matches!(self, Self::Concatenate | Self::Repeat);
        if !is_of_texts
            && [left, right]
                .iter()
                .any(|value| matches!(value, Value::Regex(_)))
        {
            return Err(NO_NUMBER);
        }
        let (a, b) = (left.number(), right.number());
        if let Some((a, b)) = left.integer().zip(right.integer())
            && let Some(exact) = self.exact(i128::from(a), i128::from(b))
        {
            return whole(exact);
        }
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
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide if b == 0.0 => return Err("a division by zero"),
            Self::Divide => a / b,
            Self::Remainder => return remainder(left, right),
            Self::Power => a.powf(b),
        };
        Ok(from_number(number))
    }

    /// What Perl counts exactly of two whole numbers; none where it takes doubles.
    fn exact(self, a: i128, b: i128) -> Option<i128> {
        let found = match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide if a.abs() >= EXACT_DOUBLES && b != 0 && a % b == 0 => a / b,
            Self::Power => power(a, b)?,
            _ => return None,
        };
        // Below the least one it goes on with a double, above the most one with an unsigned number.
        (i128::from(i64::MIN)..=i128::from(u64::MAX))
            .contains(&found)
            .then_some(found)
    }
}

/// Perl multiplies where the bits of the base, as many times as the exponent says, fit into a word; powers of two, and of 1
/// and 0, are doubles.
fn power(base: i128, exponent: i128) -> Option<i128> {
    let is_power_of_two = base.unsigned_abs().is_power_of_two() || base == 0;
    let bits = i128::from(128 - base.unsigned_abs().leading_zeros());
    let fits = exponent >= 0 && bits.checked_mul(exponent)? <= 64 && !is_power_of_two;
    fits.then(|| base.pow(u32::try_from(exponent).unwrap_or(0)))
}

fn whole(number: i128) -> Result<Value, &'static str> {
    i64::try_from(number)
        .map(Value::Integer)
        .map_err(|_| "the number grows beyond 9223372036854775807")
}

/// A whole number stays one as long as it is printed as one.
fn from_number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < MAX_PRINTED {
        #[expect(clippy::cast_possible_truncation, reason = "exact")]
        return Value::Integer(number as i64);
    }
    Value::Float(number)
}

/// The remainder has the sign of the divisor, of whole numbers.
fn remainder(left: &Value, right: &Value) -> Result<Value, &'static str> {
    let whole = |value: &Value| match value.integer() {
        Some(number) => Some(i128::from(number)),
        // Below that a double is exact where it is whole.
        None => {
            let number = value.number().trunc();
            #[expect(clippy::cast_possible_truncation, reason = "below 2**64")]
            (number.abs() < 18_446_744_073_709_551_616.0).then_some(number as i128)
        }
    };
    let Some((a, b)) = whole(left).zip(whole(right)) else {
        return Err("a remainder of numbers above 18446744073709551615");
    };
    if b == 0 {
        return Err("a division by zero");
    }
    let rest = a % b;
    let rest = if rest != 0 && (rest < 0) != (b < 0) {
        rest + b
    } else {
        rest
    };
    self::whole(rest)
}

fn limited(text: String) -> Result<Value, &'static str> {
    if text.len() > MAX_TEXT {
        return Err("the text grows too long");
    }
    Ok(text.into())
}

/// Where Perl begins to print doubles with an exponent.
const MAX_PRINTED: f64 = 1e15;
/// Where doubles begin to leave out whole numbers.
const EXACT_DOUBLES: i128 = 1 << 53;
/// How long a text may grow.
const MAX_TEXT: usize = 64 << 10;
/// In Perl it is the address of its memory.
pub(super) const NO_NUMBER: &str = "a regular expression is no number";
