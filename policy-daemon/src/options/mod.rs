//! The options of a daemon, as plain values.

use std::{io, num::NonZeroUsize, path::PathBuf, time::Duration};

use ipnet::IpNet;
use policy_socket::Endpoint;

use crate::{
    error::StartError,
    listen::address::ListenAddr,
    log::LogTarget,
    process::{fd, user::RunAs},
    side,
    worker::MaxClients,
};

mod addresses;
pub(crate) use addresses::{check_bound, exposed};
use addresses::{check_handover, listen_addr};

mod names;
pub(crate) use names::MAX_CLIENTS as MAX_CLIENTS_OPTION;
pub use names::OptionNames;

mod start_faults;
pub use start_faults::StartFault;

mod task;

mod reloading;
pub use reloading::{NextListeners, Reloaded, Reloading};

/// The options of a daemon. Error messages name them as [`names`](Self::names) says, and the others as command lines should:
/// `--admin`, `--control`, `--allow`, `--handover`.
///
/// ```
/// use policy_daemon::DaemonOptions;
///
/// let mut options = DaemonOptions::new("greylist");
/// options.listen = vec!["inet:127.0.0.1:10031".to_owned()];
/// assert!(options.listen_addrs().all(|address| address.is_ok()));
/// options.listen = vec!["inet:0.0.0.0:10031".to_owned()];
/// let error = options.listen_addrs().next().unwrap().unwrap_err();
/// assert!(error.line().contains("--allow"), "open to all machines: {error}");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DaemonOptions {
    /// The name of the program in the log.
    pub name: String,
    /// The place of its log; syslog by default.
    pub log: LogTarget,
    /// What a start says on standard error where there is no `/dev/log`: the option by which lines go somewhere else.
    /// `-L writes to standard output` by default.
    pub log_hint: &'static str,
    /// What the program calls the options that messages name.
    pub names: OptionNames,
    /// The addresses to listen at, as [`ListenAddr`] reads them.
    pub listen: Vec<String>,
    /// The addresses of the [admin](crate::admin) listener, which a service has that implements
    /// [`Service::admin`](crate::Service::admin).
    pub admin: Vec<String>,
    /// The path of the [control](crate::control) socket, which a service has that implements
    /// [`Service::control`](crate::Service::control). Its mode is 0600.
    pub control: Option<PathBuf>,
    /// The networks of TCP clients that are served; needed for listeners that other machines can reach.
    pub allow: Vec<IpNet>,
    /// The networks whose clients may see the admin listener, where they are others than those whose requests are served;
    /// `None`: the same. Where there are none it is for this machine alone.
    pub admin_allow: Option<Vec<IpNet>>,
    /// What an error says of a listener that other machines can reach while no network is allowed: how to allow one. Without it
    /// the error names `--allow`.
    pub allow_hint: &'static str,
    /// Clients at once; `None` allows as many as descriptors are left for, at most 16,384.
    pub max_clients: Option<NonZeroUsize>,
    /// Threads that serve connections, one by default; [`MAX_WORKERS`] are started at most.
    pub workers: NonZeroUsize,
    /// `USER[:GROUP[,GROUP...]]` to run as once the sockets are bound. With several groups the process has these and no
    /// others of the user's.
    pub user: Option<String>,
    /// The root directory once the sockets are bound and all workers are made, before the user changes: every path that is
    /// opened afterwards lies below it, the log's after the end of its connection and a service manager's too. Root may
    /// change it. None by default.
    pub root: Option<PathBuf>,
    /// The time of requests in progress at the end, 30 s by default: below the 90 s after which systemd kills a service.
    pub drain: Duration,
    /// The path of a UNIX socket over which the next process, with the same path, takes the sockets and the connections.
    pub handover: Option<PathBuf>,
    /// Descriptors that are kept free of clients, for connections that the service opens itself.
    pub reserved_fds: usize,
}

