//! Who is least loaded, for its weight.

use crate::{BackendId, bits::ones};

/// Those of the candidates that may have the next request: to whom it could go so that nobody else
/// would have been better.
///
/// The least loaded *with* that request is the one whose `(load + 1) / weight` is the lowest. If it
/// got them all, then backends at rest would not share by weight: the heaviest would always win. So
/// whoever is below that *without* the request, `load / weight`, is as good a choice, and the
/// caller lets them take turns. Among equal weights these are just those with the lowest load; and
/// with nothing under way it is everybody.
pub(crate) fn least_loaded(
    candidates: u64,
    weight: impl Fn(usize) -> u64,
    mut load: impl FnMut(BackendId) -> u32,
) -> u64 {
    // Asked for once: it may change meanwhile.
    let mut loads = [0; u64::BITS as usize];
    for id in ones(candidates).filter_map(BackendId::new) {
        loads[id.index()] = u64::from(load(id));
    }
    // Loads have 32 bits and weights 10: fractions are compared crosswise.
    let with =
        |a: &usize, b: &usize| ((loads[*a] + 1) * weight(*b)).cmp(&((loads[*b] + 1) * weight(*a)));
    let Some(least) = ones(candidates).min_by(with) else {
        return 0;
    };
    let (of, by) = (loads[least] + 1, weight(least));
    ones(candidates)
        .filter(|&index| loads[index] * by < of * weight(index))
        .fold(0, |set, index| set | 1 << index)
}
