//! Steps 8 to 10: whether the client is a host of the sender's domain, or of its HELO name.

use std::ops::ControlFlow;

use super::{Decision, Facts, HeloState, Lookup, Scoring, Verdict, with_parents};
use crate::{config::Score, mail::bracketed_address, number};

/// Whose name is looked at.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Side {
    From,
    Helo,
}

impl Side {
    fn as_str(self) -> &'static str {
        match self {
            Self::From => "FROM",
            Self::Helo => "HELO",
        }
    }
}

/// What step 8 finds.
#[derive(Default)]
struct Found {
    client: bool,
    bad_mx: bool,
    bad_mx_scored: bool,
}

impl Scoring<'_> {
    /// Steps 8 and 9.
    pub(super) fn names(&mut self, facts: &Facts) -> ControlFlow<Decision> {
        let mail = self.mail;
        let mut found = Found::default();
        if let Some(domain) = mail.from_domain()
            && bracketed_address(&format!("[{domain}]")).is_some_and(|address| address == mail.ip)
        {
            self.from.addresses.extend([" ", domain]);
            found.client = true;
            self.helo.state = HeloState::Verified;
        }
        self.from.all_addresses.extend([" ", mail.helo.as_str()]);
        let sides = [
            (Side::From, mail.from_domain().unwrap_or_default()),
            (Side::Helo, &mail.helo),
        ];
        'sides: for (side, name) in sides {
            for name in with_parents(name) {
                self.name(side, name, facts, &mut found)?;
                if found.client && self.from.any_answer {
                    break 'sides;
                }
            }
            if found.client {
                break;
            }
        }
        self.network(found.client);
        ControlFlow::Continue(())
    }

    /// The hosts that take mail for a name, and the name itself.
    fn name(
        &mut self,
        side: Side,
        name: &str,
        facts: &Facts,
        found: &mut Found,
    ) -> ControlFlow<Decision> {
        if self.config.compat && !has_good_labels(name) {
            return ControlFlow::Break(self.decision(String::new(), Verdict::Unanswered));
        }
        let exchanges = match facts.exchanges(name) {
            Lookup::Failed => {
                return self.dns_error(format_args!("{} MX lookups for {name}", side.as_str()));
            }
            Lookup::Answer(exchanges) => exchanges,
        };
        self.from.any_answer = true;
        for exchange in exchanges {
            self.exchange(side, exchange, facts, found)?;
            if found.client {
                break;
            }
        }
        found.bad_mx |= side == Side::From && self.has_bogus_domain();
        if !found.client {
            self.host(side, name, facts, found)?;
        }
        let score = self.config.scores.bogus_mx.hit.value;
        if found.bad_mx && !found.bad_mx_scored && score * self.list_sum != 0.0 {
            self.add_number("bad MX", name, "BAD_MX", score * self.list_sum);
            found.bad_mx_scored = true;
        }
        if side == Side::From && !self.from.bogus_mx && self.has_bogus_domain() {
            let penalty = score + self.list_sum;
            self.add_number("bogus MX", name, "BOGUS_MX", penalty);
            self.from.bogus_mx = true;
            self.from.bogus_penalty = penalty;
        }
        ControlFlow::Continue(())
    }

    /// A host that takes mail.
    fn exchange(
        &mut self,
        side: Side,
        exchange: &str,
        facts: &Facts,
        found: &mut Found,
    ) -> ControlFlow<Decision> {
        for lookup in facts.addresses(exchange) {
            let addresses = match lookup {
                Lookup::Failed => {
                    self.dns_error(format_args!("{} MX -> A lookups", side.as_str()))?;
                    continue;
                }
                Lookup::Answer(addresses) => addresses,
            };
            for address in addresses {
                if side == Side::From {
                    self.from.mx_names.extend([".", exchange, " "]);
                    self.from.addresses.extend([" ", address.as_str()]);
                }
                self.from.all_addresses.extend([" ", address.as_str()]);
                if *address == self.mail.ip {
                    self.add(
                        "names",
                        format_args!("MX {exchange}"),
                        format_args!("CL_IP_EQ_{}_MX", side.as_str()),
                        &self.config.scores.helo_from_mx_eq_ip.miss,
                    );
                    found.client = true;
                    self.from.is_mx |= side == Side::From;
                    self.from.mx_ok = true;
                    self.helo.state = HeloState::Verified;
                    break;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// The addresses of the name itself.
    fn host(
        &mut self,
        side: Side,
        name: &str,
        facts: &Facts,
        found: &mut Found,
    ) -> ControlFlow<Decision> {
        for lookup in facts.addresses(name) {
            let addresses = match lookup {
                Lookup::Failed => {
                    self.dns_error(format_args!("{} A lookup for {name}", side.as_str()))?;
                    continue;
                }
                Lookup::Answer(addresses) => addresses,
            };
            for address in addresses {
                let counts = !self.config.ignores_private || !has_private(address);
                if side == Side::From && counts {
                    self.from.addresses.extend([" ", address.as_str()]);
                }
                self.from.all_addresses.extend([" ", address.as_str()]);
                if *address == self.mail.ip {
                    self.add(
                        "names",
                        format_args!("address of {name}"),
                        format_args!("CL_IP_EQ_{}_IP", side.as_str()),
                        &self.config.scores.helo.miss,
                    );
                    found.client = true;
                    found.bad_mx = false;
                    self.helo.state = HeloState::Verified;
                    self.from.is_client |= side == Side::From;
                    break;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether the sender's domain has no address, or a private one.
    fn has_bogus_domain(&self) -> bool {
        let addresses = &self.from.addresses;
        let is_private = |address: &str| PRIVATE.iter().any(|begin| address.starts_with(begin));
        !addresses.contains(|c: char| c.is_ascii_digit()) || addresses.split(' ').any(is_private)
    }

    /// Step 9: the client's network has one of the addresses, or the HELO name is wrong.
    fn network(&mut self, found: bool) {
        let mail = self.mail;
        let scores = &self.config.scores;
        if !found && self.from.any_answer {
            let (near, far) = (mail.network(false), mail.network(true));
            let addresses = &self.from.all_addresses;
            let has = |network: &str| addresses.contains(&[" ", network].concat());
            if has(&near) {
                self.helo.state = HeloState::Verified;
                self.add(
                    "network",
                    &near,
                    "HELO_IP_IN_CL_SUBNET",
                    &scores.helo_in_subnet.miss,
                );
            } else if has(&far) {
                self.helo.is_unverified = true;
                self.helo.needs_reverse_check = true;
                self.add(
                    "network",
                    &far,
                    "HELO_IP_IN_CL16_SUBNET",
                    &scores.helo_in_subnet16.miss,
                );
            } else if self.helo.state != HeloState::Verified {
                let score = scores.helo.hit.value + self.list_sum;
                self.helo.state = HeloState::Failed;
                self.add_number("network", &mail.helo, "CL_IP_NE_HELO", score);
            }
        } else if !found {
            self.helo.state = HeloState::Failed;
            self.add_number(
                "network",
                &mail.helo,
                "NO_MX_A_RECS_FOUND",
                scores.helo.hit.value - 0.1,
            );
        }
    }

    /// Step 10: a HELO name of digits and dots, in brackets or not.
    pub(super) fn helo_numeric(&mut self) {
        let helo = &self.mail.helo;
        if !is_numeric(helo) {
            return;
        }
        let hit = self.config.scores.helo_numeric.hit.value;
        let score = number::round(hit + hit * self.list_sum);
        self.helo.numeric_score = score;
        self.add("numeric HELO", helo, "HELO_NUMERIC", &Score::of(score));
    }
}

/// Whether each label has a character, and 63 at most: Net::DNS makes no question of others.
fn has_good_labels(name: &str) -> bool {
    name.split('.')
        .all(|label| (1..=63).contains(&label.chars().count()))
}

/// `^[\d|\[][\d\.]+[\d|\]]$`, with the bars that stand in it.
fn is_numeric(helo: &str) -> bool {
    let bytes = helo.as_bytes();
    let (Some((first, rest)), true) = (bytes.split_first(), bytes.len() >= 3) else {
        return false;
    };
    let Some((last, middle)) = rest.split_last() else {
        return false;
    };
    (first.is_ascii_digit() || b"|[".contains(first))
        && (last.is_ascii_digit() || b"|]".contains(last))
        && middle
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// Whether a private network's beginning is anywhere in an address: also that of `110.0.0.1`, as in the original.
fn has_private(address: &str) -> bool {
    PRIVATE.iter().any(|private| address.contains(private))
}

/// What addresses of loopback and of private networks (RFC 1918) begin with.
const PRIVATE: [&str; 19] = [
    "127.", "192.168.", "10.", "172.16.", "172.17.", "172.18.", "172.19.", "172.20.", "172.21.",
    "172.22.", "172.23.", "172.24.", "172.25.", "172.26.", "172.27.", "172.28.", "172.29.",
    "172.30.", "172.31.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_names_are_digits_and_dots() {
        for (helo, expected) in [
            ("192.0.2.1", true),
            ("[192.0.2.1]", true),
            ("[192.0.2.1", true),
            ("123", true),
            ("12", false),
            ("1.2.3.", false),
            ("a1.2.3", false),
            ("1.2.x.3", false),
            ("|1.2|", true),
            ("", false),
        ] {
            assert_eq!(is_numeric(helo), expected, "{helo}");
        }
    }
}
