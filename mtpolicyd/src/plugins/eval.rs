//! `Eval`: runs a nested chain and keeps its action in the session instead of answering with it.

use crate::{
    chain::plugin::{Plugin, Step},
    chain::{Call, Chain, answer},
    config::Section,
};

#[derive(Debug)]
struct Eval {
    field: String,
    chain: Option<Chain>,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    Box::new(Eval {
        field: section.required("store_in"),
        chain: section.chain(),
    })
}

impl Plugin for Eval {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        let Some(chain) = &self.chain else {
            return answer(None);
        };
        Step::later(async move {
            if let Some(verdict) = chain.run(call).await? {
                call.session_mut().set(&self.field, verdict.action);
            }
            Ok(None)
        })
    }

    fn nested(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }
}
