//! SIGHUP: the configuration file is read again, all of it or nothing.

mod commands;
mod faults;
mod groups;
mod listeners;
mod services;
mod settings;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use policy_testing::{
    process::{Daemon, Signal, hapolicy},
    stub::Stub,
    within,
};
use tempfile::TempDir;

/// A daemon with a configuration file.
pub(crate) struct Configured {
    pub(crate) daemon: Daemon,
    pub(crate) path: PathBuf,
    dir: TempDir,
}

impl Configured {
    pub(crate) fn start(settings: &str) -> Self {
        Self::in_directory(TempDir::new().unwrap(), &with_listener(settings), 1)
    }

    /// With this whole file, which is in the directory, and so many listeners.
    pub(crate) fn in_directory(dir: TempDir, text: &str, listeners: usize) -> Self {
        let path = dir.path().join("hapolicy.toml");
        fs::write(&path, text).unwrap();
        let mut command = Command::new(hapolicy());
        command.arg("-L").arg("--config").arg(&path);
        let daemon = Daemon::of(command.stdin(Stdio::null()), listeners);
        Self { daemon, path, dir }
    }

    /// Has these settings read, and waits until the log has this once more.
    pub(crate) fn reload(&self, settings: &str, said: &str) {
        self.reload_file(&with_listener(settings), said);
    }

    /// The same with a whole file.
    pub(crate) fn reload_file(&self, settings: &str, said: &str) {
        let before = self.daemon.process.out.lines(said).len();
        fs::write(&self.path, settings).unwrap();
        self.daemon.process.signal(Signal::HUP);
        let is_said = self.daemon.process.out.wait_lines(before + 1, said);
        assert!(is_said, "{settings}: {}", self.log());
    }

    pub(crate) fn directory(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn log(&self) -> String {
        self.daemon.process.out.text()
    }

    pub(crate) fn ask(&self) -> String {
        self.daemon.connect().ask_about("x")
    }
}

pub(crate) fn with_listener(settings: &str) -> String {
    format!("listen = \"inet:127.0.0.1:0\"\n{settings}")
}

pub(crate) fn service(name: &str, stub: &Stub, more: &str) -> String {
    let address = stub.address();
    format!("[service.{name}]\naddress = \"{address}\"\n{more}\n")
}

pub(crate) const GOOD: &str = "reload: the configuration is reloaded";
pub(crate) const BAD: &str = "reload: the configuration has errors, the settings of before stay";

pub(crate) fn within_patience(condition: impl FnMut() -> bool) -> bool {
    within(policy_testing::process::PATIENCE, condition)
}
