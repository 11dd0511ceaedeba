//! Readers that are slow, and writes that fail.

use std::{
    io::{BufRead, BufReader, Read, pipe},
    sync::Mutex,
    thread,
};

use super::*;

#[test]
fn a_reader_that_never_reads_holds_up_a_bounded_number_of_bytes() {
    for length in [1, 100, 8192] {
        let (mut reader, writer) = pipe().unwrap();
        let stdout = Stdout::new(writer, StdoutForm::Plain);
        let line = "x".repeat(length) + "\n";
        let lines = 3 * MAX_WAITING / length;
        for _ in 0..lines.min(200_000) {
            stdout.take(&[&line]);
            let waiting = stdout.0.lock().waiting;
            assert!(waiting <= MAX_WAITING, "{waiting} bytes of {length}");
        }
        let lost = stdout.lost_in_all();
        assert!(lost > 0, "of {lines} lines of {length} bytes");
        // Its thread ends with the last line.
        drop(stdout);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        let most = MAX_WAITING + PIPE;
        assert!(read.len() <= most, "{} bytes of {length}", read.len());
    }
}

#[test]
fn a_line_is_read_at_last_or_counted_as_lost() {
    let (reader, writer) = pipe().unwrap();
    let stdout = Stdout::new(writer, StdoutForm::Plain);
    let line = "x".repeat(1000) + "\n";
    for _ in 0..2000 {
        stdout.take(&[&line]);
    }
    let reads = thread::spawn(move || {
        let lines = BufReader::new(reader).lines().map(Result::unwrap);
        lines.collect::<Vec<String>>()
    });
    // When all that waited has been read, there is room.
    while stdout.0.lock().waiting > 0 {
        thread::yield_now();
    }
    stdout.take(&["after\n"]);
    drop(stdout);
    let lines = reads.join().unwrap();
    let (of_loss, whole): (Vec<_>, Vec<_>) = lines.iter().partition(|l| l.contains("lost"));
    let count = |line: &str| {
        let count = line.strip_prefix("[LOG warning]: warning: ")?;
        count
            .strip_suffix(" log lines were lost")?
            .parse::<usize>()
            .ok()
    };
    let lost: usize = of_loss.iter().map(|line| count(line).unwrap()).sum();
    assert!(lost > 0);
    assert_eq!(lost + whole.len(), 2001);
    assert_eq!(whole.last().unwrap().as_str(), "after");
}

#[test]
fn lines_that_could_not_be_written_are_counted_and_none_is_joined_with_another() {
    let disk = Disk::default();
    let stdout = Stdout::new(disk.clone(), StdoutForm::Plain);
    let send = |line: &str| {
        stdout.take(&[line]);
        // Until it has been tried.
        while stdout.0.lock().waiting > 0 {
            thread::yield_now();
        }
    };
    disk.0.lock().unwrap().room = 10;
    for line in ["first\n", "second\n", "third\n"] {
        send(line);
    }
    disk.0.lock().unwrap().room = 3;
    // Neither this nor what is said of the others has room.
    send("fourth\n");
    disk.0.lock().unwrap().room = 1000;
    send("fifth\n");
    let of_loss = "[LOG warning]: warning: 3 log lines were lost\n";
    let written = String::from_utf8(disk.0.lock().unwrap().written.clone()).unwrap();
    assert_eq!(written, format!("first\nseco\n[L\n{of_loss}fifth\n"));
}

/// A file system that has room for so many bytes.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Capacity>>);

#[derive(Default)]
struct Capacity {
    room: usize,
    written: Vec<u8>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.0.lock().unwrap();
        let fits = bytes.len().min(disk.room);
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.room -= fits;
        disk.written.extend(&bytes[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes that a pipe holds.
const PIPE: usize = 65536;
