//! `SqlUserConfig`.

use super::world::Frame;

const FRAME: Frame<'static> = Frame {
    sql: &[
        "CREATE TABLE user_config (address TEXT, config TEXT)",
        r#"INSERT INTO user_config VALUES ('dave@ours.example','{"policy":"strict","n":3,"yes":true,"no":null,"l":[1]}'),
        ('bad@ours.example','{not json'), ('list@ours.example','[1]'), ('null@ours.example',NULL), ('sasl','{"policy":"mild"}')"#,
    ],
    ..Frame::of("SqlUserConfig")
};

#[tokio::test]
async fn each_parameter_says_whose_fields_are_set() {
    for (name, parameters, request, field, expected) in [
        ("a text", "", "", "policy", Some("strict")),
        ("a number", "", "", "n", Some("3")),
        ("true", "", "", "yes", Some("1")),
        ("no value", "", "", "no", None),
        ("a list", "", "", "l", None),
        ("no row", "", "recipient=other@ours.example", "policy", None),
        ("no JSON", "", "recipient=bad@ours.example", "policy", None),
        (
            "no object",
            "",
            "recipient=list@ours.example",
            "policy",
            None,
        ),
        (
            "a row without a value",
            "",
            "recipient=null@ours.example",
            "policy",
            None,
        ),
        ("an empty attribute", "", "recipient=", "policy", None),
        (
            "an absent attribute",
            "",
            "recipient=(absent)",
            "policy",
            None,
        ),
        (
            "field",
            "field=sasl_username",
            "sasl_username=sasl",
            "policy",
            Some("mild"),
        ),
        (
            "sql_query",
            "sql_query=\"SELECT '{\\\"policy\\\":1}' WHERE ? != ''\"",
            "",
            "policy",
            Some("1"),
        ),
        (
            "a query that is refused",
            "sql_query=\"SELECT ? FROM nowhere\"",
            "",
            "policy",
            None,
        ),
    ] {
        let world = FRAME.world(parameters).await;
        assert_eq!(world.ask(request).await, "ok", "{name}");
        assert_eq!(world.field("1", field).as_deref(), expected, "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_names_the_plugin_and_the_user() {
    for (query, reason) in [
        ("SELECT '{' WHERE ?=?1", "no JSON object: EOF"),
        ("SELECT '[1]' WHERE ?=?1", "no JSON object: invalid type"),
        ("SELECT ? FROM nowhere", "db (sqlite /"),
    ] {
        let world = FRAME.world(&format!("sql_query=\"{query}\"")).await;
        assert_eq!(world.ask("recipient=bob@x").await, "ok");
        let said = format!("plugin p: unable to retrieve user-config of recipient=bob@x: {reason}");
        let log = world.log();
        assert!(log.contains(&said), "{said}: {log}");
    }
}

#[tokio::test]
async fn what_a_user_has_set_is_a_parameter_of_other_plugins() {
    let frame = Frame {
        behind: "<Plugin c>\nmodule=Condition\nkey=s:policy\nmatch=strict\naction=\"reject strict\"\n</Plugin>",
        ..FRAME
    };
    frame
        .check(&[(
            "a field",
            "",
            &[
                ("instance=1", "reject strict"),
                ("instance=2 recipient=x@y", "ok"),
            ],
        )])
        .await;
}

#[test]
fn what_cannot_work_is_said_when_the_configuration_is_read() {
    let found = FRAME.findings("db=limits", false);
    assert_eq!(
        found,
        ["error: there is no <Connection limits> with a module Sql"]
    );
}
