//! The system log of the world in which the programs run.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use crate::lock::lock;

/// What came so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Syslog(Arc<Mutex<Vec<String>>>);

impl Syslog {
    /// Listens where `/dev/log` points to.
    pub(crate) fn start(home: &Path) -> io::Result<Self> {
        let path = home.join("run/log");
        let socket = UnixDatagram::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
        let log = Self::default();
        let lines = Arc::clone(&log.0);
        thread::spawn(move || {
            let mut bytes = [0; 65_536];
            while let Ok(length) = socket.recv(&mut bytes) {
                let line = String::from_utf8_lossy(&bytes[..length]);
                lock(&lines).push(line.trim_end_matches(['\0', '\n']).to_owned());
            }
        });
        Ok(log)
    }

    /// The lines of these processes.
    pub(crate) fn lines(&self, pids: &[u32]) -> Vec<String> {
        let marks: Vec<_> = pids.iter().map(|pid| format!("[{pid}]: ")).collect();
        let lines = lock(&self.0);
        let of_them = |line: &&String| marks.iter().any(|mark| line.contains(mark));
        lines.iter().filter(of_them).cloned().collect()
    }
}
