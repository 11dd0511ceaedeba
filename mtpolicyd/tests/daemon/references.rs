//! Parameters that name another plugin: the check says which ones find nothing.

use super::world::World;

const SPF: &str = "<Plugin spf>\nmodule=SPF\n</Plugin>\n";
const RBL: &str = "<Plugin zen>\nmodule=RBL\ndomain=zen.example\n</Plugin>\n";
const GEO: &str = "<Plugin geo>\nmodule=GeoIPLookup\ndatabase=@TMP@/geo.mmdb\n</Plugin>\n";
const ACT: &str = "<Plugin act>\nmodule=RBLAction\nresult_from=zen\nre_match=^127\n</Plugin>\n";
const SESSIONS: &str = "<SessionCache>\nmodule=Memory\n</SessionCache>\n";

fn hosts(chains: &[&str]) -> String {
    let mut text = "vhost_by_policy_context = 1\nport = PORT\n".to_owned();
    for (number, chain) in chains.iter().enumerate() {
        text += &format!("<VirtualHost PORT>\nname=host{number}\n{chain}</VirtualHost>\n");
    }
    text
}

fn greylist(parameter: &str) -> String {
    format!(
        "<Plugin grey>\nmodule=Greylist\nuse_autowl=0\n{parameter}\n<Ticket>\nmodule=Memory\n</Ticket>\n</Plugin>\n"
    )
}

fn warnings(config: &str) -> Vec<String> {
    let world = World::new(config);
    let ended = world.run(&["--check-config"]);
    let strict = world.run(&["--check-config", "--strict"]);
    let warnings: Vec<String> = ended
        .err
        .lines()
        .map(|line| {
            let (place, text) = line.split_once(": warning: ").expect(line);
            let line = place.rsplit(':').nth(1).unwrap();
            format!("{line}: {text}")
        })
        .collect();
    assert_eq!(ended.code, Some(0), "{config}{ended:?}");
    let status = if warnings.is_empty() { 0 } else { 78 };
    assert_eq!(strict.code, Some(status), "{config}{strict:?}");
    warnings
}

#[test]
fn a_result_of_a_plugin_that_is_there_before_is_found() {
    let nested = format!("<Plugin c>\nmodule=Condition\nkey=sender\n{RBL}</Plugin>\n{ACT}");
    let inner = ACT.replace("<Plugin act>", "<Plugin inner>");
    let in_nested = format!("{RBL}<Plugin c>\nmodule=Condition\nkey=sender\n{inner}</Plugin>\n");
    let bypass = format!("{SPF}{RBL}{}", greylist("bypass_spf=spf\nbypass_list=zen"));
    for chain in [&format!("{RBL}{ACT}"), &nested, &in_nested, &bypass] {
        assert_eq!(warnings(&hosts(&[chain])), [""; 0], "{chain}");
    }
}

#[test]
fn a_name_that_no_plugin_has_or_one_of_another_module_is_said() {
    let geo_action =
        "<Plugin act>\nmodule=GeoIPAction\nresult_from=geo-x\ncountry_codes=DE\n</Plugin>\n";
    for (chain, expected) in [
        (
            ACT.to_owned(),
            "7: `result_from` names `zen`: there is no <Plugin zen> with the module RBL",
        ),
        (
            format!("{RBL}{}", ACT.replace("result_from=zen", "result_from=zne")),
            "11: `result_from` names `zne`: there is no <Plugin zne> with the module RBL: there are zen",
        ),
        (
            format!(
                "{}{}",
                RBL.replace("zen>", "spamhaus>"),
                ACT.replace("result_from=zen", "result_from=spamhause")
            ),
            "11: `result_from` names `spamhause`: there is no <Plugin spamhause> with the module RBL: did you mean `spamhaus`?",
        ),
        (
            format!("{SPF}{}", ACT.replace("result_from=zen", "result_from=spf")),
            "10: `result_from` names `spf`: that plugin has the module SPF, but one with RBL is wanted",
        ),
        (
            geo_action.to_owned(),
            "7: `result_from` names `geo-x`: there is no <Plugin geo-x> with the module GeoIPLookup",
        ),
        (
            format!("{SPF}{}", greylist("bypass_spf=spf, other")),
            "11: `bypass_spf` names `other`: there is no <Plugin other> with the module SPF: there are spf",
        ),
        (
            greylist("bypass_list=zen"),
            "8: `bypass_list` names `zen`: there is no <Plugin zen> with the module RBL",
        ),
    ] {
        assert_eq!(warnings(&hosts(&[&chain])), [expected], "{chain}");
    }
}

#[test]
fn a_plugin_that_has_its_turn_later_or_in_another_virtual_host_is_said() {
    let later = "that plugin has its turn after this one, which finds no result then: put <Plugin zen> before it";
    let expected = format!("7: `result_from` names `zen`: {later}");
    assert_eq!(warnings(&hosts(&[&format!("{ACT}{RBL}")])), [expected]);
    let itself = format!("<Plugin c>\nmodule=Condition\nkey=sender\n{ACT}{RBL}</Plugin>\n");
    let expected = format!("10: `result_from` names `zen`: {later}");
    assert_eq!(warnings(&hosts(&[&itself])), [expected]);
    let apart = hosts(&[RBL, ACT]);
    let expected = "14: `result_from` names `zen`: that plugin is in another virtual host, and without a <SessionCache> \
        its result is not seen here";
    assert_eq!(warnings(&apart), [expected]);
    // The session of a mail is that of all virtual hosts.
    assert_eq!(warnings(&format!("{SESSIONS}{apart}")), [""; 0]);
    // A file that is not there is another matter.
    let geo = hosts(&[&format!(
        "{GEO}<Plugin act>\nmodule=GeoIPAction\nresult_from=geo\ncountry_codes=DE\n</Plugin>\n"
    )]);
    let said = World::new(&geo).run(&["--check-config"]).err;
    assert!(!said.contains("result_from"), "{said}");
}
