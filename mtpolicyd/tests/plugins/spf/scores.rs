//! Scores of SPF.

use super::{FAIL, HEADER, PASS, PERM, SOFT, TEMP, ZONE};
use crate::support::Checker;

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
