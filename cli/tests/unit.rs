//! The unit for systemd: what systemd itself thinks of it.

use std::fs;

use policy_testing::process::{hapolicy, run};

#[test]
fn systemd_finds_little_exposed_and_nothing_wrong() {
    judge("docs/hapolicy.service");
}

#[test]
fn systemd_finds_no_more_of_the_unit_for_a_configuration_file() {
    judge("contrib/systemd/hapolicy.service");
}

fn judge(service: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let units = [
        ("hapolicy.service", service),
        ("hapolicy.socket", "docs/hapolicy.socket"),
    ];
    for (name, file) in units {
        let text = fs::read_to_string(format!("../{file}")).unwrap();
        // Where this system has the program.
        let text = text.replace("/usr/local/sbin/hapolicy", hapolicy());
        fs::write(path(name), text).unwrap();
    }
    let service = path("hapolicy.service");
    let words = [
        "security",
        "--offline=true",
        "--no-pager",
        "--threshold=12",
        &service,
    ];
    let exposed = run("systemd-analyze", &words);
    assert_eq!(exposed.code, Some(0), "{exposed:?}");
    let words = ["verify", "--man=no", &service, &path("hapolicy.socket")];
    let verified = run("systemd-analyze", &words);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert_eq!(verified.err, "", "{verified:?}");
}
