//! A limit of memory: beyond it new requests wait, each for a time, and nothing is lost.

mod world;

mod model;
mod requests;
mod services;
mod time;

/// What a request of a usual size takes.
const USUAL: usize = 8 * 1024;
/// Memory for 64 requests of a usual size and one large one, with the default limits.
const SMALL: usize = for_usual(64);

/// Memory for so many requests of a usual size: two thirds of it are for those.
const fn for_usual(requests: usize) -> usize {
    requests * USUAL / 2 * 3
}
