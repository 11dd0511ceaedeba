//! The commands of the repository's front page are those that work.

use std::{fs, path::Path, process::Command};

/// A sender that is empty is asked nothing about, so that this needs no DNS.
const REQUEST: &str = "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.1\n\
                       helo_name=mail.acme.test\nsender=\nrecipient=carol@acme.test\n\n";

#[test]
fn the_commands_of_the_front_page_are_those_that_work() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("request"), REQUEST).unwrap();
    fs::write(directory.path().join("weights.conf"), "$REJECTLEVEL = 2;\n").unwrap();
    let commands: Vec<_> = readme
        .lines()
        .filter_map(|line| line.split_once("-p policyd-weight -- "))
        .collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    for (build, words) in commands {
        assert_eq!(build, "cargo run --release --locked ");
        let words = words.replace("/etc/policyd-weight.conf", "weights.conf");
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("{} {words}", env!("CARGO_BIN_EXE_policyd-weight")))
            .current_dir(directory.path())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{words}: {output:?}");
        let expected = if words.starts_with("--explain") {
            "action=DUNNO NULL (<>) Sender"
        } else {
            "weights.conf: no error"
        };
        assert!(printed.contains(expected), "{words}: {printed}");
    }
}
