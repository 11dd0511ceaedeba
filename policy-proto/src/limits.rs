//! The limits of a line and of a message.

/// How long a line and a message may grow before a peer is refused.
///
/// Postfix bounds an SMTP command line at 2048 bytes and a string at four times that
/// (`line_length_limit`, `SMTPD_POLICY_README`); a request is 0.5 to 4 kB. The defaults leave room
/// for several such strings, and still mean that a peer that never stops costs 128 KiB.
///
/// ```
/// use policy_proto::Limits;
///
/// let limits = Limits::default();
/// assert_eq!((limits.line, limits.message), (16 * 1024, 128 * 1024));
/// assert_eq!(Limits::default().with_line(512).line, 512);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest line in bytes, its line feed not counted, but a CR before it. 16 KiB by default.
    pub line: usize,
    /// The longest message in bytes as it arrives, with all line ends, the closing blank line, and
    /// lines that are left out. 128 KiB by default.
    pub message: usize,
}

impl Limits {
    /// These limits with another one for a line, in bytes.
    ///
    /// ```
    /// assert_eq!(policy_proto::Limits::default().with_line(2048).line, 2048);
    /// ```
    #[must_use]
    pub const fn with_line(self, line: usize) -> Self {
        Self { line, ..self }
    }

    /// These limits with another one for a message, in bytes.
    ///
    /// ```
    /// assert_eq!(policy_proto::Limits::default().with_message(8192).message, 8192);
    /// ```
    #[must_use]
    pub const fn with_message(self, message: usize) -> Self {
        Self { message, ..self }
    }

    pub(crate) const DEFAULT: Self = Self {
        line: 16 * 1024,
        message: 128 * 1024,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
