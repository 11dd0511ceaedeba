//! The name of this machine, which explanations and headers of SPF show where no other is given.

use std::{fs, sync::OnceLock};

/// The name of this machine, with its domain where `/etc/hosts` has that, as Mail::SPF finds it. It is read once: below
/// another root directory it could not be read again.
pub(super) fn machine() -> Option<&'static str> {
    static NAME: OnceLock<Option<String>> = OnceLock::new();
    let name = NAME.get_or_init(|| {
        let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
        let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
        Some(canonical(name.trim(), &hosts).to_owned()).filter(|name| !name.is_empty())
    });
    name.as_deref()
}

/// The first name of the first line in hosts(5) that has the name; the name itself if none has.
fn canonical<'t>(name: &'t str, hosts: &'t str) -> &'t str {
    let lines = hosts
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let mut names = lines.map(|line| line.split_ascii_whitespace().skip(1));
    let found = names.find(|names| names.clone().any(|other| other.eq_ignore_ascii_case(name)));
    found.and_then(|mut names| names.next()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_domain_that_the_hosts_file_gives_it() {
        let hosts = "127.0.0.1 localhost\n# 192.0.2.1 old.example.org mx\n\n192.0.2.1\tmx.example.org  MX # mx\n\
                     192.0.2.2 other.example.org mx\n";
        assert_eq!(canonical("mx", hosts), "mx.example.org");
        assert_eq!(canonical("mx.example.org", hosts), "mx.example.org");
        assert_eq!(canonical("nobody", hosts), "nobody");
        assert_eq!(canonical("", hosts), "");
        assert_eq!(canonical("mx", ""), "mx");
    }
}
