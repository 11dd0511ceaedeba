//! Links, second names and pipes in the way of a file of root's.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::PathBuf,
    thread,
};

use rustix::{
    fs::{IFlags, ioctl_setflags},
    thread::{Uid, set_thread_groups, set_thread_res_uid},
};

use super::*;
use crate::process::owner::is_root;

/// A directory that is another user's, and one of root's alone with a file.
fn directories() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let path = directory.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    let (theirs, own) = (make("theirs"), make("own"));
    chown(&theirs, Some(12345), None).unwrap();
    fs::write(own.join("file"), "of root\n").unwrap();
    (directory, theirs, own)
}

#[test]
fn no_link_of_another_user_leads_root_to_a_file() {
    if !is_root() {
        return;
    }
    let (_directory, theirs, own) = directories();
    symlink(own.join("file"), theirs.join("link")).unwrap();
    symlink(&own, theirs.join("directory")).unwrap();
    fs::hard_link(own.join("file"), theirs.join("second")).unwrap();
    for name in ["link", "directory/file", "directory/new", "second"] {
        let place = FilePlace::at(&theirs.join(name));
        let refused = place.and_then(|place| place.append(0o644)).unwrap_err();
        assert!(
            refused.to_string().contains("not root's alone"),
            "{name}: {refused}"
        );
    }
    for name in ["link", "directory/file", "directory/new"] {
        let place = FilePlace::at(&theirs.join(name));
        assert!(
            place.and_then(|place| place.create_new(0o644)).is_err(),
            "{name}"
        );
    }
    assert_eq!(fs::read_to_string(own.join("file")).unwrap(), "of root\n");
    assert_eq!(fs::read_dir(&own).unwrap().count(), 1);
    FilePlace::at(&theirs.join("log"))
        .unwrap()
        .append(0o644)
        .unwrap();
    FilePlace::at(&theirs.join("log"))
        .unwrap()
        .append(0o644)
        .unwrap();
    // Everybody can put a link there.
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o1777)).unwrap();
    chown(&theirs, Some(0), None).unwrap();
    let place = FilePlace::at(&theirs.join("link")).unwrap();
    assert!(place.append(0o644).is_err());
}

#[test]
fn links_of_roots_own_are_followed() {
    if !is_root() {
        return;
    }
    let (_directory, theirs, own) = directories();
    symlink(&theirs, own.join("theirs")).unwrap();
    symlink(own.join("file"), own.join("link")).unwrap();
    for path in [own.join("link"), own.join("theirs/log"), "/dev/null".into()] {
        FilePlace::at(&path).unwrap().append(0o644).unwrap();
    }
    assert!(theirs.join("log").exists());
    FilePlace::at(&own.join("theirs/log"))
        .unwrap()
        .remove()
        .unwrap();
    assert!(!theirs.join("log").exists());
}

#[test]
fn a_path_may_go_back_as_far_as_the_directory_that_is_roots_alone() {
    if !is_root() {
        return;
    }
    let (_directory, theirs, own) = directories();
    fs::create_dir(theirs.join("logs")).unwrap();
    for path in [theirs.join("logs/../log"), own.join("../theirs/log")] {
        FilePlace::at(&path).unwrap().append(0o644).unwrap();
    }
    assert!(theirs.join("log").exists());
    assert!(FilePlace::at(&theirs.join("logs/../../../new")).is_err());
    // The system would go back from where the link leads.
    symlink(&own, theirs.join("directory")).unwrap();
    let place = FilePlace::at(&theirs.join("directory/../new")).unwrap();
    place.append(0o644).unwrap();
    assert!(theirs.join("new").exists());
}

