//! The rights with which root's own runs open the cache's file: those of `$USER`, and no link is followed.

use std::{
    fs,
    io::Write,
    os::unix::fs::{MetadataExt, chown, symlink},
    path::PathBuf,
    process::{Command, Stdio},
};

use policy_testing::within;

use super::{
    PATIENCE,
    world::{GOOD, World, good, text},
};

/// A directory of the daemon's user, who may put anything into it.
fn world() -> World {
    let world = World::new("$USER = '12345'; $GROUP = '12345';");
    let lock = world.path("lock");
    fs::create_dir(&lock).unwrap();
    chown(&lock, Some(12_345), Some(12_345)).unwrap();
    world
}

/// Where a link of the user's leads: a database of root's, which is empty, and a file that is not there.
fn targets(world: &World) -> [PathBuf; 2] {
    let empty = world.path("root.sqlite");
    fs::write(&empty, "").unwrap();
    [empty, world.path("missing.sqlite")]
}

#[test]
fn a_link_in_the_place_of_the_cache_is_not_followed() {
    let names = ["cache.sqlite", "cache.sqlite.debug", "store.sqlite"];
    for (name, words) in names.into_iter().flat_map(|name| {
        [&["-s"][..], &["-k"], &[]].map(|words| {
            let debug = if name.ends_with(".debug") { "-d" } else { "" };
            (name, [&[debug][..], words].concat())
        })
    }) {
        let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
        for hard in [false, true] {
            let world = world();
            let link = world.path("lock").join(name);
            if name == "store.sqlite" {
                let store = format!("$CACHE_STORE = 'sqlite://{}';", link.display());
                world.configure(&format!("$USER = '12345'; $GROUP = '12345'; {store}"));
            }
            for target in targets(&world) {
                _ = fs::remove_file(&link);
                if !hard {
                    symlink(&target, &link).unwrap();
                } else if fs::hard_link(&target, &link).is_err() {
                    continue;
                }
                let existed = target.exists();
                let what = format!("{words:?} {name}, hard: {hard}, {}", target.display());
                let output = world.feed(&words, &good("1"));
                let said = text(&output.stdout) + &text(&output.stderr);
                assert_eq!(target.exists(), existed, "{what}: {said}");
                let length = fs::metadata(&target).map_or(0, |found| found.len());
                assert_eq!(length, 0, "{what}: {said}");
                if words.iter().any(|word| ["-s", "-k"].contains(word)) {
                    assert_eq!(output.status.code(), Some(1), "{what}: {said}");
                    assert!(said.contains("link"), "{what}: {said}");
                } else {
                    assert!(said.contains("rate: -4.6"), "{what}: {said}");
                }
            }
        }
    }
}

/// The whole process has them, not only what opens the file.
#[test]
fn a_process_of_roots_has_the_rights_of_the_daemons_user() {
    let world = world();
    let mut command = world.command(&[]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(good("1").as_bytes()).unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut last = String::new();
    let came = within(PATIENCE, || {
        last = fs::read_to_string(&status).unwrap();
        last.contains("Uid:\t12345\t12345\t12345\t12345\nGid:\t12345\t12345\t12345\t12345\n")
    });
    drop(input);
    assert!(child.wait().unwrap().success());
    assert!(came, "{last}");
    let file = fs::metadata(world.path("lock/cache.sqlite")).unwrap();
    assert_eq!((file.uid(), file.mode() & 0o777), (12_345, 0o600));
}

/// `-k` gives root's rights up, and the action beside it needs them.
#[test]
fn an_action_beside_it_has_roots_rights() {
    let world = world();
    assert!(text(&world.feed(&[], &good("1")).stdout).starts_with(GOOD));
    let started = world.run(&["-k", "start"]);
    assert!(started.status.success(), "{started:?}");
    assert!(text(&started.stdout).starts_with("*** 1 forgotten of the file "));
    assert_eq!(world.ask(&good("2")), GOOD);
    let restarted = world.run(&["-k", "restart"]);
    assert!(restarted.status.success(), "{restarted:?}");
    assert!(text(&restarted.stdout).starts_with("*** 1 forgotten of the daemon at "));
    assert_eq!(world.ask(&good("3")), GOOD);
    assert_eq!(fs::metadata(world.path("pid")).unwrap().uid(), 0);
    let stopped = world.run(&["-k", "stop"]);
    assert!(stopped.status.success(), "{stopped:?}");
    assert!(!world.path("pid").exists());
}

/// What shows the cache makes nothing, and changes nothing.
#[test]
fn showing_the_cache_writes_nothing() {
    let world = world();
    let file = world.path("lock/cache.sqlite");
    assert_eq!(world.cached(&[]), [""; 0]);
    assert!(!file.exists());
    fs::write(&file, "").unwrap();
    chown(&file, Some(12_345), Some(12_345)).unwrap();
    assert_eq!(world.cached(&[]), [""; 0]);
    assert_eq!(fs::metadata(&file).unwrap().len(), 0);
}

/// A user that is not there has no rights that could be taken.
#[test]
fn without_the_daemons_user_root_opens_no_cache() {
    let world = World::new("$USER = 'no-such-user';");
    for words in [&[][..], &["-s"], &["-k"]] {
        let refused = world.feed(words, &good("1"));
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(255), "{words:?}: {said}");
        assert!(
            said.contains("User no-such-user or group nogroup doesn't exist!"),
            "{words:?}: {said}"
        );
        assert!(!world.path("lock").exists(), "{words:?}");
    }
}

/// The manual: 1 for a cache that they do not reach.
#[test]
fn a_file_that_cannot_be_used_is_not_reached() {
    type Make = fn(&PathBuf);
    let makes: [(&str, Make); 4] = [
        ("no regular file", |file| fs::create_dir(file).unwrap()),
        ("no regular file", |file| {
            let made = Command::new("mkfifo").arg(file).status();
            assert!(made.unwrap().success());
        }),
        ("not a database", |file| {
            fs::write(file, "x".repeat(4096)).unwrap();
            chown(file, Some(12_345), None).unwrap();
        }),
        // Of another's.
        ("unable to open database file", |file| {
            fs::write(file, "").unwrap();
            fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }),
    ];
    for (why, make) in makes {
        let world = world();
        make(&world.path("lock/cache.sqlite"));
        for word in ["-s", "-k"] {
            let refused = world.run(&[word]);
            let said = text(&refused.stderr);
            assert_eq!(refused.status.code(), Some(1), "{word} {why}: {said}");
            assert!(said.contains(why), "{word} {why}: {said}");
        }
    }
}

/// The directory that root gives to the daemon's user is the one that was looked at.
#[test]
fn a_directory_behind_a_link_of_another_user_is_not_given_away() {
    let world = World::new("");
    let way = "mkdir -p own/lock theirs && chown nobody theirs && ln -s ../own theirs/sub && chown -h nobody theirs/sub";
    let mut command = Command::new("sh");
    command.args(["-c", way]).current_dir(&world.directory);
    assert!(command.status().unwrap().success());
    world.configure(&format!(
        "$LOCKPATH = '{}';",
        world.path("theirs/sub/lock").display()
    ));
    let output = world.run(&["start"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(255), "{said}");
    assert!(
        said.contains("sub is a link in a directory that is not root's alone"),
        "{said}"
    );
    let own = fs::metadata(world.path("own/lock")).unwrap();
    assert_eq!(own.uid(), 0);
    assert!(!world.is_listening());
}
