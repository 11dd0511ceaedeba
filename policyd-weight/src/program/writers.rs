//! Whether somebody is writing a file: it was changed, and not closed since.

use std::{mem::MaybeUninit, os::fd::OwnedFd, path::Path};

use rustix::fs::inotify::{
    CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init, remove_watch,
};

/// Those who write a file, as the system tells of them: not on each file system, and of a file that is there when it is looked at. A
/// new one in its place is another file.
#[derive(Debug, Default)]
pub(super) struct Writers {
    /// None where it cannot be had.
    events: Option<OwnedFd>,
    /// The number of the file that is watched.
    watch: Option<i32>,
    are_writing: bool,
}

impl Writers {
    pub(super) fn new() -> Self {
        Self {
            events: init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok(),
            ..Self::default()
        }
    }

    /// Whether they are writing the file that is there now.
    pub(super) fn are_writing(&mut self, path: &Path) -> bool {
        let Some(events) = &self.events else {
            return false;
        };
        let flags = WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE;
        // The same file has the same number.
        let watch = add_watch(events, path, flags).ok();
        if watch != self.watch {
            if let Some(before) = self.watch {
                // It has ended with the file, where that is gone.
                _ = remove_watch(events, before);
            }
            (self.watch, self.are_writing) = (watch, false);
        }
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(events, &mut buffer);
        while let Ok(event) = reader.next() {
            if Some(event.wd()) == watch {
                self.are_writing = !event.events().contains(ReadFlags::CLOSE_WRITE);
            }
        }
        self.are_writing
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        io::Write,
    };

    use super::*;

    #[test]
    fn a_file_is_being_written_from_a_change_until_it_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let [path, other] = ["file", "other"].map(|name| directory.path().join(name));
        let mut writers = Writers::new();
        assert!(!writers.are_writing(&path), "it is not there");
        fs::write(&path, "a").unwrap();
        assert!(!writers.are_writing(&path), "it is another one");
        fs::write(&path, "b").unwrap();
        assert!(!writers.are_writing(&path), "it was closed");
        for _ in 0..2 {
            let mut file = File::create(&path).unwrap();
            file.write_all(b"half").unwrap();
            drop(File::open(&path).unwrap());
            assert!(writers.are_writing(&path) && writers.are_writing(&path));
            file.write_all(b" and half").unwrap();
            drop(file);
            assert!(!writers.are_writing(&path));
        }
        // Another one is put in its place while it is written.
        let mut file = File::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        assert!(writers.are_writing(&path));
        fs::write(&other, "whole").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(!writers.are_writing(&path));
        file.write_all(b" and half").unwrap();
        assert!(
            !writers.are_writing(&path),
            "it is not the one that is read"
        );
        fs::remove_file(&path).unwrap();
        assert!(!writers.are_writing(&path));
    }
}
