//! A mailbox for all of example.org.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
};

use super::{Postfix, Setup};
use crate::within;

impl Setup {
    /// Has mail to example.org delivered into one mailbox; by default it goes nowhere.
    pub fn add_mailbox(&mut self) {
        let mail = self.path().join("mail");
        fs::create_dir(&mail).expect("a directory of our own");
        chown(&mail, Some(NOBODY), Some(NOBODY)).expect("it is root's");
        self.replace_in_main("relay_domains = example.org\n", MAIN_CF);
        self.add_service("virtual unix - n n - - virtual");
    }
}

impl Postfix {
    /// The mails that are in the mailbox, once there are so many.
    pub fn delivered(&self, count: usize) -> Vec<String> {
        let directory = self.path().join("mail/box/new");
        let is_there = within(super::PATIENCE, || files(&directory).len() == count);
        assert!(is_there, "{}", self.log());
        let read = |path: &PathBuf| fs::read_to_string(path).expect("a mail");
        files(&directory).iter().map(read).collect()
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

const NOBODY: u32 = 65_534;

/// In the place of what is relayed.
const MAIN_CF: &str = "\
virtual_mailbox_domains = example.org
virtual_mailbox_base = $DIRECTORY/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
";
