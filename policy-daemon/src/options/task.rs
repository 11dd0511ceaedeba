//! A task of the command line beside the daemon, such as one that looks into the daemon's stores.

use rustix::process::{chdir, geteuid};

use super::DaemonOptions;
use crate::{error::StartError, process::privileges::change_root};

impl DaemonOptions {
    /// Changes the process's root directory and its user to those of the daemon, for good: a task that root starts opens
    /// the files that the daemon opens, and leaves none that the daemon may not write. Nothing is changed where another
    /// user starts it. To be called before threads are started.
    ///
    /// # Errors
    ///
    /// A user that is not there, and whatever the system refuses.
    pub fn drop_privileges(&self) -> Result<(), StartError> {
        if !geteuid().is_root() {
            return Ok(());
        }
        // It is looked up outside of the new root.
        let run_as = self.run_as()?;
        if let Some(root) = &self.root {
            let failed = StartError::system(format!("chroot {}", root.display()));
            change_root(root).map_err(failed)?;
        }
        if let Some(run_as) = run_as {
            let failed = || StartError::system(self.user_given(&run_as.text));
            // The daemon leaves root's directory as well.
            chdir("/").map_err(|error| failed()(error.into()))?;
            run_as.apply().map_err(failed())?;
        }
        Ok(())
    }
}
