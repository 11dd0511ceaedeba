//! Namespaces for the programs, with a loopback interface, a `/dev` and a system log of their own.
//!
//! Within them no port can clash, names resolve as a case says, a queue of datagrams is as long as systemd makes it
//! (`net.unix.max_dgram_qlen` = 512), and nothing outside is changed.

use std::path::Path;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

/// Moves this process, which has one thread as yet, into the namespaces.
pub fn enter() {
    for (file, package) in [(PERL, "hapolicy"), ("/usr/sbin/ip", "iproute2")] {
        assert!(
            Path::new(file).exists(),
            "{file} is missing: install the Debian package {package}"
        );
    }
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)
        .expect("this test needs root, for namespaces of its own");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut prepare = Command::new("sh");
    prepare.args(["-c", PREPARE, "sh"]).arg(directory.path());
    let status = prepare.status().expect("sh starts");
    assert!(status.success(), "no namespaces here, see above");
}

pub const PERL: &str = "/usr/sbin/hapolicy";

/// `$1` is an empty directory. `/dev/log` is a socket `log` in the working directory of the program that looks.
const PREPARE: &str = r#"
set -e
mount --make-rprivate /
ip link set lo up
echo 512 >/proc/sys/net/unix/max_dgram_qlen
mount -t tmpfs -o mode=755 hapolicy-test "$1"
for device in null zero full random urandom tty; do
    : >"$1/$device"
    mount --bind "/dev/$device" "$1/$device"
done
ln -s /proc/self/fd "$1/fd"
ln -s /proc/self/cwd/log "$1/log"
mount --move "$1" /dev
"#;
