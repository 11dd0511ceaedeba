//! The other end of `/dev/log`: lines by the program's name, which each case chooses.

use std::{
    collections::HashMap,
    os::unix::net::UnixDatagram,
    path::Path,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

type Lines = HashMap<String, Vec<String>>;

/// All lines so far, by name.
#[derive(Clone, Debug, Default)]
pub struct Syslog(Arc<(Mutex<Lines>, Condvar)>);

impl Syslog {
    pub fn bind(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket of our own");
        let log = Self::default();
        let lines = log.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(length) = socket.recv(&mut buffer) {
                let text: String = buffer[..length]
                    .iter()
                    .map(|&byte| char::from(byte))
                    .collect();
                // `<22>Nov 21 09:25:38 NAME[PID]: TEXT`, with a line feed and a NUL from Perl.
                let Some(rest) = text.get(20..) else { continue };
                if let Some((name, line)) = rest.split_once("]: ") {
                    let name = name.split('[').next().unwrap_or_default().to_owned();
                    let line = line.trim_end_matches(['\0', '\n']).to_owned();
                    let (lines, has_come) = &*lines.0;
                    lines.lock().unwrap().entry(name).or_default().push(line);
                    has_come.notify_all();
                }
            }
        });
        log
    }

    /// How many lines of a name there are.
    pub fn count(&self, name: &str) -> usize {
        self.lines(name, 0).len()
    }

    /// The lines of a name after so many.
    pub fn lines(&self, name: &str, after: usize) -> Vec<String> {
        let lines = self.0.0.lock().unwrap();
        of_name(&lines, name, after).to_vec()
    }

    /// Waits until a line with a text has come.
    pub fn wait_for(&self, name: &str, after: usize, text: &str) {
        let (lines, has_come) = &*self.0;
        let is_missing = |lines: &mut Lines| {
            let mut lines = of_name(lines, name, after).iter();
            !lines.any(|line| line.contains(text))
        };
        let limit = Duration::from_secs(20);
        let (lines, waited) = has_come
            .wait_timeout_while(lines.lock().unwrap(), limit, is_missing)
            .unwrap();
        let lines = of_name(&lines, name, after);
        assert!(!waited.timed_out(), "no line '{text}' of {name}: {lines:?}");
    }
}

fn of_name<'a>(lines: &'a Lines, name: &str, after: usize) -> &'a [String] {
    let lines = lines.get(name).map_or(&[][..], Vec::as_slice);
    &lines[after.min(lines.len())..]
}
