//! The example programs stay as short as a newcomer can read.

#[test]
fn an_example_fits_a_page() {
    for (name, text, most) in [
        (
            "failover_client",
            include_str!("../examples/failover_client.rs"),
            30,
        ),
        ("limiter", include_str!("../examples/limiter.rs"), 60),
        (
            "greylist's policy",
            policy(include_str!("../examples/greylist.rs")),
            55,
        ),
        (
            "blocking of policy-proto",
            include_str!("../../policy-proto/examples/blocking.rs"),
            45,
        ),
        ("workers", include_str!("../examples/workers.rs"), 60),
        ("tls", include_str!("../examples/tls.rs"), 60),
        (
            "paused_time",
            include_str!("../examples/paused_time.rs"),
            70,
        ),
    ] {
        let lines = text.lines().count();
        assert!(lines <= most, "{name} has {lines} lines");
    }
}

/// What is between the comments that say so.
fn policy(text: &str) -> &str {
    let (_, policy) = text.split_once("// The policy begins here.\n").unwrap();
    policy.split_once("// The policy ends here.").unwrap().0
}
