//! A mount namespace in which one program at a time runs, with a `/dev/log` of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Made once and used for many runs: the end of a namespace waits for all processors of a machine,
/// which may take seconds when they are busy.
pub struct Room {
    directory: PathBuf,
    holder: Child,
    /// The holder ends with it.
    stdin: Option<ChildStdin>,
}

impl Room {
    /// `/dev/log` is a link into `run`, over which the room's directory is mounted.
    pub fn open(home: &Path, name: &str) -> Self {
        let directory = home.join(name);
        fs::create_dir(&directory).expect("a directory of our own");
        let mut holder = Command::new("/usr/bin/unshare")
            .args(["--mount", "sh", "-c", HOLD, "sh"])
            .args([&directory, &home.join("run")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare starts");
        let stdin = holder.stdin.take();
        let stdout = holder.stdout.take().expect("a pipe");
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        assert!(read.is_ok() && line == "ready\n", "no mount namespace");
        Self {
            directory,
            holder,
            stdin,
        }
    }

    /// Where a socket `log` is `/dev/log` to the program.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A command that runs `sh` with this script inside.
    pub fn command(&self, script: &str) -> Command {
        let mut command = Command::new("/usr/bin/nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()));
        command.args(["sh", "-c", script, "sh"]);
        command
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It has nothing else to do than to end.
        let _ = self.holder.wait();
    }
}

const HOLD: &str = "mount --bind \"$1\" \"$2\" && echo ready && read -r line";
