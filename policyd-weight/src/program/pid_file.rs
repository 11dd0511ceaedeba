//! The file with the number of the daemon's process, and signals to that.

use std::{
    fmt, fs,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
    thread::sleep,
    time::Duration,
};

use policy_daemon::{FilePlace, has_led_here};
use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process, kill_process_group},
};

/// What a pid file tells of the daemon.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Named {
    /// It runs.
    Running(Pid),
    /// It does not: there is no file, or the file was left behind.
    NotRunning(NotRunning),
}

/// Why no daemon runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum NotRunning {
    /// There is no file.
    NoFile,
    /// The file names a process that is no daemon of ours: which one, in words as well.
    LeftBehind(Pid, String),
}

impl NotRunning {
    /// Why, in words, by the pid file at this path.
    pub(super) fn text(&self, path: &Path) -> String {
        match self {
            Self::NoFile => format!("there is no {}", path.display()),
            Self::LeftBehind(_, why) => why.clone(),
        }
    }
}

impl Named {
    /// The daemon's process, if it runs.
    pub(super) fn pid(self) -> Option<Pid> {
        match self {
            Self::Running(pid) => Some(pid),
            Self::NotRunning(_) => None,
        }
    }
}

/// A file that names no process at all: whether a daemon runs is not known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a pid file tells. [`Paths::check`](super::paths::Paths::check) has refused one that others could write: it is root's,
/// or belongs to the daemon's user.
pub(super) fn look(path: &Path) -> Result<Named, Unreadable> {
    let shown = path.display();
    let (text, owner) = match read(path) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Named::NotRunning(NotRunning::NoFile));
        }
        Err(error) => return Err(Unreadable(format!("{shown}: {error}"))),
    };
    let text = text.trim();
    let number = text.parse().ok().filter(|&number: &i32| number > 1);
    let Some(pid) = number.and_then(Pid::from_raw) else {
        let found = if text.is_empty() {
            "is empty".to_owned()
        } else {
            format!(
                "holds '{}'",
                text.escape_debug().take(40).collect::<String>()
            )
        };
        return Err(Unreadable(format!(
            "{shown} {found}, and names no process: see whether a policyd-weight runs, end it, and remove the file"
        )));
    };
    let number = pid.as_raw_nonzero();
    let left_behind = |what: String| {
        let text = format!("process {number}, which {shown} names, {what}");
        Ok(Named::NotRunning(NotRunning::LeftBehind(pid, text)))
    };
    if is_over(pid) {
        return left_behind("has ended".to_owned());
    }
    if !is_ours(pid) {
        return left_behind(format!("is no policyd-weight, but '{}'", name(pid)));
    }
    if has_led_here(number.get().unsigned_abs()) {
        // In a container processes have the same numbers after each of its starts, and its files stay.
        return left_behind("is this command or has started it".to_owned());
    }
    // The user whose file it is could name any process: root ends only that user's.
    if owner != 0 && users(pid) != [owner; 4] {
        return left_behind(format!(
            "is not of the user {owner}, to whom the file belongs"
        ));
    }
    Ok(Named::Running(pid))
}

/// The text of a regular file, and its owner.
fn read(path: &Path) -> io::Result<(String, u32)> {
    let file = place(path)?.read()?;
    let metadata = file.metadata()?;
    let mut text = vec![];
    file.take(MAX_FILE).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok((text, metadata.uid()))
}

/// Whether a process is a policyd-weight, this one or the Perl program: the number may be another's by now.
fn is_ours(pid: Pid) -> bool {
    name(pid).starts_with("policyd-weight")
}

fn is_over(pid: Pid) -> bool {
    policy_daemon::has_ended(pid.as_raw_nonzero().get().unsigned_abs())
}

fn name(pid: Pid) -> String {
    of_process(pid, "comm").trim_end().to_owned()
}

