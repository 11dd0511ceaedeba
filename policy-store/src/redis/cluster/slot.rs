//! The slot of a key. Source: the specification of Redis's cluster, "Hash tags" and appendix A.

/// How many slots there are.
pub(super) const SLOTS: u16 = 16_384;

/// The slot of a key: that of its tag, what is between the first braces, if there is one.
pub(in crate::redis) fn slot(key: &[u8]) -> u16 {
    crc16(tag(key).unwrap_or(key)) % SLOTS
}

/// What is between the first braces of a key, if there is something.
pub(in crate::redis) fn tag(key: &[u8]) -> Option<&[u8]> {
    let begin = key.iter().position(|byte| *byte == b'{')? + 1;
    let rest = key.get(begin..)?;
    let end = rest.iter().position(|byte| *byte == b'}')?;
    rest.get(..end).filter(|tag| !tag.is_empty())
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        let [high, low] = crc.to_be_bytes();
        // The index is a byte.
        let step = TABLE.get(usize::from(high ^ byte)).copied();
        u16::from(low) << 8 ^ step.unwrap_or_default()
    })
}

const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// As `CLUSTER KEYSLOT` of a redis-server tells them.
    #[test]
    fn keys_have_the_slots_that_redis_gives_them() {
        for (key, expected) in [
            ("", 0),
            ("123456789", 12739),
            ("{foo}", 12182),
            ("foo", 12182),
            ("{b}lock", 3300),
            ("a}{b}", 3300),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
            ("foo{bar}{zap}", 5061),
            ("a}b{c", 13587),
            ("{}", 15257),
        ] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
    }
}
