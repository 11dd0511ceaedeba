//! The settings that hold for requests: the file's options, typed, and what asks DNS by them.

use std::{sync::Arc, time::SystemTime};

use policy_daemon::log::{Level, Log};
use policy_store::Countries;

use super::one_line;
use crate::{
    cache::check_store,
    config::{Config, Finding, Loaded, Source, check, load, number_of},
    dns::Dns,
    perl::Variables,
};

/// Settings of a file.
#[derive(Debug)]
pub struct Settings {
    source: Source,
    /// When the file was changed last before it was read: what comes later is to be read again.
    modified: Option<SystemTime>,
    loaded: Loaded,
    findings: Vec<Finding>,
    config: Config,
    dns: Dns,
}

impl Settings {
    /// Reads the file, and prepares what its options need. What was known before stays: the health of lists, answers of
    /// DNS.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, with a value, with a file that it names, or with `/etc/resolv.conf`.
    pub fn load(source: Source, before: Option<&Self>) -> Result<Self, String> {
        let modified = source.modified();
        let loaded = load(&source, before.map(Self::options))?;
        // The Perl program reads it on top of the options that hold.
        let is_emptied = loaded.is_empty && before.is_some_and(Self::has_options) && !source.compat;
        if is_emptied {
            return Err(format!(
                "{}: error: the file is empty, as one that is about to be written; for the defaults write a comment",
                source.shown()
            ));
        }
        let findings = findings(&source, &loaded);
        if let Some(error) = findings
            .iter()
            .find(|finding| finding.is_error())
            .filter(|_| !source.compat)
        {
            return Err(error.report(&source, &loaded));
        }
        let mut config = Config::new(&loaded.options, source.compat);
        config.debug |= source.debug;
        if loaded.ignored.is_some() {
            config
                .answer_prefix
                .push_str(" using builtin defaults due to config-error");
        }
        if let Some(before) = before.filter(|_| source.compat) {
            // The Perl program makes it of the first file.
            config
                .answer_prefix
                .clone_from(&before.config.answer_prefix);
        }
        let dns = Dns::new(&config, &loaded.options, before.map(|before| &before.dns));
        // It names the file of name servers, which is not this one.
        let dns = dns.map_err(|error| error.to_string())?;
        let countries =
            countries(&loaded.options).map_err(|finding| finding.report(&source, &loaded))?;
        Ok(Self {
            dns: dns.with_countries(countries),
            source,
            modified,
            loaded,
            findings,
            config,
        })
    }

    /// Whether the file sets any option.
    fn has_options(&self) -> bool {
        !self.loaded.places.is_empty()
    }

    /// Where the options come from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// When the file that was read was changed last, if there is one.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// The options that requests depend on.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// All options.
    #[must_use]
    pub fn options(&self) -> &Variables {
        &self.loaded.options
    }

    /// What asks DNS.
    #[must_use]
    pub fn dns(&self) -> &Dns {
        &self.dns
    }

    /// With `compat`: the fault for which the whole file is ignored.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.loaded.ignored.as_deref()
    }

    /// What a finding is as a line: with the place of its option.
    pub(crate) fn report(&self, finding: &Finding) -> String {
        finding.report(&self.source, &self.loaded)
    }

    /// Findings and oddities, as `FILE:LINE:COLUMN: KIND: ..`.
    #[must_use]
    pub fn reports(&self) -> Vec<String> {
        let findings = self.findings.iter().map(|finding| self.report(finding));
        self.loaded
            .warnings
            .iter()
            .cloned()
            .chain(findings)
            .collect()
    }

    pub(super) fn max_requests(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and 10,000"
        )]
        let most = number_of(&self.loaded.options, "MAX_PROC") as usize;
        most
    }

    pub(super) fn default_response(&self) -> String {
        self.loaded.options.scalar("DEFAULT_RESPONSE").to_string()
    }

    /// Writes faults, findings and oddities into the log.
    pub fn log_findings(&self, log: &Log) {
        if let Some(fault) = self.fault() {
            log.line(Level::Warning, format!("conf-err: {}", one_line(fault)));
            log.line(Level::Warning, "conf-err: falling back to builtin defaults");
        }
        for report in self.reports() {
            log.line(Level::Notice, one_line(&report));
        }
    }
}

/// What is found in the values of options, the name of a store among them. It is not shown: it may hold a password.
pub(crate) fn findings(source: &Source, loaded: &Loaded) -> Vec<Finding> {
    let mut findings = check(source, loaded);
    if let Err(error) = check_store(&loaded.options.scalar("CACHE_STORE").to_string()) {
        findings.push(Finding::error(&["$CACHE_STORE"], format!(
            "{error}: write redis://HOST:PORT/DATABASE, mysql://.., postgres://.. or sqlite:PATH"
        )));
    }
    findings
}

/// The file of countries, if one is named.
fn countries(options: &Variables) -> Result<Option<Arc<Countries>>, Finding> {
    let path = options.scalar("COUNTRY_DB").to_string();
    if path.is_empty() {
        return Ok(None);
    }
    match Countries::open(&path) {
        Ok(countries) => Ok(Some(Arc::new(countries))),
        Err(error) => Err(Finding::error(
            &["$COUNTRY_DB"],
            format!("$COUNTRY_DB {path}: {error}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::DefaultSet, perl::evaluate};

    #[test]
    fn a_store_whose_name_cannot_be_read_is_an_error_that_does_not_show_it() {
        let meant = "write redis://HOST:PORT/DATABASE, mysql://.., postgres://.. or sqlite:PATH";
        let source = Source::new(None, Some(DefaultSet::Modern), false);
        for (store, error) in [
            ("redis", "neither dbi:DRIVER:... nor a URL"),
            ("memcached://127.0.0.1", "neither dbi:DRIVER:... nor a URL"),
            (
                "redis://:secret@127.0.0.1/x",
                "no number of a database follows the `/`",
            ),
            ("redis://:secret@127.0.0.1:6379/2", ""),
            ("", ""),
        ] {
            let mut loaded = load(&source, None).unwrap();
            let text = format!("$CACHE_STORE = '{store}';");
            let evaluated = evaluate(text.as_bytes(), &loaded.options).unwrap();
            loaded.options = evaluated.options;
            let found: Vec<_> = findings(&source, &loaded)
                .iter()
                .map(|finding| finding.text().to_owned())
                .collect();
            let expected = (!error.is_empty()).then(|| format!("$CACHE_STORE: {error}: {meant}"));
            assert_eq!(found, Vec::from_iter(expected), "{store}");
        }
    }
}
