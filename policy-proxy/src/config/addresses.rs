//! The addresses that a file has the daemon listen at, of which no two may need each other's.

use std::ops::Range;

use super::{Place, reader::Reader, tables::Listening};

impl Reader {
    /// Keeps an address. One that cannot be read is a fault that is said elsewhere.
    pub(super) fn listens_at(&mut self, text: &str, source: usize, span: Range<usize>) {
        if let Ok(address) = text.parse() {
            self.listening.push(Listening {
                text: text.to_owned(),
                address,
                place: Place { source, span },
            });
        }
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
            let mut before = all.iter().take(at);
            let Some(other) = before.find(|before| before.address.overlaps(address)) else {
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
    }
}
