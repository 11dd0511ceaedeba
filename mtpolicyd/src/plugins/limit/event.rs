//! The events that a limit counts of a mail, and the request about it at which it does.

use std::{net::IpAddr, path::Path};

use policy_store::{Countries, MAX_DISTINCT};

use crate::{
    chain::Call,
    config::{Section, Use},
    plugins::{geoip_lookup, shared::WatchedFile},
};

/// The state of the SMTP dialogue at which a mail counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    Rcpt,
    Data,
    EndOfMessage,
}

impl State {
    pub(super) fn new(section: &mut Section<'_>) -> Self {
        let word = section.text_or("count_at", "END-OF-MESSAGE");
        Self::parse(&word).unwrap_or_else(|| {
            let text = format!("`count_at` is `{word}`: use one of END-OF-MESSAGE, DATA, RCPT");
            section.error("count_at", text);
            Self::EndOfMessage
        })
    }

    /// That of a request.
    pub(super) fn of(call: &Call<'_>) -> Option<Self> {
        Self::parse(&call.text("protocol_state")?)
    }

    fn parse(word: &str) -> Option<Self> {
        match word {
            "RCPT" => Some(Self::Rcpt),
            "DATA" => Some(Self::Data),
            "END-OF-MESSAGE" => Some(Self::EndOfMessage),
            _ => None,
        }
    }
}

/// What is counted.
#[derive(Debug)]
pub(super) enum Metric {
    Messages,
    Recipients,
    Bytes,
    DistinctRecipients,
    Addresses,
    Countries(Option<WatchedFile<Countries>>),
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Metric {
    pub(super) fn new(section: &mut Section<'_>) -> Self {
        match section.text_or("metric", "messages").as_str() {
            "messages" => Self::Messages,
            "recipients" => Self::Recipients,
            "bytes" => Self::Bytes,
            "distinct_recipients" => Self::DistinctRecipients,
            "addresses" => Self::Addresses,
            "countries" => Self::Countries(countries(section)),
            other => {
                let text = format!(
                    "`metric` is `{other}`: use one of messages, recipients, bytes, distinct_recipients, \
                    addresses, countries"
                );
                section.error("metric", text);
                Self::Messages
            }
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Recipients => "recipients",
            Self::Bytes => "bytes",
            Self::DistinctRecipients => "distinct_recipients",
            Self::Addresses => "addresses",
            Self::Countries(_) => "countries",
        }
    }

    /// Whether different values are counted, and no amounts.
    pub(super) const fn is_distinct(&self) -> bool {
        matches!(
            self,
            Self::DistinctRecipients | Self::Addresses | Self::Countries(_)
        )
    }

    /// The highest limit that there can be.
    pub(super) const fn most(&self) -> u64 {
        match self {
            Self::Messages | Self::Recipients | Self::Bytes => u64::MAX,
            Self::DistinctRecipients | Self::Addresses | Self::Countries(_) => MAX_DISTINCT as u64,
        }
    }

    /// How much a request adds.
    pub(super) fn amount(&self, call: &Call<'_>, state: State) -> u64 {
        let number = |name: &str| call.text(name).and_then(|text| text.trim().parse().ok());
        match self {
            // At RCPT each recipient is a request; the number is known later.
            Self::Recipients if state == State::Rcpt => 1,
            Self::Recipients => number("recipient_count").unwrap_or(1).max(1),
            Self::Bytes => number("size").unwrap_or(0),
            _ => 1,
        }
    }

    /// The values of which each counts once; `None` if amounts are counted.
    pub(super) fn values(&self, call: &Call<'_>, recipients: &str) -> Option<Vec<String>> {
        let address = || call.text("client_address")?.parse::<IpAddr>().ok();
        match self {
            Self::Messages | Self::Recipients | Self::Bytes => None,
            Self::DistinctRecipients => {
                let mut all = call.cached(recipients).unwrap_or_default();
                let named = call.filled("recipient");
                let named = named.map(|recipient| recipient.to_ascii_lowercase());
                all.extend(named.filter(|recipient| !all.contains(recipient)));
                Some(all)
            }
            Self::Addresses => Some(address().map(network).into_iter().collect()),
            Self::Countries(file) => {
                let country = address().zip(file.as_ref());
                let country = country.and_then(|(address, file)| {
                    file.get(&call.services().journal).country(address)
                });
                Some(
                    country
                        .map(|country| country.to_string())
                        .into_iter()
                        .collect(),
                )
            }
        }
    }
}

fn countries(section: &mut Section<'_>) -> Option<WatchedFile<Countries>> {
    let path = section.text_or("database", "/var/lib/GeoIP/GeoLite2-Country.mmdb");
    match WatchedFile::open(Path::new(&path), geoip_lookup::read) {
        Ok((countries, _)) => {
            section.opens("database", path, Use::ReadAgain);
            Some(countries)
        }
        Err(error) => {
            section.error("database", format!("`database`: {path}: {error}"));
            None
        }
    }
}

/// An IPv4 address, or what one site has of IPv6.
fn network(address: IpAddr) -> String {
    super::subject::masked(address, 32, 64)
}
