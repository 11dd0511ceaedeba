//! Texts in files beside the tests that expect them: `WRITE_SNAPSHOTS=1 cargo test` writes them again.

use std::{env, fs, path::Path};

use serde_json::Value;

/// Compares a text with a file of this package.
pub(crate) fn assert_snapshot(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if env::var_os("WRITE_SNAPSHOTS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{file}; WRITE_SNAPSHOTS=1 writes it again");
}

/// Compares an object with a file of this package. The order of names is not a part of it.
pub(crate) fn assert_object(file: &str, object: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if env::var_os("WRITE_SNAPSHOTS").is_some() {
        let text = serde_json::to_string_pretty(object).unwrap();
        fs::write(&path, text + "\n").unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let expected: Value = serde_json::from_str(&expected).unwrap_or_default();
    assert_eq!(
        *object, expected,
        "{file}; WRITE_SNAPSHOTS=1 writes it again"
    );
}
