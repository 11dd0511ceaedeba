//! The least loaded backend, for its weight.

use crate::{BackendId, bits::ones};

/// Those of the candidates that may have the next request: to whom it could go so that nobody else
/// would have been better.
///
/// The least loaded *with* that request is the one whose `(load + 1) / weight` is the lowest. If it
/// got them all, then backends at rest would not share by weight: the heaviest would always win. So
/// a backend that is below that *without* the request, `load / weight`, is as good a choice, and the
/// caller lets them take turns. Among equal weights these are just those with the lowest load; and
/// with nothing under way it is everybody.
pub(crate) fn least_loaded(
    candidates: u64,
    weight: impl Fn(usize) -> u64,
    mut load: impl FnMut(BackendId) -> u32,
) -> u64 {
    // Asked for once: it may change meanwhile.
    let mut loads = [0; u64::BITS as usize];
    // Loads have 32 bits and weights 10: fractions are compared crosswise.
    let (mut of, mut by) = (0, 0);
    for id in ones(candidates).filter_map(BackendId::new) {
        let (load, weight) = (u64::from(load(id)), weight(id.index()));
        loads[id.index()] = load;
        if (load + 1) * by < of * weight || by == 0 {
            (of, by) = (load + 1, weight);
        }
    }
    ones(candidates)
        .filter(|&index| loads[index] * by < of * weight(index))
        .fold(0, |set, index| set | 1 << index)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn it_has_less_than_any_other_would_have_with_the_request(
            backends in vec((any::<bool>(), 1..=1000_u64, prop_oneof![0..20_u32, any::<u32>()]), 1..=64),
        ) {
            let candidates = (0..).zip(&backends).filter(|(_, backend)| backend.0);
            let candidates = candidates.fold(0, |set, (index, _)| set | 1_u64 << index);
            let found = least_loaded(
                candidates,
                |index| backends[index].1,
                |id| backends[id.index()].2,
            );
            for (index, &(is_candidate, weight, load)) in backends.iter().enumerate() {
                let mut others = backends.iter().filter(|(is_candidate, ..)| *is_candidate);
                let is_least = others.all(|&(_, other, with)| {
                    u64::from(load) * other < (u64::from(with) + 1) * weight
                });
                prop_assert_eq!(found >> index & 1 == 1, is_candidate && is_least);
            }
        }
    }
}
