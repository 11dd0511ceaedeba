//! Groups, listeners and routes of files.

use super::faults;

use clap::CommandFactory;
use hapolicy::Arguments;
use policy_proxy::config::Config;

/// Three services, one of which no group lists, and two groups.
pub(super) const GOOD: &str = "\
[service.a]
address = \"127.0.0.1:1\"
[service.b]
address = \"127.0.0.1:2\"
[service.c]
address = \"127.0.0.1:3\"
[group.one]
services = \"a\"
deadline = \"7s\"
[group.two]
services = [\"b\"]
[listener.x]
address = \"inet:127.0.0.1:0\"
group = \"one\"
default = \"DEFER\"
[[route]]
policy_context = \"p\"
protocol_state = [\"rcpt\", \"END-OF-MESSAGE\"]
listener = \"x\"
group = \"two\"
";

/// The file with one part in the place of another one.
fn with(part: &str, other: &str) -> String {
    assert!(GOOD.contains(part), "{part}");
    GOOD.replace(part, other)
}

#[test]
fn each_fault_of_a_group_a_listener_or_a_route_is_said_with_what_was_meant() {
    for (text, expected) in [
        (GOOD.to_owned(), &[][..]),
        (
            with("services = \"a\"", "services = [\"a\", \"bee\"]"),
            &["8:18: error: unknown service `bee`: there is no [service.bee]"],
        ),
        (
            with("services = \"a\"", "services = [\"a\", \"b\"]"),
            &[
                "11:13: error: service `b` is in two groups, or twice in one: one service has one group (give it twice, \
               under two names: each has its own state and connections)",
            ],
        ),
        (
            with("services = \"a\"\n", ""),
            &["7:8: error: group `one` has no service: give `services`"],
        ),
        (
            with("deadline = \"7s\"", "deadlin = \"7s\""),
            &[
                "9:1: error: unknown key `deadlin` of group `one`: no key of a group (did you mean `deadline`?)",
            ],
        ),
        (
            with("deadline = \"7s\"", "deadline = 7"),
            &[
                "9:12: error: invalid `deadline` of group `one`: a duration needs a unit: 200ms, 10s, 2m, 1h",
            ],
        ),
        (
            with("deadline = \"7s\"", "workers = 2"),
            &[
                "9:1: error: unknown key `workers` of group `one`: no key of a group (`workers` stands at the top, \
               before all tables)",
            ],
        ),
        (
            with("group = \"two\"", "group = \"tow\""),
            &["20:9: error: unknown group `tow`: there is no [group.tow] (did you mean `two`?)"],
        ),
        (
            with("listener = \"x\"", "listener = [\"x\", \"xx\"]"),
            &["19:18: error: unknown listener `xx`: there is no [listener.xx]"],
        ),
        (
            with("\"rcpt\"", "\"rctp\""),
            &[
                "18:19: error: invalid `protocol_state` of route: no protocol state of Postfix (did you mean `RCPT`?)",
            ],
        ),
        (
            with("\"rcpt\", \"END-OF-MESSAGE\"", ""),
            &[
                "18:18: error: invalid `protocol_state` of route: an empty list takes no request: leave the key out to \
               take each one",
            ],
        ),
        (
            with("policy_context", "policy-context"),
            &[
                "17:1: error: unknown key `policy-context` of route: no key of a route (did you mean `policy_context`?)",
            ],
        ),
        (
            with("group = \"two\"\n", ""),
            &["error: invalid route: it has no `group`"],
        ),
        (
            with("address = \"inet:127.0.0.1:0\"\n", ""),
            &[
                "12:11: error: invalid listener `x`: it has no `address`, such as \"inet:127.0.0.1:10040\" or \
               \"unix:/path\"",
            ],
        ),
        (
            with("group = \"one\"", "group = \"onee\""),
            &["14:9: error: unknown group `onee`: there is no [group.onee] (did you mean `one`?)"],
        ),
        (
            with("[group.two]", "[group.\"t\\u0007\"]"),
            &["10:8: error: invalid group `t?`: a name has no control characters"],
        ),
        (
            "[[group]]\nname = \"a\"".to_owned(),
            &["error: `group` is no table (a group is a table: [group.NAME])"],
        ),
        (
            "route = 5".to_owned(),
            &[
                "1:9: error: `route` is no list of tables (routes are a list of tables: [[route]], with `group` in each)",
            ],
        ),
    ] {
        let found = faults(&text);
        for fault in expected {
            let is_found = found.iter().any(|line| line.contains(fault));
            assert!(is_found, "{fault}\n{text}\n{found:#?}");
        }
        assert!(
            !expected.is_empty() || found.is_empty(),
            "{text}\n{found:#?}"
        );
    }
}

#[test]
fn two_listeners_that_need_the_address_of_each_other_are_a_fault_at_the_second() {
    for (text, expected) in [
        (
            "listen = \"inet:127.0.0.1:7\"\nadmin = \"inet:127.0.0.1:8\"",
            None,
        ),
        (
            "listen = [\"inet:127.0.0.1:0\", \"inet:127.0.0.1:0\"]",
            None,
        ),
        (
            "listen = [\"inet:127.0.0.1:7\", \"127.0.0.1:7\"]",
            Some(
                "1:31: error: cannot listen at `127.0.0.1:7` as well: `inet:127.0.0.1:7` in F:1:11 has that address already",
            ),
        ),
        (
            "allow = \"192.0.2.0/24\"\nlisten = \"inet:0.0.0.0:7\"\nadmin = \"inet:127.0.0.1:7\"",
            Some(
                "3:9: error: cannot listen at `inet:127.0.0.1:7` as well: `inet:0.0.0.0:7` in F:2:10 has that address already",
            ),
        ),
        (
            "[listener.a]\naddress = \"unix:/run/a,mode=0660\"\n[listener.b]\naddress = \"unix:/run/a\"",
            Some(
                "4:11: error: cannot listen at `unix:/run/a` as well: `unix:/run/a,mode=0660` in F:2:11 has that address already",
            ),
        ),
        (
            "listen = \"unix:/run/a\"\ncontrol = \"unix:/run/c\"\nhandover = \"unix:/run/c\"",
            Some(
                "3:12: error: cannot listen at `unix:/run/c` as well: `unix:/run/c` in F:2:11 has that address already",
            ),
        ),
        (
            "[listener.a]\naddress = \"unix:/run/a\"\n[service.s]\naddress = \"unix:/run/a\"",
            None,
        ),
    ] {
        let found = faults(&format!("{text}\n"));
        assert_eq!(
            found.len(),
            usize::from(expected.is_some()),
            "{text}: {found:?}"
        );
        for (found, expected) in found.iter().zip(expected) {
            let (before, rest) = found.split_once(" in /").unwrap();
            let (_, after) = rest.split_once("/f:").unwrap();
            assert_eq!(format!("{before} in F:{after}"), expected);
        }
    }
}

#[test]
fn without_a_group_for_all_each_way_has_to_lead_somewhere() {
    // Without `c` all services have a group with a name.
    let text = GOOD.replace("[service.c]\naddress = \"127.0.0.1:3\"\n", "");
    assert_eq!(faults(&text), [""; 0], "the listener has its group");
    let without = text.replacen("group = \"one\"\n", "", 1);
    let said = "no route takes has no group: it may come here (give a last [[route]] with nothing but its `group`, \
                or a service that no group lists)";
    let found = faults(&without);
    assert!(found.len() == 1 && found[0].contains(said), "{found:?}");
    let plain = "listen = \"inet:127.0.0.1:0\"\n".to_owned() + &text;
    let found = faults(&plain);
    assert!(
        found.len() == 1 && found[0].starts_with("1:1: error: a request that"),
        "{found:?}"
    );
    for text in [&without, &plain] {
        let with_last = text.clone() + "[[route]]\ngroup = \"one\"\n";
        assert_eq!(faults(&with_last), [""; 0], "{with_last}");
    }
}

#[test]
fn what_can_never_be_used_is_warned_of() {
    let warnings = |text: &str| -> Vec<String> {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, text).unwrap();
        let warnings = Config::read(&path, Arguments::command())
            .unwrap()
            .warnings();
        warnings.into_iter().map(|(_, text)| text).collect()
    };
    assert_eq!(warnings(GOOD), [""; 0]);
    let routes = "[[route]]\nprotocol_state = \"RCPT\"\npolicy_context = \"p\"\nlistener = \"x\"\ngroup = \"one\"\n\
                  [[route]]\npolicy_context = \"p\"\ngroup = \"one\"\n";
    let unused = "[service.d]\naddress = \"127.0.0.1:4\"\n[group.three]\nservices = [\"d\"]\n";
    assert_eq!(
        warnings(&[GOOD, routes, unused].concat()),
        [
            "route 2 takes no request: route 1 takes all that it would",
            "group `three` gets no request: no route and no listener names it",
        ]
    );
}

#[test]
fn a_group_has_its_own_settings_in_the_place_of_those_at_the_top() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("f");
    let top = "deadline = \"20s\"\nkeep = \"5s\"\nretry = \"unsent\"\n";
    let of_one = "deadline = \"7s\"\nkeep = \"9s\"\ndefault = \"DEFER\"\n";
    std::fs::write(&path, top.to_owned() + &with("deadline = \"7s\"\n", of_one)).unwrap();
    let words = ["--config".into(), path.into_os_string()];
    let options = Arguments::parse(words, false).unwrap().options();
    let groups = options.groups.list.iter().map(|group| {
        let options = &group.options;
        let default = options.default.as_ref();
        let default = default.map(|default| default.as_bytes().to_vec());
        let times = (options.deadline.as_secs(), options.keep.unwrap().as_secs());
        let retry = format!("{:?}", options.retry);
        (
            group.name.as_str(),
            group.services.join(" "),
            times,
            default,
            retry,
        )
    });
    let groups: Vec<_> = groups.collect();
    let unsent = || "Unsent".to_owned();
    assert_eq!(
        groups,
        [
            (
                "one",
                "a".to_owned(),
                (7, 9),
                Some(b"DEFER".to_vec()),
                unsent()
            ),
            ("two", "b".to_owned(), (20, 5), None, unsent()),
            ("default", "c".to_owned(), (20, 5), None, unsent()),
        ]
    );
}

