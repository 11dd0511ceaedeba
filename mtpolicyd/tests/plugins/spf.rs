//! SPF.

use crate::support::{Checker, found};

const ZONE: &str = r#"
acme.example TXT "v=spf1 ip4:100.64.2.0/28 -all"
soft.example TXT "v=spf1 ip4:100.65.113.1 ~all"
neutral.example TXT "v=spf1 ?all"
none.example A 100.64.2.200
perm.example TXT "v=spf1 foo:bar -all"
two.example TXT "v=spf1 -all"
two.example TXT "v=spf1 +all"
temp.example !servfail
exp.example TXT "v=spf1 -all exp=why.exp.example"
why.exp.example TXT "%{i} is not one of the servers of %{d}"
mail.acme.example A 100.64.2.10
mail.acme.example TXT "v=spf1 a -all"
badhelo.example TXT "v=spf1 -all"
many.example TXT "v=spf1 a:a1.example a:a2.example a:a3.example ip4:100.64.2.10 -all"
wide.example TXT "v=spf1 mx -all"
wide.example MX 10 m1.example
wide.example MX 20 m2.example
m1.example A 192.0.2.1
m2.example A 192.0.2.2
"#;

const END: &str = "<Plugin end>\nmodule=Action\naction=ok end of chain\n</Plugin>\n";
const HEADER: &str = "<Plugin z>\nmodule=AddScoreHeader\n</Plugin>\n";

fn spf(parameters: &str) -> String {
    format!("<Plugin s>\nmodule=SPF\n{parameters}\n</Plugin>\n{END}")
}

