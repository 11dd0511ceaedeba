//! The alert that a limit blocks somebody: to a command, or to a web server. Nobody waits for either.

use std::{path::Path, sync::Arc};

use policy_store::Secret;
use tokio::sync::Semaphore;

use super::{
    command::Command,
    notice::{Notice, within},
    tls::Tls,
    webhook::{Url, post},
};
use crate::{config::Section, journal::Journal};

/// Whom it is told.
#[derive(Debug)]
pub(super) struct Alert {
    command: Option<Command>,
    url: Option<Url>,
    tls: Option<Tls>,
    secret: Option<Secret>,
    /// How many may be under way.
    places: Arc<Semaphore>,
}

impl Alert {
    /// `None` if nobody is told.
    pub(super) fn new(section: &mut Section<'_>) -> Option<Self> {
        let command = Command::read(section);
        let url = section.text("on_block_url");
        let url = url.and_then(|text| {
            let url = Url::parse(&text);
            if url.is_none() {
                let text = "`on_block_url` is no address such as http://127.0.0.1:8080/blocked";
                section.error("on_block_url", text);
            }
            url
        });
        let authorities = section.text_or("on_block_cafile", AUTHORITIES);
        let is_https = url.as_ref().is_some_and(|url| url.is_https);
        let tls = is_https.then(|| {
            Tls::new(Path::new(&authorities)).map_err(|error| {
                let text = format!("`on_block_cafile`: {authorities}: {error}");
                section.error("on_block_cafile", text);
            })
        });
        let tls = tls.and_then(Result::ok);
        let secret = section.secret("on_block_secret");
        let is_none = command.is_none() && url.is_none();
        (!is_none).then(|| Self {
            command,
            url,
            tls,
            secret,
            places: Arc::new(Semaphore::new(MAX_UNDER_WAY)),
        })
    }

    /// Tells it, apart from the caller. What fails is logged.
    pub(super) fn tell(&self, notice: &Notice, journal: &Journal) {
        let journal = journal.clone();
        let limit = Arc::clone(&notice.limit);
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            journal.warning(&format!(
                "limit {limit}: too many notices at once, one is left out"
            ));
            return;
        };
        let (command, notice) = (self.command.clone(), notice.clone());
        let (url, tls) = (self.url.clone(), self.tls.clone());
        let (secret, body) = (self.secret.clone(), notice.json());
        tokio::spawn(async move {
            let _place = place;
            if let Some(command) = command
                && let Err(error) = command.run(&notice).await
            {
                let program = command.program();
                journal.warning(&format!("limit {limit}: {program}: {error}"));
            }
            if let Some(url) = url
                && let Err(error) = within(post(&url, tls.as_ref(), secret.as_ref(), &body)).await
            {
                journal.warning(&format!("limit {limit}: {url}: {error}"));
            }
        });
    }
}

/// Where Debian has the authorities that it trusts.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// How many notices of one limit may be under way.
const MAX_UNDER_WAY: usize = 4;
