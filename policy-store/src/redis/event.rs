//! Events as the script takes them that counts.

use crate::{
    Event, StoreError, Windows,
    window::{check_event, counted, fingerprint},
};

/// The kind of an event, and the event.
pub(super) fn one(event: Event<'_>) -> (&'static str, Vec<u8>) {
    match event {
        Event::Amount(amount) => ("amount", counted(amount).to_string().into_bytes()),
        Event::Distinct(value) => ("distinct", fingerprint(value).to_be_bytes().to_vec()),
    }
}

/// The kind of a preview, and its events. A key counts one kind: those before an event of the other kind are forgotten.
pub(super) fn several(
    windows: &Windows,
    events: &[Event<'_>],
) -> Result<(&'static str, Vec<u8>), StoreError> {
    let (mut kind, mut all) = ("distinct", Vec::new());
    for event in events {
        check_event(windows, *event)?;
        let (of, text) = one(*event);
        if of != kind {
            (kind, all) = (of, Vec::new());
        }
        all.push(text);
    }
    // Fingerprints have one length.
    Ok(match kind {
        "amount" => ("preview-amount", all.join(&b","[..])),
        _ => ("preview-distinct", all.concat()),
    })
}
