//! What a connection takes beyond the usual.

use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::{Charge, Kind, MemoryBudget, Wait};

#[derive(Debug, Default)]
pub(crate) enum Extra {
    #[default]
    None,
    Waiting(Wait),
    Taken(Charge),
}

impl Extra {
    /// Ready once there is memory for so many bytes, or something was taken before: that has to be for
    /// all that can be needed to the end, so that nobody waits twice.
    pub(crate) fn poll(
        &mut self,
        budget: &MemoryBudget,
        kind: Kind,
        bytes: usize,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if let Self::None = self {
            *self = match budget.try_take(kind, bytes) {
                Some(charge) => Self::Taken(charge),
                None => Self::Waiting(budget.take(kind, bytes)),
            };
        }
        if let Self::Waiting(wait) = self {
            let taken = ready!(wait.poll(cx));
            *self = taken.map_or(Self::None, Self::Taken);
        }
        Poll::Ready(())
    }

    pub(crate) const fn waiting_since(&self) -> Option<Instant> {
        match self {
            Self::Waiting(wait) => Some(wait.since()),
            _ => None,
        }
    }

    /// Takes so many bytes out of it.
    pub(crate) fn split(&mut self, bytes: usize) -> Option<Charge> {
        match self {
            Self::Taken(charge) => Some(charge.split(bytes)),
            _ => None,
        }
    }

    /// Gives back all but so many bytes.
    pub(crate) fn lower_to(&mut self, bytes: usize) {
        if let Self::Taken(charge) = self {
            let kept = charge.split(bytes);
            *charge = kept;
        }
    }
}
