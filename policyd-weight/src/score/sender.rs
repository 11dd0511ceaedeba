//! Steps 15 to 18: what the sender looks like, and what the client has to do with it.

use super::{HeloState, Scoring, pattern::is_like_random};

impl Scoring<'_> {
    /// Step 15: nobody or anonymous.
    pub(super) fn anonymous(&mut self) {
        let from = &self.mail.from;
        if from.contains("nobody@") || from.contains("anonymous@") {
            let score =
                self.config.scores.anonymous.hit.value + self.list_sum + self.helo.numeric_score;
            self.add_number("sender", from, "FROM_NBDY_ANON", score);
        }
    }

    /// Step 16: a listed client that is no host of the sender's domain.
    pub(super) fn client_of_domain(&mut self) {
        let mail = self.mail;
        let is_checked = self.from.needs_client_check && self.is_listed();
        if self.from.mx_ok
            || !is_checked
            || mail.helo_is_address
            || self.from.addresses.contains(&mail.ip)
        {
            return;
        }
        let domain = mail.from_domain().unwrap_or_default();
        let score = self.config.scores.helo_from_mx_eq_ip.hit.value + self.list_sum;
        self.relay_message = format!("; please relay via your ISP ({domain})");
        self.add_number("client", domain, "CLIENT_NOT_MX/A_FROM_DOMAIN", score);
        if !self.from.addresses.contains(&*mail.network(false)) {
            self.add_number("client", domain, "CLIENT/24_NOT_MX/A_FROM_DOMAIN", score);
        }
    }

    /// Step 17: a domain of three labels or more.
    pub(super) fn many_labels(&mut self) {
        let from = &self.mail.from;
        let dots = from
            .split_once('@')
            .map_or(0, |(_, domain)| domain.matches('.').count());
        let is_unknown = self.helo.state == HeloState::Unknown;
        if is_unknown && self.rate < self.config.reject_level && dots >= 2 {
            let score = self.config.scores.multiparted.hit.value + self.list_sum;
            self.add_number("sender", from, "FROM_MULTIPARTED", score);
        }
    }

    /// Step 18: a local part that looks random. What it adds to lists of domains.
    pub(super) fn random_sender(&mut self) -> f64 {
        let (from, scores) = (&self.mail.from, &self.config.scores);
        if self.rate >= self.config.reject_level || !is_like_random(from) {
            return 0.0;
        }
        let hit = scores.random_sender.hit.value;
        self.add_number(
            "sender",
            from,
            "RANDOM_SENDER",
            self.list_sum + self.list_sum * hit + hit,
        );
        scores.rhsbl_penalty.hit.value * hit
    }
}
