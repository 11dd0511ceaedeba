//! The questions of a request to DNS, asked all at once, and their answers.

mod list;
mod lists;
mod records;
mod schedule;

use std::{sync::Arc, time::Duration};

use policy_dns::{DnsOptions, DnsResolver, Name, ResolvConfError, Resolver, spf};
use policy_store::Countries;
use tokio::time::Instant;

pub use list::ListStatus;
pub use lists::Lists;

use crate::{
    config::{Config, name_servers, number_of},
    mail::Mail,
    perl::Variables,
    score::{Facts, with_parents},
    text::bytes,
};

/// The name servers, and what is known of lists.
#[derive(Debug)]
pub struct Dns {
    resolver: DnsResolver,
    lists: Lists,
    countries: Option<Arc<Countries>>,
}

impl Dns {
    /// The name servers of `$NS`, or of `/etc/resolv.conf`. Lists that were known before keep their health.
    ///
    /// # Errors
    ///
    /// `/etc/resolv.conf` cannot be used.
    pub fn new(
        config: &Config,
        options: &Variables,
        before: Option<&Self>,
    ) -> Result<Self, ResolvConfError> {
        let dns_options = dns_options(options, config.compat)?;
        // With `compat` DNS options are those of the start.
        let same =
            before.filter(|before| config.compat || *before.resolver.options() == dns_options);
        Ok(Self {
            resolver: same.map_or_else(
                || DnsResolver::new(dns_options),
                |before| before.resolver.clone(),
            ),
            lists: Lists::new(config, before.map(|before| &before.lists)),
            countries: None,
        })
    }

    /// With a file of countries.
    #[must_use]
    pub fn with_countries(mut self, countries: Option<Arc<Countries>>) -> Self {
        self.countries = countries;
        self
    }

    /// The lists of addresses and of domains.
    #[must_use]
    pub fn lists(&self) -> &Lists {
        &self.lists
    }

    /// The resolver.
    #[must_use]
    pub fn resolver(&self) -> &DnsResolver {
        &self.resolver
    }

    /// The addresses of the name servers, as the log has them.
    pub(crate) fn servers(&self) -> String {
        let servers = self.resolver.options().servers.iter();
        let shown = servers.map(|server| match server.port() {
            53 => server.ip().to_string(),
            _ => server.to_string(),
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    /// What steps 8 to 23 want to know, in two rounds: names and lists of domains, then the hosts that take mail.
    pub async fn facts(&self, config: &Config, mail: &Mail, deadline: Instant) -> Facts {
        let resolver = self.resolver.until(deadline);
        let names: Vec<&str> = [mail.from_domain().unwrap_or_default(), mail.helo.as_str()]
            .into_iter()
            .flat_map(with_parents)
            .collect();
        let (records, pointers, domain_lists, spf) = futures_util::future::join4(
            records::of_names(&resolver, &names),
            records::pointers(&resolver, mail.address),
            self.lists.domain_facts(&resolver, mail),
            self.spf(config, mail, &resolver),
        )
        .await;
        let country = mail.address.and_then(|address| {
            let countries = self
                .countries
                .as_ref()
                .filter(|_| !config.country_scores.is_empty())?;
            countries
                .country(address)
                .map(|country| country.as_str().to_owned())
        });
        Facts {
            domain_lists,
            exchanges: records.exchanges,
            addresses: records.addresses,
            pointers: pointers.names,
            pointers_answered: pointers.answered,
            spf,
            country,
        }
    }

    async fn spf(&self, config: &Config, mail: &Mail, resolver: &impl Resolver) -> Option<String> {
        let address = mail.address.filter(|_| !config.spf_scores.is_empty())?;
        let owned = |text| bytes(text).into_owned();
        let request = spf::SpfRequest::mail_from(address, owned(&mail.from), owned(&mail.helo));
        let verdict = spf::check(resolver, &request, &spf::SpfOptions::default()).await;
        Some(verdict.result().as_str().to_owned())
    }
}

fn dns_options(options: &Variables, compat: bool) -> Result<DnsOptions, ResolvConfError> {
    // Each word that is no address is a finding of the check.
    let (servers, _) = name_servers(&options.scalar("NS").to_string());
    let mut dns = if servers.is_empty() {
        DnsOptions::from_system()?
    } else {
        DnsOptions::new(servers)
    };
    if !options.scalar("DNS_RETRY_IVAL").to_string().is_empty() {
        dns.timeout = Duration::from_secs_f64(number_of(options, "DNS_RETRY_IVAL"));
    }
    if !options.scalar("DNS_RETRIES").to_string().is_empty() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 30"
        )]
        let retries = number_of(options, "DNS_RETRIES") as usize;
        dns.attempts = retries + 1;
    }
    let tries = u32::try_from(dns.attempts * dns.servers.len()).unwrap_or(u32::MAX);
    dns.deadline = dns.timeout.saturating_mul(tries).min(MAX_QUESTION);
    if compat {
        // The Perl program asks again for each request.
        dns.cache_bytes = 0;
        dns.failure_ttl = Duration::ZERO;
    }
    Ok(dns)
}

/// A name as DNS has it; names of digits and dots are those of addresses, as in Net::DNS.
fn name(text: &str) -> Option<Name> {
    let is_numeric = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_numeric {
        let octets = text
            .split('.')
            .rev()
            .filter(|octet| !octet.is_empty())
            .map(str::as_bytes);
        return Name::from_labels(octets.chain([&b"in-addr"[..], b"arpa"])).ok();
    }
    Name::parse(bytes(text)).ok()
}

/// One question, with all tries at all servers.
const MAX_QUESTION: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
