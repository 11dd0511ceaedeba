//! What the windows of a key hold, in stores that keep them as a value that is read like others.

use super::Store;
use crate::{Event, StoreError, Usage, Windows, wall_clock::now_ms, window::WindowState};

/// What [`Store::preview`] gives.
pub(crate) async fn preview(
    store: &impl Store,
    key: &[u8],
    windows: &Windows,
    events: &[Event<'_>],
) -> Result<Usage, StoreError> {
    state(store, key).await?.preview(now_ms(), windows, events)
}

/// What [`Store::usage`] gives.
pub(crate) async fn usage(
    store: &impl Store,
    key: &[u8],
    windows: &Windows,
) -> Result<Usage, StoreError> {
    Ok(state(store, key).await?.usage(now_ms(), windows))
}

async fn state(store: &impl Store, key: &[u8]) -> Result<WindowState, StoreError> {
    let kept = store.get(key).await?;
    Ok(WindowState::decode(&kept.unwrap_or_default()))
}
