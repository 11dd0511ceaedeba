//! Stress.

use crate::support::Checker;

#[tokio::test(start_paused = true)]
async fn it_acts_while_postfix_is_under_stress() {
    let nested = "<Plugin n>\nmodule=Action\naction=reject nested\n</Plugin>";
    for (parameters, stress, answer) in [
        ("action=defer come back", "yes", "defer come back"),
        ("action=defer come back", "", "dunno"),
        ("action=defer come back", "no", "dunno"),
        ("action=defer come back", "(absent)", "dunno"),
        (nested, "yes", "reject nested"),
        (nested, "", "dunno"),
        ("", "yes", "dunno"),
        (&format!("action=defer both\n{nested}"), "yes", "defer both"),
    ] {
        let blocks = format!("<Plugin s>\nmodule=Stress\n{parameters}\n</Plugin>");
        let answer_now = Checker::new(&blocks, "")
            .ask(&format!("stress={stress}"))
            .await;
        assert_eq!(answer_now, answer, "{parameters} {stress}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_session_overrides_the_action() {
    let blocks = "<Plugin f>\nmodule=SetField\nkey=a\nvalue=reject own\n</Plugin>\n\
        <Plugin s>\nmodule=Stress\naction=defer come back\nuc_action=a\n</Plugin>";
    let mut checker = Checker::new(blocks, "");
    assert_eq!(checker.ask("stress=yes").await, "reject own");
    assert_eq!(checker.notes, ["MTA has stress feature turned on"]);
}
