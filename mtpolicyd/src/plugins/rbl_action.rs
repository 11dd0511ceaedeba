//! `RBLAction`: acts on some of the codes that an `RBL` has found, so that a list that is several in one is asked once.

use super::{
    rbl::{ListAction, result_key},
    shared::{Hit, client_address},
};
use crate::{
    chain::plugin::{Plugin, Step},
    chain::{Call, Pattern, Setting, answer, failure},
    config::Section,
};

#[derive(Debug)]
struct RblAction {
    name: std::sync::Arc<str>,
    enabled: Setting,
    result: String,
    pattern: Option<Pattern>,
    pattern_text: String,
    action: ListAction,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    let from = section.plugin("result_from", "RBL");
    Box::new(RblAction {
        name: section.name(),
        enabled: section.enabled(),
        result: result_key(&from),
        pattern_text: section.required("re_match"),
        pattern: section.pattern("re_match"),
        action: ListAction::read(section),
    })
}

impl Plugin for RblAction {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        if self.enabled.is_off(call.session()) {
            return answer(None);
        }
        let Some(kept) = call.cached(&self.result) else {
            call.note(|| format!("no RBL check result for {} found!", self.name));
            return answer(None);
        };
        let (Some(hit), Some(pattern)) = (Hit::decode(&kept), &self.pattern) else {
            return answer(None);
        };
        // With --compat a result holds the first code alone.
        let is_match = |code: &&std::net::Ipv4Addr| pattern.is_match(code.to_string().as_bytes());
        let Some(code) = hit.codes.iter().find(is_match) else {
            call.note(|| {
                let codes = kept.first().map_or("", String::as_str);
                format!("{codes} did not match regex {}", self.pattern_text)
            });
            return answer(None);
        };
        call.note(|| format!("{code} match regex {}", self.pattern_text));
        let address = match client_address(call) {
            Ok(address) => address,
            Err(error) => return failure(error),
        };
        answer(self.action.act(call, &address, &hit))
    }
}
