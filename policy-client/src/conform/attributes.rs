//! Requests of the cases, as lists of attributes that need not be valid.

use policy_proto::{ProtocolState, attr};

use crate::{
    request::instance,
    request::preset::{self, Version},
};

/// The attributes of a request.
#[derive(Clone, Debug)]
pub(crate) struct Attributes(Vec<(Vec<u8>, Vec<u8>)>);

impl Attributes {
    /// All that Postfix 3.12 sends at this stage.
    pub(crate) fn at(stage: ProtocolState) -> Self {
        Self::of(stage, Version::NEWEST)
    }

    /// All that this Postfix sends at this stage, about a message of its own.
    pub(crate) fn of(stage: ProtocolState, postfix: Version) -> Self {
        let preset = preset::attributes(stage, postfix, &instance());
        let attributes = preset.into_iter();
        Self(
            attributes
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }

    /// What Postfix 3.12 sends about a recipient.
    pub(crate) fn rcpt() -> Self {
        Self::at(ProtocolState::Rcpt)
    }

    /// Those alone that say what the request is and who sends what to whom.
    pub(crate) fn few() -> Self {
        let mut few = Self::rcpt();
        few.0
            .retain(|(name, _)| FEW.iter().any(|few| few.as_bytes() == name));
        few
    }

    /// Replaces a value in its place, or adds the attribute at the end.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        let found = self
            .0
            .iter_mut()
            .find(|(known, _)| known == name.as_bytes());
        match found {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.into(), value.into())),
        }
        self
    }

    /// Adds an attribute at the end, also if there is one of that name.
    pub(crate) fn and(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.0.push((name.into(), value.as_ref().into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name.as_bytes());
        self
    }

    /// Gives each value as if for the first time, but for those of `request` and `protocol_state`.
    pub(crate) fn each(mut self, value: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        let kept = [attr::REQUEST, attr::PROTOCOL_STATE].map(str::as_bytes);
        for (name, old) in &mut self.0 {
            if !kept.contains(&name.as_slice()) {
                *old = value(old);
            }
        }
        self
    }

    pub(crate) fn twice(mut self) -> Self {
        self.0.extend(self.0.clone());
        self
    }

    pub(crate) fn reversed(mut self) -> Self {
        self.0.reverse();
        self
    }

    pub(crate) fn sorted(mut self) -> Self {
        self.0.sort();
        self
    }

    /// As they go over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let lines = self.0.iter();
        let mut bytes: Vec<u8> = lines
            .flat_map(|(name, value)| [name.as_slice(), b"=", value, b"\n"].concat())
            .collect();
        bytes.push(b'\n');
        bytes
    }
}

const FEW: [&str; 9] = [
    attr::REQUEST,
    attr::PROTOCOL_STATE,
    attr::PROTOCOL_NAME,
    attr::CLIENT_ADDRESS,
    attr::CLIENT_NAME,
    attr::HELO_NAME,
    attr::SENDER,
    attr::RECIPIENT,
    attr::INSTANCE,
];
