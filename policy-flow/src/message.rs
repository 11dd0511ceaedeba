//! Which requests are about the same message.

use policy_proto::Request;

/// The message that a request is about, as a hash of its `instance`: two messages of the same hash would merely have the
/// same backend. An empty `instance` names no message.
#[inline]
pub(crate) fn message_of(request: &Request) -> Option<u64> {
    request.instance().map(hash)
}

/// Eight bytes at a time, since each request is asked: one client's messages are told apart with it, and nothing else.
#[inline]
fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    let words = words
        .iter()
        .chain([&last])
        .map(|word| u64::from_le_bytes(*word));
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(ODD);
    words.fold(bytes.len() as u64, mix)
}

/// Digits of the golden ratio, which spread what they are multiplied with.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn what_postfix_calls_messages_is_told_apart() {
        let of = |process: u32, seconds: u32, rest: u32| {
            hash(format!("{process:x}.{:x}.{rest:x}.0", 0x6b0b_351b + seconds).as_bytes())
        };
        let all = (0..40).flat_map(|one| (0..40).map(move |two| (one, two)));
        let hashes: HashSet<u64> = all
            .flat_map(|(one, two)| [of(one, two, 7), of(7, one, two << 12)])
            .collect();
        assert!(hashes.len() >= 3_199, "one stands there twice");
        assert_ne!(hash(b"a"), hash(b"a\0"));
    }
}
