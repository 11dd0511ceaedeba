//! `SPF`: whether the client may use the name in HELO and the sender's address.

mod decide;
mod receiver;

use std::{net::IpAddr, sync::Arc};

use policy_dns::spf::{self, Scope, SpfOptions, SpfRequest, Verdict};

use super::shared::{LOCAL, Networks};
use crate::{
    chain::plugin::{Plugin, PluginError, Step, Work},
    chain::{Call, Score, Scoring, Setting, answer, failure},
    config::Section,
};

#[derive(Debug)]
struct Spf {
    name: Arc<str>,
    enabled: Setting,
    is_helo_checked: bool,
    pass: Policy,
    soft_fail: Policy,
    fail: Policy,
    temp_error: Policy,
    perm_error: Policy,
    neutral_score: Option<Score>,
    none_score: Option<Score>,
    scoring: Scoring,
    message: String,
    whitelist: Networks,
    options: SpfOptions,
    has_header: bool,
    done: String,
    header_done: String,
    /// Where the session has the result for the sender.
    result: String,
    compat: bool,
}

/// What a result leads to.
#[derive(Debug)]
struct Policy {
    mode: Setting,
    score: Option<Score>,
}

/// The identities of a request that are checked.
#[derive(Debug)]
struct Identities {
    helo: Option<SpfRequest>,
    sender: Option<SpfRequest>,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    let name = section.name();
    let check_helo = section.word("check_helo", "on", &["on", "off"], "on");
    let accept = ["accept", "dunno", "passive"];
    let soft_fail = ["reject", "accept", "dunno", "passive"];
    let error = ["defer", "reject", "dunno", "passive"];
    Box::new(Spf {
        enabled: section.enabled(),
        is_helo_checked: check_helo != "off",
        pass: policy(section, "pass", "passive", &accept, "passive"),
        soft_fail: policy(section, "softfail", "passive", &soft_fail, "passive"),
        fail: policy(section, "fail", "reject", &["reject", "passive"], "passive"),
        temp_error: policy(section, "temperror", "defer", &error, "defer"),
        perm_error: policy(section, "permerror", "reject", &error, "reject"),
        neutral_score: section.score("neutral_score"),
        none_score: section.score("none_score"),
        scoring: section.scoring(),
        message: section.text_or("reject_message", "SPF validation failed: %LOCAL_EXPL%"),
        whitelist: Networks::read(section, "whitelist").with(LOCAL),
        options: options(section),
        has_header: section.flag("received_spf", false),
        done: format!("{name}-score"),
        header_done: format!("{name}-received-spf"),
        result: result_key(&name),
        compat: section.compat(),
        name,
    })
}

fn policy(
    section: &mut Section<'_>,
    result: &str,
    mode: &str,
    modes: &[&str],
    otherwise: &str,
) -> Policy {
    Policy {
        mode: section.mode(&format!("{result}_mode"), mode, modes, otherwise),
        score: section.score(&format!("{result}_score")),
    }
}

fn options(section: &mut Section<'_>) -> SpfOptions {
    let mut options = SpfOptions::default();
    let mut count = |key, default: u32| {
        let number = section.count(key, default.into());
        u32::try_from(number).unwrap_or(u32::MAX)
    };
    options.max_dns_terms = count("max_dns_interactive_terms", options.max_dns_terms);
    options.max_look_ups_per_term =
        count("max_name_lookups_per_term", options.max_look_ups_per_term);
    options.max_void_look_ups = count("max_void_dns_lookups", options.max_void_look_ups);
    options.default_explanation = section.text_or(
        "default_authority_explanation",
        "See http://www.%{d}/why/id=%{S};ip=%{I};r=%{R}",
    );
    let hostname = section.text_or("hostname", "");
    if !hostname.is_empty() {
        options.receiver = hostname;
    } else if let Some(machine) = receiver::machine() {
        options.receiver = machine.to_owned();
    }
    options
}

