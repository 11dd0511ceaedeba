//! The outcome of all that was measured.

use crate::{calls::Calls, case::Case, figures::Comparison, idle::Idle};

/// What has come of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) comparisons: Vec<Comparison>,
    pub(crate) calls: Vec<Calls>,
    /// Where, and what.
    pub(crate) idle: Vec<(Case, Vec<Idle>)>,
}
