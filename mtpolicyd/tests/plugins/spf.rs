//! SPF.

mod scores;
mod texts;

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
