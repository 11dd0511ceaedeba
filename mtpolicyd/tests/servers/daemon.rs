//! The daemon beside its servers: a configuration, a port, and clients.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use policy_testing::{
    port::Port,
    process::{Client, Process, Signal, request},
};

/// A running daemon, which ends with the test.
pub(crate) struct Daemon {
    pub(crate) process: Process,
    port: Port,
    directory: tempfile::TempDir,
}

impl Daemon {
    /// Starts it with a virtual host of these plugins. `@TMP@` is its directory.
    pub(crate) fn start(globals: &str, plugins: &str) -> Self {
        Self::start_as(&[], globals, plugins)
    }

    /// The same below a program that has these words.
    pub(crate) fn start_as(before: &[&str], globals: &str, plugins: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = Port::any();
        let number = port.number();
        let config = format!(
            "port = 127.0.0.1:{number}\n{globals}\n<VirtualHost {number}>\nname = test\n{plugins}\n</VirtualHost>\n"
        );
        let config = config.replace("@TMP@", &directory.path().display().to_string());
        let path = directory.path().join("mtpolicyd.conf");
        fs::write(&path, config).unwrap();
        let path = path.display().to_string();
        let words = [
            before,
            &[env!("CARGO_BIN_EXE_mtpolicyd"), "-f", "-c", &path],
        ]
        .concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::null());
        let process = Process::of(&mut command);
        let is_ready = process.err.wait_lines(1, "listening on ");
        assert!(is_ready, "{}", process.err.text());
        Self {
            process,
            port,
            directory,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::new(self.directory.path()).join(name)
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port.number())
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.endpoint())
    }

    /// The action for one request on a connection of its own.
    pub(crate) fn ask(&self, attributes: &[(&str, &str)]) -> String {
        self.connect().ask(&request(attributes))
    }

    /// Waits until so many lines of the log have this part.
    pub(crate) fn wait(&self, count: usize, part: &str) {
        let is_said = self.process.err.wait_lines(count, part);
        assert!(is_said, "{part}: {}", self.process.err.text());
    }

    /// How many lines of the log have this part.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.process.err.lines(part).len()
    }

    /// Has the configuration read again.
    pub(crate) fn reload(&self, count: usize) {
        self.process.signal(Signal::HUP);
        self.wait(count, "the configuration is reloaded");
    }
}
