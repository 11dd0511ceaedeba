//! The daemon beside its servers: a configuration, a port, and clients.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use policy_testing::{
    port::Port,
    process::{Client, Process, Signal, request, with_resolv_conf},
};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_mtpolicyd");

/// A running daemon, which ends with the test.
pub(crate) struct Daemon {
    pub(crate) process: Process,
    port: Port,
    directory: tempfile::TempDir,
}

impl Daemon {
    /// Starts it with a virtual host of these plugins. `@TMP@` is its directory.
    pub(crate) fn start(globals: &str, plugins: &str) -> Self {
        Self::start_by(Command::new(PROGRAM), globals, plugins)
    }

    /// The same where `/etc/resolv.conf` is this file.
    pub(crate) fn start_with_resolv_conf(file: &Path, globals: &str, plugins: &str) -> Self {
        Self::start_by(with_resolv_conf(file, PROGRAM), globals, plugins)
    }

    fn start_by(mut command: Command, globals: &str, plugins: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = Port::any();
        let number = port.number();
        let config = format!(
            "port = 127.0.0.1:{number}\n{globals}\n<VirtualHost {number}>\nname = test\n{plugins}\n</VirtualHost>\n"
        );
        let config = config.replace("@TMP@", &directory.path().display().to_string());
        let path = directory.path().join("mtpolicyd.conf");
        fs::write(&path, config).unwrap();
        command.args(["-f", "-c"]).arg(path).stdin(Stdio::null());
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
