//! The plugins, by their modules' names. Each is a file of its own.

mod accounting;
mod action;
mod add_score_header;
pub(crate) mod chain;
mod clear_fields;
mod condition;
mod dbl;
mod eval;
mod fail2ban;
mod geoip_action;
mod geoip_lookup;
mod greylist;
mod honeypot;
mod ldap_user_config;
mod limit;
mod map_handle;
mod postfix_map;
mod proxy;
mod quota;
mod rbl;
mod rbl_action;
mod regex_list;
mod score_action;
mod set_field;
mod shared;
mod smtp_verify;
mod spf;
mod sql_list;
mod sql_user_config;
mod stress;

use crate::{chain::plugin::Plugin, config::Section};

/// What a module's name stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A plugin, and how one is made of its parameters.
    Plugin(fn(&mut Section<'_>) -> Box<dyn Plugin>),
    /// A plugin of the original that there is none of, and why.
    Gone(&'static str),
}

/// Each module, in the order of the alphabet: one line each.
const MODULES: &[(&str, Kind)] = &[
    ("Accounting", Kind::Plugin(accounting::new)),
    ("Action", Kind::Plugin(action::new)),
    ("AddScoreHeader", Kind::Plugin(add_score_header::new)),
    ("ClearFields", Kind::Plugin(clear_fields::new)),
    ("Condition", Kind::Plugin(condition::new)),
    ("CtIpRep", Kind::Gone(CTIPD)),
    ("DBL", Kind::Plugin(dbl::new)),
    ("Eval", Kind::Plugin(eval::new)),
    ("Fail2Ban", Kind::Plugin(fail2ban::new)),
    ("GeoIPAction", Kind::Plugin(geoip_action::new)),
    ("GeoIPLookup", Kind::Plugin(geoip_lookup::new)),
    ("Greylist", Kind::Plugin(greylist::new)),
    ("Honeypot", Kind::Plugin(honeypot::new)),
    ("LdapUserConfig", Kind::Plugin(ldap_user_config::new)),
    ("Limit", Kind::Plugin(limit::new)),
    ("PostfixMap", Kind::Plugin(postfix_map::new)),
    ("Proxy", Kind::Plugin(proxy::new)),
    ("Quota", Kind::Plugin(quota::new)),
    ("RBL", Kind::Plugin(rbl::new)),
    ("RBLAction", Kind::Plugin(rbl_action::new)),
    ("RegexList", Kind::Plugin(regex_list::new)),
    ("SaAwlAction", Kind::Gone(SA_AWL)),
    ("SaAwlLookup", Kind::Gone(SA_AWL)),
    ("ScoreAction", Kind::Plugin(score_action::new)),
    ("SetField", Kind::Plugin(set_field::new)),
    ("SMTPVerify", Kind::Plugin(smtp_verify::new)),
    ("SPF", Kind::Plugin(spf::new)),
    ("SqlList", Kind::Plugin(sql_list::new)),
    ("SqlUserConfig", Kind::Plugin(sql_user_config::new)),
    ("Stress", Kind::Plugin(stress::new)),
];

/// The module of this name; case counts.
pub(crate) fn find(module: &str) -> Option<Kind> {
    let found = MODULES.iter().find(|(name, _)| *name == module);
    found.map(|(_, kind)| *kind)
}

/// The names of all modules.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    MODULES.iter().map(|(name, _)| *name)
}

const CTIPD: &str = "the service behind it, ctipd, ended in 2023";
const SA_AWL: &str = "SpamAssassin has replaced the file that it reads, AWL by TxRep";
