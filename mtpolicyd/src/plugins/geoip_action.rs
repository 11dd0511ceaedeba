//! `GeoIPAction`: acts on the country that a `GeoIPLookup` has found.

use std::sync::Arc;

use super::geoip_lookup::result_key;
use crate::{
    chain::plugin::{Plugin, Step},
    chain::{Call, Score, Scoring, Setting, answer, fill},
    config::Section,
};

#[derive(Debug)]
struct GeoIpAction {
    name: Arc<str>,
    enabled: Setting,
    result: String,
    countries: Vec<String>,
    mode: Setting,
    message: String,
    score: Option<Score>,
    scoring: Scoring,
    done: String,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    let name = section.name();
    let from = section.plugin("result_from", "GeoIPLookup");
    _ = section.required("country_codes");
    let countries = section.list("country_codes");
    let is_country = |code: &String| {
        code.len() == 2
            && code
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    if let Some(code) = countries.iter().find(|code| !is_country(code)) {
        let text = format!("`country_codes`: `{code}` is no country: two capitals are");
        section.warning("country_codes", text);
    }
    let modes = ["reject", "accept", "dunno", "passive"];
    Box::new(GeoIpAction {
        enabled: section.enabled(),
        result: result_key(&from),
        countries,
        mode: section.mode("mode", "reject", &modes, "passive"),
        message: section.text_or("reject_message", "delivery from %CC% (%IP%) rejected"),
        score: section.score("score"),
        scoring: section.scoring(),
        done: format!("geoip-{name}-score"),
        name,
    })
}

impl Plugin for GeoIpAction {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        if self.enabled.is_off(call.session()) {
            return answer(None);
        }
        let name = &self.name;
        let Some(kept) = call.cached(&self.result) else {
            call.note(|| format!("no GeoIP check result for {name} found!"));
            return answer(None);
        };
        let Some(country) = kept.first() else {
            return answer(None);
        };
        if !self.countries.contains(country) {
            call.note(|| format!("country_code {country} of IP not in country_code list{name}"));
            return answer(None);
        }
        call.note(|| format!("country code {country} on list{name}"));
        call.add_score_once(&self.scoring, name, self.score.as_ref(), &self.done);
        answer(match self.mode.text(call.session()) {
            "reject" => {
                let address = call.text("client_address").unwrap_or_default();
                let values = [("%IP%", &*address), ("%CC%", country)];
                Some(format!("reject {}", fill(&self.message, &values)))
            }
            "accept" | "dunno" => Some("dunno".to_owned()),
            _ => None,
        })
    }
}