impl DaemonOptions {
    /// The defaults, without a listener.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            log: LogTarget::Syslog,
            log_hint: "-L writes to standard output",
            names: OptionNames::default(),
            listen: Vec::new(),
            admin: Vec::new(),
            control: None,
            allow: Vec::new(),
            admin_allow: None,
            allow_hint: "",
            max_clients: None,
            workers: NonZeroUsize::MIN,
            user: None,
            root: None,
            drain: Duration::from_secs(30),
            handover: None,
            reserved_fds: 0,
        }
    }

    /// The number of workers that are started.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers.get().min(MAX_WORKERS)
    }

    /// The addresses to listen at, each checked.
    pub fn listen_addrs(&self) -> impl Iterator<Item = Result<ListenAddr, StartError>> {
        let has_allow = !self.allow.is_empty();
        let texts = self.listen.iter();
        texts.map(move |text| listen_addr(self.names.listen, text, has_allow, self.allow_hint))
    }

    /// The addresses of the admin listener, each checked.
    pub fn admin_addrs(&self) -> impl Iterator<Item = Result<ListenAddr, StartError>> {
        let has_allow = !self.admin_allow().is_empty();
        let texts = self.admin.iter();
        texts.map(move |text| listen_addr("--admin", text, has_allow, self.allow_hint))
    }

    /// The address of the control socket.
    pub(crate) fn control_addr(&self) -> Result<Option<ListenAddr>, StartError> {
        let Some(path) = &self.control else {
            return Ok(None);
        };
        Ok(Some(ListenAddr {
            mode: Some(0o600),
            // Without it only root could ask a daemon that root has started.
            owner: self.run_as()?.map(|user| user.uid.as_raw()),
            ..ListenAddr::from(Endpoint::Unix(path.clone()))
        }))
    }

    /// Checks that only the starter can change where the path of `handover` leads.
    ///
    /// # Errors
    ///
    /// [`StartError::Handover`], or errors of the system.
    pub fn check_handover(&self) -> Result<(), StartError> {
        self.handover.as_deref().map_or(Ok(()), check_handover)
    }

    /// Checks that no two of the addresses need each other's.
    ///
    /// ```
    /// use policy_daemon::DaemonOptions;
    ///
    /// let mut options = DaemonOptions::new("x");
    /// options.listen = vec!["unix:/run/x".to_owned()];
    /// options.control = Some("/run/control".into());
    /// assert!(options.check_listeners().is_ok());
    /// options.control = Some("/run/x".into());
    /// assert!(options.check_listeners().is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`StartError::Configuration`].
    pub fn check_listeners(&self) -> Result<(), StartError> {
        let all = self.all_addrs();
        for (at, (option, text, address)) in all.iter().enumerate() {
            let mut before = all.iter().take(at);
            if let Some((other, there, _)) = before.find(|(.., before)| before.overlaps(address)) {
                let text =
                    format!("{option} {text}: that is the address of {other} {there} already");
                return Err(StartError::Configuration(text));
            }
        }
        Ok(())
    }

    /// All addresses that can be read, with their options and their texts.
    fn all_addrs(&self) -> Vec<(&'static str, String, ListenAddr)> {
        let parsed = |option, texts: &[String]| -> Vec<(&'static str, String, ListenAddr)> {
            let parsed = |text: &String| Some((option, text.clone(), text.parse().ok()?));
            texts.iter().filter_map(parsed).collect()
        };
        let path = |option, path: &Option<PathBuf>| {
            let address = ListenAddr::from(Endpoint::Unix(path.clone()?));
            Some((option, address.endpoint.to_string(), address))
        };
        let mut all = parsed(self.names.listen, &self.listen);
        all.extend(parsed("--admin", &self.admin));
        all.extend(path("--control", &self.control));
        all.extend(path("--handover", &self.handover));
        all
    }

    /// Checks that the user and the group exist.
    ///
    /// # Errors
    ///
    /// [`StartError::User`].
    pub fn check_user(&self) -> Result<(), StartError> {
        self.run_as().map(drop)
    }

    /// The numbers of the user to run as and of its group, for files that are made before the user changes.
    ///
    /// # Errors
    ///
    /// [`StartError::User`].
    pub fn user_ids(&self) -> Result<Option<(u32, u32)>, StartError> {
        let user = self.run_as()?;
        Ok(user.map(|user| (user.uid.as_raw(), user.gid.as_raw())))
    }

    /// The clients that there is room for, with these addresses, and so many sockets of a service manager. Raises the
    /// process's limit of descriptors.
    ///
    /// # Errors
    ///
    /// The limit of descriptors leaves no room for a single client.
    pub fn capacity(&self, addresses: &[ListenAddr], passed: usize) -> io::Result<MaxClients> {
        // A worker has an event loop, and a listener of each socket.
        let sockets = |address: &ListenAddr| address.addresses().map_or(1, |all| all.len().max(1));
        let sockets = addresses.iter().map(sockets).sum::<usize>() + passed;
        // Each has a descriptor here as well, and over UNIX sockets another one of its directory.
        let mut own = self.workers() * (sockets + 6) + 2 * sockets + 16;
        if !self.admin.is_empty() {
            // Each name may have two addresses.
            own += 4 * self.admin.len() + side::MAX_DESCRIPTORS + 1;
        }
        if self.control.is_some() {
            own += 3 + side::MAX_DESCRIPTORS;
        }
        let capacity = fd::capacity(own, self.reserved_fds)?;
        Ok(MaxClients::new(
            self.max_clients,
            capacity,
            self.names.max_clients,
        ))
    }

    pub(crate) fn admin_allow(&self) -> &[IpNet] {
        self.admin_allow.as_deref().unwrap_or(&self.allow)
    }

    /// The user as it was given, for messages.
    pub(crate) fn user_given(&self, user: &str) -> String {
        format!("{} {user}", self.names.user)
    }

    pub(crate) fn run_as(&self) -> Result<Option<RunAs>, StartError> {
        let parse = |user: &String| {
            RunAs::parse(user).ok_or_else(|| StartError::User(self.user_given(user)))
        };
        self.user.as_ref().map(parse).transpose()
    }
}

/// The most workers of a daemon: services keep a bit for each in an atomic number.
pub const MAX_WORKERS: usize = u64::BITS as usize;
