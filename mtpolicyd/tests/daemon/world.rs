//! A configuration in a directory, and the program with it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use policy_testing::{
    port::Port,
    process::{Client, Ended, Process},
};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_mtpolicyd");

/// A directory with a configuration; `PORT` in it is a port that nobody else gets.
pub(crate) struct World {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) port: Port,
}

impl World {
    pub(crate) fn new(config: &str) -> Self {
        let world = Self {
            directory: tempfile::tempdir().unwrap(),
            port: Port::any(),
        };
        world.configure(config);
        world
    }

    pub(crate) fn configure(&self, config: &str) {
        let port = self.port.number().to_string();
        let config = config
            .replace("PORT", &port)
            .replace("@TMP@", &self.path("").display().to_string());
        let path = self.path("mt.conf");
        let is_new = !path.exists();
        fs::write(&path, config).unwrap();
        if is_new {
            // The daemon's user reads it, whatever the umask here is.
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        }
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn start(&self, words: &[&str]) -> Process {
        let mut command = Command::new(PROGRAM);
        command
            .args(words)
            .arg("-c")
            .arg(self.path("mt.conf"))
            .current_dir(self.directory.path());
        Process::of(command.stdin(Stdio::null()))
    }

    /// Runs it with this text as its standard input.
    pub(crate) fn run_with(&self, words: &[&str], input: &str) -> Ended {
        fs::write(self.path("input"), input).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(words).arg("-c").arg(self.path("mt.conf"));
        Process::of(command.stdin(fs::File::open(self.path("input")).unwrap())).end()
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        self.start(words).end()
    }

    pub(crate) fn serve(&self, words: &[&str]) -> Process {
        let words: Vec<&str> = ["-f"].into_iter().chain(words.iter().copied()).collect();
        let process = self.start(&words);
        assert!(
            process.err.wait_lines(1, "listening on "),
            "{}",
            process.err.text()
        );
        process
    }

    pub(crate) fn ask(&self, request: &str) -> Option<String> {
        let mut client = self.connect();
        ask(&mut client, request)
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(&format!("127.0.0.1:{}", self.port.number()))
    }
}

/// The answer over a connection; `None` if it is closed.
pub(crate) fn ask(client: &mut Client, request: &str) -> Option<String> {
    client.send(format!("request=smtpd_access_policy\n{request}\n\n").as_bytes());
    let reply = client.reply()?;
    Some(String::from_utf8(reply).unwrap().trim_end().to_owned())
}

/// A virtual host with these plugins.
pub(crate) fn host(plugins: &str) -> String {
    format!("port = PORT\n<VirtualHost PORT>\nname=test\n{plugins}</VirtualHost>\n")
}
