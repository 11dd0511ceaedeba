//! The memory that requests may take: beyond it new ones wait.

/// What is free of it, in two parts that do not take from each other. A request takes at once what its limit allows it,
/// so that whatever has begun can go on to its end, and nobody waits for memory that is held by somebody who waits.
#[derive(Debug)]
pub(crate) struct Memory {
    usual: Part,
    large: Part,
}

#[derive(Debug)]
struct Part {
    limit: usize,
    used: usize,
}

impl Memory {
    pub(crate) fn new(bytes: Option<usize>) -> Self {
        let part = |limit| Part { limit, used: 0 };
        match bytes {
            None => Self {
                usual: part(usize::MAX),
                large: part(usize::MAX),
            },
            Some(bytes) => Self {
                usual: part(bytes / 3 * 2),
                large: part(bytes / 3),
            },
        }
    }

    /// Whether there is memory for one more request of a usual size: then it is taken.
    pub(crate) fn take_usual(&mut self) -> bool {
        self.usual.take(USUAL)
    }

    pub(crate) fn has_usual(&self) -> bool {
        self.usual.has(USUAL)
    }

    pub(crate) fn give_back_usual(&mut self) {
        self.usual.used -= USUAL;
    }

    pub(crate) fn take_large(&mut self, bytes: usize) -> bool {
        self.large.take(bytes)
    }

    pub(crate) fn give_back_large(&mut self, bytes: usize) {
        self.large.used -= bytes;
    }

    pub(crate) const fn used(&self) -> usize {
        self.usual.used + self.large.used
    }
}

impl Part {
    fn has(&self, bytes: usize) -> bool {
        // Whatever the limit is, one is let through.
        self.used == 0 || self.used.saturating_add(bytes) <= self.limit
    }

    fn take(&mut self, bytes: usize) -> bool {
        let has = self.has(bytes);
        if has {
            self.used += bytes;
        }
        has
    }
}

/// What a request of a usual size takes, with its reply.
pub(crate) const USUAL: usize = 8 * 1024;
