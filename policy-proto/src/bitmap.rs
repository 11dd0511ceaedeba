//! Bitmaps of line feeds and equal signs, for 64 bytes at a time.

use wide::{CmpEq, u8x32};

use crate::metering::looked_at;

/// One bit for each byte of a block, the lowest for the first.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Bitmap {
    pub(crate) feeds: u64,
    pub(crate) equals: u64,
}

impl Bitmap {
    #[inline(always)]
    pub(crate) fn of(block: &[u8; BLOCK]) -> Self {
        looked_at(BLOCK);
        Self {
            feeds: marks(block, b'\n'),
            equals: marks(block, b'='),
        }
    }

    /// Of the block that begins at `offset`, or of what is left there; `None` behind the end.
    #[inline(always)]
    pub(crate) fn at(bytes: &[u8], offset: usize) -> Option<Self> {
        let rest = bytes.get(offset..)?;
        match rest.first_chunk() {
            Some(block) => Some(Self::of(block)),
            None if rest.is_empty() => None,
            None => Some(with_tail(bytes, rest.len(), |_, marks| marks)),
        }
    }
}

/// Calls `with` for the last `length` bytes, less than a block: with a block that ends with them, and
/// their marks. What else is in the block is not marked: bytes before them, or blanks.
#[inline(always)]
pub(crate) fn with_tail<T>(
    bytes: &[u8],
    length: usize,
    with: impl FnOnce(&[u8; BLOCK], Bitmap) -> T,
) -> T {
    let of = |block: &[u8; BLOCK], known: usize| {
        let Bitmap { feeds, equals } = Bitmap::of(block);
        Bitmap {
            feeds: feeds >> known,
            equals: equals >> known,
        }
    };
    // Reading bytes twice is cheaper than filling up a block.
    match bytes.last_chunk() {
        Some(block) => with(block, of(block, BLOCK - length)),
        None => {
            let block = filled_up(bytes);
            with(&block, of(&block, bytes.len() - length))
        }
    }
}

/// Whether the block holds a byte that no line may hold.
#[inline(always)]
pub(crate) fn has_nul_or_cr(block: &[u8; BLOCK]) -> bool {
    has_nul_or(block, [b'\r'])
}

/// Whether all of the block can be a part of one value.
#[inline(always)]
pub(crate) fn is_in_value(block: &[u8; BLOCK]) -> bool {
    looked_at(BLOCK);
    !has_nul_or(block, [b'\r', b'\n'])
}

/// Whether the block holds a NUL, which is then its least byte, or one of these.
#[inline(always)]
fn has_nul_or<const N: usize>(block: &[u8; BLOCK], bytes: [u8; N]) -> bool {
    let wanted = bytes.map(u8x32::splat);
    let (mut least, mut found) = (u8x32::splat(u8::MAX), u8x32::ZERO);
    for lane in block.as_chunks::<LANE>().0 {
        let lane = u8x32::new(*lane);
        least = least.min(lane);
        found = wanted
            .iter()
            .fold(found, |found, byte| found | lane.cmp_eq(*byte));
    }
    (found | least.cmp_eq(u8x32::ZERO)).move_mask() != 0
}

#[inline(always)]
fn marks(block: &[u8; BLOCK], byte: u8) -> u64 {
    let wanted = u8x32::splat(byte);
    let lanes = block.as_chunks::<LANE>().0.iter().enumerate();
    lanes.fold(0, |marks, (index, lane)| {
        let found = u8x32::new(*lane).cmp_eq(wanted).move_mask();
        marks | u64::from(found.cast_unsigned()) << (index * LANE)
    })
}

/// Less than a block, filled up with blanks.
fn filled_up(bytes: &[u8]) -> [u8; BLOCK] {
    let mut block = [b' '; BLOCK];
    block
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = *from);
    block
}

/// As many bytes as a word has bits.
pub(crate) const BLOCK: usize = 64;
/// As many bytes as AVX2 compares at once. SSE2 and NEON take them in two halves.
const LANE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_its_bit() {
        for at in 0..BLOCK {
            let mut block = [b'='; BLOCK];
            block[at] = b'\n';
            let (feeds, equals) = (1 << at, !(1 << at));
            assert_eq!(Bitmap::of(&block), Bitmap { feeds, equals });
        }
    }

    #[test]
    fn a_nul_and_a_cr_are_found_wherever_they_are() {
        assert!(!has_nul_or_cr(&[b'\n'; BLOCK]));
        for at in 0..BLOCK {
            for byte in [0, b'\r'] {
                let mut block = [1; BLOCK];
                block[at] = byte;
                assert!(has_nul_or_cr(&block));
            }
        }
    }

    #[test]
    fn forbidden_bytes_do_not_hide_one_another() {
        for at in 0..BLOCK - LANE {
            for pair in [[b'\r', b'\r'], [0, b'\r'], [b'\r', 0], [0, 0]] {
                let mut block = [1; BLOCK];
                [block[at], block[at + LANE]] = pair;
                assert!(has_nul_or_cr(&block), "{pair:?} at {at}");
            }
        }
    }

    #[test]
    fn what_is_left_behind_the_last_block_is_marked_alone() {
        for length in 0..3 * BLOCK {
            let mut bytes = vec![b'\n'; length];
            for offset in 0..length {
                let left = (length - offset).min(BLOCK);
                let feeds = u64::MAX >> (BLOCK - left);
                assert_eq!(
                    Bitmap::at(&bytes, offset),
                    Some(Bitmap { feeds, equals: 0 })
                );
            }
            assert_eq!(Bitmap::at(&bytes, length), None);
            assert_eq!(Bitmap::at(&bytes, length + 1), None);
            bytes.push(b'=');
            let last = Bitmap {
                feeds: 0,
                equals: 1,
            };
            assert_eq!(Bitmap::at(&bytes, length), Some(last));
        }
    }
}