#[test]
fn a_file_is_replaced_in_one_step_and_nothing_else_is() {
    let directory = tempfile::tempdir().unwrap();
    let names = || fs::read_dir(directory.path()).unwrap().count();
    let path = directory.path().join("pid");
    let place = FilePlace::at(&path).unwrap();
    for content in ["12", "3"] {
        let new = format!("pid.{}.new", std::process::id());
        fs::write(directory.path().join(new), "left behind").unwrap();
        place.replace(0o644, content.as_bytes()).unwrap();
        place.check_replace(0o644, b"3").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(names(), 1);
    }
    fs::remove_file(&path).unwrap();
    for target in ["nothing", "pid"] {
        symlink(target, &path).unwrap();
        assert!(place.replace(0o644, b"4").is_err());
        assert!(place.check_replace(0o644, b"3").is_err());
        fs::remove_file(&path).unwrap();
    }
    fs::create_dir(&path).unwrap();
    assert!(place.replace(0o644, b"4").is_err());
    assert_eq!(names(), 1);
}

#[test]
fn a_pipe_that_nobody_reads_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let place = FilePlace::at(&path).unwrap();
    assert!(place.append(0o644).is_err());
    assert!(place.read().is_err());
}

/// A file that a new one cannot take the place of, until this is dropped.
struct Kept(File);

impl Kept {
    /// `None` where the file system has no such flags, or the right to set them is missing.
    fn with(path: &Path, flags: IFlags) -> Option<Self> {
        let file = File::open(path).unwrap();
        let set = ioctl_setflags(&file, flags);
        if set.is_err() {
            println!("SKIPPED: {flags:?}: {set:?}");
        }
        set.ok().map(|()| Self(file))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        _ = ioctl_setflags(&self.0, IFlags::empty());
    }
}

#[test]
fn a_check_finds_the_flags_that_keep_a_file_from_being_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pid");
    fs::write(&path, "12").unwrap();
    let place = FilePlace::at(&path).unwrap();
    let (file, its_directory) = (path.as_path(), directory.path());
    for (kept, flags, why) in [
        (file, IFlags::IMMUTABLE, "it is immutable (chattr +i)"),
        (file, IFlags::APPEND, "it is append-only (chattr +a)"),
        (
            its_directory,
            IFlags::IMMUTABLE,
            "its directory is immutable (chattr +i)",
        ),
        (
            its_directory,
            IFlags::APPEND,
            "its directory is append-only (chattr +a)",
        ),
    ] {
        let Some(_kept) = Kept::with(kept, flags) else {
            continue;
        };
        for error in [place.check_replace(0o644, b"3"), place.replace(0o644, b"3")] {
            let error = error.unwrap_err();
            assert_eq!(error.to_string(), why, "{kept:?} {flags:?}");
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
    place.replace(0o644, b"3").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "3");
}

/// In a directory such as `/tmp` one replaces one's own files, unless one may replace all.
#[test]
fn a_check_finds_the_file_of_another_user_in_a_sticky_directory() {
    if !is_root() {
        return;
    }
    let (other, user) = (12345, 54321);
    for (mode, directory_of, file_of, is_kept) in [
        (0o1777, 0, Some(0), true),
        (0o1777, other, Some(other), true),
        (0o1777, 0, Some(user), false),
        (0o1777, user, Some(0), false),
        (0o1777, 0, None, false),
        (0o777, 0, Some(0), false),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        if let Some(owner) = file_of {
            fs::write(&path, "12").unwrap();
            chown(&path, Some(owner), None).unwrap();
        }
        chown(directory.path(), Some(directory_of), None).unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
        let tries = || {
            let place = FilePlace::at(&path).unwrap();
            (place.check_replace(0o644, b"3"), place.replace(0o644, b"3"))
        };
        let tries_as_user = || {
            set_thread_groups(&[]).unwrap();
            let user = Uid::from_raw(user);
            set_thread_res_uid(user, user, user).unwrap();
            tries()
        };
        let (checked, replaced) = thread::scope(|scope| scope.spawn(tries_as_user).join().unwrap());
        let case = format!("{mode:o} {directory_of} {file_of:?}: {checked:?} {replaced:?}");
        for tried in [checked, replaced] {
            assert_eq!(tried.is_err(), is_kept, "{case}");
            let said = tried
                .err()
                .map_or_else(String::new, |error| error.to_string());
            assert!(said.contains("sticky bit") || !is_kept, "{case}");
        }
        let count = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(count, 1, "{case}");
        let (checked, replaced) = tries();
        assert!(
            checked.is_ok() && replaced.is_ok(),
            "{checked:?} {replaced:?}"
        );
    }
}
