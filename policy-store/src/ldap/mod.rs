//! Directories: look-ups with LDAP.

mod entry;
mod filter;
mod session;

use std::{fmt, path::PathBuf, sync::Arc};

use self::session::{Session, tls_config};
use crate::{
    Answer, Breaker, RemoteOptions, Secret, StoreError, address::is_host, guard::Guard, pool::Pool,
};

pub use self::{
    entry::Entry,
    filter::{Filter, InvalidFilter},
};

/// How a directory is asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DirectoryOptions {
    /// The server's name or address. With STARTTLS its certificate has to name it.
    pub host: String,
    /// The port. 389.
    pub port: u16,
    /// Whether the connection is encrypted and the server's certificate checked, before anything else is said. Yes. A
    /// server that does not offer it is not asked.
    pub starttls: bool,
    /// The certificates of one's own authority, in PEM form. None: those that the system trusts.
    pub authority: Option<PathBuf>,
    /// The name that binds. `None`: no bind.
    pub bind_dn: Option<String>,
    /// With which password. A name without one is refused: servers take that bind for an anonymous one
    /// (RFC 4513, 5.1.2).
    pub password: Option<Secret>,
    /// Deadline and breaker.
    pub remote: RemoteOptions,
    /// How many connections there are at most. 4: a look-up takes milliseconds, and directories bound what one client
    /// may open.
    pub max_connections: usize,
    /// How many entries an answer may have; more are cut off, by the server too. 2: enough to know that an entry is
    /// the only one.
    pub max_entries: usize,
}

impl DirectoryOptions {
    /// The directory on this host.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: 389,
            starttls: true,
            authority: None,
            bind_dn: None,
            password: None,
            remote: RemoteOptions::default(),
            max_connections: 4,
            max_entries: 2,
        }
    }
}

/// A directory. Connections are made when they are needed and kept; one that the server has closed is replaced, and one
/// whose answer did not come whole is closed.
///
/// An answer of more than 1 MB is [`TooLarge`](StoreError::TooLarge). Of an entry that is larger by itself, what comes
/// until the deadline is kept in memory until then: the library that is used reads entries whole.
#[derive(Clone)]
pub struct Directory {
    remote: Arc<Remote>,
    guard: Arc<Guard>,
}

struct Remote {
    options: DirectoryOptions,
    tls: Option<Arc<rustls::ClientConfig>>,
    pool: Pool<Session>,
}

impl Directory {
    /// Reads the authority's certificates; connects when it is asked something.
    ///
    /// # Errors
    ///
    /// A host that is none, certificates that cannot be read, a name that binds without a password.
    pub fn new(options: DirectoryOptions) -> Result<Self, StoreError> {
        if !is_host(&options.host) {
            let text = "the host is neither a name nor an address";
            return Err(StoreError::Refused(text.into()));
        }
        let password = options.password.as_ref();
        let has_password = password.is_some_and(|password| !password.reveal().is_empty());
        if options.bind_dn.as_deref().is_some_and(|dn| !dn.is_empty()) && !has_password {
            return Err(StoreError::Refused(
                "a name that binds without a password".into(),
            ));
        }
        let authority = options.authority.as_deref().filter(|_| options.starttls);
        let tls = authority.map(tls_config).transpose()?;
        let name = format!("ldap {}:{}", options.host, options.port);
        let pool = Pool::new(options.max_connections);
        let guarded = options.remote.clone();
        let remote = Arc::new(Remote { options, tls, pool });
        let for_probe = remote.clone();
        let probe = move || {
            let remote = for_probe.clone();
            // The root entry is there for everybody.
            let question =
                async move { remote.search("", "(objectClass=*)", &["1.1"], true).await };
            Box::pin(async move { question.await.map(|_| ()) }) as _
        };
        Ok(Self {
            remote,
            guard: Guard::new(name, guarded, Box::new(probe)),
        })
    }

    /// The entries at and below a place for which a filter is true, with these attributes.
    ///
    /// # Errors
    ///
    /// [`Login`](StoreError::Login) for a bind that is refused, [`Refused`](StoreError::Refused) for a place that is not
    /// there or a filter that is none, and each that is an outage.
    pub fn search<'a>(
        &'a self,
        base: &'a str,
        filter: &'a str,
        attributes: &'a [&'a str],
    ) -> Answer<'a, Vec<Entry>> {
        Box::pin(
            self.guard
                .call(self.remote.search(base, filter, attributes, false)),
        )
    }

    /// The breaker of the server.
    pub fn breaker(&self) -> &Breaker {
        self.guard.breaker()
    }
}

impl Remote {
    async fn search(
        &self,
        base: &str,
        filter: &str,
        attributes: &[&str],
        base_only: bool,
    ) -> Result<Vec<Entry>, StoreError> {
        let (lease, kept) = self.pool.take().await?;
        let kept = kept.map(|(session, _)| session);
        if let Some(mut session) = kept
            && !session.is_closed().await
        {
            match session
                .search(
                    base,
                    filter,
                    attributes,
                    base_only,
                    self.options.max_entries,
                )
                .await
            {
                // A look-up changes nothing: once more, over a new connection.
                Err(StoreError::Connection(_)) => self.pool.clear(),
                result => {
                    if matches!(result, Ok(_) | Err(StoreError::Refused(_))) {
                        lease.keep(session);
                    }
                    return result;
                }
            }
        }
        let mut session = Session::open(&self.options, self.tls.clone()).await?;
        let most = self.options.max_entries;
        let result = session
            .search(base, filter, attributes, base_only, most)
            .await;
        if matches!(result, Ok(_) | Err(StoreError::Refused(_))) {
            lease.keep(session);
        }
        result
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.guard.fmt(formatter)
    }
}
