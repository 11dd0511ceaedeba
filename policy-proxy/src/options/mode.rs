//! The modes of services: what each may be asked.

use policy_ha::Mode;

/// The mode of this name.
#[must_use]
pub fn parse_mode(name: &str) -> Option<Mode> {
    let modes = [Mode::Enabled, Mode::Drain, Mode::Disabled];
    modes.into_iter().find(|mode| mode_name(*mode) == name)
}

/// The name of a mode.
#[must_use]
pub const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Enabled => "enabled",
        Mode::Drain => "drain",
        Mode::Disabled => "disabled",
    }
}

/// A word where no service of these modes may be asked.
pub(crate) fn nobody_to_ask(modes: impl Iterator<Item = Mode> + Clone) -> Option<&'static str> {
    let all = |of: &[Mode]| modes.clone().all(|mode| of.contains(&mode));
    match () {
        () if modes.clone().next().is_none() => None,
        () if all(&[Mode::Disabled]) => Some("every service is disabled"),
        () if all(&[Mode::Disabled, Mode::Drain]) => {
            Some("every service is disabled or drained: new messages get the default action")
        }
        () => None,
    }
}
