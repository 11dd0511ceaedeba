//! The arguments as the plain options of the proxy: each goes one way, from here on.

use std::num::NonZeroUsize;

use policy_daemon::DaemonOptions;
use policy_proxy::options::{GroupOptions, LogOptions, NAME, Options};

use super::Arguments;

impl Arguments {
    /// The options of the proxy.
    #[must_use]
    pub fn options(&self) -> Options {
        let named = |(name, keep): &(Option<String>, _)| Some((name.clone()?, *keep));
        let mut options = Options {
            is_daemon: self.is_daemon,
            daemon: self.daemon(),
            services: self.services.clone(),
            modes: self.failover.mode.clone(),
            actions: self.failover.actions.clone(),
            keep: self.failover.keep.iter().filter_map(named).collect(),
            common: self.group_options(),
            groups: self.groups.groups.clone(),
            check: self.failover.check_options(),
            clients: self.limits.limits(),
            log: LogOptions {
                attempts: self.logging,
                detail: self.detail(),
                format: self.log.log_format,
                sample: self.log.log_sample,
                stdout: self.stdout,
            },
            is_of_file: self.file.is_some(),
        };
        options.daemon.reserved_fds = options.max_connections();
        options
    }

    /// What holds for the services of a group.
    pub(super) fn group_options(&self) -> GroupOptions {
        let failover = &self.failover;
        GroupOptions {
            default: self.default.clone(),
            affinity: self.affinity,
            deadline: failover.deadline,
            balance: failover.balance.clone(),
            retry: failover.retry,
            last_resort: failover.last_resort,
            max_connections: failover.max_connections,
            max_age: failover.max_age,
            keep: failover.keep_of_all(),
            max_failures: failover.max_failures,
        }
    }

    /// The options of the process, but for those that follow from services.
    fn daemon(&self) -> DaemonOptions {
        let mut daemon = DaemonOptions::new(NAME);
        daemon.log = self.log_target();
        daemon.listen.clone_from(&self.listen);
        daemon.admin.clone_from(&self.admin);
        daemon.control.clone_from(&self.control);
        daemon.allow.clone_from(&self.limits.allow);
        daemon.max_clients = self.limits.max_clients;
        daemon.workers = self.workers.unwrap_or(NonZeroUsize::MIN);
        daemon.user.clone_from(&self.user);
        daemon.drain = self.shutdown.drain;
        daemon.handover.clone_from(&self.shutdown.handover);
        daemon
    }
}
