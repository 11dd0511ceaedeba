//! A value of a row or of a placeholder: a number or a text, whatever the column's type.

use std::borrow::Cow;

/// A row's values, in the order of its columns.
pub type Row = Vec<Value>;

/// A value that is asked with, or that came.
///
/// A date, a decimal, an address or JSON of a database comes as its text; whole numbers beyond 63 bits as well.
/// A text is any bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// A whole number; PostgreSQL's and MySQL's booleans too.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text, or bytes.
    Bytes(Vec<u8>),
}

impl Value {
    /// As a text: none for no value.
    ///
    /// ```
    /// use policy_store::Value;
    ///
    /// assert_eq!(Value::Int(7).text().as_deref(), Some(&b"7"[..]));
    /// assert_eq!(Value::from("ok").text().as_deref(), Some(&b"ok"[..]));
    /// assert_eq!(Value::Null.text(), None);
    /// ```
    pub fn text(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Null => None,
            Self::Int(number) => Some(Cow::Owned(number.to_string().into_bytes())),
            Self::Float(number) => Some(Cow::Owned(number.to_string().into_bytes())),
            Self::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
        }
    }

    /// As a whole number: none if it is none, or its text is none. A part behind the point is cut off.
    ///
    /// ```
    /// use policy_store::Value;
    ///
    /// assert_eq!(Value::from("42").int(), Some(42));
    /// assert_eq!(Value::from("12.50").int(), Some(12));
    /// assert_eq!(Value::from("12 apples").int(), None);
    /// ```
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Null => None,
            Self::Int(number) => Some(*number),
            Self::Float(number) => Some(*number as i64),
            Self::Bytes(bytes) => {
                let text = str::from_utf8(bytes).ok()?.trim();
                let number = || text.parse::<f64>().ok().filter(|number| number.is_finite());
                text.parse()
                    .ok()
                    .or_else(|| number().map(|number| number as i64))
            }
        }
    }

    #[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
    pub(crate) fn size(&self) -> usize {
        let more = if let Self::Bytes(bytes) = self {
            bytes.len()
        } else {
            0
        };
        size_of::<Self>() + more
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}