#[test]
fn each_fault_of_a_mirror_is_said() {
    for (line, expected) in [
        ("share = \"12.5%\"", ""),
        (
            "share = 10",
            "3:9: error: invalid `share` of mirror `m`: not a share from \"0.01%\" to \"100%\"",
        ),
        (
            "share = \"0%\"",
            "3:9: error: invalid `share` of mirror `m`: not a share from",
        ),
        (
            "share = \"100.01%\"",
            "3:9: error: invalid `share` of mirror `m`: not a share from",
        ),
        (
            "share = \"1.234%\"",
            "3:9: error: invalid `share` of mirror `m`: not a share from",
        ),
        (
            "shear = \"1%\"",
            "3:1: error: unknown key `shear` of mirror `m`: no key of a mirror (did you mean `share`?)",
        ),
        (
            "connections = 17",
            "3:15: error: invalid `connections` of mirror `m`: not 1 to 16",
        ),
        (
            "timeout = \"1ms\"",
            "3:11: error: invalid `timeout` of mirror `m`: not 100ms to 3600s",
        ),
        (
            "group = \"x\"",
            "3:9: error: unknown group `x`: there is no [group.x]",
        ),
    ] {
        let text = format!(
            "[mirror.m]\naddress = \"127.0.0.1:9\"\n{line}\n[service.a]\naddress = \"127.0.0.1:1\"\n"
        );
        let found = faults(&text).join("\n");
        assert!(found.starts_with(expected), "{line}: {found}");
        assert_eq!(found.is_empty(), expected.is_empty(), "{line}: {found}");
    }
    let without = faults("[mirror.m]\nshare = \"1%\"\n[service.a]\naddress = \"127.0.0.1:1\"\n");
    assert!(
        without[0].starts_with("1:9: error: invalid mirror `m`: it has no `address`"),
        "{without:?}"
    );
}
