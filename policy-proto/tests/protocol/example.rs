//! The example server stays as short as a newcomer can read.

#[test]
fn the_blocking_server_fits_a_page() {
    let lines = include_str!("../../examples/blocking.rs").lines().count();
    assert!(lines <= 45, "{lines} lines");
}