#[tokio::test(start_paused = true)]
async fn each_result_of_the_sender_leads_to_its_answer() {
    let blocks = spf("check_helo=off\npass_mode=dunno\nreject_message=\"SPF %LOCAL_EXPL%\"");
    for compat in [false, true] {
        Checker::with(&blocks, ZONE, compat)
            .expect(&[
                ("", "dunno"),
                (
                    "client_address=100.64.2.77",
                    "reject SPF acme.example: Sender is not authorized by default to use \
                     'carol@acme.example' in 'mfrom' identity (mechanism '-all' matched)",
                ),
                ("sender=a@soft.example", "ok end of chain"),
                ("sender=a@neutral.example", "ok end of chain"),
                ("sender=a@none.example", "ok end of chain"),
                ("sender=a@nx.example", "ok end of chain"),
                (
                    "sender=a@perm.example",
                    "reject spf mfrom check failed: perm.example: Unknown mechanism type 'foo' in \
                     'v=spf1' record",
                ),
                (
                    "sender=a@two.example",
                    "reject spf mfrom check failed: two.example: Redundant applicable 'v=spf1' \
                     sender policies found",
                ),
                (
                    "sender=a@temp.example",
                    "defer spf mfrom check failed: temp.example: 'SERVFAIL' error on DNS 'TXT' \
                     lookup of 'temp.example'",
                ),
                ("sender=localpart", "ok end of chain"),
                ("sender=@acme.example", "dunno"),
                ("client_address=127.0.0.1", "ok end of chain"),
                ("client_address=::1", "ok end of chain"),
                ("client_address=::ffff:127.1.2.3", "ok end of chain"),
                ("client_address=", "ok end of chain"),
                ("client_address=(absent)", "ok end of chain"),
                ("sender=(absent)", "ok end of chain"),
            ])
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn helo_can_fail_but_its_pass_says_nothing() {
    let blocks =
        format!("<Plugin s>\nmodule=SPF\npass_mode=dunno\npass_score=-1\n</Plugin>\n{HEADER}");
    let rejected = "reject SPF validation failed: badhelo.example: Sender is not authorized by default \
        to use 'badhelo.example' in 'helo' identity (mechanism '-all' matched)";
    for compat in [false, true] {
        let empty = if compat {
            "closed: plugin s failed: SPF: the sender is empty"
        } else {
            "PREPEND X-MtScore: NO score=0"
        };
        Checker::with(&blocks, ZONE, compat)
            .expect(&[
                ("", "dunno"),
                ("helo_name=badhelo.example", rejected),
                // The null sender is postmaster at the name in HELO.
                ("sender=", "dunno"),
                ("helo_name=badhelo.example sender=", rejected),
                ("helo_name= sender=", empty),
                ("sender=a@nx.example", "PREPEND X-MtScore: NO score=0"),
            ])
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn explanations_are_the_domains_or_the_default() {
    for (parameters, request, answer) in [
        (
            "",
            "sender=a@exp.example",
            "reject 100.64.2.10 is not one of the servers of exp.example",
        ),
        (
            "",
            "client_address=100.64.2.77",
            "reject See http://www.acme.example/why/id=carol%40acme.example;ip=100.64.2.77;r=unknown",
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

const PASS: &str = "";
const FAIL: &str = "client_address=100.64.2.77";
const SOFT: &str = "sender=a@soft.example";
const TEMP: &str = "sender=a@temp.example";
const PERM: &str = "sender=a@perm.example";

#[tokio::test(start_paused = true)]
async fn each_mode_does_what_it_says() {
    let end = "ok end of chain";
    // The parameter; the request; the answer's beginning by default; with --compat.
    for (parameter, request, by_default, compat) in [
        ("enabled=off", FAIL, end, end),
        ("pass_mode=passive", PASS, end, end),
        ("pass_mode=accept", PASS, "dunno", "dunno"),
        ("pass_mode=dunno", PASS, "dunno", "dunno"),
        ("pass_mode=reject", PASS, end, end),
        ("fail_mode=passive", FAIL, end, end),
        ("fail_mode=dunno", FAIL, end, end),
        (
            "softfail_mode=reject",
            SOFT,
            "reject SPF validation failed: ",
            "reject SPF validation failed: ",
        ),
        ("softfail_mode=accept", SOFT, "dunno", "dunno"),
        ("softfail_mode=dunno", SOFT, "dunno", "dunno"),
        ("softfail_mode=passive", SOFT, end, end),
        ("temperror_mode=passive", TEMP, end, end),
        ("temperror_mode=dunno", TEMP, "dunno", "dunno"),
        (
            "temperror_mode=reject",
            TEMP,
            "reject spf mfrom ",
            "defer spf mfrom ",
        ),
        (
            "temperror_mode=defer",
            TEMP,
            "defer spf mfrom ",
            "defer spf mfrom ",
        ),
        (
            "temperror_mode=else",
            TEMP,
            "defer spf mfrom ",
            "defer spf mfrom ",
        ),
        ("permerror_mode=passive", PERM, end, end),
        ("permerror_mode=dunno", PERM, "dunno", "reject spf mfrom "),
        (
            "permerror_mode=defer",
            PERM,
            "defer spf mfrom ",
            "reject spf mfrom ",
        ),
        (
            "permerror_mode=else",
            PERM,
            "reject spf mfrom ",
            "reject spf mfrom ",
        ),
        // The mode of one kind of error is not the other's.
        ("temperror_mode=dunno", PERM, "reject spf mfrom ", "dunno"),
        (
            "permerror_mode=dunno",
            TEMP,
            "defer spf mfrom ",
            "defer spf mfrom ",
        ),
    ] {
        for (compat, answer) in [(false, by_default), (true, compat)] {
            let blocks = spf(&format!("check_helo=off\n{parameter}"));
            let got = Checker::with(&blocks, ZONE, compat).ask(request).await;
            assert!(
                got.starts_with(answer),
                "{parameter} {request} {compat}: {got}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_result_can_be_scored() {
    for (result, request) in [
        ("pass", PASS),
        ("fail", FAIL),
        ("softfail", SOFT),
        ("temperror", TEMP),
        ("permerror", PERM),
        ("neutral", "sender=a@neutral.example"),
        ("none", "sender=a@none.example"),
    ] {
        let passive = "fail_mode=passive\ntemperror_mode=passive\npermerror_mode=passive";
        for (more, header) in [
            ("check_helo=off", "NO score=2.5 [s=2.5]"),
            ("check_helo=off\nscore_field=other", "NO score=0"),
        ] {
            let blocks = format!(
                "<Plugin s>\nmodule=SPF\n{passive}\n{result}_score=2.5\n{more}\n</Plugin>\n{HEADER}"
            );
            let answer = Checker::new(&blocks, ZONE).ask(request).await;
            assert_eq!(answer, format!("PREPEND X-MtScore: {header}"), "{result}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_in_helo_without_spf_has_no_score_of_its_own() {
    let blocks = format!(
        "<Plugin s>\nmodule=SPF\nnone_score=1\nneutral_score=1\npass_score=-2\n</Plugin>\n{HEADER}"
    );
    for helo in ["none.example", "neutral.example"] {
        let answer = Checker::new(&blocks, ZONE)
            .ask(&format!("helo_name={helo}"))
            .await;
        assert_eq!(answer, "PREPEND X-MtScore: NO score=-2 [s=-2]");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_is_scored_once() {
    let blocks = "<Plugin s>\nmodule=SPF\npass_score=-2\n</Plugin>\n\
        <Plugin g>\nmodule=ScoreAction\nthreshold=0\nmatch=lt\naction=\"reject %SCORE%%SCORE_DETAIL%\"\n</Plugin>\n";
    let mut checker = Checker::new(blocks, ZONE).with_sessions();
    checker
        .expect(&[("", "reject -2, s=-2"), ("", "reject -2, s=-2")])
        .await;
}

#[tokio::test(start_paused = true)]
async fn limits_and_exceptions_can_be_set() {
    let end = "ok end of chain";
    for (parameter, request, answer) in [
        ("whitelist=\"192.0.2.1, 100.64.2.64/26\"", FAIL, end),
        ("whitelist=100.64.2.77", FAIL, end),
        ("whitelist=2001:db8::/32", "client_address=2001:db8::1", end),
        ("whitelist=192.0.2.1", FAIL, "reject SPF"),
        // Three look-ups that find nothing.
        (
            "",
            "sender=a@many.example",
            "reject spf mfrom check failed: many.example: Maximum void",
        ),
        ("max_void_dns_lookups=3", "sender=a@many.example", end),
        (
            "max_dns_interactive_terms=1\nmax_void_dns_lookups=9",
            "sender=a@many.example",
            "reject spf mfrom check failed: many.example: Maximum DNS-interactive terms limit (1)",
        ),
        ("", "sender=a@wide.example", "reject SPF"),
        (
            "max_name_lookups_per_term=1",
            "sender=a@wide.example",
            "reject spf mfrom check failed: wide.example: Maximum name look-ups",
        ),
    ] {
        let blocks = spf(&format!("check_helo=off\n{parameter}"));
        let got = Checker::new(&blocks, ZONE).ask(request).await;
        assert!(got.starts_with(answer), "{parameter} {request}: {got}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_session_overrides_modes_and_enabled() {
    for (parameter, value, request, answer) in [
        ("enabled", "off", FAIL, "ok end of chain"),
        ("fail_mode", "passive", FAIL, "ok end of chain"),
        ("softfail_mode", "accept", SOFT, "dunno"),
        ("pass_mode", "accept", PASS, "dunno"),
    ] {
        let set = format!("<Plugin f>\nmodule=SetField\nkey=own\nvalue={value}\n</Plugin>\n");
        let own = spf(&format!("check_helo=off\nuc_{parameter}=own"));
        let got = Checker::new(&(set + &own), ZONE).ask(request).await;
        assert_eq!(got, answer, "{parameter}");
        assert_ne!(
            Checker::new(&own, ZONE).ask(request).await,
            answer,
            "{parameter}"
        );
    }
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

#[test]
fn mistakes_are_found_at_the_start() {
    for (parameters, finding) in [
        (
            "pass_score=low",
            "error: `pass_score` is `low`, but a number is wanted",
        ),
        (
            "none_score=low",
            "error: `none_score` is `low`, but a number is wanted",
        ),
        (
            "whitelist=100.64.2.0/33",
            "error: `whitelist`: `100.64.2.0/33` is no address and no network",
        ),
        (
            "max_void_dns_lookups=-1",
            "error: `max_void_dns_lookups` is negative",
        ),
        (
            "received_spf=yes",
            "error: `received_spf` is `yes`, but 1 or 0 is wanted",
        ),
        (
            "fail_mode=defer",
            "warning: `fail_mode` is `defer`, which means passive: use one of reject, passive",
        ),
        (
            "check_helo=no",
            "warning: `check_helo` is `no`, which means on: use one of on, off",
        ),
    ] {
        let found = found(&spf(parameters));
        assert!(
            found.iter().any(|text| text == finding),
            "{parameters}: {found:?}"
        );
    }
}
