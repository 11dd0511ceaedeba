//! Requests beside the score: what is refused, forgotten and remembered.

use std::io::Write;

use policy_daemon::log::Log;
use policy_testing::NameServer;
use tempfile::NamedTempFile;

use policy_testing::mmdb::mmdb;

use super::*;
use crate::config::Source;

#[test]
fn bounces_and_mail_for_who_answers_for_the_host_need_no_score() {
    for (sender, recipient, expected) in [
        ("", "dave@rcpt.test", Some("DUNNO NULL (<>) Sender")),
        ("0", "dave@rcpt.test", Some("DUNNO NULL (<>) Sender")),
        (
            "x@acme.test",
            "PostMaster@rcpt.test",
            Some("DUNNO mail for postmaster@rcpt.test"),
        ),
        (
            "x@acme.test",
            "abuse@rcpt.test",
            Some("DUNNO mail for abuse@rcpt.test"),
        ),
        ("x@acme.test", "abuse2@rcpt.test", None),
        ("x@acme.test", "the.postmaster@rcpt.test", None),
        ("+@acme.test", "dave@rcpt.test", None),
    ] {
        let mut attributes = attributes(sender, "1");
        attributes.set(b"recipient", recipient.as_bytes());
        assert_eq!(
            without_score(&attributes).as_deref(),
            expected,
            "{sender} {recipient}"
        );
    }
}

const ZONE: &str = "acme.test MX 10 mail.acme.test\nmail.acme.test A 100.64.2.10";

