//! The output of a program: read by a thread while it runs, waited for, and searched.

use std::{
    io::Read,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
};

use super::PATIENCE;

/// What a program has said so far, read by a thread.
#[derive(Clone, Debug, Default)]
pub struct Output(Arc<(Mutex<Said>, Condvar)>);

#[derive(Debug, Default)]
pub struct Said {
    pub text: String,
    pub ended: bool,
}

impl Output {
    pub(super) fn of(mut reader: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        let writer = output.clone();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let count = reader.read(&mut bytes).unwrap_or(0);
                let mut said = writer.lock();
                said.text
                    .push_str(&String::from_utf8_lossy(&bytes[..count]));
                said.ended = count == 0;
                writer.0.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        output
    }

    /// Waits for a condition; whether it came true.
    pub fn wait(&self, condition: impl Fn(&Said) -> bool) -> bool {
        let waiting = |said: &mut Said| !condition(said) && !said.ended;
        let waited = self.0.1.wait_timeout_while(self.lock(), PATIENCE, waiting);
        condition(&waited.expect("no panic under the lock").0)
    }

    /// Waits until so many whole lines contain this.
    pub fn wait_lines(&self, count: usize, part: &str) -> bool {
        self.wait(|said| {
            let whole = said.text.rfind('\n').map_or("", |end| &said.text[..end]);
            whole.lines().filter(|line| line.contains(part)).count() >= count
        })
    }

    pub fn text(&self) -> String {
        self.lock().text.clone()
    }

    /// The lines that contain this.
    pub fn lines(&self, part: &str) -> Vec<String> {
        lines(&self.text(), part)
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.0.lock().expect("no panic under the lock")
    }
}

/// The warnings of a daemon, but for the one that it runs as root, as the tests may.
pub fn warnings(text: &str) -> Vec<String> {
    let mut warnings = lines(text, "[LOG warning]: ");
    warnings.retain(|line| !line.contains("running as root"));
    warnings
}

/// What is said of a service, but for its state at the start and at the end.
pub fn about(text: &str, service: &str) -> Vec<String> {
    let mut lines = lines(text, &format!("'{service}'"));
    lines.retain(|line| !line.contains("]: service '"));
    lines
}

/// The lines of a text that contain this.
pub fn lines(text: &str, part: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.contains(part));
    lines.map(str::to_owned).collect()
}
