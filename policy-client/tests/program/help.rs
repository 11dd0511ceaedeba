//! The help of subcommands, beside files that hold it: `WRITE_SNAPSHOTS=1 cargo test` writes them anew.

use std::{env, fs, path::Path};

use policy_testing::process::{policy_client, run};

#[test]
fn the_help_of_a_subcommand_is_as_it_was_read() {
    for name in ["bench", "serve"] {
        let ended = run(policy_client(), &[name, "--help"]);
        let path = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = path.join(format!("tests/program/help/{name}.txt"));
        if env::var_os("WRITE_SNAPSHOTS").is_some() {
            fs::write(&path, &ended.out).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            ended.out, expected,
            "{name}; WRITE_SNAPSHOTS=1 writes it anew"
        );
    }
}
