//! The numbers by which a driver and the state machine name what both of them keep.

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(pub(crate) u32);

        impl $name {
            /// A place in a table of the driver's: numbers are small, since those that are free again are used
            /// first.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }

            /// The one with this index, for a driver that keeps indices.
            #[must_use]
            pub const fn from_index(index: u32) -> Self {
                Self(index)
            }
        }
    };
}

number! {
    /// A client's connection. The number of a connection that has ended is given to another one after the next
    /// [`tick`](crate::Flow::tick) only, so that what a driver has already heard of the old one cannot reach the new
    /// one.
    ClientId
}

number! {
    /// A connection to a backend. Its number is given to another one after the next
    /// [`tick`](crate::Upstream::tick) only.
    LinkId
}

number! {
    /// A backend, for as long as it is listed: [`Upstream::exchange`](crate::Upstream::exchange) does not change the
    /// number of a backend that stays, where its [`BackendId`](policy_ha::BackendId) may change.
    Slot
}

/// A request that is asked. It is never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct AskId {
    pub(crate) index: u32,
    pub(crate) serial: u32,
}
