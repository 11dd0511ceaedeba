//! Health checks of services that are down.

use std::{path::PathBuf, time::Duration};

use policy_daemon::StartError;
use policy_flow::{Check, Probe};
use policy_proto::Response;

use super::probe::read_probe;

/// How services that are down are looked at.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// The time from one look to the next.
    pub interval: Duration,
    /// The file of the request that they are asked. Without one a connection is opened to them.
    pub probe: Option<PathBuf>,
    /// The action that answers the probe of a service that works; any by default.
    pub probe_action: Option<Response>,
}

impl CheckOptions {
    /// Reads the probe.
    ///
    /// # Errors
    ///
    /// The file of the probe, and what is wrong with it.
    pub fn read(&self) -> Result<Check, StartError> {
        let mut check = Check::new(self.interval);
        if let Some(path) = &self.probe {
            let request = read_probe(path).map_err(|error| {
                let shown = path.display();
                StartError::Configuration(format!("--probe {shown}: {error}"))
            })?;
            let probe = Probe::new(request);
            check.probe = Some(match &self.probe_action {
                Some(action) => probe.expecting(action.clone()),
                None => probe,
            });
        }
        Ok(check)
    }
}
