//! A handover socket at a path that others than root can change.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
};

use policy_testing::{
    process::{hapolicy, is_root, run},
    stub::{Script, Stub},
};

use crate::attacker::Ground;

#[test]
fn a_path_that_others_can_change_is_refused() {
    if !is_root() {
        return;
    }
    let stub = Stub::tcp(Script::default());
    let ground = Ground::new();
    let place = |name: &str, mode| {
        let path = ground.roots.join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    };
    let (open, sticky, group) = (
        place("open", 0o777),
        place("sticky", 0o1777),
        place("group", 0o770),
    );
    let below = open.join("below");
    fs::create_dir(&below).unwrap();
    symlink(&below, ground.roots.join("link")).unwrap();
    let theirs_below = ground.theirs.join("below");
    fs::create_dir(&theirs_below).unwrap();
    let sticky_below = sticky.join("below");
    fs::create_dir(&sticky_below).unwrap();
    for (directory, named) in [
        (&ground.theirs, Some("theirs belongs to user 31337")),
        (&theirs_below, Some("theirs belongs to user 31337")),
        (&open, Some("open can be written by others (mode 0777)")),
        (&below, Some("open can be written by others (mode 0777)")),
        (
            &ground.roots.join("link"),
            Some("open can be written by others (mode 0777)"),
        ),
        (&sticky, Some("sticky can be written by others (mode 1777)")),
        (&group, Some("group can be written by others (mode 0770)")),
        (&sticky_below, None),
        (&ground.roots, None),
    ] {
        let handover = format!("unix:{}/handover.sock", directory.display());
        let service = format!("a={}", stub.address());
        // It is found without a start as well.
        for more in [&["--check"][..], &[]] {
            if more.is_empty() && named.is_none() {
                continue;
            }
            let words = [
                "--listen",
                "inet:127.0.0.1:0",
                "--user",
                "nobody",
                "--handover",
                &handover,
                "-s",
                &service,
            ];
            let ended = run(hapolicy(), &[&words[..], more].concat());
            match named {
                Some(named) => {
                    assert_eq!(ended.code, Some(78), "{handover}: {ended:?}");
                    assert!(ended.err.contains(named), "{handover}: {ended:?}");
                }
                None => assert_eq!(ended.code, Some(0), "{handover}: {ended:?}"),
            }
        }
        assert!(!directory.join("handover.sock").exists());
    }
}
