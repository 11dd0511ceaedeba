//! Daemons that come one after the other.
use std::path::PathBuf;

use tempfile::TempDir;

use crate::{
    process::{Daemon, Process, hapolicy},
    stub::{Script, Stub},
};

/// A place for sockets, and a policy server.
#[derive(Debug)]
pub struct World {
    pub dir: TempDir,
    pub stub: Stub,
}

impl World {
    pub fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            stub: Stub::tcp(Script::default()),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn unix(&self) -> String {
        format!("unix:{}", self.path("policy.sock").display())
    }

    /// Words for a daemon with a handover.
    pub fn words(&self, words: &[&str]) -> Vec<String> {
        let handover = format!("unix:{}", self.path("handover.sock").display());
        let mut all = vec!["--handover".to_owned(), handover];
        all.extend(words.iter().map(|word| (*word).to_owned()));
        if !words.contains(&"-s") {
            all.extend(["-s".to_owned(), format!("a={}", self.stub.address())]);
        }
        all
    }

    pub fn start(&self, listen: &[&str], words: &[&str]) -> Daemon {
        let words = self.words(words);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Daemon::start(listen, &words)
    }

    /// Starts one that may not come as far as to listen.
    pub fn try_start(&self, words: &[&str]) -> Process {
        Process::start(hapolicy(), &self.words(words))
    }
}
