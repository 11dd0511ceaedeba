//! `SMTPVerify`: asked the mail servers of an address whether they would take mail. It answers nothing yet.

use crate::{
    chain::plugin::{Plugin, Step},
    chain::{Call, answer},
    config::Section,
};

#[derive(Debug)]
struct SmtpVerify;

/// The parameters of the original are accepted, so that its configurations start; a warning says what they come to.
pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    section.ignore(PARAMETERS);
    let text = "SMTPVerify asks nobody and answers nothing in this version: Postfix's reject_unverified_sender and \
                reject_unverified_recipient do most of it";
    section.warning("module", text);
    Box::new(SmtpVerify)
}

impl Plugin for SmtpVerify {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        call.note(|| "SMTPVerify asks nobody in this version".to_owned());
        answer(None)
    }
}

const PARAMETERS: &[&str] = &[
    "enabled",
    "uc_enabled",
    "host",
    "port",
    "sender",
    "sender_field",
    "recipient_field",
    "size_field",
    "check_tlsa",
    "check_openpgp",
    "temp_fail_action",
    "temp_fail_score",
    "perm_fail_action",
    "perm_fail_score",
    "has_starttls_score",
    "no_starttls_score",
    "has_tlsa_score",
    "no_tlsa_score",
    "has_openpgp_score",
    "no_openpgp_score",
    "score_field",
];
