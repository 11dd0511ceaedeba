//! Upgrading and uninstalling, and the switch from the Perl script.

use crate::{
    block::Kind,
    follow::{Reader, blocks_of},
};

#[test]
fn uninstalling_leaves_nothing() {
    install_and_uninstall(Reader::new());
}

/// Installs all, and goes on with the page on upgrading and uninstalling.
pub fn install_and_uninstall(mut reader: Reader) {
    let before = reader.machine.must(FILES);
    reader.install();
    assert_ne!(reader.machine.must(FILES), before);
    reader.follow(&blocks_of("docs/upgrade.md"));
    assert_eq!(reader.machine.must(FILES), before);
    assert_ne!(reader.machine.run("id hapolicy").code, Some(0));
    assert_eq!(
        reader
            .machine
            .must("systemctl --no-legend list-units --all 'hapolicy*'"),
        ""
    );
    reader.finish();
}

#[test]
fn at_no_moment_of_the_switch_is_there_no_program() {
    let reader = Reader::new();
    let machine = &reader.machine;
    machine.must("cargo build --release --locked -p hapolicy -p policy-client");
    let perl = machine.must("sha256sum </usr/sbin/hapolicy");
    let blocks = blocks_of("docs/hapolicy.md");
    let switch: Vec<_> = blocks
        .iter()
        .filter(|block| block.kind == Ok(Kind::Shell) && block.text.contains("dpkg-divert"))
        .collect();
    assert_eq!(switch.len(), 2, "there and back");
    for (block, is_perl) in switch.into_iter().zip([false, true]) {
        for command in block.text.lines() {
            machine.must(command);
            machine.must("test -x /usr/sbin/hapolicy");
        }
        assert_eq!(
            machine.must("sha256sum </usr/sbin/hapolicy") == perl,
            is_perl,
            "{block}"
        );
        let diverted = machine.must("dpkg-divert --list /usr/sbin/hapolicy");
        assert_eq!(diverted.is_empty(), is_perl, "{block}");
    }
    assert_eq!(
        machine.must("ls /usr/sbin/hapolicy*"),
        "/usr/sbin/hapolicy\n"
    );
    reader.finish();
}

/// All files that bear a name of ours and have been written since the machine is there; whiteouts are no
/// files.
const FILES: &str = "find /usr/src/written /run ! -type c \\( -name '*hapolicy*' -o -name '*policy-client*' \\) | sort";
