//! What a start with these options would fail at, found before it and without a change.

use std::{
    io,
    path::{Path, PathBuf},
};

use policy_socket::Endpoint;
use rustix::{io::Errno, process::geteuid, thread::capabilities};

use super::DaemonOptions;
use crate::{
    error::StartError,
    listen::address::ListenAddr,
    paths::{Directories, Exposed},
    process::{privileges::CHANGES_USER, systemd},
};

/// A cause for which a daemon would not start.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct StartFault {
    /// The option with its value, and the cause.
    pub text: String,
    /// Whether nothing but another configuration helps. Otherwise the machine may be another one when the daemon starts: its
    /// addresses, directories that are made before each start, and the user who starts it and that user's rights.
    pub is_certain: bool,
    /// This process may not do it.
    is_denied: bool,
}

impl DaemonOptions {
    /// All that a start with these options would fail at, as far as that can be seen without binding anything.
    ///
    /// ```
    /// use policy_daemon::DaemonOptions;
    ///
    /// let mut options = DaemonOptions::new("x");
    /// options.control = Some("/dev/null".into());
    /// let faults = options.start_faults();
    /// assert_eq!(faults[0].text, "--control unix:/dev/null: the file that is there is no socket");
    /// assert!(faults[0].is_certain);
    /// ```
    #[must_use]
    pub fn start_faults(&self) -> Vec<StartFault> {
        let starter = Starter {
            is_known: self.user.is_some(),
            ..Starter::of(self)
        };
        let mut faults = starter.faults(self);
        faults.extend(self.check_listeners().err().map(certain));
        faults.extend(self.other_listeners());
        faults
    }

    /// What the next start would fail at with these options, and not with those of the daemon that runs. Where it listens for
    /// clients is not looked at again: a reload binds that.
    #[must_use]
    pub fn new_start_faults(&self, running: &Self) -> Vec<StartFault> {
        let mut new = self.clone();
        new.listen.clear();
        if new.admin_allow() == running.admin_allow() {
            new.admin.retain(|admin| !running.admin.contains(admin));
        }
        let control = running.control.as_deref();
        new.control = new.control.filter(|path| !is_same_text(path, control));
        let handover = running.handover.as_deref();
        new.handover = new.handover.filter(|path| !is_same_text(path, handover));
        new.user = new.user.filter(|_| self.user != running.user);
        let mut faults = Starter::of(running).faults(&new);
        if running.user.is_some() {
            // The daemon has fewer rights than its start.
            faults.retain(|fault| !fault.is_denied);
        }
        faults.extend(self.check_listeners().err().map(certain));
        faults
    }

    /// The addresses that another program has: a start would fail as long as that runs.
    fn other_listeners(&self) -> Vec<StartFault> {
        let fault = |(option, text, address): (&str, String, ListenAddr)| {
            let other = address.other_listener(&self.name)?;
            Some(StartFault {
                text: format!("{option} {text}: another program listens there: {other}"),
                is_certain: false,
                is_denied: false,
            })
        };
        self.all_addrs().into_iter().filter_map(fault).collect()
    }
}

/// The user who starts the daemon.
#[derive(Clone, Copy)]
struct Starter {
    uid: u32,
    /// Otherwise another one may, such as that of a unit.
    is_known: bool,
}

impl Starter {
    /// Who has started this process as a daemon with these options: only root can become another user.
    fn of(options: &DaemonOptions) -> Self {
        let own = geteuid().as_raw();
        Self {
            uid: options.user.as_ref().map_or(own, |_| ROOT),
            is_known: true,
        }
    }

