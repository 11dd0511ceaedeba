//! The preference of a request for some backends.

use crate::BackendId;

/// The wish of a request. It is no more than a wish: no answer is given up for it.
///
/// ```
/// use std::time::Instant;
///
/// use policy_ha::{Backend, Balancer, Config, Preference, Tried};
///
/// let mut balancer = Balancer::new(Config::default(), [Backend::default(); 3])?;
/// let now = Instant::now();
///
/// // The backend that answered the first request of a message gets the others too.
/// let mut affinity = Preference::default();
/// assert_eq!(affinity, Preference::None);
/// let id = balancer.pick(now, affinity, &mut Tried::new()).unwrap();
/// affinity = Preference::Stick(id);
/// for _ in 0..10 {
///     assert_eq!(balancer.pick(now, affinity, &mut Tried::new()), Some(id));
/// }
///
/// // A client's requests meet the same server, even if each comes alone.
/// let client = Preference::Hash(policy_ha::key(["192.0.2.1"]));
/// let id = balancer.pick(now, client, &mut Tried::new()).unwrap();
/// for _ in 0..10 {
///     assert_eq!(balancer.pick(now, client, &mut Tried::new()), Some(id));
/// }
/// # Ok::<(), policy_ha::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Preference {
    /// The backend whose turn it is.
    #[default]
    None,
    /// This backend first if it is up, whatever its priority; then as for [`None`](Self::None).
    ///
    /// It keeps requests together that belong together, such as those about one message. A backend
    /// that is down is not preferred, even when it is due for a trial. Nor does sticking count as
    /// the backend's turn (see [the order](crate#order)).
    Stick(BackendId),
    /// Within each priority whom this number, a [`key`](crate::key()), belongs to: the same one for
    /// as long as it is up or due, and when that fails the next one for this key.
    ///
    /// It keeps requests together that a server has to have seen all of, such as those of one
    /// client where each server keeps a greylist or a quota to itself. Of all keys each backend has
    /// its part by weight; when one goes, its keys are spread over the others by weight, and all
    /// other keys stay where they are ([rendezvous hashing](crate#strategies)). It does not count
    /// as the backend's turn.
    Hash(u64),
    /// This backend first if it is up, as for [`Stick`](Self::Stick); then as for
    /// [`Hash`](Self::Hash).
    StickOrHash(BackendId, u64),
}

impl Preference {
    /// Whom to stick to, and the key.
    pub(crate) const fn parts(self) -> (Option<BackendId>, Option<u64>) {
        match self {
            Self::None => (None, None),
            Self::Stick(id) => (Some(id), None),
            Self::Hash(key) => (None, Some(key)),
            Self::StickOrHash(id, key) => (Some(id), Some(key)),
        }
    }
}
