//! `GeoIPLookup`: finds the country of the client, for `GeoIPAction`.

use std::path::Path;

use policy_store::Countries;

use super::shared::{WatchedFile, client_ip};
use crate::{
    chain::plugin::{Plugin, Step},
    chain::{Call, answer},
    config::{Section, Use},
};

#[derive(Debug)]
struct GeoIpLookup {
    /// None where the file cannot be read, and the configuration is refused.
    countries: Option<WatchedFile<Countries>>,
    result: String,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    let path = section.text_or("database", "/usr/share/GeoIP/GeoIP.dat");
    let countries = WatchedFile::open(Path::new(&path), read);
    if let Err(error) = &countries {
        section.error("database", format!("`database`: {path}: {error}"));
    } else {
        section.opens("database", &path, Use::ReadAgain);
    }
    Box::new(GeoIpLookup {
        countries: countries.ok().map(|(countries, _)| countries),
        result: result_key(&section.name()),
    })
}

pub(super) fn read(path: &Path) -> Result<(Countries, Vec<String>), String> {
    let countries = Countries::open(path).map_err(|error| error.to_string())?;
    Ok((countries, Vec::new()))
}

impl Plugin for GeoIpLookup {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        let Some(countries) = &self.countries else {
            return answer(None);
        };
        let result = call.cached(&self.result).unwrap_or_else(|| {
            let countries = countries.get(&call.services().journal);
            let country = client_ip(call).and_then(|address| countries.country(address));
            let result = Vec::from_iter(country.map(|country| country.to_string()));
            call.keep(&self.result, &result);
            result
        });
        let address = call.text("client_address").unwrap_or_default();
        call.note(|| match result.first() {
            Some(country) => format!("{address} is in {country}"),
            None => format!("no GeoIP record for {address} found"),
        });
        answer(None)
    }
}

/// Where the session keeps the result of the `GeoIPLookup` of this name.
pub(super) fn result_key(name: &str) -> String {
    format!("geoip-{name}-result")
}
