//! The texts of SPF: explanations, the header, and the log.

use super::{FAIL, PASS, SOFT, TEMP, ZONE, spf};
use crate::support::Checker;

#[tokio::test(start_paused = true)]
async fn explanations_are_the_domains_or_the_default() {
    for (parameters, request, answer) in [
        (
            "",
            "sender=a@exp.example",
            "reject 100.64.2.10 is not one of the servers of exp.example",
        ),
        (
            "hostname=mx.test",
            "client_address=100.64.2.77",
            "reject See http://www.acme.example/why/id=carol%40acme.example;ip=100.64.2.77;r=mx.test",
        ),
        (
            "default_authority_explanation=ask %{d}",
            "client_address=100.64.2.77",
            "reject ask acme.example",
        ),
        ("softfail_mode=reject", "sender=a@soft.example", "reject "),
    ] {
        let blocks = spf(&format!(
            "check_helo=off\nreject_message=%AUTH_EXPL%\n{parameters}"
        ));
        assert_eq!(
            Checker::new(&blocks, ZONE).ask(request).await,
            answer,
            "{parameters}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn explanations_name_this_machine_where_no_hostname_is_given() {
    let blocks = spf("check_helo=off\nreject_message=%AUTH_EXPL%");
    let answer = Checker::new(&blocks, ZONE)
        .ask("client_address=100.64.2.77")
        .await;
    let (_, receiver) = answer.split_once(";ip=100.64.2.77;r=").unwrap();
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = machine.trim().split('.').next().unwrap();
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    // The hosts file may know it by another name before that.
    assert!(
        receiver.starts_with(host) || hosts.contains(receiver),
        "{answer}"
    );
    assert_ne!(receiver, "unknown");
}

#[tokio::test(start_paused = true)]
async fn received_spf_comes_once_a_mail_in_the_place_of_nothing() {
    let pass = "PREPEND Received-SPF: pass (acme.example: 100.64.2.10 is authorized to use \
        'carol@acme.example' in 'mfrom' identity (mechanism 'ip4:100.64.2.0/28' matched)) \
        receiver=mx.test; identity=mailfrom; envelope-from=\"carol@acme.example\"; \
        helo=mail.acme.example; client-ip=100.64.2.10";
    for (parameters, request, first, second) in [
        ("", PASS, pass, "ok end of chain"),
        ("pass_mode=dunno", PASS, pass, "dunno"),
        (
            "",
            SOFT,
            "PREPEND Received-SPF: softfail (",
            "ok end of chain",
        ),
        (
            "",
            "sender=a@none.example",
            "PREPEND Received-SPF: none (",
            "ok end of chain",
        ),
        (
            "temperror_mode=passive",
            TEMP,
            "PREPEND Received-SPF: temperror (",
            "ok end of chain",
        ),
        ("", FAIL, "reject SPF", "reject SPF"),
        ("received_spf=0", PASS, "ok end of chain", "ok end of chain"),
        ("enabled=off", PASS, "ok end of chain", "ok end of chain"),
    ] {
        let wanted = if parameters.contains("received_spf") {
            ""
        } else {
            "received_spf=1"
        };
        let blocks = spf(&format!(
            "check_helo=off\nhostname=mx.test\n{wanted}\n{parameters}"
        ));
        let mut checker = Checker::new(&blocks, ZONE).with_sessions();
        for answer in [first, second] {
            let got = checker.ask(request).await;
            assert!(got.starts_with(answer), "{parameters} {request}: {got}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_has_the_words_of_the_original() {
    let why = "Sender is not authorized by default to use";
    for (request, notes) in [
        (
            "",
            vec![
                "SPF helo check passed".to_owned(),
                "SPF mfrom check passed".to_owned(),
            ],
        ),
        (
            "sender=",
            vec![
                "SPF helo check passed".to_owned(),
                "null sender, building sender from HELO: postmaster@mail.acme.example".to_owned(),
                "SPF mfrom check passed".to_owned(),
            ],
        ),
        (
            "sender=a@neutral.example",
            vec![
                "SPF helo check passed".to_owned(),
                "SPF mfrom status neutral. (no SPF records)".to_owned(),
            ],
        ),
        (
            "helo_name=none.example sender=a@soft.example",
            vec![
                "spf helo check failed: none.example: No applicable sender policy available"
                    .to_owned(),
                "SPF mfrom check returned softfail soft.example: Sender is not authorized by \
                 default to use 'a@soft.example' in 'mfrom' identity, however domain is not \
                 currently prepared for false failures (mechanism '~all' matched)"
                    .to_owned(),
            ],
        ),
        (
            "helo_name=badhelo.example",
            vec![format!(
                "SPF helo check failed: badhelo.example: {why} 'badhelo.example' in 'helo' \
                 identity (mechanism '-all' matched)"
            )],
        ),
        (
            "helo_name=temp.example",
            vec![
                "SPF helo failed with temperror temp.example: 'SERVFAIL' error on DNS 'TXT' lookup \
                 of 'temp.example'"
                    .to_owned(),
            ],
        ),
        (
            "helo_name= sender=",
            vec![
                "skipping SPF check because of null sender, consider setting check_helo=on"
                    .to_owned(),
            ],
        ),
        (
            "client_address=",
            vec!["cant check SPF without client_address".to_owned()],
        ),
        (
            "client_address=127.0.0.1",
            vec!["skipping SPF checks for local or whitelisted ip".to_owned()],
        ),
    ] {
        let mut checker = Checker::new(&spf(""), ZONE);
        checker.ask(request).await;
        assert_eq!(checker.notes, notes, "{request}");
    }
}
