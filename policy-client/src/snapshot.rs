//! Texts in files beside the tests that expect them: `WRITE_SNAPSHOTS=1 cargo test` writes them anew.

use std::{env, fs, path::Path};

/// Compares a text with a file of this package.
pub(crate) fn assert_snapshot(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if env::var_os("WRITE_SNAPSHOTS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{file}; WRITE_SNAPSHOTS=1 writes it anew");
}
