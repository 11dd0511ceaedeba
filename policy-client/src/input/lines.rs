//! The lines of a file, bounded and with their numbers, and what is read of them up to the first fault.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    iter,
    os::fd::AsFd,
    path::Path,
};

use rustix::{fs::FileType, io::Errno};
use thiserror::Error;

/// Why a file cannot be read on.
#[derive(Debug, Error)]
#[error("line {line}: {reason}")]
pub(crate) struct Fault {
    pub(crate) line: u64,
    pub(crate) reason: String,
}

/// Lines of a file, bounded, with their numbers.
pub(crate) struct Lines {
    reader: Box<dyn BufRead + Send>,
    pub(crate) number: u64,
    pub(crate) read: u64,
}

impl Lines {
    /// Opens a file; `-` is standard input.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let reader: Box<dyn BufRead + Send> = if path.as_os_str() == "-" {
            refuse_directory(io::stdin())?;
            Box::new(BufReader::new(io::stdin()))
        } else {
            let file = File::open(path)?;
            refuse_directory(&file)?;
            Box::new(BufReader::new(file))
        };
        Ok(Self::of(reader))
    }

    pub(crate) fn of(reader: Box<dyn BufRead + Send>) -> Self {
        Self {
            reader,
            number: 0,
            read: 0,
        }
    }

    /// The beginning of the file, which stays to be read.
    pub(crate) fn peek(&mut self) -> &[u8] {
        self.reader.fill_buf().unwrap_or_default()
    }

    /// The next line with its line feed; empty at the end.
    pub(crate) fn next(&mut self) -> Result<Vec<u8>, Fault> {
        let mut line = Vec::new();
        self.number += 1;
        let mut bounded = io::Read::take(&mut self.reader, MAX_LINE);
        match bounded.read_until(b'\n', &mut line) {
            Err(error) => Err(self.fault(error.to_string())),
            Ok(_) if line.len() as u64 == MAX_LINE && !line.ends_with(b"\n") => {
                Err(self.fault(format!("longer than {MAX_LINE} bytes")))
            }
            Ok(count) => {
                self.read += count as u64;
                Ok(line)
            }
        }
    }

    pub(crate) fn fault(&self, reason: String) -> Fault {
        Fault {
            line: self.number,
            reason,
        }
    }
}

/// A directory can be opened, and says what it is when it is read.
fn refuse_directory(file: impl AsFd) -> io::Result<()> {
    let found = rustix::fs::fstat(file)?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory => Err(Errno::ISDIR.into()),
        _ => Ok(()),
    }
}

/// What is read, one after the other: to the end, or to the first fault, after which nothing is.
pub(crate) fn until_fault<T>(
    mut read: impl FnMut() -> Result<Option<T>, Fault>,
) -> impl Iterator<Item = Result<T, Fault>> {
    let mut has_failed = false;
    iter::from_fn(move || {
        if has_failed {
            return None;
        }
        let read = read();
        has_failed = read.is_err();
        read.transpose()
    })
}

/// More than a line of a request may have, or an answer that was recorded.
const MAX_LINE: u64 = 128 * 1024;
