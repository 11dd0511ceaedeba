//! The session of a mail, which is kept from one request about it to the next one.

mod cache;
pub use cache::{Held, SessionCache, SessionError, SessionOptions};

/// Fields and their texts: scores, what `SetField` and the like set, results that are kept, and what is done already.
///
/// There are some tens of fields as a rule, so they are in a list.
///
/// ```
/// use mtpolicyd::Session;
///
/// let mut session = Session::default();
/// session.set("mark", "yes");
/// let copy = Session::decode(&session.encode()).ok_or("no session")?;
/// assert_eq!(copy.get("mark"), Some("yes"));
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Session {
    fields: Vec<(String, String)>,
}

impl Session {
    /// The text of a field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(name, _)| name == field);
        found.map(|(_, text)| text.as_str())
    }

    /// Gives a field a text. A session has at most 1,000 fields; more are left out.
    pub fn set(&mut self, field: &str, text: impl Into<String>) {
        if let Some((_, old)) = self.fields.iter_mut().find(|(name, _)| name == field) {
            *old = text.into();
        } else if self.fields.len() < MAX_FIELDS {
            if self.fields.is_empty() {
                self.fields.reserve(USUAL_FIELDS);
            }
            self.fields.push((field.to_owned(), text.into()));
        }
    }

    /// Adds to the end of a field's text, which is empty where there is none.
    pub fn append(&mut self, field: &str, parts: &[&str]) {
        let old = self.fields.iter_mut().find(|(name, _)| name == field);
        match old {
            Some((_, text)) => parts.iter().for_each(|part| text.push_str(part)),
            None => self.set(field, parts.concat()),
        }
    }

    /// Takes fields away.
    pub fn remove(&mut self, is_removed: impl Fn(&str) -> bool) {
        self.fields.retain(|(name, _)| !is_removed(name));
    }

    /// The fields and their texts, in the order in which they were set first.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// A field that holds a list of texts.
    #[must_use]
    pub fn list(&self, field: &str) -> Option<Vec<String>> {
        serde_json::from_str(self.get(field)?).ok()
    }

    /// Gives a field a list of texts.
    pub fn set_list(&mut self, field: &str, texts: &[String]) {
        // Texts are JSON always.
        self.set(field, serde_json::to_string(texts).unwrap_or_default());
    }

    /// The session as JSON, for a store: pairs of a field and its text.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Room for all of it, unless many characters have to be escaped.
        let fields = self.fields();
        let length: usize = fields.map(|(name, text)| name.len() + text.len() + 8).sum();
        let mut json = Vec::with_capacity(length + 2);
        // A text is JSON always, and takes any number of bytes.
        _ = serde_json::to_writer(&mut json, &self.fields);
        json
    }

    /// A session from a store; `None` if it is none: another program's, or one that is too large.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_SIZE {
            return None;
        }
        // As text at once: else each string in it is looked at for that.
        let mut fields: Vec<_> = serde_json::from_str(str::from_utf8(bytes).ok()?).ok()?;
        fields.truncate(MAX_FIELDS);
        Some(Self { fields })
    }
}

/// As many as most requests have.
const USUAL_FIELDS: usize = 8;
/// Far more than any configuration sets.
const MAX_FIELDS: usize = 1000;
/// How large a session in a store may be, in bytes.
pub(crate) const MAX_SIZE: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_a_bounded_number_of_fields() {
        let mut session = Session::default();
        for number in 0..MAX_FIELDS + 10 {
            session.set(&number.to_string(), "x");
        }
        assert_eq!(session.fields().count(), MAX_FIELDS);
        session.set("0", "y");
        assert_eq!(session.get("0"), Some("y"), "those that are there change");
    }

    #[test]
    fn a_text_is_added_to_and_is_empty_before() {
        let mut session = Session::default();
        session.append("a", &["b", "c"]);
        session.append("a", &[", ", "d"]);
        assert_eq!(session.get("a"), Some("bc, d"));
    }

    #[test]
    fn what_a_store_keeps_is_json() {
        let mut session = Session::default();
        assert_eq!(session.encode(), b"[]");
        session.set("b", "\"1\"\n");
        session.set_list("a", &["x".to_owned(), "y".to_owned()]);
        let json = r#"[["b","\"1\"\n"],["a","[\"x\",\"y\"]"]]"#;
        assert_eq!(session.encode(), json.as_bytes());
        assert_eq!(Session::decode(json.as_bytes()), Some(session));
    }

    #[test]
    fn what_is_too_large_or_another_program_s_is_no_session() {
        let mut session = Session::default();
        session.set("a", "x".repeat(MAX_SIZE - 10));
        let encoded = session.encode();
        assert_eq!(encoded.len(), MAX_SIZE);
        assert_eq!(Session::decode(&encoded), Some(session.clone()));
        session.set("a", "x".repeat(MAX_SIZE - 9));
        assert_eq!(Session::decode(&session.encode()), None);
        for other in ["", "{}", "[\"a\"]", "[[\"a\",1]]", "\u{4}\u{7}"] {
            assert_eq!(Session::decode(other.as_bytes()), None, "{other}");
        }
    }
}
