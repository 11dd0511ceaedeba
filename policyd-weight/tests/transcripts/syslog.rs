//! The other end of `/dev/log`: lines by the program's name, which each case chooses.

use std::{
    collections::HashMap,
    os::unix::net::UnixDatagram,
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// All lines so far, by name.
#[derive(Clone, Debug, Default)]
pub struct Syslog(Arc<Mutex<HashMap<String, Vec<String>>>>);

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
                    lines.0.lock().unwrap().entry(name).or_default().push(line);
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
        let lines = self.0.lock().unwrap();
        lines
            .get(name)
            .map(|lines| lines[after.min(lines.len())..].to_vec())
            .unwrap_or_default()
    }

    /// Waits until a line with a text has come.
    pub fn wait_for(&self, name: &str, after: usize, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self
            .lines(name, after)
            .iter()
            .any(|line| line.contains(text))
        {
            assert!(
                Instant::now() < deadline,
                "no line '{text}' of {name}: {:?}",
                self.lines(name, after)
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}
