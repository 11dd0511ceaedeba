//! A small world for the programs: namespaces with their own loopback, `/dev` and system log.
//!
//! The test process runs itself again in a network and a mount namespace of its own. So no port can
//! clash, names resolve as a case says, a queue of datagrams is as long as systemd makes it
//! (`net.unix.max_dgram_qlen` = 512), and nothing outside is changed.

use std::path::Path;
use std::process::{Command, exit};
use std::time::{Duration, Instant};
use std::{env, thread};

/// Calls `work` inside; outside, starts this test again inside, and waits for its verdict.
pub fn enter_and(work: fn(&Path)) {
    if let Some(home) = env::var_os(INSIDE) {
        work(Path::new(&home));
        return;
    }
    let needed = [
        (PERL, "hapolicy"),
        ("/usr/bin/unshare", "util-linux"),
        ("/usr/bin/nsenter", "util-linux"),
    ];
    for (file, package) in needed {
        assert!(
            Path::new(file).exists(),
            "{file} is missing: install the Debian package {package}, this test compares with it"
        );
    }
    assert!(
        rustix::process::geteuid().is_root(),
        "this test needs root: each program gets a mount namespace with a /dev/log of its own"
    );
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut child = Command::new("/usr/bin/unshare")
        .args(["--mount", "--net", "sh", "-c", PREPARE, "sh"])
        .arg(home.path())
        .arg(env::current_exe().expect("the path of this test"))
        .args(["--nocapture", "--test-threads=1"])
        .env(INSIDE, home.path())
        .spawn()
        .expect("unshare starts");
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().expect("it is our child");
            child.wait().expect("it is our child");
            panic!("the side by side test took more than {LIMIT:?}");
        }
        thread::sleep(Duration::from_millis(20));
    };
    match status.code() {
        Some(0) => {}
        Some(UNPREPARED) => panic!("no namespaces here (see above): privileges are missing"),
        _ => panic!("the programs differ, see above"),
    }
}

/// Ends the process inside with the verdict; the report is printed already.
pub fn leave(failures: usize) -> ! {
    exit(if failures == 0 { 0 } else { 1 });
}

pub const PERL: &str = "/usr/sbin/hapolicy";

const INSIDE: &str = "HAPOLICY_TEST_NAMESPACE";
const LIMIT: Duration = Duration::from_secs(180);
const UNPREPARED: i32 = 99;

/// `$1` is the home directory; the rest is the command to run inside. The line of Perl sets the
/// loopback interface up (SIOCSIFFLAGS with IFF_UP and IFF_RUNNING) where `ip` may be missing.
const PREPARE: &str = r#"
trap 'test $? = 0 || exit 99' EXIT
set -e
home=$1; shift
echo 512 >/proc/sys/net/unix/max_dgram_qlen
perl -MSocket -e 'socket(S, AF_INET, SOCK_DGRAM, 0) or die; $up = pack("a16sx22", "lo", 0x41); ioctl(S, 0x8914, $up) or die $!'
mkdir "$home/dev" "$home/run"
mount -t tmpfs -o mode=755 hapolicy-test "$home/dev"
for device in null zero full random urandom tty; do
    : >"$home/dev/$device"
    mount --bind "/dev/$device" "$home/dev/$device"
done
ln -s /proc/self/fd "$home/dev/fd"
ln -s "$home/run/log" "$home/dev/log"
mount --move "$home/dev" /dev
trap - EXIT
exec "$@"
"#;
