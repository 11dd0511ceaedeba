//! A connection to a directory, encrypted and bound.

use std::{future::Future, io, path::Path, pin::Pin, sync::Arc, task::Poll};

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Scope, SearchOptions};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use super::{DirectoryOptions, Entry};
use crate::{StoreError, read_file, store::check_limit};

/// Results that are none of the question's fault: busy, unavailable, unwilling, a limit of time.
const NOT_SERVING: [u32; 4] = [3, 51, 52, 80];

/// Results that refuse the user or the password: authentication is needed, stronger, with other credentials.
const LOGIN: [u32; 4] = [8, 13, 48, 49];

/// More entries than were asked for.
const SIZE_LIMIT: u32 = 4;

/// How much the entries of an answer may have: what a store's value may have, which is a photograph and a page of text.
const MAX_ANSWER: usize = crate::MAX_VALUE_LEN;

/// How large the file of an authority may be: far more than all that a system trusts.
const MAX_AUTHORITY: u64 = 16 << 20;

pub(super) struct Session {
    ldap: Ldap,
    /// Reads and writes. It runs only while a question is under way: the library keeps whatever has come, and nobody would
    /// bound what a server sends to a connection that is not used.
    drive: Pin<Box<dyn Future<Output = ldap3::result::Result<()>> + Send>>,
}

impl Session {
    pub(super) async fn open(
        options: &DirectoryOptions,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Self, StoreError> {
        let mut settings = LdapConnSettings::new().set_conn_timeout(options.remote.deadline);
        if options.starttls {
            settings = settings.set_starttls(true);
        }
        if let Some(tls) = tls {
            settings = settings.set_config(tls);
        }
        let host = &options.host;
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        let url = format!("ldap://{host}:{}", options.port);
        let (connection, ldap) = LdapConnAsync::with_settings(settings, &url)
            .await
            .map_err(error)?;
        let mut session = Self {
            ldap,
            drive: Box::pin(connection.drive()),
        };
        if let Some(dn) = &options.bind_dn {
            let password = options
                .password
                .as_ref()
                .map_or("", |password| password.reveal());
            let Self { ldap, drive } = &mut session;
            let bind = async { ldap.simple_bind(dn, password).await.map_err(error) };
            check(&driven(drive, bind).await?)?;
        }
        Ok(session)
    }

    /// Whether the server has closed the connection while it was not used, or has sent what nobody asked for until it did.
    pub(super) async fn is_closed(&mut self) -> bool {
        let drive = &mut self.drive;
        std::future::poll_fn(|context| Poll::Ready(drive.as_mut().poll(context).is_ready())).await
    }

    pub(super) async fn search(
        &mut self,
        base: &str,
        filter: &str,
        attributes: &[&str],
        base_only: bool,
        most: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let scope = if base_only {
            Scope::Base
        } else {
            Scope::Subtree
        };
        let Self { ldap, drive } = self;
        let limit = i32::try_from(most).unwrap_or(i32::MAX);
        ldap.with_search_options(SearchOptions::new().sizelimit(limit));
        driven(drive, search(ldap, base, scope, filter, attributes, most)).await
    }
}

/// Reads and writes until there is an answer.
async fn driven<T>(
    drive: &mut Pin<Box<dyn Future<Output = ldap3::result::Result<()>> + Send>>,
    question: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::select! {
        biased;
        answer = question => answer,
        ended = drive => Err(match ended {
            Ok(()) => io::Error::from(io::ErrorKind::UnexpectedEof).into(),
            Err(failure) => error(failure),
        }),
    }
}

async fn search(
    ldap: &mut Ldap,
    base: &str,
    scope: Scope,
    filter: &str,
    attributes: &[&str],
    most: usize,
) -> Result<Vec<Entry>, StoreError> {
    let stream = ldap
        .streaming_search(base, scope, filter, attributes.to_vec())
        .await;
    let mut stream = stream.map_err(error)?;
    let (mut entries, mut size) = (Vec::new(), 0);
    while let Some(found) = stream.next().await.map_err(error)? {
        // Of a referral to another server nothing is made.
        if found.is_ref() || found.is_intermediate() {
            continue;
        }
        if entries.len() == most {
            return Err(StoreError::Protocol(
                "more entries than were asked for".into(),
            ));
        }
        let entry = Entry::read(found).ok_or_else(|| StoreError::Protocol("no entry".into()))?;
        size += entry.size();
        check_limit(size, MAX_ANSWER, "bytes of entries")?;
        entries.push(entry);
    }
    let result = stream.finish().await;
    if result.rc != SIZE_LIMIT {
        check(&result)?;
    }
    Ok(entries)
}

/// A client that trusts the certificates of a file alone.
pub(super) fn tls_config(authority: &Path) -> Result<Arc<ClientConfig>, StoreError> {
    let refuse = |text: String| StoreError::Refused(format!("{}: {text}", authority.display()));
    let mut roots = RootCertStore::empty();
    let text = read_file(authority, MAX_AUTHORITY).map_err(|error| refuse(error.to_string()))?;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| refuse(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refuse("no certificate".into()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn check(result: &LdapResult) -> Result<(), StoreError> {
    if result.rc == 0 {
        return Ok(());
    }
    // The code has a name in the library's text.
    let text = format!("{result}");
    Err(if LOGIN.contains(&result.rc) {
        StoreError::Login(text)
    } else if NOT_SERVING.contains(&result.rc) {
        StoreError::NotServing(text)
    } else {
        StoreError::Refused(text)
    })
}

fn error(error: LdapError) -> StoreError {
    match error {
        LdapError::FilterParsing => StoreError::Refused("it is no filter".into()),
        LdapError::Io { source } => source.into(),
        LdapError::LdapResult { result } => match check(&result) {
            Err(error) => error,
            Ok(()) => StoreError::Protocol("an error that is none".into()),
        },
        other => io::Error::other(other.to_string()).into(),
    }
}
