//! `Stress`: acts while Postfix says that it is under stress.

use crate::{
    chain::plugin::{Plugin, Step},
    chain::{Call, Chain, Setting, answer, answer_or_nested},
    config::Section,
};

#[derive(Debug)]
struct Stress {
    action: Setting,
    chain: Option<Chain>,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    Box::new(Stress {
        action: section.action_setting("action", None),
        chain: section.chain(),
    })
}

impl Plugin for Stress {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        if call.attribute("stress") != Some(b"yes") {
            return answer(None);
        }
        call.note(|| "MTA has stress feature turned on".to_owned());
        let action = self.action.get(call.session()).map(str::to_owned);
        answer_or_nested(action, self.chain.as_ref(), call)
    }

    fn nested(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }
}
