//! The kinds of lines that an administrator filters for, as systemd's journal numbers them.

use std::fmt;

/// The kind of a line, whatever its text says: `MESSAGE_ID` of systemd's journal, and `message_id` of a JSON line.
///
/// ```
/// use policy_daemon::log::MessageId;
///
/// let id = MessageId::new(0x00c0_ffee);
/// assert_eq!(id.to_string(), "00000000000000000000000000c0ffee");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MessageId(u128);

impl MessageId {
    /// Lines of the log were lost.
    pub const LINES_LOST: Self = Self::new(0x9d8b_6d1e_52a4_4c0e_b8a1_6f0f_3c57_1e01);
    /// Something that is asked, such as a service or a list, does not work any more.
    pub const DOWN: Self = Self::new(0x9d8b_6d1e_52a4_4c0e_b8a1_6f0f_3c57_1e02);
    /// It works again.
    pub const UP: Self = Self::new(0x9d8b_6d1e_52a4_4c0e_b8a1_6f0f_3c57_1e03);
    /// A request got the default action, since nothing answered.
    pub const NO_ANSWER: Self = Self::new(0x9d8b_6d1e_52a4_4c0e_b8a1_6f0f_3c57_1e04);
    /// Requests are answered again.
    pub const ANSWERS_AGAIN: Self = Self::new(0x9d8b_6d1e_52a4_4c0e_b8a1_6f0f_3c57_1e05);
    /// An administrator has changed something by a command.
    pub const COMMAND: Self = Self::new(0x9d8b_6d1e_52a4_4c0e_b8a1_6f0f_3c57_1e06);
    /// What came of a request, in one line.
    pub const REQUEST: Self = Self::new(0x9d8b_6d1e_52a4_4c0e_b8a1_6f0f_3c57_1e07);

    /// The kind of this number, which is to be a random one.
    #[must_use]
    pub const fn new(number: u128) -> Self {
        Self(number)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}
