//! What a start with these options would fail at, found before it and without a change.

use std::{
    io,
    path::{Path, PathBuf},
};

use policy_socket::Endpoint;

use super::DaemonOptions;
use crate::{error::StartError, listen::address::ListenAddr};

/// A cause for which a daemon would not start.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct StartFault {
    /// The option with its value, and the cause.
    pub text: String,
    /// Whether nothing but another configuration helps. Otherwise the machine may be another one when the daemon starts: its
    /// addresses, directories that are made before each start, and the rights of the one who starts it.
    pub is_certain: bool,
    /// This process may not look.
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
        let mut faults = self.faults_apart();
        faults.extend(self.check_listeners().err().map(certain));
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
        new.control = new.control.filter(|_| self.control != running.control);
        new.handover = new.handover.filter(|_| self.handover != running.handover);
        new.user = new.user.filter(|_| self.user != running.user);
        let mut faults = new.faults_apart();
        // The daemon has fewer rights than its start.
        faults.retain(|fault| !fault.is_denied);
        faults.extend(self.check_listeners().err().map(certain));
        faults
    }

    /// The faults of each option by itself.
    fn faults_apart(&self) -> Vec<StartFault> {
        let mut faults = Vec::new();
        let mut look = |option: &str, text: &str, address: Result<ListenAddr, StartError>| {
            faults.extend(match address {
                Ok(address) => self.cannot_bind(format!("{option} {text}"), &address),
                Err(error) => Some(certain(error)),
            });
        };
        for (address, text) in self.listen_addrs().zip(&self.listen) {
            look(self.names.listen, text, address);
        }
        for (address, text) in self.admin_addrs().zip(&self.admin) {
            look("--admin", text, address);
        }
        let mut path = |option: &str, path: &Option<PathBuf>, checked: Result<(), StartError>| {
            let Some(path) = path else { return };
            let address = ListenAddr::from(Endpoint::Unix(path.clone()));
            let text = address.endpoint.to_string();
            look(option, &text, checked.map(|()| address));
        };
        path("--control", &self.control, Ok(()));
        // What else may be wrong with its directories is looked at as for others.
        let handover = match self.check_handover() {
            Err(error @ StartError::Handover(..)) => Err(error),
            _ => Ok(()),
        };
        path("--handover", &self.handover, handover);
        faults.extend(self.check_user().err().map(certain));
        faults
    }

    fn cannot_bind(&self, given: String, address: &ListenAddr) -> Option<StartFault> {
        let error = address.check_bind().err()?;
        let mut text = format!("{given}: {error}");
        let is_denied = error.kind() == io::ErrorKind::PermissionDenied;
        let is_certain = match &address.endpoint {
            Endpoint::Unix(path) if error.kind() == io::ErrorKind::NotFound => {
                let directory = path.parent()?;
                if directory == Path::new("/run").join(&self.name) {
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
            Endpoint::Unix(_) => !is_denied,
            _ => {
                text = format!("{given} cannot be bound on this machine as it is: {error}");
                false
            }
        };
        Some(StartFault {
            text,
            is_certain,
            is_denied,
        })
    }
}

fn certain(error: StartError) -> StartFault {
    StartFault {
        text: error.line(),
        is_certain: true,
        is_denied: false,
    }
}
