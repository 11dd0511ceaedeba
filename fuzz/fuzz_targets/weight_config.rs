//! Configuration files of policyd-weight: no text has it panic, and what was read is read again with the same values.

#![no_main]

use libfuzzer_sys::fuzz_target;
use policyd_weight::{
    config::{Config, DefaultSet},
    perl::{Variables, evaluate},
};
use std::sync::LazyLock;

static DEFAULTS: LazyLock<Variables> = LazyLock::new(|| {
    DefaultSet::Debian
        .options(false)
        .expect("the defaults are read")
});

fuzz_target!(|input: &[u8]| {
    match evaluate(input, &DEFAULTS) {
        Ok(evaluated) => {
            let again = evaluate(input, &DEFAULTS).expect("read before");
            assert_eq!(again.options.changed_from(&evaluated.options).len(), 0);
            // No name is new.
            assert_eq!(evaluated.options.scalars.len(), DEFAULTS.scalars.len());
            assert_eq!(evaluated.options.arrays.len(), DEFAULTS.arrays.len());
            let _ = Config::new(&evaluated.options, false);
        }
        Err(problem) => {
            let lines = input.iter().filter(|&&byte| byte == b'\n').count() + 1;
            assert!(
                (1..=lines).contains(&problem.line) && problem.column >= 1,
                "{problem}"
            );
            assert!(!problem.report("f", "error").is_empty());
        }
    }
});
