//! The option `port`: where the daemon listens. Source: Net::Server's `port`.

use std::path::PathBuf;

use ipnet::IpNet;
use policy_daemon::{InvalidListenAddr, ListenAddr};
use policy_net::Endpoint;

use super::section::Section;

/// The addresses, as `--listen` has them. `host` is for ports that stand alone.
pub(super) fn read(section: &mut Section<'_>, host: &str) -> Vec<String> {
    let text = section.text_or("port", "127.0.0.1:12345");
    let mut all = Vec::new();
    for item in text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        match address(item, host) {
            Some(addresses) => all.extend(addresses),
            None => section.error(
                "port",
                format!("`port`: `{item}` is no port, HOST:PORT, [ADDRESS]:PORT or /PATH|unix"),
            ),
        }
    }
    if all.is_empty() {
        section.error("port", "`port` names no address to listen at");
    }
    all
}

/// The addresses in `admin`, with blanks between them: an address of a UNIX socket may have commas.
pub(super) fn admin(section: &mut Section<'_>, has_allow: bool) -> Vec<String> {
    let text = section.text("admin").unwrap_or_default();
    let mut all = Vec::new();
    for item in text.split_ascii_whitespace() {
        match item.parse::<ListenAddr>() {
            Ok(address) if address.is_exposed() && !has_allow => section.error(
                "admin",
                format!("`admin`: other machines can connect to `{item}`: `allow` has to say which ones may"),
            ),
            Ok(_) => all.push(item.to_owned()),
            Err(error) => section.error("admin", format!("`admin`: `{item}`: {error}")),
        }
    }
    all
}

/// The path in `control`, of a UNIX socket.
pub(super) fn control(section: &mut Section<'_>) -> Option<PathBuf> {
    let text = section.text("control")?;
    let path = control_path(&text);
    if path.is_none() {
        let text = format!("`control`: `{text}` is no unix:/PATH");
        section.error("control", text);
    }
    path
}

/// Looks at the addresses of all three: the start would not get the second of two that overlap.
pub(super) fn check_overlaps(
    section: &mut Section<'_>,
    listen: &[String],
    admin: &[String],
    control: Option<&PathBuf>,
) {
    let control = control.map(|path| format!("unix:{}", path.display()));
    let of = |key: &'static str, texts: &[String]| -> Vec<(&'static str, String)> {
        texts.iter().map(|text| (key, text.clone())).collect()
    };
    let all = [
        of("port", listen),
        of("admin", admin),
        of("control", control.as_slice()),
    ];
    let mut before: Vec<(String, ListenAddr)> = Vec::new();
    for (key, text) in all.concat() {
        let Ok(address) = parse(key, &text) else {
            continue;
        };
        if let Some((other, _)) = before.iter().find(|(_, before)| before.overlaps(&address)) {
            let fault = format!(
                "`{key}`: cannot listen at `{text}` as well: `{other}` has that address already"
            );
            section.error(key, fault);
        }
        before.push((text, address));
    }
}

/// The address that an option names. `control` is a path alone, which may have commas.
pub(super) fn parse(key: &str, text: &str) -> Result<ListenAddr, InvalidListenAddr> {
    if key == "control" {
        Ok(text.parse::<Endpoint>()?.into())
    } else {
        text.parse()
    }
}

/// The path of `unix:/PATH`.
pub(crate) fn control_path(text: &str) -> Option<PathBuf> {
    let path = text.strip_prefix("unix:")?;
    path.starts_with('/').then(|| path.into())
}

/// The networks in `allow`. The original serves everybody who can connect: without the option so does this.
pub(super) fn allow(section: &mut Section<'_>, listen: &[String]) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for item in section.list("allow") {
        let address = || item.parse::<std::net::IpAddr>().map(IpNet::from).ok();
        match item.parse().ok().or_else(address) {
            Some(network) => networks.push(network),
            None => section.error("allow", format!("`allow`: `{item}` is no network")),
        }
    }
    let is_exposed = |text: &String| {
        text.parse()
            .is_ok_and(|address: ListenAddr| address.is_exposed())
    };
    if networks.is_empty() && listen.iter().any(is_exposed) {
        section.warning(
            "port",
            "other machines can connect here: `allow` says which ones may",
        );
        networks.extend(
            ["0.0.0.0/0", "::/0"]
                .iter()
                .filter_map(|all| all.parse::<IpNet>().ok()),
        );
    }
    networks
}

/// One item. A star, or a port after a lone colon, is every address of IPv4 and IPv6.
fn address(item: &str, host: &str) -> Option<Vec<String>> {
    let item = item
        .strip_suffix("/tcp")
        .or_else(|| item.strip_suffix("|tcp"))
        .unwrap_or(item);
    if let Some(path) = item
        .strip_suffix("|unix")
        .or_else(|| item.strip_suffix("/unix"))
    {
        return path
            .starts_with('/')
            .then(|| vec![format!("unix:{path},mode=0666")]);
    }
    if item.starts_with('/') {
        return Some(vec![format!("unix:{item},mode=0666")]);
    }
    let (host, port) = match item.rsplit_once(':') {
        Some((host, port)) => (host, port),
        None => (host, item),
    };
    let port: u16 = port.parse().ok()?;
    match host {
        "" | "*" => Some(vec![format!("inet:[::]:{port}")]),
        host if host.contains(':') && !host.starts_with('[') => {
            Some(vec![format!("inet:[{host}]:{port}")])
        }
        host => Some(vec![format!("inet:{host}:{port}")]),
    }
}

#[cfg(test)]
mod tests {
    use super::{address, control_path};

    #[test]
    fn commands_come_over_a_unix_socket_with_a_whole_path() {
        for (text, path) in [
            (
                "unix:/run/mtpolicyd/control",
                Some("/run/mtpolicyd/control"),
            ),
            ("/run/mtpolicyd/control", None),
            ("unix:control", None),
            ("inet:127.0.0.1:1", None),
        ] {
            assert_eq!(control_path(text), path.map(Into::into), "{text}");
        }
    }

    #[test]
    fn each_form_of_net_server_is_an_address() {
        for (item, expected) in [
            ("12345", Some("inet:127.0.0.1:12345")),
            (":12345", Some("inet:[::]:12345")),
            ("*:12345", Some("inet:[::]:12345")),
            ("localhost:12345", Some("inet:localhost:12345")),
            ("[::1]:12345", Some("inet:[::1]:12345")),
            ("12345/tcp", Some("inet:127.0.0.1:12345")),
            ("/run/mt.sock|unix", Some("unix:/run/mt.sock,mode=0666")),
            ("mail", None),
            ("127.0.0.1:99999", None),
        ] {
            let found = address(item, "127.0.0.1").map(|all| all.join(" "));
            assert_eq!(found.as_deref(), expected, "{item}");
        }
    }
}
