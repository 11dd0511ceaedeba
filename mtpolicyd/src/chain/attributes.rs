//! The attributes of a request, found once for all that asks for them.

use std::borrow::Cow;

use policy_proto::Request;

use super::call::as_text;

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
    all: Vec<(&'r [u8], &'r [u8])>,
}

impl<'r> Attributes<'r> {
    /// The attributes of this request.
    #[must_use]
    pub fn of(request: &'r Request) -> Self {
        let mut all = Vec::with_capacity(USUAL);
        all.extend(request.attributes());
        Self { request, all }
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> &'r Request {
        self.request
    }

    /// The value of an attribute; the last one where the request has several.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'r [u8]> {
        let mut last_first = self.all.iter().rev();
        let found = last_first.find(|(known, _)| *known == name.as_bytes());
        found.map(|(_, value)| *value)
    }

    /// The value as text; bytes that are no UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'r, str>> {
        self.get(name).map(as_text)
    }
}

/// Postfix 3.9 sends 29 of them.
const USUAL: usize = 32;
