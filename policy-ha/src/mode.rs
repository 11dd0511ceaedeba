//! The mode of a backend, which an operator sets.

/// An operator's word about a backend, whatever its health is.
///
/// An operator's word is above the law that every request is offered every backend: a server that
/// is being rebuilt may well answer, and wrongly. If none is enabled, nobody is asked. Health goes
/// on being [observed](crate::Balancer::observe) in each mode, and counts again when the backend is
/// enabled.
///
/// ```
/// use std::time::Instant;
///
/// use policy_ha::{Backend, Balancer, Config, Mode, Preference, Tried};
///
/// let mut balancer = Balancer::new(Config::default(), [Backend::default(); 2])?;
/// let [one, other] = [0, 1].map(|index| balancer.ids().nth(index).unwrap());
/// let now = Instant::now();
///
/// balancer.set_mode(one, Mode::Drain);
/// for _ in 0..10 {
///     assert_eq!(balancer.pick(now, Preference::None, &mut Tried::new()), Some(other));
/// }
/// // What it has begun it may end.
/// assert_eq!(balancer.pick(now, Preference::Stick(one), &mut Tried::new()), Some(one));
///
/// balancer.set_mode(one, Mode::Disabled);
/// assert_eq!(balancer.pick(now, Preference::Stick(one), &mut Tried::new()), Some(other));
/// # Ok::<(), policy_ha::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Mode {
    /// It is offered as its health, priority and weight say.
    #[default]
    Enabled,
    /// No new work, not even as a last resort: only requests that [stick](crate::Preference::Stick)
    /// to it, while it is up.
    Drain,
    /// Nothing at all.
    Disabled,
}
