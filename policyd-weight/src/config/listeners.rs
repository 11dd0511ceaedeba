//! The addresses where the daemon listens: `$BIND_ADDRESS` and `$TCP_PORT` for requests, `$ADMIN` and `$CONTROL` beside
//! them.

use std::path::PathBuf;

use policy_daemon::ListenAddr;

use super::{Loaded, bind_address::BindAddress, finding::Finding};

/// Looks at all addresses: the start would not get one that others can see, or the second of two that overlap.
pub(super) fn listeners(loaded: &Loaded, findings: &mut Vec<Finding>) {
    let admin = loaded.options.scalar("ADMIN").to_string();
    let mut all = vec![];
    match BindAddress::new(&loaded.options) {
        Ok(requests) => {
            let option = requests.port_option();
            if requests.has_any_port() {
                let text =
                    format!("{option} has port 0: the system chooses one, which no client knows");
                findings.push(Finding::warning(&[option], text));
            }
            all.push((option, requests.endpoint().to_string()));
        }
        Err(finding) => findings.push(finding),
    }
    for text in admin.split_ascii_whitespace() {
        all.push(("$ADMIN", text.to_owned()));
        let fault = match text.parse::<ListenAddr>() {
            Ok(address) if !address.is_exposed() => continue,
            Ok(_) => "other machines can connect there".to_owned(),
            Err(error) => error.to_string(),
        };
        findings.push(Finding::error(
            &["$ADMIN"],
            format!("$ADMIN: '{text}': {fault}"),
        ));
    }
    let control = loaded.options.scalar("CONTROL").to_string();
    if !control.is_empty() && control_path(&control).is_none() {
        findings.push(Finding::error(
            &["$CONTROL"],
            format!("$CONTROL is no unix:/PATH: '{control}'"),
        ));
    }
    all.push(("$CONTROL", control));
    let mut before: Vec<(&str, String, ListenAddr)> = Vec::new();
    for (name, text) in all {
        // What is no address has been told.
        let Ok(address) = text.parse::<ListenAddr>() else {
            continue;
        };
        let overlaps = |(_, _, before): &&(&str, String, ListenAddr)| before.overlaps(&address);
        if let Some((other, there, _)) = before.iter().find(overlaps) {
            findings.push(Finding::error(
                &[name, other],
                format!("{name}: cannot listen at '{text}' as well: {other} has '{there}' already"),
            ));
        }
        before.push((name, text, address));
    }
}

/// Addresses that another program has, for a check: a start would fail as long as that runs.
pub(crate) fn other_listeners(loaded: &Loaded) -> Vec<Finding> {
    let requests = BindAddress::new(&loaded.options).ok();
    let requests =
        requests.map(|requests| (requests.port_option(), requests.endpoint().to_string()));
    let of = |name: &'static str, option: &str| {
        let text = loaded.options.scalar(option).to_string();
        let words: Vec<_> = text.split_ascii_whitespace().map(str::to_owned).collect();
        words.into_iter().map(move |word| (name, word))
    };
    let all = requests
        .into_iter()
        .chain(of("$ADMIN", "ADMIN"))
        .chain(of("$CONTROL", "CONTROL"));
    let finding = |(name, text): (&'static str, String)| {
        let other = text.parse::<ListenAddr>().ok()?.other_listener(PROGRAM)?;
        let text = format!("{name}: another program listens at '{text}': {other}");
        Some(Finding::warning(&[name], text))
    };
    all.filter_map(finding).collect()
}

/// The name of the Perl program's processes as well.
const PROGRAM: &str = "policyd-weight";

/// The path of `unix:/PATH`.
pub(crate) fn control_path(text: &str) -> Option<PathBuf> {
    let path = text.strip_prefix("unix:")?;
    path.starts_with('/').then(|| path.into())
}

#[cfg(test)]
mod tests {
    use super::control_path;

    #[test]
    fn commands_come_over_a_unix_socket_with_a_whole_path() {
        for (text, path) in [
            (
                "unix:/run/policyd-weight/control",
                Some("/run/policyd-weight/control"),
            ),
            ("/run/policyd-weight/control", None),
            ("unix:control", None),
            ("inet:127.0.0.1:1", None),
        ] {
            assert_eq!(control_path(text), path.map(Into::into), "{text}");
        }
    }
}
