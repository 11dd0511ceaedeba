//! The name servers of `$NS`.

use std::net::SocketAddr;

/// The addresses in a text with blanks between them, and the words that are none.
pub(crate) fn name_servers(text: &str) -> (Vec<SocketAddr>, Vec<String>) {
    let (mut servers, mut others) = (vec![], vec![]);
    for word in text.split_ascii_whitespace() {
        match server(word) {
            Some(server) => servers.push(server),
            None => others.push(word.to_owned()),
        }
    }
    (servers, others)
}

/// An address of a name server, with a port or without.
fn server(text: &str) -> Option<SocketAddr> {
    let with_port = text.parse().ok();
    with_port.or_else(|| {
        Some(SocketAddr::new(
            text.trim_matches(['[', ']']).parse().ok()?,
            53,
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_have_ports_and_each_other_word_is_told() {
        for (text, servers, others) in [
            ("192.0.2.1", &["192.0.2.1:53"][..], &[][..]),
            ("192.0.2.1:5353", &["192.0.2.1:5353"], &[]),
            ("2001:db8::1", &["[2001:db8::1]:53"], &[]),
            ("[2001:db8::1]:5353", &["[2001:db8::1]:5353"], &[]),
            ("ns.test", &[], &["ns.test"]),
            (
                " 192.0.2.1, 192.0.2.2\t192.0.2.300 ",
                &["192.0.2.2:53"],
                &["192.0.2.1,", "192.0.2.300"],
            ),
            ("", &[], &[]),
        ] {
            let servers: Vec<_> = servers.iter().map(|text| text.parse().unwrap()).collect();
            let others: Vec<_> = others.iter().map(|&text| text.to_owned()).collect();
            assert_eq!(name_servers(text), (servers, others), "{text}");
        }
    }
}
