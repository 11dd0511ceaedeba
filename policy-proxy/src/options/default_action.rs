//! The action that a client gets when no service answers: `--default`.

use policy_proto::{InvalidResponse, Response};

/// The action that a client gets when no policy server answers: `-d`.
///
/// ```
/// use policy_proxy::options::DefaultAction;
/// use policy_proto::Response;
///
/// assert_eq!(DefaultAction::default(), DefaultAction::Reply(Response::new("dunno")?));
/// assert_eq!(DefaultAction::parse(b"close"), Ok(DefaultAction::Close));
/// let defer = Response::new("DEFER_IF_PERMIT later")?;
/// assert_eq!(DefaultAction::parse(b"DEFER_IF_PERMIT later"), Ok(DefaultAction::Reply(defer)));
/// assert!(DefaultAction::parse(b" ").is_err());
/// # Ok::<(), policy_proto::InvalidResponse>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DefaultAction {
    /// This action.
    Reply(Response),
    /// None: its connection is closed, which is the protocol's own way of being in trouble. Postfix
    /// tries once more, and then does what its `default_action` for this server says.
    Close,
}

impl DefaultAction {
    /// Reads an action as it stands, or the word `close`, which is no action of Postfix.
    ///
    /// # Errors
    ///
    /// A text that can be no action: blank, with a NUL or a line break, or too long.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidResponse> {
        match text {
            b"close" => Ok(Self::Close),
            text => Response::new(text.to_vec()).map(Self::Reply),
        }
    }

    /// The text that is read as this.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Reply(response) => response.as_bytes(),
            Self::Close => b"close",
        }
    }
}

impl Default for DefaultAction {
    fn default() -> Self {
        // In lower case, as the Perl script has it.
        Self::Reply(Response::new("dunno").unwrap_or(Response::dunno()))
    }
}
