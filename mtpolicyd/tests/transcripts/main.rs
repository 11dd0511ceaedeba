//! Answers of the original as ours: each transcript against the real program, by default and with `--compat`.
//!
//! Cases that need DNS, or servers of Debian's, are run with the feature `interop`, as root.

mod beside;
mod case;
mod directory_server;
mod global_options;
mod in_process;
mod parameters;
mod peers;
mod policy_server;
mod run;
mod start;
mod zone;

use case::Case;

/// One test for each case, so that each has its own name in the report.
macro_rules! cases {
    ($($(#[$attribute:meta])* $name:ident $number:literal;)*) => {
        $(
            $(#[$attribute])*
            #[test]
            fn $name() {
                run::all($number);
            }
        )*

        #[test]
        fn each_transcript_is_a_test() {
            let numbers = [$($number),*];
            let all: Vec<_> = Case::all().into_iter().map(|case| case.number).collect();
            assert_eq!(all, numbers);
        }
    };
}

cases! {
    several_requests_on_one_connection "M01";
    a_line_without_equals_closes_the_connection "M02";
    the_policy_context_chooses_the_virtual_host "M03";
    a_failure_closes_or_continues "M04";
    #[cfg_attr(not(feature = "interop"), ignore = "needs root")]
    a_request_that_takes_too_long_is_closed "M05";
    the_grammar_of_the_configuration "M06";
    #[cfg_attr(not(feature = "interop"), ignore = "needs root")]
    rbl_rejects "M07";
    #[cfg_attr(not(feature = "interop"), ignore = "needs root")]
    rbl_scores "M08";
    #[cfg_attr(not(feature = "interop"), ignore = "needs root")]
    rbl_action_reads_the_codes_of_a_list "M09";
    #[cfg_attr(not(feature = "interop"), ignore = "needs root")]
    dbl_with_its_defaults "M10";
    thresholds_of_score_action "M11";
    #[cfg_attr(not(feature = "interop"), ignore = "needs root and memcached")]
    a_score_is_added_once_for_a_mail_or_for_each_request "M12";
    #[cfg_attr(not(feature = "interop"), ignore = "needs Redis")]
    fields_live_over_requests_of_an_instance "M13";
    each_test_of_condition "M14";
    fields_are_set_and_cleared "M15";
    eval_keeps_an_answer "M16";
    regular_expressions_inline_and_in_a_file "M17";
    #[cfg_attr(not(feature = "interop"), ignore = "needs Postfix")]
    addresses_in_a_postfix_map "M18";
    values_in_an_sql_query "M19";
    json_becomes_fields "M20";
    accounting_counts "M21";
    quota_blocks "M22";
    #[cfg_attr(not(feature = "interop"), ignore = "needs memcached")]
    greylisting_with_memcached "M23";
    greylisting_learns_who_comes_again "M24";
    #[cfg_attr(not(feature = "interop"), ignore = "needs Redis")]
    greylisting_with_redis "M25";
    #[cfg_attr(not(feature = "interop"), ignore = "needs root")]
    each_result_of_spf "M26";
    #[cfg_attr(not(feature = "interop"), ignore = "needs root")]
    spf_for_the_helo_name "M27";
    #[cfg_attr(not(feature = "interop"), ignore = "needs root")]
    explanations_of_spf "M28";
    proxy_asks_another_server "M29";
    countries_of_addresses "M30";
    #[cfg_attr(not(feature = "interop"), ignore = "needs slapd")]
    attributes_of_a_directory_become_fields "M31";
    fail2ban_gets_its_command "M32";
    #[cfg_attr(not(feature = "interop"), ignore = "needs root and memcached")]
    a_chain_like_the_shipped_one "M33";
}
