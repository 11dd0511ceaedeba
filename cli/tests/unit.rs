//! The units for systemd, of all three daemons: what systemd itself thinks of them.

use std::{fs, path::Path};

use policy_testing::process::{hapolicy, run};

#[test]
fn systemd_finds_little_exposed_and_nothing_wrong() {
    for (name, program) in [
        ("hapolicy", hapolicy()),
        // Of other packages: systemd looks whether a program is there, and for no more.
        ("mtpolicyd", "/usr/bin/true"),
        ("policyd-weight", "/usr/bin/true"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let [service, socket] = ["service", "socket"].map(|kind| {
            let file = format!("{name}.{kind}");
            // Where this system has the program.
            let text = unit(&file).replace(&format!("/usr/local/sbin/{name}"), program);
            let path = dir.path().join(file);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        });
        let words = [
            "security",
            "--offline=true",
            "--no-pager",
            // In tenths.
            "--threshold=12",
            &service,
        ];
        let exposed = run("systemd-analyze", &words);
        assert_eq!(exposed.code, Some(0), "{name}: {exposed:?}");
        let verified = run(
            "systemd-analyze",
            &["verify", "--man=no", &service, &socket],
        );
        assert_eq!(verified.code, Some(0), "{name}: {verified:?}");
        assert_eq!(verified.err, "", "{name}");
    }
}

#[test]
fn each_daemon_is_there_before_postfix_and_its_socket_is_where_a_chrooted_smtpd_finds_it() {
    for name in ["hapolicy", "mtpolicyd", "policyd-weight"] {
        let service = unit(&format!("{name}.service"));
        // What the check of mtpolicyd refuses, its daemon may leave out.
        let ignored = if name == "mtpolicyd" { "-" } else { "" };
        let check = format!("ExecStartPre={ignored}/usr/local/sbin/{name} --check-config");
        for setting in ["Before=postfix.service", "StartLimitIntervalSec=0", &check] {
            let has = service.lines().any(|line| line.starts_with(setting));
            assert!(has, "{name}: {setting}");
        }
        let socket = unit(&format!("{name}.socket"));
        for setting in [
            "ListenStream=/var/spool/postfix/private/",
            "SocketUser=postfix",
            "SocketMode=0600",
            "RemoveOnStop=yes",
        ] {
            let has = socket.lines().any(|line| line.starts_with(setting));
            assert!(has, "{name}: {setting}");
        }
    }
}

fn unit(file: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/systemd");
    fs::read_to_string(directory.join(file)).unwrap()
}
