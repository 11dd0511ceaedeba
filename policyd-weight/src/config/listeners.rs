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
