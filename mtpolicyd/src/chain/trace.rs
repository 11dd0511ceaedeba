//! The trace of a request: what each plugin did with it, for `--explain`.

use std::{sync::Arc, time::Duration};

/// The steps of a request, in the order in which plugins began.
#[derive(Debug, Default)]
pub struct Trace {
    steps: Vec<TraceStep>,
    /// Those that have not ended: the innermost last.
    open: Vec<usize>,
}

/// What one plugin did.
#[derive(Clone, Debug)]
pub struct TraceStep {
    /// Its name.
    pub name: Arc<str>,
    /// Its module.
    pub module: Arc<str>,
    /// How many chains are around it.
    pub depth: usize,
    /// What it looked up, and what came.
    pub notes: Vec<String>,
    /// Its action, its error, or nothing.
    pub result: String,
    /// What it added to the score, nested plugins included.
    pub points: f64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Trace {
    /// The steps.
    #[must_use]
    pub fn steps(&self) -> &[TraceStep] {
        &self.steps
    }

    pub(super) fn open(&mut self, name: &Arc<str>, module: &Arc<str>) -> usize {
        let index = self.steps.len();
        self.steps.push(TraceStep {
            name: Arc::clone(name),
            module: Arc::clone(module),
            depth: self.open.len(),
            notes: Vec::new(),
            result: String::new(),
            points: 0.0,
            elapsed: Duration::ZERO,
        });
        self.open.push(index);
        index
    }

    pub(super) fn note(&mut self, text: String) {
        let index = self.open.last().copied();
        if let Some(step) = index.and_then(|index| self.steps.get_mut(index)) {
            step.notes.push(text);
        }
    }

    pub(super) fn close(&mut self, index: usize, change: impl FnOnce(&mut TraceStep)) {
        self.open.retain(|open| *open < index);
        if let Some(step) = self.steps.get_mut(index) {
            change(step);
        }
    }
}
