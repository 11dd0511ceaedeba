//! Steps 12 to 14: the names of the client's address, against patterns and against the HELO name.

use super::{
    Facts, HeloState, Scoring,
    pattern::{has_four_numbers, is_like_dialup, is_like_mail},
};

impl Scoring<'_> {
    /// Step 12: the client looks as if it was dialled in.
    pub(super) fn client_dialup(&mut self, facts: &Facts) {
        if self.client_seems_dialup || self.from.mx_ok {
            return;
        }
        let helo_has_numbers = has_four_numbers(&self.mail.helo);
        // Names after one that looks like a mail server's do not count.
        let names = facts.pointers.iter().take_while(|name| !is_like_mail(name));
        let mut names = names.filter(|name| helo_has_numbers || is_like_dialup(name));
        if let Some(name) = names.next() {
            let score = &self.config.scores.client_seems_dialup.hit;
            self.client_seems_dialup = true;
            self.list_sum += score.value;
            self.add(
                "client",
                format_args!("name of {}: {name}", self.mail.ip),
                "CL_SEEMS_DIALUP",
                score,
            );
        }
    }

    /// Step 13: the HELO name is one of the client's names, or in the same domain.
    pub(super) fn reverse_against_helo(&mut self, facts: &Facts) {
        if self.helo.state == HeloState::Verified && !self.helo.needs_reverse_check {
            return;
        }
        let mail = self.mail;
        let scores = &self.config.scores.client_ip_eq_helo;
        let looked_up = ["name of ", &mail.ip].concat();
        let found = facts.pointers.iter().find_map(|name| {
            let name = name.trim_end_matches('.');
            if name == mail.helo {
                Some("REV_IP_EQ_HELO")
            } else {
                is_same_domain(name, &mail.helo).then_some("REV_IP_EQ_HELO_DOMAIN")
            }
        });
        if let Some(item) = found {
            self.add("reverse name", &looked_up, item, &scores.miss);
        }
        if facts.pointers.is_empty() && !self.from.any_answer {
            self.add_number("reverse name", &looked_up, "NO_DNS_RECORDS", 0.5);
            self.nothing_in_dns = true;
        }
        if found.is_none() && !mail.helo_is_address {
            self.add(
                "reverse name",
                &looked_up,
                "RESOLVED_IP_IS_NOT_HELO",
                &scores.hit,
            );
        } else {
            self.helo.is_unverified = mail.client_name.is_empty() || mail.client_name == "unknown";
        }
    }

    /// Step 14: the HELO name looks like that of a client that was dialled in.
    pub(super) fn helo_dialup(&mut self) {
        let (helo, scores) = (&self.mail.helo, &self.config.scores);
        let enforces = scores.enforce_dyndns.hit.value;
        let counts = enforces != 0.0 || !self.client_seems_dialup;
        if !counts || self.from.mx_ok || self.from.is_client || is_like_mail(helo) {
            return;
        }
        if !is_like_dialup(helo) && !has_four_numbers(helo) {
            return;
        }
        self.dyndns_message = "; Please use DynDNS".into();
        let (item, hit) = if self.helo.state == HeloState::Verified {
            ("HELO_SEEMS_DIALUP", &scores.helo_seems_dialup.hit)
        } else {
            (
                "NOK_HELO_SEEMS_DIALUP",
                &scores.failed_helo_seems_dialup.hit,
            )
        };
        self.add_number("HELO", helo, item, hit.value + enforces);
    }
}

/// Whether one name has the second level label of the other as its second level label or above.
fn is_same_domain(name: &str, helo: &str) -> bool {
    has_label(name, second_level(helo)) || has_label(helo, second_level(name))
}

/// The last label but one; of names like `x..test` the last that is not empty. A name without one is itself.
fn second_level(name: &str) -> &str {
    let Some((mut rest, _)) = name.rsplit_once('.') else {
        return name;
    };
    loop {
        let (before, label) = rest
            .rsplit_once('.')
            .map_or(("", rest), |(before, label)| (before, label));
        if !label.is_empty() {
            return label;
        }
        if before.is_empty() {
            return name;
        }
        rest = before;
    }
}

/// Whether a name has a label, or some in a row, but as its last.
fn has_label(name: &str, label: &str) -> bool {
    let inner = [".", label, "."].concat();
    name.strip_prefix(label)
        .is_some_and(|rest| rest.starts_with('.'))
        || name.contains(&inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_one_domain_agree() {
        for (name, helo, expected) in [
            ("a.rev.test", "b.rev.test", true),
            ("rev.test", "b.rev.other", true),
            ("a.rev.test", "unrelated.test", false),
            ("a.b.rev.test", "b.other", true),
            ("host.test", "localhost", false),
            ("localhost.test", "localhost", true),
            ("rev", "rev", false),
            ("a.rev.test", "x.y.a.other", true),
            ("rev.other", "rev.foo.test", true),
            ("", "", false),
        ] {
            assert_eq!(is_same_domain(name, helo), expected, "{name} {helo}");
        }
    }
}
