//! A terminal of a test's own.

use std::{fs::File, os::fd::OwnedFd};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// The reader's end, and the one that programs write to.
pub(crate) fn open() -> (OwnedFd, File) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let path = ptsname(&terminal, Vec::new()).unwrap();
    let screen = File::options().write(true).open(path.to_str().unwrap());
    (terminal, screen.unwrap())
}

/// What is read from it at a time.
pub(crate) fn read(terminal: &OwnedFd) -> String {
    let mut shown = [0; 65_536];
    let count = rustix::io::read(terminal, &mut shown).unwrap();
    String::from_utf8_lossy(&shown[..count]).into_owned()
}
