//! The faults of networks and name servers, in a world of their own: see `testing/world.sh`. As root.

use std::{env, net::UdpSocket, process::Command, thread};

use policy_testing::faults::{self, Fault, Trouble, WORLD_SCRIPT, answer_names};

/// One test, since all that is changed is the same for the whole world.
#[test]
fn a_fault_of_the_network_is_met_as_the_table_says() {
    if env::var_os(WORLD).is_none() {
        return enter();
    }
    let socket = UdpSocket::bind("127.0.0.53:53").expect("nobody else is here");
    thread::spawn(move || answer_names(&socket));
    let far = |fault: &Fault| matches!(fault.trouble, Trouble::Far(_));
    faults::check(far, false);
    faults::check(far, true);
}

fn enter() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test needs root: it makes a network of its own"
    );
    let home = tempfile::tempdir().expect("a directory");
    let status = Command::new(WORLD_SCRIPT)
        .arg(home.path())
        .arg(env::current_exe().expect("the path of this test"))
        .args(["--nocapture", "--test-threads=1"])
        .status();
    let status =
        status.expect("world.sh starts; it needs the Debian packages util-linux and iproute2");
    assert!(status.success(), "see above");
}

const WORLD: &str = "HAPOLICY_TEST_WORLD";
