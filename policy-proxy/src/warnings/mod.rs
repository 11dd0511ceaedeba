//! Warnings of a command line that says what is probably not meant.

use std::time::Duration;

use policy_daemon::ListenAddr;
use policy_flow::{Check, Strategy};
use policy_proto::{Action, attr};

use crate::options::{DefaultAction, Options, Part, Services, nobody_to_ask, shown_duration};

mod own_listener;
mod side_effects;

use own_listener::own_listeners;
use side_effects::side_effects;

/// All of it, a line each.
#[must_use]
pub fn warnings(
    options: &Options,
    services: &Services,
    listeners: &[ListenAddr],
    check: Option<&Check>,
) -> Vec<Vec<u8>> {
    let mut warnings = Vec::new();
    let groups = services.groups(options);
    if let [all] = groups.as_slice() {
        warnings.extend(of_group(all));
    } else {
        for group in &groups {
            let begin = format!("group '{}': ", group.name).into_bytes();
            let texts = of_group(group).into_iter();
            warnings.extend(texts.map(|text| [&*begin, &*text].concat()));
        }
    }
    for listener in &options.groups.listeners {
        let begin = format!("listener '{}': ", listener.name).into_bytes();
        let text = listener.default.as_ref().and_then(default_action);
        warnings.extend(text.map(|text| [&*begin, &*text].concat()));
    }
    let mirrors = &options.groups.mirrors;
    warnings.extend(own_listeners(&services.valid, mirrors, listeners));
    let probe = check.and_then(|check| check.probe.as_ref());
    let path = options
        .check
        .as_ref()
        .and_then(|check| check.probe.as_ref());
    if let Some((probe, path)) = probe.zip(path) {
        let path = path.display();
        let effects = side_effects(probe.request());
        warnings.extend(effects.map(|effect| format!("--probe {path}: {effect}").into_bytes()));
    }
    warnings
}

fn of_group(group: &Part<'_>) -> Vec<Vec<u8>> {
    let (options, services) = (group.options, group.services);
    let mut warnings = Vec::new();
    warnings.extend(options.default.as_ref().and_then(default_action));
    warnings.extend(deadline(options.deadline, services.len()));
    warnings.extend(hash(&options.balance));
    let modes = services.iter().map(|service| service.mode);
    warnings.extend(nobody_to_ask(modes).map(|text| text.as_bytes().to_vec()));
    warnings
}

fn default_action(default: &DefaultAction) -> Option<Vec<u8>> {
    let DefaultAction::Reply(response) = default else {
        return None;
    };
    let action = response.as_bytes();
    let word = action.split(|byte| b" \t".contains(byte)).next()?;
    let why = match Action::parse(action) {
        Action::Ok | Action::Relay => SKIPS,
        Action::Other(_) if word.eq_ignore_ascii_case(b"permit") => SKIPS,
        Action::Other(_) if !is_restriction(word) => {
            "Postfix knows no such action: it answers 451 to each recipient, unless a restriction class has \
             this name"
        }
        _ => return None,
    };
    Some([b"-d '", action, b"': ", why.as_bytes()].concat())
}

/// Whether a name is one of Postfix's own restrictions, as they are all called.
fn is_restriction(word: &[u8]) -> bool {
    let word = word.to_ascii_lowercase();
    let begins = |begin: &&str| word.starts_with(begin.as_bytes());
    [
        "permit_",
        "reject_",
        "check_",
        "defer_",
        "sleep",
        "warn_if_reject",
    ]
    .iter()
    .any(begins)
}

fn deadline(deadline: Duration, services: usize) -> Option<Vec<u8>> {
    let shown = shown_duration(deadline);
    let least = LEAST_ATTEMPT * u32::try_from(services).unwrap_or(u32::MAX);
    let text = match deadline {
        _ if deadline > POSTFIX => format!(
            "--deadline {shown} is above the {} after which Postfix gives up: raise its \
             smtpd_policy_service_timeout too",
            shown_duration(POSTFIX)
        ),
        _ if deadline < least => format!(
            "--deadline {shown} is below 5s for each of {services} services: not all are asked if they hang"
        ),
        _ => return None,
    };
    Some(text.into_bytes())
}

fn hash(balance: &Strategy) -> Vec<Vec<u8>> {
    let text = balance.to_string();
    let Some(names) = text.strip_prefix("hash:") else {
        return Vec::new();
    };
    let unknown = names.split(',').filter(|name| attr::since(name).is_none());
    unknown
        .map(|name| format!("--balance {text}: Postfix sends no attribute '{name}'").into_bytes())
        .collect()
}

const SKIPS: &str = "while no server answers, all restrictions that follow in the list are skipped; DUNNO skips none";
/// `smtpd_policy_service_timeout`, as long as nobody sets it.
const POSTFIX: Duration = Duration::from_secs(100);
/// The least time of an attempt, if the deadline leaves it.
const LEAST_ATTEMPT: Duration = Duration::from_secs(5);
