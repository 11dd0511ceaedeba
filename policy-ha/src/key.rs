//! A number that stands for values, for hashing.

use crate::hash::mix;

/// A number that stands for these values, in this order: for [`Preference::Hash`] and
/// [`Backend::key`]. The same on every machine and in every release.
///
/// Where a value ends counts: `["ab", "c"]` and `["a", "bc"]` differ, and so do `[]` and `[""]`.
/// Bytes are taken as they are; if case does not matter, as in a domain, lower it first.
///
/// It is FNV-1a with 64 bits over the bytes of each value and then its length, and at the end the
/// mixer of splitmix64, which makes each bit of the result depend on each bit before. That is quick
/// and spreads well what people send. It is **no defence** against somebody who *chooses* values in
/// order to meet one server: the function is public and has no secret, as it must be where several
/// machines are to agree. What he gains is that all of his requests go to one server, and no one
/// else's. If that is too much, take values that he does not choose (the client's address or the
/// login name rather than the sender), or a strategy without a hash.
///
/// ```
/// use policy_ha::key;
///
/// assert_eq!(key(["user@example.com"]), 0xddef_6c6d_918a_7c15);
/// assert_ne!(key(["192.0.2.1", "user@example.com"]), key(["192.0.2.1user@example.com"]));
/// ```
///
/// [`Preference::Hash`]: crate::Preference::Hash
/// [`Backend::key`]: crate::Backend::key
pub fn key(values: impl IntoIterator<Item = impl AsRef<[u8]>>) -> u64 {
    let state = values.into_iter().fold(OFFSET_BASIS, |state, value| {
        let value = value.as_ref();
        step(fnv1a(state, value), value.len() as u64)
    });
    mix(state)
}

fn fnv1a(state: u64, bytes: &[u8]) -> u64 {
    let each = bytes.iter().copied().map(u64::from);
    each.fold(state, step)
}

const fn step(state: u64, next: u64) -> u64 {
    (state ^ next).wrapping_mul(PRIME)
}

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_hashed_by_fnv_1a() {
        // The vectors of its authors.
        for (bytes, hash) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(fnv1a(OFFSET_BASIS, bytes.as_bytes()), hash);
        }
    }

    #[test]
    fn keys_are_fixed_for_ever() {
        let vectors: [(&[&str], u64); 6] = [
            (&[], 0xf52a_15e9_a9b5_e89b),
            (&[""], 0x25fc_6dd3_6ce0_4b20),
            (&["", ""], 0x7bc2_1004_6bd6_16cc),
            (&["a"], 0xd377_414d_dfef_00ca),
            (&["192.0.2.1", "user@example.com"], 0x9fbe_d441_7c4b_c0d0),
            (&["192.0.2.1user@example.com"], 0x50e8_590a_8cf5_41e8),
        ];
        assert_eq!(
            vectors.map(|(values, _)| key(values)),
            vectors.map(|(_, key)| key)
        );
    }
}