fn file(dns: &NameServer, more: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    let server = dns.address();
    let text = format!("$NS = '{server}'; @dnsbl_score = (); @rhsbl_score = (); {more}");
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn policy(file: &NamedTempFile, compat: bool) -> Policy {
    let source = Source::new(Some(file.path().to_owned()), None, compat);
    Policy::new(Settings::load(source, None).unwrap(), Log::buffered())
}

fn attributes<'a>(sender: &'a str, instance: &'a str) -> Attributes<'a> {
    let mut attributes = Attributes::default();
    for (name, value) in [
        ("request", "smtpd_access_policy"),
        ("client_address", "100.64.2.10"),
        ("helo_name", "mail.acme.test"),
        ("sender", sender),
        ("instance", instance),
    ] {
        attributes.set(name.as_bytes(), value.as_bytes());
    }
    attributes
}

/// Where the name is looked at: the Perl program ends of none that it does not come to.
#[tokio::test]
async fn a_label_that_is_none_closes_the_connection_with_compat_alone() {
    let dns = NameServer::start(ZONE);
    let file = file(&dns, "");
    let (most, long) = ("a".repeat(63), "a".repeat(64));
    for (address, helo, domain, is_answered) in [
        (
            "192.0.2.1",
            "mail.acme.test",
            &*format!("{most}.test"),
            true,
        ),
        (
            "192.0.2.1",
            "mail.acme.test",
            &format!("{long}.test"),
            false,
        ),
        ("192.0.2.1", "mail.acme.test", "a..acme.test", false),
        ("192.0.2.1", "mail.acme.test", "acme.test..", true),
        ("192.0.2.1", &format!("{long}.test"), "acme.test", false),
        ("192.0.2.1", ".local", "acme.test", false),
        ("192.0.2.1", &long, "acme.test", true),
        ("100.64.2.10", ".local", "acme.test", true),
    ] {
        let sender = format!("x@{domain}");
        let mut mail = attributes(&sender, "1");
        mail.set(b"client_address", address.as_bytes());
        mail.set(b"helo_name", helo.as_bytes());
        for compat in [true, false] {
            let answer = policy(&file, compat).answer(&mail).await;
            let is_expected = answer.is_ok() == (is_answered || !compat);
            assert!(is_expected, "{address} {helo} {domain} {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_size_of_zero_forgets_accepted_clients_at_once() {
    let dns = NameServer::start(ZONE);
    let with_cache = file(&dns, "");
    let policy = policy(&with_cache, false);
    let score = " CL_IP_EQ_FROM_MX=-3.1; rate: -3.1";
    for (number, expected) in [("1", score), ("2", "using cached result; rate: -3.1")] {
        let answer = policy.answer(&attributes("carol@acme.test", number)).await;
        let expected = format!("PREPEND X-policyd-weight: {expected}");
        assert_eq!(answer, Ok(expected));
    }
    std::fs::copy(file(&dns, "$POSCACHESIZE = 0;").path(), with_cache.path()).unwrap();
    policy.reload().unwrap();
    let answer = policy.answer(&attributes("carol@acme.test", "3")).await;
    assert_eq!(answer, Ok(format!("PREPEND X-policyd-weight: {score}")));
}

#[tokio::test]
async fn no_header_is_added_once_the_message_has_come_but_with_compat() {
    let dns = NameServer::start(ZONE);
    let file = file(&dns, "");
    for (compat, state, begin) in [
        (false, "RCPT", "PREPEND X-policyd-weight:"),
        (false, "END-OF-MESSAGE", "DUNNO X-policyd-weight:"),
        (true, "END-OF-MESSAGE", "PREPEND X-policyd-weight:"),
    ] {
        let mut mail = attributes("x@acme.test", "1");
        mail.set(b"protocol_state", state.as_bytes());
        let answer = policy(&file, compat).answer(&mail).await.unwrap();
        assert!(answer.starts_with(begin), "{compat} {state}: {answer}");
    }
}

#[tokio::test]
async fn a_country_of_a_file_has_its_score() {
    let dns = NameServer::start(ZONE);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("countries.mmdb");
    std::fs::write(&path, mmdb("DE", "US")).unwrap();
    let open = format!("$COUNTRY_DB = '{}';", path.display());
    let scores = "@country_score = ('de', 2, 'US', 3);";
    for (options, address, expected) in [
        (
            format!("{open} {scores}"),
            "100.64.2.10",
            Some("COUNTRY_DE=2"),
        ),
        (
            format!("{open} {scores}"),
            "200.64.2.10",
            Some("COUNTRY_US=3"),
        ),
        // None, in a file of IPv4 addresses.
        (format!("{open} {scores}"), "2001:db8::1", None),
        (open.clone(), "100.64.2.10", None),
    ] {
        let file = file(&dns, &format!("{options} $REJECTLEVEL = 99;"));
        let mut mail = attributes("carol@acme.test", "1");
        mail.set(b"client_address", address.as_bytes());
        let action = policy(&file, false).answer(&mail).await.unwrap();
        let found = action.split(' ').find(|item| item.starts_with("COUNTRY_"));
        assert_eq!(
            found.map(|item| item.trim_end_matches(';')),
            expected,
            "{options} {action}"
        );
    }
    std::fs::write(&path, "no file of countries").unwrap();
    let file = file(&dns, &open);
    let source = Source::new(Some(file.path().to_owned()), None, false);
    let error = Settings::load(source, None).unwrap_err();
    assert!(error.contains("error: $COUNTRY_DB "), "{error}");
}

/// A file that is read again: with `--compat` on top of the options that hold, and what was fixed at the start stays.
#[tokio::test]
async fn with_compat_a_file_is_read_again_as_by_the_perl_program() {
    let (dns, other) = (NameServer::start(ZONE), NameServer::start(""));
    for (compat, begin, rate, asks_other) in [
        (true, "PREPEND X-policyd-weight:", "; rate: 96.9", false),
        (false, "DUNNO ", "; rate: -3.1", true),
    ] {
        let first = file(
            &dns,
            "@helo_from_mx_eq_ip_score = (1.5, 96.9); $REJECTLEVEL = 200;",
        );
        let policy = policy(&first, compat);
        let scored = policy
            .answer(&attributes("carol@acme.test", "1"))
            .await
            .unwrap();
        assert!(
            scored.ends_with("CL_IP_EQ_FROM_MX=96.9; rate: 96.9"),
            "{scored}"
        );
        let again = file(&dns, "$ADD_X_HEADER = 0; $POSCACHESIZE = 0;");
        std::fs::copy(again.path(), first.path()).unwrap();
        policy.reload().unwrap();
        let scored = policy
            .answer(&attributes("carol@acme.test", "2"))
            .await
            .unwrap();
        assert!(scored.starts_with(begin), "{compat}: {scored}");
        assert!(scored.ends_with(rate), "{compat}: {scored}");

        let before = other.questions().len();
        std::fs::copy(file(&other, "$POSCACHESIZE = 0;").path(), first.path()).unwrap();
        policy.reload().unwrap();
        _ = policy.answer(&attributes("dora@acme.test", "3")).await;
        assert_eq!(other.questions().len() > before, asks_other, "{compat}");
    }
}
