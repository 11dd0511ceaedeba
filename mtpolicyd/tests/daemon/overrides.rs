//! What the session overrides parameters with, `uc_NAME`, where that is not what is wanted.

use super::world::{World, host};

/// A chain whose field `mine` has what the sender's name is.
fn chain(values: &[&str], plugins: &str) -> String {
    let mut text = String::new();
    for (index, value) in values.iter().enumerate() {
        text += &format!(
            "<Plugin s{index}>\nmodule=Condition\nkey=sender\nmatch=s{index}\n<Plugin f{index}>\nmodule=SetField\nkey=mine\nvalue=\"{value}\"\n</Plugin>\n</Plugin>\n"
        );
    }
    host(&(text + plugins))
}

#[test]
fn a_number_that_is_none_leaves_that_of_the_configuration_and_is_said() {
    let values = ["3", " 3 ", "", "many", "5 points"];
    let plugins = "<Plugin h>\nmodule=Condition\nkey=helo_name\nmatch=x\nscore=4\n</Plugin>\n\
        <Plugin r>\nmodule=ScoreAction\nthreshold=10\nuc_threshold=mine\naction=reject\n</Plugin>\n";
    let world = World::new(&chain(&values, plugins));
    let expected = ["reject", "reject", "dunno", "dunno", "dunno"];
    for (index, expected) in expected.iter().enumerate() {
        let request = format!("request=smtpd_access_policy\nsender=s{index}\nhelo_name=x\n\n");
        let ended = world.run_with(&["--explain"], &request);
        let answer = format!("\naction={expected}\n");
        assert!(ended.out.ends_with(&answer), "{index}: {ended:?}");
        let said = format!(
            "plugin r: field `mine` is `{}`, but a number is wanted: `10` of the configuration counts",
            values[index]
        );
        assert_eq!(ended.out.contains(&said), *expected == "dunno", "{ended:?}");
    }
    // As the original has it, for which it is 0.
    let process = world.serve(&["--compat"]);
    let answer = world.ask("sender=s3\nhelo_name=x");
    assert_eq!(answer.as_deref(), Some("action=reject"));
    let said = "plugin r: field `mine` is `many`, but a number is wanted: it counts as 0";
    assert!(process.err.wait_lines(1, said), "{}", process.err.text());
}

#[test]
fn a_score_and_a_quota_of_a_user_that_are_no_numbers_leave_those_of_the_configuration() {
    let plugins = "<Plugin h>\nmodule=Condition\nkey=helo_name\nmatch=x\nscore=4\nuc_score=mine\n</Plugin>\n\
        <Plugin a>\nmodule=AddScoreHeader\nuc_spam_score=mine\n</Plugin>\n";
    let world = World::new(&chain(&["2", "many"], plugins));
    let process = world.serve(&[]);
    for (sender, expected) in [("s0", "YES score=2 [h=2]"), ("s1", "NO score=4 [h=4]")] {
        let answer = world.ask(&format!("sender={sender}\nhelo_name=x"));
        assert_eq!(
            answer,
            Some(format!("action=PREPEND X-MtScore: {expected}"))
        );
    }
    for said in [
        "plugin h: field `mine` is `many`, but a number is wanted: `4` of the configuration counts",
        "plugin a: field `mine` is `many`, but a number is wanted: `5` of the configuration counts",
    ] {
        assert!(process.err.wait_lines(1, said), "{}", process.err.text());
    }
}

#[test]
fn a_word_or_an_action_that_means_something_else_is_said() {
    let values = ["off", "OFF", "yes", "rejct x", "", "defer x"];
    let plugins = "<Plugin s>\nmodule=Stress\naction=defer\nuc_action=mine\n</Plugin>\n\
        <Plugin t>\nmodule=Honeypot\nrecipients=trap@x\nuc_enabled=mine\n</Plugin>\n";
    let world = World::new(&chain(&values, plugins));
    let explain = |request: &str| {
        let request =
            format!("request=smtpd_access_policy\nclient_address=192.0.2.1\n{request}\n\n");
        world.run_with(&["--explain"], &request).out
    };
    for (request, expected, said) in [
        ("sender=s0\nrecipient=trap@x", "dunno", ""),
        (
            "sender=s1\nrecipient=trap@x",
            "reject trapped by honeypod",
            "plugin t: field `mine` is `OFF`, which means on: use on or off",
        ),
        (
            "sender=s2\nrecipient=trap@x",
            "reject trapped by honeypod",
            "",
        ),
        (
            "sender=s3\nstress=yes",
            "rejct x",
            "plugin s: field `mine` is `rejct x`, and Postfix may not know the action `rejct`: if it is no restriction",
        ),
        (
            "sender=s4\nstress=yes",
            "",
            "plugin s: field `mine` is ``, which Postfix takes for OK: this answers dunno",
        ),
        ("sender=s5\nstress=yes", "defer x", ""),
    ] {
        let told = explain(request);
        let answer = format!("\naction={expected}\n");
        assert!(told.ends_with(&answer), "{request}: {told}");
        assert!(told.contains(said), "{request}: {told}");
        let about = if request.contains("stress") {
            "plugin s: "
        } else {
            "plugin t: "
        };
        assert_eq!(told.contains(about), !said.is_empty(), "{request}: {told}");
    }
}

#[test]
fn a_mode_of_a_user_that_is_no_word_for_it_is_said_by_an_explanation_as_well() {
    let plugins = "<Plugin z>\nmodule=RBL\ndomain=list.invalid\nself_test=0\nuc_mode=mine\non_error=continue\n</Plugin>\n";
    let world = World::new(&chain(&["Reject"], plugins));
    let ended = world.run_with(
        &["--explain"],
        "request=smtpd_access_policy\nsender=s0\nclient_address=not-an-address\n\n",
    );
    let said = "plugin z: field `mine` is `Reject`, which means passive: use one of reject, accept, passive";
    assert!(ended.out.contains(said), "{ended:?}");
}

#[test]
fn a_parameter_that_no_field_overrides_is_unknown_with_uc_before_it() {
    for (module, key) in [
        ("Greylist", "uc_mode"),
        ("Honeypot", "uc_mode"),
        ("SPF", "uc_check_helo"),
    ] {
        let plugin = format!("<Plugin p>\nmodule={module}\n{key}=mine\n</Plugin>\n");
        let ended = World::new(&host(&plugin)).run(&["--check-config"]);
        let said = format!("warning: `{key}` means nothing in `p`");
        assert!(ended.err.contains(&said), "{ended:?}");
    }
}
