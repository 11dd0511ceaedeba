//! `cidr:`: networks and what they come to; the first one that matches. Source: cidr_table(5).

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    MapError,
    lines::{logical_lines, split_word},
};

/// Rules in their order.
#[derive(Debug)]
pub(super) struct Cidr {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    network: IpNet,
    /// Written with `!`: it matches what is not in the network.
    is_negated: bool,
    then: Then,
}

#[derive(Debug)]
enum Then {
    Give(Vec<u8>),
    /// `if`: where to go on if it does not match.
    Enter(usize),
}

impl Cidr {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, MapError> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut open = Vec::new();
        for (line, text) in logical_lines(bytes) {
            let wrong = |what: &str| MapError::Line {
                line,
                what: what.to_owned(),
            };
            let (word, rest) = split_word(&text);
            if word.eq_ignore_ascii_case(b"endif") {
                let index: usize = open.pop().ok_or_else(|| wrong("endif without if"))?;
                let end = rules.len();
                if let Some(rule) = rules.get_mut(index) {
                    rule.then = Then::Enter(end);
                }
                continue;
            }
            let is_if = word.eq_ignore_ascii_case(b"if");
            let (pattern, value) = if is_if {
                (rest, &b""[..])
            } else {
                (word, rest)
            };
            let negated = pattern.strip_prefix(b"!");
            let network = network(negated.unwrap_or(pattern).trim_ascii())
                .ok_or_else(|| wrong(&format!("`{}` is no network", pattern.escape_ascii())))?;
            let then = if is_if {
                open.push(rules.len());
                Then::Enter(0)
            } else if value.is_empty() {
                return Err(wrong("a network without a value"));
            } else {
                Then::Give(value.to_vec())
            };
            rules.push(Rule {
                network,
                is_negated: negated.is_some(),
                then,
            });
        }
        if !open.is_empty() {
            let line = bytes.split(|byte| *byte == b'\n').count();
            return Err(MapError::Line {
                line,
                what: "if without endif".to_owned(),
            });
        }
        Ok(Self { rules })
    }

    pub(super) fn get(&self, address: IpAddr) -> Option<&[u8]> {
        let mut at = 0;
        while let Some(rule) = self.rules.get(at) {
            // An address of the other kind is neither in a network nor out of it.
            let is_comparable = rule.network.addr().is_ipv4() == address.is_ipv4();
            let matches = is_comparable && rule.network.contains(&address) != rule.is_negated;
            match &rule.then {
                Then::Give(value) if matches => return Some(value),
                // Never back: an end lies behind its beginning.
                Then::Enter(end) if !matches => at = *end,
                _ => at += 1,
            }
        }
        None
    }

    pub(super) fn len(&self) -> usize {
        self.rules
            .iter()
            .filter(|rule| matches!(rule.then, Then::Give(_)))
            .count()
    }
}

/// As Postfix: no bit may be set behind the mask. An address may stand in brackets.
fn network(text: &[u8]) -> Option<IpNet> {
    let text = str::from_utf8(text).ok()?;
    let (address, length) = text
        .split_once('/')
        .map_or((text, None), |(a, l)| (a, Some(l)));
    let address = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(address);
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(longest), |length| length.parse().ok())?;
    let network = IpNet::new(address, length).ok()?;
    (network.network() == address).then_some(network)
}