    /// The faults of each option by itself.
    fn faults(self, options: &DaemonOptions) -> Vec<StartFault> {
        let mut faults = Vec::new();
        let mut look = |option: &str, text: &str, address: Result<ListenAddr, StartError>| {
            faults.extend(match address {
                Ok(address) => {
                    self.cannot_bind(&options.name, format!("{option} {text}"), &address)
                }
                Err(error) => Some(certain(error)),
            });
        };
        for (address, text) in options.listen_addrs().zip(&options.listen) {
            look(options.names.listen, text, address);
        }
        for (address, text) in options.admin_addrs().zip(&options.admin) {
            look("--admin", text, address);
        }
        let unix = |path: &PathBuf| ListenAddr::from(Endpoint::Unix(path.clone()));
        if let Some(address) = options.control.as_ref().map(unix) {
            look("--control", &address.endpoint.to_string(), Ok(address));
        }
        if let Some(path) = &options.handover {
            let directories = Directories::to(path).ok();
            match directories.and_then(|way| way.exposed_to_others_than(self.uid)) {
                Some(exposed) => {
                    let path = path.display().to_string();
                    faults.push(StartFault {
                        // Who can write it could take the place of anybody's daemon.
                        is_certain: self.is_known || matches!(exposed, Exposed::Writable(..)),
                        ..certain(StartError::Handover(path, exposed.to_string()))
                    });
                }
                None => look(
                    "--handover",
                    &unix(path).endpoint.to_string(),
                    Ok(unix(path)),
                ),
            }
        }
        faults.extend(cannot_become_user(options));
        faults
    }

    fn cannot_bind(self, name: &str, given: String, address: &ListenAddr) -> Option<StartFault> {
        if let Some(exposed) = self.exposed(address) {
            return Some(StartFault {
                text: format!("{given}: {exposed}"),
                is_certain: self.is_known,
                is_denied: false,
            });
        }
        let error = address.check_bind().err()?;
        let mut text = format!("{given}: {error}");
        let is_denied = error.kind() == io::ErrorKind::PermissionDenied;
        let is_certain = match (&address.endpoint, error.kind()) {
            (Endpoint::Unix(path), io::ErrorKind::NotFound) => {
                let directory = path.parent()?;
                if directory == Path::new("/run").join(name) && systemd::is_booted() {
                    // The program's own unit makes it.
                    return None;
                }
                let is_made_at_start = ["/run", "/var/run"]
                    .iter()
                    .any(|run| directory.starts_with(run));
                if is_made_at_start {
                    text += ": the directory has to be made before each start, as RuntimeDirectory= of a unit does";
                }
                !is_made_at_start
            }
            // A unit may see it so, while systemd, which passes the socket, does not.
            (Endpoint::Unix(_), io::ErrorKind::ReadOnlyFilesystem) => false,
            (Endpoint::Unix(_), _) if is_denied => {
                self.is_known && self.uid == ROOT && geteuid().is_root()
            }
            (Endpoint::Unix(_), _) => true,
            _ => {
                text = format!("{given} cannot be bound on this machine as it is: {error}");
                if error.kind() == io::ErrorKind::TimedOut {
                    text += "; each start looks it up again";
                }
                false
            }
        };
        Some(StartFault {
            text,
            is_certain,
            is_denied: is_denied && !is_certain,
        })
    }

    /// The directory of root's on the way to a socket that others can write: root does not listen there.
    fn exposed(self, address: &ListenAddr) -> Option<Exposed> {
        let Endpoint::Unix(path) = &address.endpoint else {
            return None;
        };
        let directories = Directories::to(path).ok().filter(|_| self.uid == ROOT)?;
        directories.owner_but_root().err()
    }
}

/// Two paths are the same with a slash at the end of one, with which no socket can be bound.
fn is_same_text(path: &Path, other: Option<&Path>) -> bool {
    other.is_some_and(|other| path.as_os_str() == other.as_os_str())
}

fn cannot_become_user(options: &DaemonOptions) -> Option<StartFault> {
    let user = options.user.as_ref()?;
    if let Err(error) = options.check_user() {
        return Some(certain(error));
    }
    let may = capabilities(None).is_ok_and(|sets| sets.effective.contains(CHANGES_USER));
    (!may).then(|| {
        let refused = StartError::system(options.user_given(user));
        StartFault {
            text: refused(Errno::PERM.into()).line(),
            is_certain: false,
            is_denied: true,
        }
    })
}

fn certain(error: StartError) -> StartFault {
    StartFault {
        text: error.line(),
        is_certain: true,
        is_denied: false,
    }
}

const ROOT: u32 = 0;
