//! The one hash of this crate. It stands in for chance, so it must never change: a program that compares
//! two releases, or two machines, relies on the same seed giving the same order.

/// The `n`th number, counted from 0, of the splitmix64 sequence that starts at `seed`.
pub(crate) const fn hash(seed: u64, n: u64) -> u64 {
    mix(seed.wrapping_add(n.wrapping_add(1).wrapping_mul(GOLDEN_RATIO)))
}

/// The end of splitmix64: each bit of the input changes half of the bits of the output, and no two
/// inputs have the same output.
pub(crate) const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_splitmix64_for_ever() {
        // The vectors that other implementations of splitmix64 publish.
        let sequence: Vec<u64> = (0..5).map(|n| hash(1_234_567, n)).collect();
        assert_eq!(
            sequence,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
        assert_eq!(hash(0, 0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(hash(u64::MAX, u64::MAX), 0xb4d0_55fc_f2cb_bd7b);
    }
}
