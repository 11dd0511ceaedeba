//! Each parameter of each plugin of the original is in a case that both programs answer.

use std::collections::{BTreeMap, BTreeSet};

use mtpolicyd::config_general::{Block, Value, read_text};

use crate::{beside, case::Case};

/// What the plugins of mtpolicyd 2.05 have, `Plugin` for a chain of their own. `on_error` and `log_level`, which all have,
/// are in cases of their own. Only MariaDB knows `mysql_engine`, which is tested with one.
const PARAMETERS: &[(&str, &str)] = &[
    (
        "Accounting",
        "enabled uc_enabled fields time_pattern table_prefix db",
    ),
    ("Action", "action"),
    (
        "AddScoreHeader",
        "spam_score uc_spam_score header_name score_field",
    ),
    ("ClearFields", "fields fields_prefix"),
    (
        "Condition",
        "key match re_match gt_match lt_match invert score uc_score score_field action uc_action Plugin",
    ),
    (
        "DBL",
        "domain enabled uc_enabled sender_mode uc_sender_mode sender_score reverse_client_name_mode \
         uc_reverse_client_name_mode reverse_client_name_score helo_name_mode uc_helo_name_mode helo_name_score \
         reject_message score_field",
    ),
    ("Eval", "store_in Plugin"),
    ("Fail2Ban", "enabled uc_enabled socket jail"),
    (
        "GeoIPAction",
        "result_from country_codes enabled uc_enabled mode uc_mode reject_message score score_field",
    ),
    ("GeoIPLookup", "database"),
    (
        "Greylist",
        "enabled uc_enabled score score_field mode defer_message append_waittime use_autowl query_autowl create_ticket \
         autowl_threshold AWL Ticket",
    ),
    (
        "Honeypot",
        "enabled uc_enabled score score_field mode recipients recipients_re reject_message expire Plugin",
    ),
    (
        "LdapUserConfig",
        "basedn filter filter_field config_fields ldap",
    ),
    (
        "PostfixMap",
        "db_file enabled uc_enabled score score_field match_action not_match_action",
    ),
    ("Proxy", "host socket_path keepalive"),
    (
        "Quota",
        "enabled uc_enabled field uc_field metric uc_metric threshold uc_threshold time_pattern action uc_action \
         table_prefix db",
    ),
    (
        "RBL",
        "domain enabled uc_enabled mode uc_mode score score_field reject_message",
    ),
    (
        "RBLAction",
        "result_from re_match enabled uc_enabled mode uc_mode score score_field reject_message",
    ),
    (
        "RegexList",
        "key regex file invert enabled uc_enabled score uc_score score_field action uc_action Plugin",
    ),
    ("SPF", SPF),
    (
        "ScoreAction",
        "threshold uc_threshold match action score_field Plugin",
    ),
    ("SetField", "key value"),
    (
        "SqlList",
        "sql_query field enabled uc_enabled score score_field match_action not_match_action db",
    ),
    ("SqlUserConfig", "sql_query field db"),
    ("Stress", "action uc_action Plugin"),
];

const SPF: &str = "enabled uc_enabled pass_mode uc_pass_mode pass_score softfail_mode uc_softfail_mode softfail_score \
    fail_mode uc_fail_mode fail_score temperror_mode temperror_score permerror_mode permerror_score reject_message \
    default_authority_explanation hostname whitelist check_helo max_dns_interactive_terms max_name_lookups_per_term \
    max_void_dns_lookups score_field";

#[test]
fn each_parameter_of_the_original_is_in_a_case() {
    let mut found = BTreeMap::new();
    for case in Case::all().into_iter().chain(beside::cases()) {
        // What a case includes is no plugin.
        let own = case
            .config
            .lines()
            .filter(|line| !line.contains("<<include"));
        let parsed = read_text("case", &own.collect::<Vec<_>>().join("\n"));
        let parsed = parsed.unwrap_or_else(|error| panic!("{}: {error}", case.number));
        collect(&parsed.root, &mut found);
    }
    let mut missing = Vec::new();
    for (module, parameters) in PARAMETERS {
        let none = BTreeSet::new();
        let found = found.get(*module).unwrap_or(&none);
        let parameters = parameters.split_whitespace();
        missing.extend(
            parameters
                .filter(|name| !found.contains(*name))
                .map(|name| format!("{module}: {name}")),
        );
    }
    assert_eq!(missing, [""; 0]);
}

/// The keys of each module's blocks, those of nested chains too.
fn collect(block: &Block, found: &mut BTreeMap<String, BTreeSet<String>>) {
    let blocks = block.entries.iter().filter_map(|entry| match &entry.value {
        Value::Block(block) => Some((&entry.key, block)),
        Value::Text(_) | Value::Absent => None,
    });
    for (_, inner) in blocks {
        collect(inner, found);
    }
    if let Some(Value::Text(module)) = block.get("module").map(|entry| &entry.value) {
        let keys = block.entries.iter().map(|entry| entry.key.clone());
        found.entry(module.clone()).or_default().extend(keys);
    }
}
