//! Step 11: whether the sender's domain and the HELO name belong together.

use policy_dns::{Name, RegisteredDomain};

use super::{HeloState, Scoring};
use crate::number;

/// What is compared, each with a dot before and behind it.
struct Compared {
    /// What the sender's domain is without the name of its registry, the last label.
    from: String,
    /// The HELO name without the name of its registry.
    helo: String,
    /// The last label of that.
    helo_domain: String,
}

impl Scoring<'_> {
    /// The first that applies; nothing if the client takes mail for the sender's domain.
    pub(super) fn sender_against_helo(&mut self) {
        if self.from.is_mx {
            return;
        }
        let compared = self.compared();
        let [from, helo, helo_domain] =
            [&compared.from, &compared.helo, &compared.helo_domain].map(String::as_str);
        self.text.extend([
            " (check from: ",
            from,
            " - helo: ",
            helo,
            " - helo-domain: ",
            helo_domain,
            ") ",
        ]);
        let looked_up = [from, " in ", helo].concat();
        let (mail, scores) = (self.mail, &self.config.scores);
        let names_agree = helo.contains(from) || from.contains(helo);
        let is_exchange = self.from.mx_names.contains(helo_domain);
        let client_has_from = mail.client_name.contains(from);
        let penalty = self.from.bogus_penalty * self.from.bogus_penalty;
        let step = "sender against HELO";
        if self.helo.state == HeloState::Verified {
            if names_agree || is_exchange || self.from.addresses.contains(&mail.ip) {
                self.add(
                    step,
                    &looked_up,
                    "FROM/MX_MATCHES_HELO(DOMAIN)",
                    &scores.verified_helo.miss,
                );
            } else {
                let hit = scores.verified_helo.hit.value;
                let score =
                    number::round(hit + self.list_sum / 4.0 + penalty + self.helo.numeric_score);
                self.add_number(step, &looked_up, "FROM/MX_MATCHES_NOT_HELO(DOMAIN)", score);
                self.from.needs_client_check = true;
            }
        } else if client_has_from && !mail.helo_is_address {
            self.add(
                step,
                &looked_up,
                "CL_HOSTNAME_MATCHES_FROM(DOMAIN)",
                &scores.helo_in_subnet.miss,
            );
            self.helo.state = HeloState::Verified;
            self.helo.needs_reverse_check = false;
            self.helo.is_unverified = false;
        } else if self.helo.is_unverified {
            if names_agree || is_exchange {
                let item = "FROM/MX_MATCHES_UNVR_HELO(DOMAIN)_OR_CL_NAME(DOMAIN)";
                self.add(step, &looked_up, item, &scores.unverified_helo.miss);
            } else {
                let item = "FROM/MX_MATCHES_NOT_UNVR_HELO(DOMAIN)_NOR_CL_NAME(DOMAIN)";
                let score = scores.unverified_helo.hit.value + self.list_sum + penalty;
                self.add_number(step, &looked_up, item, score);
                self.from.needs_client_check = true;
            }
        } else if names_agree {
            self.add(
                step,
                &looked_up,
                "MAIL_SEEMS_FORGED",
                &scores.failed_helo.hit,
            );
        } else {
            let score = scores.failed_helo.hit.value + 0.5 + self.list_sum;
            self.add_number(step, &looked_up, "FROM_NOT_FAILED_HELO(DOMAIN)", score);
        }
    }

    fn compared(&self) -> Compared {
        let mail = self.mail;
        let domain = mail.from_domain().unwrap_or(&mail.from);
        let registered = |name| {
            let is_known = !self.config.compat;
            is_known.then(|| without_suffix(name)).flatten()
        };
        let without_registry = |name| registered(name).or_else(|| by_pattern(name));
        let from = without_registry(domain).map_or(domain, last_label);
        let helo = without_registry(&mail.helo).unwrap_or(&mail.helo);
        let dotted = |name| [".", name, "."].concat();
        Compared {
            from: dotted(from),
            helo_domain: dotted(last_label(helo)),
            helo: dotted(helo),
        }
    }
}

fn last_label(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, label)| label)
}

/// The name without its public suffix.
fn without_suffix(name: &str) -> Option<&str> {
    let parsed = Name::parse(name.as_bytes()).ok()?;
    let is_numeric = name
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b".[]:".contains(&byte));
    let registered = RegisteredDomain::of(&parsed).filter(|_| !is_numeric)?;
    let suffix = registered.name().labels().count().checked_sub(1)?;
    let mut rest = name.trim_end_matches('.');
    for _ in 0..suffix {
        rest = rest.rsplit_once('.')?.0;
    }
    Some(rest)
}

/// The name without what looks like the name of its registry: `.xx.yy`, `.com.xx`, `.org.xx`, `.net.xx`, or two to
/// five letters. None if it has nothing like that.
fn by_pattern(name: &str) -> Option<&str> {
    let (rest, last) = name.rsplit_once('.')?;
    let is_letters =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphabetic());
    if last.len() == 2
        && is_letters(last)
        && let Some((before, label)) = rest.rsplit_once('.')
        && ((label.len() == 2 && is_letters(label)) || ["com", "org", "net"].contains(&label))
    {
        return Some(before);
    }
    (is_letters(last) && (2..=5).contains(&last.len())).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_taken_off_by_pattern() {
        for (name, expected) in [
            ("mail.acme.test", Some("mail.acme")),
            ("acme.co.uk", Some("acme")),
            ("acme.com.br", Some("acme")),
            ("acme.gov.br", Some("acme.gov")),
            ("acme.co.net", Some("acme.co")),
            ("acme.museum", None),
            ("acme.x", None),
            ("acme.t3st", None),
            ("co.uk", Some("co")),
            ("localhost", None),
        ] {
            assert_eq!(by_pattern(name), expected, "{name}");
        }
    }

    #[test]
    fn public_suffixes_are_taken_off() {
        for (name, expected) in [
            ("mail.acme.gov.br", Some("mail.acme")),
            ("acme.co.uk", Some("acme")),
            ("acme.museum", Some("acme")),
            ("co.uk", None),
            ("localhost", None),
            ("192.0.2.1", None),
        ] {
            assert_eq!(without_suffix(name), expected, "{name}");
        }
    }
}