/// The real, the effective, the saved user of a process, and that of its files.
fn users(pid: Pid) -> Vec<u32> {
    let status = of_process(pid, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let users = line.unwrap_or_default().split_ascii_whitespace();
    users.filter_map(|user| user.parse().ok()).collect()
}

fn of_process(pid: Pid, what: &str) -> String {
    fs::read_to_string(format!("/proc/{}/{what}", pid.as_raw_nonzero())).unwrap_or_default()
}

/// Sends a signal to the process and its group: false if it has ended.
pub(super) fn signal(pid: Pid, signal: Signal) -> io::Result<bool> {
    // A daemon in the foreground may be in another's group.
    match kill_process_group(pid, signal).or_else(|_| kill_process(pid, signal)) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Waits until a process has ended: false if it has not within a time.
pub(super) fn has_ended(pid: Pid, limit: Duration, mut each_second: impl FnMut()) -> bool {
    let tenths = limit.as_millis() / 100;
    for tenth in 0..tenths {
        if is_over(pid) || !is_ours(pid) {
            return true;
        }
        if tenth % 10 == 0 {
            each_second();
        }
        sleep(Duration::from_millis(100));
    }
    false
}

/// Writes a process's number. The file is a new one, which takes the place of the one before in one step: a link is not followed,
/// and where it fails that one stays.
pub(super) fn write(path: &Path, pid: Pid) -> io::Result<()> {
    place(path)?.replace(0o644, content(pid).as_bytes())
}

/// Refuses what would keep a number of this length from being written, and leaves the file as it is.
pub(super) fn check(path: &Path, pid: Pid) -> io::Result<()> {
    place(path)?.check_replace(0o644, content(pid).as_bytes())
}

fn content(pid: Pid) -> String {
    pid.as_raw_nonzero().to_string()
}

/// The name of the file of which this is the new one that a process writes.
pub(super) fn without_process(name: &str) -> Option<&str> {
    let (name, pid) = name.strip_suffix(".new")?.rsplit_once('.')?;
    pid.parse::<u32>().is_ok().then_some(name)
}

/// Where the file is. Its directory may be one that the daemon's user can change: none of that user's links leads root anywhere.
fn place(path: &Path) -> io::Result<FilePlace> {
    FilePlace::at(&std::path::absolute(path)?)
}

/// Removes a file that names a process, and not the one of a daemon that was started meanwhile. The daemon's user may not be
/// allowed to.
pub(super) fn remove(path: &Path, pid: Pid) -> io::Result<()> {
    let is_its = |text: String| text.trim() == content(pid);
    if !read(path).is_ok_and(|(text, _)| is_its(text)) {
        return Ok(());
    }
    match place(path)?.remove() {
        // The daemon that ends does so as well, and so may another stop.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// As much as is read of a file.
const MAX_FILE: u64 = 4096;

#[cfg(test)]
mod tests {
    use std::{process::Command, thread};

    use rustix::process::getpid;

    use super::*;

    #[test]
    fn only_a_process_of_ours_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        assert_eq!(look(&path), Ok(Named::NotRunning(NotRunning::NoFile)));
        write(&path, getpid()).unwrap();
        // This test's program has another name, up to 15 bytes of it.
        let Ok(Named::NotRunning(NotRunning::LeftBehind(pid, why))) = look(&path) else {
            panic!("{:?}", look(&path));
        };
        assert!(why.contains("names, is no policyd-weight, but '"), "{why}");
        for (text, why) in [
            ("", " is empty, and names no process: "),
            ("x\n", " holds 'x', and names no process: "),
            ("0", " holds '0', "),
            // Signals to this number go to all processes.
            ("1", " holds '1', "),
            ("-5", " holds '-5', "),
        ] {
            fs::write(&path, text).unwrap();
            let said = look(&path).unwrap_err().to_string();
            assert!(said.contains(why), "{text}: {said}");
        }
        remove(&path, pid).unwrap();
        assert!(path.exists(), "it names another process");
        write(&path, getpid()).unwrap();
        remove(&path, pid).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);

        // Several processes may stop one daemon.
        for _ in 0..1000 {
            write(&path, pid).unwrap();
            let removed = [(); 2].map(|()| {
                let path = path.clone();
                thread::spawn(move || remove(&path, pid))
            });
            for removed in removed {
                removed.join().unwrap().unwrap();
            }
        }
        let mut ended = Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let ended = Pid::from_raw(ended.id().cast_signed()).unwrap();
        assert!(!signal(ended, Signal::TERM).unwrap());

        // What is there stays where another cannot take its place.
        fs::create_dir(&path).unwrap();
        assert!(write(&path, pid).is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
