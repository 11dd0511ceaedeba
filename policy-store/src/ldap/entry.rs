//! An entry of a directory.

use ldap3::{ResultEntry, asn1::StructureTag};

/// A name and its attributes.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The distinguished name.
    pub dn: String,
    /// Attributes and their values, as the server gives them.
    pub attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// The values of an attribute, whose name is compared without regard to case.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        let found = self
            .attributes
            .iter()
            .find(|(of, _)| of.eq_ignore_ascii_case(name));
        found
            .map(|(_, values)| values.as_slice())
            .unwrap_or_default()
    }

    /// How many bytes it has.
    pub(super) fn size(&self) -> usize {
        let of_values = |values: &[Vec<u8>]| values.iter().map(Vec::len).sum::<usize>();
        let attributes = self.attributes.iter();
        let sizes = attributes.map(|(name, values)| name.len() + of_values(values));
        self.dn.len() + sizes.sum::<usize>()
    }

    /// The library's own reader takes it for granted that a server sends what it should.
    pub(super) fn read(entry: ResultEntry) -> Option<Self> {
        let mut parts = entry.0.match_id(4)?.expect_constructed()?.into_iter();
        let dn = text(parts.next()?)?;
        let attributes = parts
            .next()?
            .expect_constructed()?
            .into_iter()
            .map(attribute);
        Some(Self {
            dn,
            attributes: attributes.collect::<Option<_>>()?,
        })
    }
}

fn attribute(tag: StructureTag) -> Option<(String, Vec<Vec<u8>>)> {
    let mut parts = tag.expect_constructed()?.into_iter();
    let name = text(parts.next()?)?;
    let values = parts.next()?.expect_constructed()?.into_iter();
    Some((
        name,
        values
            .map(StructureTag::expect_primitive)
            .collect::<Option<_>>()?,
    ))
}

fn text(tag: StructureTag) -> Option<String> {
    String::from_utf8(tag.expect_primitive()?).ok()
}
