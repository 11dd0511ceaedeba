//! Mail that is not greylisted: what has been found out about it before says enough.

use crate::{
    chain::{Call, Score, Scoring},
    config::Section,
    plugins::{
        rbl,
        shared::{Networks, client_ip},
        spf,
    },
};

/// Who is not greylisted.
#[derive(Debug)]
pub(super) struct Bypass {
    /// A score that is as low.
    score: Option<Score>,
    scoring: Scoring,
    /// Plugins `SPF` one of which has found that the sender passes, as keys of the session.
    spf: Vec<String>,
    /// Plugins `RBL` one of which has found the client in its list.
    lists: Vec<String>,
    networks: Networks,
}

impl Bypass {
    /// The parameters `bypass_score`, `bypass_spf`, `bypass_list` and `whitelist`.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let keys = |names: Vec<String>, key: fn(&str) -> String| {
            names.iter().map(|name| key(name)).collect()
        };
        Self {
            score: section.score("bypass_score"),
            scoring: section.scoring(),
            spf: keys(section.plugins("bypass_spf", "SPF"), spf::result_key),
            lists: keys(section.plugins("bypass_list", "RBL"), rbl::result_key),
            networks: Networks::read(section, "whitelist"),
        }
    }

    /// Why the mail is not greylisted, if it is not.
    pub(super) fn reason(&self, call: &Call<'_>) -> Option<&'static str> {
        let first = |key: &String| call.cached(key)?.into_iter().next();
        let score = self.scoring.score(call.session());
        let is_of_networks = || client_ip(call).is_some_and(|client| self.networks.contain(client));
        if self
            .score
            .as_ref()
            .is_some_and(|most| score <= most.value())
        {
            return Some("the score is low enough");
        }
        if self
            .spf
            .iter()
            .filter_map(first)
            .any(|result| result == "pass")
        {
            return Some("SPF has passed");
        }
        if self.lists.iter().filter_map(first).next().is_some() {
            return Some("a list has the client");
        }
        is_of_networks().then_some("the client is on the whitelist")
    }
}
