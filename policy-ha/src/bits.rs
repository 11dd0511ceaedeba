//! Sets of backends as the bits of a `u64`.

/// The most backends of a set.
pub(crate) const MAX_BACKENDS: usize = u64::BITS as usize;

/// The indices of the bits that are set, lowest first.
pub(crate) fn ones(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        if set == 0 {
            return None;
        }
        let lowest = set.trailing_zeros() as usize;
        set &= set - 1;
        Some(lowest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_are_listed_from_the_lowest_to_the_highest() {
        assert_eq!(ones(0).count(), 0);
        assert_eq!(ones(0b1010_0001).collect::<Vec<_>>(), [0, 5, 7]);
        assert_eq!(ones(1 << 63 | 1).collect::<Vec<_>>(), [0, 63]);
        assert!(ones(u64::MAX).eq(0..64));
    }
}
