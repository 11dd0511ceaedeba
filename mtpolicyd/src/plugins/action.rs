//! `Action`: answers with a fixed action.

use crate::{
    chain::plugin::{Plugin, Step},
    chain::{Call, answer},
    config::Section,
};

#[derive(Debug)]
struct Action {
    action: String,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    _ = section.required("action");
    Box::new(Action {
        action: section.action("action").unwrap_or_default(),
    })
}

impl Plugin for Action {
    fn run<'a>(&'a self, _: &'a mut Call<'_>) -> Step<'a> {
        answer(Some(self.action.clone()))
    }
}
