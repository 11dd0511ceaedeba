//! Files that `postmap` has written.

use super::{
    support::{run, text},
    world::{CONNECTIONS, Frame, World},
};

#[tokio::test]
async fn what_postmap_writes_is_found() {
    for kind in ["hash", "cdb"] {
        let directory = tempfile::tempdir().unwrap();
        let map = directory.path().join("map");
        let lines = "100.64.2.10 OK\n10 1\n2001:db8:1 OK\n100.65.113.5 REJECT no\n";
        std::fs::write(&map, lines).unwrap();
        run("postmap", &[&format!("{kind}:{}", text(&map))]);
        let names = if kind == "hash" {
            &["@TMP@/map.db", "@TMP@/map", "hash:@TMP@/map"][..]
        } else {
            &["cdb:@TMP@/map", "cdb:@TMP@/map.cdb"]
        };
        let mut directory = directory;
        for name in names {
            let plugins =
                Frame::of("PostfixMap").plugins(&format!("db_file={name}\nmatch_action=reject"));
            let world = World::in_directory(directory, CONNECTIONS, &plugins);
            for (address, expected) in [
                ("100.64.2.10", "reject"),
                ("10.1.2.3", "reject"),
                ("2001:db8:1:2::3", "reject"),
                ("2001:db8:2::3", "ok"),
                ("100.65.113.5", "ok"),
            ] {
                let request = format!("client_address={address} instance={address}");
                assert_eq!(world.ask(&request).await, expected, "{name}: {address}");
            }
            directory = world.directory;
        }
    }
}
