//! The zone of a list, whose key is never shown.

use crate::{Name, NameError};

/// A zone, and how it is shown.
pub(super) struct Zone {
    name: Name,
    shown: String,
    key: Option<String>,
}

impl Zone {
    /// Reads a zone. What is before the list's own name in the zones of [`WITH_KEYS`] is a key.
    pub(super) fn parse(text: &str) -> Result<Self, NameError> {
        let name = Name::parse(text)?;
        let labels: Vec<_> = name
            .labels()
            .map(|label| String::from_utf8_lossy(label).into_owned())
            .collect();
        for (suffix, own) in WITH_KEYS {
            // Without a key it is empty.
            let more = labels.len().checked_sub(own + suffix.split('.').count());
            if let Some(more) = more
                && name.is_within(&Name::parse(suffix)?)
            {
                let (key, shown) = labels.split_at(more);
                return Ok(Self {
                    name,
                    shown: shown.join("."),
                    key: Some(key.join(".")),
                });
            }
        }
        let shown = name.to_string();
        Ok(Self {
            name,
            shown,
            key: None,
        })
    }

    pub(super) fn with_key(self, key: &str) -> Result<Self, NameError> {
        // As it stands in names: in lower case, without a dot at the end.
        let key = Name::parse(key)?;
        let labels = key.labels().map(String::from_utf8_lossy);
        Ok(Self {
            name: key.below(&self.name)?,
            shown: self.shown,
            key: Some(labels.collect::<Vec<_>>().join(".")),
        })
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    /// Without the key.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// A list's text with asterisks in place of the key.
    pub(super) fn without_key(&self, text: Vec<u8>) -> Vec<u8> {
        let Some(key) = self.key.as_deref().filter(|key| !key.is_empty()) else {
            return text;
        };
        let (mut clean, mut rest) = (Vec::with_capacity(text.len()), &*text);
        while let Some((&first, tail)) = rest.split_first() {
            match rest.split_at_checked(key.len()) {
                Some((start, after)) if start.eq_ignore_ascii_case(key.as_bytes()) => {
                    clean.extend(b"***");
                    rest = after;
                }
                _ => {
                    clean.push(first);
                    rest = tail;
                }
            }
        }
        clean
    }
}

/// Zones below which a list's name comes after a customer's key, and how many labels that name has.
const WITH_KEYS: [(&str, usize); 2] = [("dq.spamhaus.net", 1), ("mail.abusix.zone", 1)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown() {
        for (zone, shown) in [
            ("abcdef.zen.dq.spamhaus.net", "zen.dq.spamhaus.net"),
            ("ABCDEF.Zen.DQ.spamhaus.net.", "zen.dq.spamhaus.net"),
            ("zen.dq.spamhaus.net", "zen.dq.spamhaus.net"),
            ("zen.spamhaus.org", "zen.spamhaus.org"),
            (
                "abcdef.combined.mail.abusix.zone",
                "combined.mail.abusix.zone",
            ),
        ] {
            assert_eq!(Zone::parse(zone).unwrap().shown(), shown);
        }
        let zone = Zone::parse("list.test")
            .unwrap()
            .with_key("Secret")
            .unwrap();
        assert_eq!(
            (zone.shown(), zone.name().to_string()),
            ("list.test", "secret.list.test".into())
        );
        let text = zone.without_key(b"see SECRET.list.test, secretly".to_vec());
        assert_eq!(String::from_utf8(text).unwrap(), "see ***.list.test, ***ly");
    }
}
