//! The attributes of a request, found once for all that asks for them.

use std::borrow::Cow;

use policy_proto::Request;

/// The attributes of a request.
///
/// A chain asks for one after the other, and each search through the request would cost nearly as much as this list.
///
/// ```
/// use mtpolicyd::chain::Attributes;
/// use policy_proto::Request;
///
/// let request = Request::from_attributes([("sender", "a@x"), ("size", "1"), ("size", "2")])?;
/// let attributes = Attributes::of(&request);
/// assert_eq!(attributes.get("sender"), Some(&b"a@x"[..]));
/// assert_eq!(attributes.get("size"), Some(&b"2"[..]), "the last one counts");
/// assert_eq!(attributes.get("recipient"), None);
/// # Ok::<(), policy_proto::InvalidAttribute>(())
/// ```
#[derive(Clone, Debug)]
pub struct Attributes<'r> {
    request: &'r Request,
    /// The first ones.
    listed: Vec<(&'r [u8], &'r [u8])>,
    /// Whether those are all.
    is_whole: bool,
}

impl<'r> Attributes<'r> {
    /// The attributes of this request.
    #[must_use]
    pub fn of(request: &'r Request) -> Self {
        let mut all = request.attributes();
        let mut listed = Vec::with_capacity(USUAL);
        listed.extend(all.by_ref().take(MAX_LISTED));
        let is_whole = all.next().is_none();
        Self {
            request,
            listed,
            is_whole,
        }
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> &'r Request {
        self.request
    }

    /// The value of an attribute; the last one where the request has several.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'r [u8]> {
        if !self.is_whole {
            return self.request.get_last(name);
        }
        let mut last_first = self.listed.iter().rev();
        let found = last_first.find(|(known, _)| *known == name.as_bytes());
        found.map(|(_, value)| *value)
    }

    /// The value as text. One that is not UTF-8 is read as ISO 8859-1, so that no two become the same.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'r, str>> {
        self.get(name).map(text_of)
    }
}

/// Bytes from outside as text: UTF-8, or else ISO 8859-1.
pub(crate) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    str::from_utf8(bytes).map_or_else(
        |_| bytes.iter().copied().map(char::from).collect(),
        Cow::Borrowed,
    )
}

/// Postfix 3.9 sends 29 of them.
const USUAL: usize = 32;
/// A request of 64 KiB may have 20,000, and the list of them would take ten times the memory that is counted for it.
const MAX_LISTED: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_not_utf_8_stay_apart_as_text() {
        let values = [&b"\xe4@x"[..], b"\xff@x", b"\xe4\xff@x", "ä€@x".as_bytes()];
        let texts = values.map(|value| {
            let request = Request::from_attributes([(&b"sender"[..], value)]).unwrap();
            Attributes::of(&request)
                .text("sender")
                .unwrap()
                .into_owned()
        });
        assert_eq!(texts, ["ä@x", "ÿ@x", "äÿ@x", "ä€@x"]);
    }

    #[test]
    fn attributes_are_found_however_many_there_are_and_the_list_has_a_bound() {
        for count in [0, 1, MAX_LISTED - 3, MAX_LISTED - 2, MAX_LISTED, 20_000] {
            let more = (0..count).map(|_| ("x", ""));
            let all = [("first", "1"), ("twice", "2")].into_iter().chain(more);
            let request = Request::from_attributes(all.chain([("twice", "3")])).unwrap();
            let attributes = Attributes::of(&request);
            for name in ["first", "twice", "x", "none", "First", ""] {
                assert_eq!(
                    attributes.get(name),
                    request.get_last(name),
                    "{count} {name}"
                );
            }
            assert_eq!(attributes.get("twice"), Some(&b"3"[..]), "{count}");
            assert!(attributes.listed.capacity() <= MAX_LISTED, "{count}");
        }
    }
}
