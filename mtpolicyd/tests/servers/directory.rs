//! slapd.

use super::{
    support::directory,
    world::{Frame, World},
};

fn connections(port: u16) -> String {
    format!(
        "<Connection ldap>\nmodule=Ldap\nhost=127.0.0.1\nport={port}\nstarttls=0\nbinddn=\"cn=admin,dc=example\"\n\
        password={}\n</Connection>\n<Connection limits>\nmodule=Memory\n</Connection>\n",
        directory::PASSWORD
    )
}

/// What is in the directory may be read by its administrator only.
const BASE: &str = "basedn=\"dc=example\"\n";

#[tokio::test]
async fn attributes_of_the_only_entry_become_fields() {
    let server = directory::slapd("");
    for (name, parameters, request, field, expected) in [
        (
            "the first value of an attribute",
            "filter=(uid=%s)\nconfig_fields=\"sn, description\"",
            "sasl_username=alice",
            "description",
            Some("first of alice"),
        ),
        (
            "another attribute of the same entry",
            "filter=(uid=%s)\nconfig_fields=\"sn, description\"",
            "sasl_username=alice",
            "sn",
            Some("alice"),
        ),
        (
            "a name in another case keeps the parameter's",
            "filter=(uid=%s)\nconfig_fields=DESCRIPTION",
            "sasl_username=alice",
            "DESCRIPTION",
            Some("first of alice"),
        ),
        (
            "filter_field",
            "filter=(uid=%s)\nconfig_fields=sn\nfilter_field=sender",
            "sender=bob",
            "sn",
            Some("bob"),
        ),
        (
            "a value stays a value",
            "filter=(uid=%s)\nconfig_fields=sn",
            "sasl_username=*",
            "sn",
            None,
        ),
        (
            "a value of odd characters",
            "filter=(uid=%s)\nconfig_fields=sn",
            "sasl_username=o(d)d*",
            "sn",
            Some("o(d)d*"),
        ),
        (
            "no entry",
            "filter=(uid=%s)\nconfig_fields=sn",
            "sasl_username=nobody",
            "sn",
            None,
        ),
        (
            "several entries",
            "filter=(|(uid=%s)(uid=*))\nconfig_fields=sn",
            "sasl_username=alice",
            "sn",
            None,
        ),
        (
            "no value",
            "filter=(|(uid=%s)(cn=alice))\nconfig_fields=sn",
            "sasl_username=",
            "sn",
            None,
        ),
        (
            "an attribute that the entry lacks",
            "filter=(uid=%s)\nconfig_fields=mail",
            "sasl_username=alice",
            "mail",
            None,
        ),
        (
            "a percent sign is one",
            "filter=(|(uid=%s)(description=100%))\nconfig_fields=sn",
            "sasl_username=bob",
            "sn",
            Some("bob"),
        ),
    ] {
        let plugins = Frame::of("LdapUserConfig").plugins(&format!("{BASE}{parameters}"));
        let world = World::new(&connections(server.port()), &plugins);
        assert_eq!(world.ask(request).await, "ok", "{name}");
        assert_eq!(world.field("1", field).as_deref(), expected, "{name}");
    }
}

#[tokio::test]
async fn a_place_that_is_not_there_sets_nothing_and_a_server_that_is_away_fails() {
    let mut server = directory::slapd("");
    let plugins = Frame::of("LdapUserConfig")
        .plugins("basedn=\"dc=none\"\nfilter=(uid=%s)\nconfig_fields=sn");
    let world = World::new(&connections(server.port()), &plugins);
    assert_eq!(world.ask("sasl_username=alice").await, "ok");
    server.kill();
    let answer = world.ask("sasl_username=alice").await;
    assert!(
        answer.starts_with("closed: plugin p failed: ldap (ldap 127.0.0.1:"),
        "{answer}"
    );
}

#[tokio::test]
async fn the_connection_is_the_one_that_is_named_and_its_certificate_is_verified() {
    let server = directory::slapd("");
    let file = |name: &str| server.directory().join(name).display().to_string();
    for (tls, is_found) in [
        ("starttls=0".to_owned(), true),
        (format!("starttls=1\ncafile={}", file("ca.pem")), true),
        // StartTLS is the default, and never left out.
        (format!("cafile={}", file("other.pem")), false),
        (String::new(), false),
    ] {
        let named = connections(server.port())
            .replace("<Connection ldap>", "<Connection users>")
            .replace("starttls=0", &tls);
        let away =
            "<Connection ldap>\nmodule=Ldap\nhost=127.0.0.1\nport=1\nstarttls=0\n</Connection>\n";
        let parameters =
            format!("{BASE}ldap=users\nfilter=(uid=%s)\nconfig_fields=sn\non_error=continue");
        let plugins = Frame::of("LdapUserConfig").plugins(&parameters);
        let world = World::new(&(named + away), &plugins);
        assert_eq!(world.ask("sasl_username=alice").await, "ok");
        let found = world.field("1", "sn");
        assert_eq!(found.as_deref(), is_found.then_some("alice"), "{tls}");
    }
}

#[tokio::test]
async fn a_user_has_limits_in_a_directory() {
    let mut server = directory::slapd("");
    let plugins = Frame::of("Limit").plugins(
        "limits=1/1h\ncount_at=RCPT\naction=\"reject over\"\nlimits_ldap=ldap\nlimits_basedn=\"dc=example\"\n\
        limits_filter=(uid=%s)\nlimits_attribute=sn\n<Class alice>\nlimits=3/1h\n</Class>",
    );
    let world = World::new(&connections(server.port()), &plugins);
    for (user, expected) in [("alice", 3), ("nobody", 1), ("bob", 1)] {
        let mut passed = 0;
        for count in 0..4 {
            let request = format!("instance={user}{count} sasl_username={user}");
            passed += usize::from(world.ask(&request).await == "ok");
        }
        assert_eq!(passed, expected, "{user}");
    }
    // Without the directory the limits of everybody hold.
    server.kill();
    assert_eq!(world.ask("instance=c1 sasl_username=carol").await, "ok");
    assert_eq!(
        world.ask("instance=c2 sasl_username=carol").await,
        "reject over"
    );
}