impl Spf {
    /// The identities to check; none of a null sender that no name in HELO stands in for.
    fn identities(&self, call: &Call<'_>, client: IpAddr) -> Identities {
        let is_filled = |text: &&[u8]| !text.trim_ascii().is_empty();
        let (sender, helo) = (call.attribute("sender"), call.attribute("helo_name"));
        let stand_in = helo.filter(is_filled).filter(|_| self.is_helo_checked);
        let sender = match (sender.filter(is_filled), stand_in) {
            (Some(sender), _) => Some(sender),
            // An empty sender is postmaster at the name in HELO.
            (None, Some(_)) => Some(&b""[..]),
            (None, None) => None,
        };
        let mail_from = |sender| SpfRequest::mail_from(client, sender, helo.unwrap_or_default());
        Identities {
            helo: stand_in.map(|helo| SpfRequest::helo(client, helo)),
            sender: sender.map(mail_from),
        }
    }

    async fn check(&self, call: &mut Call<'_>, request: &SpfRequest) -> Option<String> {
        let verdict = spf::check(&call.services().dns, request, &self.options).await;
        if verdict.scope() == Scope::MailFrom {
            call.keep(&self.result, &[verdict.result().to_string()]);
        }
        let action = self.act(call, &verdict);
        self.with_header(call, &verdict, action)
    }

    /// A header with the sender's result in the place of nothing and of dunno, once for each mail.
    fn with_header(
        &self,
        call: &mut Call<'_>,
        verdict: &Verdict,
        action: Option<String>,
    ) -> Option<String> {
        let is_free = action.as_deref().is_none_or(|action| action == "dunno");
        let is_wanted = self.has_header && verdict.scope() == Scope::MailFrom && is_free;
        if is_wanted && !call.is_done(&self.header_done) {
            return Some(format!("PREPEND {}", verdict.received_spf()));
        }
        action
    }

    /// The client's address, unless nothing is to be checked.
    fn client(&self, call: &mut Call<'_>) -> Result<Option<IpAddr>, PluginError> {
        let Some(text) = call.filled("client_address") else {
            call.note(|| "cant check SPF without client_address".to_owned());
            return Ok(None);
        };
        match text.parse::<IpAddr>() {
            Ok(client) if self.whitelist.contain(client) => {
                call.note(|| "skipping SPF checks for local or whitelisted ip".to_owned());
                Ok(None)
            }
            Ok(client) => Ok(Some(client)),
            Err(_) if self.compat => Err(PluginError::other("client_address is no address")),
            Err(_) => {
                call.note(|| format!("cant check SPF: {text} is no address"));
                Ok(None)
            }
        }
    }
}

impl Plugin for Spf {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        if self.enabled.is_off(call.session()) {
            return answer(None);
        }
        let client = match self.client(call) {
            Ok(Some(client)) => client,
            Ok(None) => return answer(None),
            Err(error) => return failure(error),
        };
        let Identities { helo, sender } = self.identities(call, client);
        Step::later(async move {
            if let Some(helo) = helo
                && let Some(action) = self.check(call, &helo).await
            {
                return Ok(Some(action));
            }
            if let Some(sender) = sender {
                if call.filled("sender").is_none() {
                    call.note(|| {
                        let sender = String::from_utf8_lossy(sender.identity());
                        format!("null sender, building sender from HELO: {sender}")
                    });
                }
                return Ok(self.check(call, &sender).await);
            }
            // The original means to skip the check here, and fails.
            if self.compat && call.attribute("sender").is_some() {
                return Err(PluginError::other("SPF: the sender is empty"));
            }
            call.note(|| {
                let hint = "consider setting check_helo=on";
                format!("skipping SPF check because of null sender, {hint}")
            });
            Ok(None)
        })
    }

    fn prefetch<'a>(&'a self, call: &Call<'a>) -> Option<Work<'a>> {
        let client = call.text("client_address")?.parse::<IpAddr>().ok()?;
        if self.enabled.is_off(call.session()) || self.whitelist.contain(client) {
            return None;
        }
        let Identities { helo, sender } = self.identities(call, client);
        let services = call.services();
        Some(Box::pin(async move {
            let requests = [helo, sender];
            let checks = requests
                .iter()
                .flatten()
                .map(|request| spf::check(&services.dns, request, &self.options));
            futures_util::future::join_all(checks).await;
        }))
    }
}

/// Where the session keeps what the `SPF` of this name has found for the sender.
pub(super) fn result_key(name: &str) -> String {
    format!("spf-{name}-result")
}
