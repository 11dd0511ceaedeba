//! Some options of a file with a fault, for who has to know them all the same.

use super::{
    file::{Source, read},
    values::is_wrong,
};
use crate::perl::{Variables, evaluate_past_faults};

/// The options, as far as the statements without a fault set them. None where the fault may concern one of those that are needed, or
/// is the value of one.
pub(crate) fn load_past_faults(source: &Source, needed: &[&str]) -> Option<Variables> {
    let defaults = source.defaults.options(source.compat).ok()?;
    let options = match &source.path {
        Some(path) => evaluate_past_faults(&read(path).ok()?, &defaults, needed)?,
        None => defaults,
    };
    let is_sound = needed.iter().all(|name| !is_wrong(&options, name));
    is_sound.then_some(options)
}
