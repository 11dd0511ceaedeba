//! Keys of several parts, none of which can pass for others, and keys for servers that do not take all.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use super::MAX_KEY_LEN;

/// A key of a name and parts that a client may choose: each part is preceded by its length.
///
/// ```
/// use policy_store::key;
///
/// assert_eq!(key("ticket", [&b"a@b.example"[..], b"192.0.2.1"]), b"ticket 11:a@b.example 9:192.0.2.1");
/// // Pasted together these two would be the same.
/// assert_ne!(key("ticket", [&b"a"[..], b"b,c"]), key("ticket", [&b"a,b"[..], b"c"]));
/// ```
pub fn key<'a>(name: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    // Room for most keys: a request costs some of them.
    let mut key = Vec::with_capacity(USUAL_LEN);
    key.extend_from_slice(name.as_bytes());
    for part in parts {
        key.push(b' ');
        key.extend_from_slice(part.len().to_string().as_bytes());
        key.push(b':');
        key.extend_from_slice(part);
    }
    key
}

/// In bytes.
const USUAL_LEN: usize = 120;

/// A key in at most so many bytes (71 or more) that pass a check: itself, or its hash. One that looks like a hash is
/// hashed too, so that nobody can name another's.
pub(crate) fn short_key(key: &[u8], longest: usize, passes: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    if key.len() <= longest && !key.starts_with(MARK) && passes(key) {
        return key.to_vec();
    }
    let mut short = MARK.to_vec();
    for byte in Sha256::digest(key) {
        short.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
    short
}

/// A key as stores keep it that take any bytes: itself, or its hash if it is a long one.
pub(crate) fn fitting(key: &[u8]) -> Cow<'_, [u8]> {
    if key.len() <= MAX_KEY_LEN && !key.starts_with(MARK) {
        return Cow::Borrowed(key);
    }
    Cow::Owned(short_key(key, MAX_KEY_LEN, |_| true))
}

/// The same for a thread that has to own it.
#[cfg(feature = "sqlite")]
pub(crate) fn own_key(key: &[u8]) -> Vec<u8> {
    fitting(key).into_owned()
}

/// Before a hash that stands for a key.
const MARK: &[u8] = b"sha256:";
