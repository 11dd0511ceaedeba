//! The file with the number of the daemon's process, and signals to that.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    thread::sleep,
    time::Duration,
};

use rustix::process::{Pid, Signal, geteuid, kill_process, kill_process_group, test_kill_process};

/// The process that a file names, if it is one of ours.
pub(super) fn running(path: &Path) -> Option<Pid> {
    let pid = read(path)?;
    (test_kill_process(pid).is_ok() && is_ours(pid)).then_some(pid)
}

/// The number in a file that nobody but root and this user can write to.
fn read(path: &Path) -> Option<Pid> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let is_trusted = metadata.is_file() && [0, geteuid().as_raw()].contains(&metadata.uid());
    let text = fs::read_to_string(path).ok().filter(|_| is_trusted)?;
    let number: i32 = text.trim().parse().ok().filter(|&number| number > 1)?;
    Pid::from_raw(number)
}

/// Whether a process is a policyd-weight, this one or the Perl program: the number may be another's by now.
fn is_ours(pid: Pid) -> bool {
    let name =
        fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero())).unwrap_or_default();
    name.starts_with("policyd-weight")
}

/// Sends a signal to the process and its group.
pub(super) fn signal(pid: Pid, signal: Signal) -> io::Result<()> {
    // A daemon in the foreground may be in another's group.
    Ok(kill_process_group(pid, signal).or_else(|_| kill_process(pid, signal))?)
}

/// Waits until a process has ended: false if it has not within a time.
pub(super) fn has_ended(pid: Pid, limit: Duration, mut each_second: impl FnMut()) -> bool {
    let tenths = limit.as_millis() / 100;
    for tenth in 0..tenths {
        if test_kill_process(pid).is_err() || !is_ours(pid) {
            return true;
        }
        if tenth % 10 == 0 {
            each_second();
        }
        sleep(Duration::from_millis(100));
    }
    false
}

/// Writes this process's number. The file is a new one: a link in its place is not followed.
pub(super) fn write(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)?;
    write!(file, "{}", std::process::id())
}

/// Removes the file if it names this process. The daemon's user may not be allowed to.
pub(super) fn remove_own(path: &Path) {
    if fs::read_to_string(path).is_ok_and(|text| text.trim() == std::process::id().to_string()) {
        _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_ours_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        assert_eq!(running(&path), None);
        write(&path).unwrap();
        // This test's program has another name.
        assert_eq!(running(&path), None);
        for text in ["", "x", "0", "1", "-5"] {
            fs::write(&path, text).unwrap();
            assert_eq!(running(&path), None, "{text}");
        }
        remove_own(&path);
        assert!(path.exists(), "it names another process");
        write(&path).unwrap();
        remove_own(&path);
        assert!(!path.exists());
    }
}
