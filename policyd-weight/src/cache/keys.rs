//! The keys of clients, in memory and in stores.

use std::{borrow::Cow, net::IpAddr};

use policy_store::key;

use crate::mail::Mail;

/// The keys of a client that was rejected, of which the second is made where the first is not found.
pub(super) fn spam_keys(mail: &Mail) -> impl Iterator<Item = Cow<'_, str>> {
    [false, true]
        .into_iter()
        .map(|by_sender| spam_key(mail, by_sender))
}

pub(super) fn spam_key(mail: &Mail, by_sender: bool) -> Cow<'_, str> {
    let has_domain = || mail.from_domain().is_some_and(|domain| !domain.is_empty());
    if by_sender && has_domain() {
        [mail.ip.as_str(), "-", &mail.from].concat().into()
    } else {
        mail.ip.as_str().into()
    }
}

pub(super) fn ham_key(mail: &Mail) -> String {
    let domain = mail.from_domain().unwrap_or_default();
    [mail.ip.as_str(), "-", domain].concat()
}

/// Whether a key is that of a client: of its address, in any of its forms, with or without a sender, or the key itself.
pub(super) fn is_of(key: &str, client: &str) -> bool {
    let address = key.split_once('-').map_or(key, |(address, _)| address);
    if key == client || address == client {
        return true;
    }
    let parse = |text: &str| text.parse::<IpAddr>().ok();
    parse(client).is_some_and(|client| parse(address) == Some(client))
}

/// The key of a store or a file: an entry of one kind. A daemon and processes of spawn(8) have the same ones, so that each
/// knows what the other has written.
pub(super) fn stored_key(kind: &str, text: &str) -> Vec<u8> {
    key(&format!("{PREFIX}{kind}"), [text.as_bytes()])
}

/// The kind and the text of such a key.
pub(super) fn split_stored_key(key: &[u8]) -> Option<(&str, &str)> {
    let (kind, part) = str::from_utf8(key)
        .ok()?
        .strip_prefix(PREFIX)?
        .split_once(' ')?;
    // The length is before it.
    let (_, text) = part.split_once(':')?;
    Some((kind, text))
}

/// What all keys of a store begin with.
pub(super) const PREFIX: &str = "policyd-weight-";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Attributes;

    /// The client alone comes first, also of a sender without a domain.
    #[test]
    fn a_client_that_was_rejected_has_a_key_alone_and_one_with_its_sender() {
        for (sender, with_sender) in [
            ("x@acme.test", "192.0.2.1-x@acme.test"),
            ("x@", "192.0.2.1"),
            ("x", "192.0.2.1"),
        ] {
            let mail = Mail::new(&Attributes {
                client_address: b"192.0.2.1",
                sender: sender.as_bytes(),
                ..Attributes::default()
            });
            let keys: Vec<_> = spam_keys(&mail).collect();
            assert_eq!(keys, ["192.0.2.1", with_sender], "{sender}");
        }
    }

    #[test]
    fn a_stored_key_is_split_into_what_it_is_made_of() {
        for text in ["192.0.2.1", "192.0.2.1-a:b c@x", "2001:db8::1-\u{fc}", ""] {
            let key = stored_key("spam", text);
            assert_eq!(split_stored_key(&key), Some(("spam", text)));
        }
        for other in [&b"policy-store"[..], b"policyd-weight-spam", b"\xff", b""] {
            assert_eq!(split_stored_key(other), None);
        }
    }
}
