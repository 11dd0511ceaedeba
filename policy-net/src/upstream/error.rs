//! Errors of requests that no backend answered, with the name of each backend that was asked.

use std::{error::Error, fmt, sync::Arc};

use policy_flow::{AttemptError, Slot};

/// No backend answered within the deadline. It says of each that was asked why, in one line for a log.
///
/// ```
/// use policy_net::{Attempt, AttemptError, Exhausted, Slot};
///
/// let refused = AttemptError::Connect(std::io::ErrorKind::ConnectionRefused.into());
/// let exhausted = Exhausted::new([
///     Attempt::new(Slot::from_index(0), "mx1", refused),
///     Attempt::new(Slot::from_index(1), "mx2", AttemptError::Closed),
/// ]);
/// assert_eq!(
///     exhausted.to_string(),
///     "no policy server answered: mx1: cannot connect: connection refused; \
///      mx2: connection closed without an answer",
/// );
/// assert_eq!(Exhausted::new([]).to_string(), "no policy server could be asked");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exhausted {
    /// The backends that were asked, in order, and what came of each.
    pub attempts: Vec<Attempt>,
}

/// One backend that was asked, and gave no answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// Its number.
    pub backend: Slot,
    /// Its name.
    pub name: Arc<str>,
    /// Where it is, as [`Connect::place`](crate::Connect::place) says.
    pub place: Option<Arc<str>>,
    /// Why it gave none.
    pub error: AttemptError,
}

impl Exhausted {
    /// After these attempts, for tests of what becomes of it.
    #[must_use]
    pub fn new(attempts: impl IntoIterator<Item = Attempt>) -> Self {
        Self {
            attempts: attempts.into_iter().collect(),
        }
    }
}

impl Attempt {
    /// An attempt at this backend.
    #[must_use]
    pub fn new(backend: Slot, name: impl Into<Arc<str>>, error: AttemptError) -> Self {
        Self {
            backend,
            name: name.into(),
            place: None,
            error,
        }
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attempts.is_empty() {
            return f.write_str("no policy server could be asked");
        }
        f.write_str("no policy server answered")?;
        for (attempt, before) in self
            .attempts
            .iter()
            .zip([": "].into_iter().chain(std::iter::repeat("; ")))
        {
            write!(f, "{before}{attempt}")?;
        }
        Ok(())
    }
}

/// The causes are in the text, since there are several.
impl Error for Exhausted {}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, error, .. } = self;
        match self.place.as_ref().filter(|place| *place != name) {
            Some(place) => write!(f, "{name} ({place}): {error}")?,
            None => write!(f, "{name}: {error}")?,
        }
        let mut cause = error.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
