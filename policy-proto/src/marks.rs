//! Where certain bytes are, 64 at a time: one bit for each, the lowest for the first.

use wide::u8x16;

/// As many bytes as a word has bits.
pub(crate) const BLOCK: usize = 64;
/// As many bytes as every SIMD unit compares at once.
const LANE: usize = 16;

/// Where this byte is in the block.
pub(crate) fn marks(block: &[u8; BLOCK], byte: u8) -> u64 {
    let wanted = u8x16::splat(byte);
    let lanes = block.as_chunks::<LANE>().0.iter().enumerate();
    lanes.fold(0, |marks, (index, lane)| {
        // Sixteen bits, in an i32.
        let found = u8x16::new(*lane).cmp_eq(wanted).move_mask() as u64;
        marks | found << (index * LANE)
    })
}

/// Whether one of these bytes is in the block.
pub(crate) fn has_any(block: &[u8; BLOCK], bytes: [u8; 2]) -> bool {
    let wanted = bytes.map(u8x16::splat);
    let lanes = block.as_chunks::<LANE>().0.iter();
    let found = lanes.fold(u8x16::ZERO, |found, lane| {
        let lane = u8x16::new(*lane);
        found | lane.cmp_eq(wanted[0]) | lane.cmp_eq(wanted[1])
    });
    found.move_mask() != 0
}

/// The block that begins here, filled up with blanks where the bytes end; `None` where none are left.
pub(crate) fn block(bytes: &[u8], offset: usize) -> Option<[u8; BLOCK]> {
    match bytes.get(offset..)? {
        [] => None,
        rest => Some(
            rest.first_chunk()
                .copied()
                .unwrap_or_else(|| filled_up(rest)),
        ),
    }
}

/// Less than a block, filled up with blanks.
fn filled_up(rest: &[u8]) -> [u8; BLOCK] {
    let mut block = [b' '; BLOCK];
    block
        .iter_mut()
        .zip(rest)
        .for_each(|(to, from)| *to = *from);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_its_bit() {
        for at in 0..BLOCK {
            let mut block = [b'='; BLOCK];
            block[at] = b'\n';
            assert_eq!(marks(&block, b'\n'), 1 << at);
            assert_eq!(marks(&block, b'='), !(1 << at));
            assert!(has_any(&block, [0, b'\n']) && has_any(&block, [b'\n', 0]));
            assert!(!has_any(&block, [0, b'\r']));
        }
    }

    #[test]
    fn the_last_block_is_filled_up_with_what_matters_to_nobody() {
        let bytes = [b'\n'; BLOCK + 3];
        let feeds = |offset| block(&bytes, offset).map(|block| marks(&block, b'\n'));
        assert_eq!(feeds(0), Some(u64::MAX));
        assert_eq!(feeds(BLOCK), Some(0b111));
        assert_eq!(feeds(BLOCK + 3), None);
        assert_eq!(feeds(BLOCK + 4), None);
    }
}
