//! The addresses that a file has the daemon listen at, of which no two may need each other's.

use std::ops::Range;

use super::{Place, reader::Reader, tables::Listening};

impl Reader {
    /// Keeps an address, so that its place is known.
    pub(super) fn listens_at(&mut self, text: &str, source: usize, span: Range<usize>) {
        self.listening.push(Listening {
            text: text.to_owned(),
            address: text.parse().ok(),
            place: Place { source, span },
        });
    }

    /// Looks at all addresses, once all is read: the start would not get the second of two that overlap.
    pub(super) fn check_addresses(&mut self) {
        let mut all = std::mem::take(&mut self.listening);
        all.sort_by_key(|one| (one.place.source, one.place.span.start));
        for (
            at,
            Listening {
                text,
                address,
                place,
            },
        ) in all.iter().enumerate()
        {
            let overlaps = |before: &&Listening| {
                let both = before.address.as_ref().zip(address.as_ref());
                both.is_some_and(|(before, address)| before.overlaps(address))
            };
            let Some(other) = all.iter().take(at).find(overlaps) else {
                continue;
            };
            let position = self.sources.get(other.place.source);
            let position = position.map(|source| source.position(other.place.span.start));
            let title = format!("cannot listen at `{text}` as well");
            let label = format!(
                "`{}` in {} has that address already",
                other.text,
                position.unwrap_or_default()
            );
            self.find(place.source, place.span.clone(), &title, &label, None);
        }
        self.listening = all;
    }
}

/// The place of the address of which a fault is said.
pub(super) fn place_of_address<'l>(listening: &'l [Listening], text: &str) -> Option<&'l Place> {
    let text = text.strip_prefix("warning: ").unwrap_or(text);
    let of_option = || Some(text.strip_prefix("--")?.split_once(' ')?.1);
    let said = text.strip_prefix("cannot bind ").or_else(of_option)?;
    let is_said = |one: &&Listening| {
        let rest = said.strip_prefix(&one.text);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', ' ']))
    };
    Some(&listening.iter().find(is_said)?.place)
}
