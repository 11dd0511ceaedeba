//! The addresses beside those for requests: `$ADMIN` and `$CONTROL`.

use std::path::PathBuf;

use policy_daemon::ListenAddr;

use super::{Loaded, finding::Finding};

/// Where the daemon shows itself, and where commands come.
pub(super) fn listeners(loaded: &Loaded, findings: &mut Vec<Finding>) {
    let admin = loaded.options.scalar("ADMIN").to_string();
    for text in admin.split_ascii_whitespace() {
        let fault = match text.parse::<ListenAddr>() {
            Ok(address) if !address.is_exposed() => continue,
            Ok(_) => "other machines can connect there".to_owned(),
            Err(error) => error.to_string(),
        };
        findings.push(Finding::Error(format!("$ADMIN: '{text}': {fault}")));
    }
    let control = loaded.options.scalar("CONTROL").to_string();
    if !control.is_empty() && control_path(&control).is_none() {
        findings.push(Finding::Error(format!(
            "$CONTROL is no unix:/PATH: '{control}'"
        )));
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
