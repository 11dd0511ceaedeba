//! Namespaces for the programs: a loopback interface, `/dev/log`, `/run`, users and `resolv.conf` of their own.

use std::{path::Path, process::Command};

use nix::sched::{CloneFlags, unshare};

/// Moves this process, which has one thread as yet, into the namespaces. `directory` is an empty one.
pub fn enter(directory: &Path) {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)
        .expect("this test needs root, for namespaces of its own");
    let status = Command::new("sh")
        .args(["-c", PREPARE, "sh"])
        .arg(directory)
        .status()
        .expect("sh starts");
    assert!(status.success(), "no namespaces here, see above");
}

/// A file with a fault is ignored: then the name server is the one of `resolv.conf`, and all paths are in `/run`.
const PREPARE: &str = r#"
set -e
mount --make-rprivate /
ip link set lo up
# As long as systemd makes the queue: no line is lost.
echo 512 >/proc/sys/net/unix/max_dgram_qlen
cat /etc/passwd >"$1/passwd"
cat /etc/group >"$1/group"
grep -q ^polw: /etc/passwd || echo polw:x:61234:61234::/nonexistent:/usr/sbin/nologin >>"$1/passwd"
grep -q ^polw: /etc/group || echo polw:x:61234: >>"$1/group"
echo nameserver 127.0.3.40 >"$1/resolv.conf"
for file in passwd group resolv.conf; do
    mount --bind "$1/$file" "/etc/$file"
done
mkdir "$1/dev" "$1/log"
mount -t tmpfs -o mode=755 none /run
mount -t tmpfs -o mode=755 none "$1/dev"
for device in null zero full random urandom tty; do
    : >"$1/dev/$device"
    mount --bind "/dev/$device" "$1/dev/$device"
done
ln -s /proc/self/fd "$1/dev/fd"
mount --move "$1/dev" /dev
"#;
