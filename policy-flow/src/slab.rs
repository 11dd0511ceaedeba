//! A table whose places are used again, but not before the next tick.

/// What is kept under small numbers. A place that has become free is given out again after
/// [`recycle`](Self::recycle).
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<T>,
    free: Vec<u32>,
    freed: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            freed: Vec::new(),
        }
    }

    /// A free place, which holds what was left in it, or this.
    pub(crate) fn take(&mut self, new: impl FnOnce() -> T) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(new());
            // No process has as many connections.
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// All places are below this.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        self.places.get(place as usize)
    }

    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.places.get_mut(place as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter()
    }

    /// All places, free ones among them.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut()
    }

    /// A place is free, once [`recycle`](Self::recycle) is called.
    pub(crate) fn free(&mut self, place: u32) {
        self.freed.push(place);
    }

    /// A place is free, and can be given out again at once.
    pub(crate) fn free_now(&mut self, place: u32) {
        self.free.push(place);
    }

    /// Places that became free before this can be given out again.
    pub(crate) fn recycle(&mut self) {
        if !self.freed.is_empty() {
            self.free.append(&mut self.freed);
        }
    }
}
