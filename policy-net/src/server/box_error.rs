//! Any error of a handler, as one type.

use std::{error::Error, fmt, ops::Deref};

/// Any error of a handler: a server logs it, and closes the connection without an answer. `?` and `into` make it of any
/// error, and of a text.
///
/// It is a type of its own, and no alias of the box in it, since a future with such a box in its result cannot always be
/// spawned ("one type is more general than the other").
///
/// ```
/// use policy_net::BoxError;
///
/// let parse = |text: &str| -> Result<u16, BoxError> {
///     if text.is_empty() {
///         return Err("no port".into());
///     }
///     Ok(text.parse()?)
/// };
/// assert_eq!(parse("").unwrap_err().to_string(), "no port");
/// assert!(parse("x").unwrap_err().is::<std::num::ParseIntError>());
/// ```
pub struct BoxError(Box<dyn Error + Send + Sync>);

impl BoxError {
    /// The error in it.
    #[must_use]
    pub fn into_inner(self) -> Box<dyn Error + Send + Sync> {
        self.0
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for BoxError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// For `?` in a test or in `main`.
impl From<BoxError> for Box<dyn Error> {
    fn from(error: BoxError) -> Self {
        error.0
    }
}

impl Deref for BoxError {
    type Target = dyn Error + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Display for BoxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for BoxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
