//! `Quota`.

use super::world::{Case, Frame};

/// The counters that the tests compare: of this month, and of the period `t`.
const SQL: &[&str] = &[
    "CREATE TABLE acct_sender (id INTEGER PRIMARY KEY, \"key\" TEXT, time TEXT, count INT, count_rcpt INT, \
    size INT, size_rcpt INT, UNIQUE (\"key\", time))",
    "INSERT INTO acct_sender VALUES \
    (1,'carol@acme.example',strftime('%Y-%m','now','localtime'),3,5,100,200), (2,'carol@acme.example','t',1,1,1,1)",
    "CREATE TABLE other_sender AS SELECT * FROM acct_sender",
    "UPDATE other_sender SET count=9",
    "CREATE TABLE acct_client_address AS SELECT id, '100.64.2.10' AS \"key\", time, 8 AS count, 8 AS count_rcpt, \
    8 AS size, 8 AS size_rcpt FROM acct_sender",
];

const FRAME: Frame<'static> = Frame {
    sql: SQL,
    ..Frame::of("Quota")
};

const EXCEEDED: &str = "defer smtp traffic quota has been exceeded";

#[tokio::test]
async fn each_parameter_says_what_is_compared() {
    let cases: &[Case<'_>] = &[
        (
            "metric=count, at the threshold",
            "field=sender\nmetric=count\nthreshold=3",
            &[("", EXCEEDED), ("sender=new@x", "ok")],
        ),
        (
            "metric=count, below the threshold",
            "field=sender\nmetric=count\nthreshold=4",
            &[("", "ok")],
        ),
        (
            "metric=count_rcpt",
            "field=sender\nmetric=count_rcpt\nthreshold=5",
            &[("", EXCEEDED)],
        ),
        (
            "metric=size",
            "field=sender\nmetric=size\nthreshold=101",
            &[("", "ok")],
        ),
        (
            "metric=size_rcpt",
            "field=sender\nmetric=size_rcpt\nthreshold=101",
            &[("", EXCEEDED)],
        ),
        (
            "field: another attribute, another table",
            "field=client_address\nmetric=count\nthreshold=8",
            &[("", EXCEEDED)],
        ),
        (
            "field: one that is absent or blank is not compared",
            "field=sasl_username\nmetric=count\nthreshold=0",
            &[
                ("", "ok"),
                ("sasl_username=+", "ok"),
                ("sasl_username=(absent)", "ok"),
            ],
        ),
        (
            "threshold=0: also a value that was never counted",
            "field=sender\nmetric=count\nthreshold=0",
            &[("sender=new@x", EXCEEDED)],
        ),
        (
            "action",
            "field=sender\nmetric=count\nthreshold=3\naction=\"reject enough\"",
            &[("", "reject enough")],
        ),
        (
            "time_pattern",
            "field=sender\nmetric=count\nthreshold=2\ntime_pattern=t",
            &[("", "ok")],
        ),
        (
            "table_prefix",
            "field=sender\nmetric=count\nthreshold=9\ntable_prefix=other_",
            &[("", EXCEEDED)],
        ),
        (
            "enabled=off",
            "field=sender\nmetric=count\nthreshold=0\nenabled=off",
            &[("", "ok")],
        ),
        (
            "a table that is missing is made, and holds nothing",
            "field=recipient\nmetric=count\nthreshold=1",
            &[("", "ok")],
        ),
        (
            "a nested chain, where no action is given",
            "field=sender\nmetric=count\nthreshold=3\n<Plugin n>\nmodule=Action\naction=\"defer nested\"\n</Plugin>",
            &[("", "defer nested"), ("sender=new@x", "ok")],
        ),
    ];
    FRAME.check(cases).await;
}

#[tokio::test]
async fn a_user_may_have_other_parameters() {
    let set = |key: &str, value: &str| {
        format!("<Plugin s>\nmodule=SetField\nkey={key}\nvalue=\"{value}\"\n</Plugin>")
    };
    for (key, value, answer) in [
        ("enabled", "off", "ok"),
        ("field", "client_address", EXCEEDED),
        ("field", "no_such", "ok"),
        ("metric", "size", EXCEEDED),
        (
            "metric",
            "id",
            "closed: plugin p failed: there is no metric `id`",
        ),
        ("threshold", "3", EXCEEDED),
        ("threshold", "3.5", "ok"),
        ("action", "reject mine", "ok"),
    ] {
        let before = set("mine", value);
        let frame = Frame {
            before: &before,
            ..FRAME
        };
        let parameters = format!("field=sender\nmetric=count\nthreshold=8\nuc_{key}=mine");
        let answered = frame.world(&parameters).await.ask("").await;
        assert_eq!(answered, answer, "{key}={value}");
    }
    let before = set("mine", "reject mine");
    let frame = Frame {
        before: &before,
        ..FRAME
    };
    let parameters = "field=sender\nmetric=count\nthreshold=1\nuc_action=mine";
    assert_eq!(frame.world(parameters).await.ask("").await, "reject mine");
}

#[tokio::test]
async fn a_name_from_a_user_cannot_leave_its_quotes() {
    let before = "<Plugin s>\nmodule=SetField\nkey=mine\nvalue='x\"; --'\n</Plugin>";
    let frame = Frame { before, ..FRAME };
    let world = frame
        .world("field=sender\nmetric=count\nthreshold=0\nuc_field=mine")
        .await;
    // No attribute has such a name, so that nothing is looked up.
    assert_eq!(world.ask("").await, "ok");
}

#[tokio::test]
async fn what_accounting_counts_blocks_at_the_threshold() {
    let frame = Frame {
        behind: "<Plugin acct>\nmodule=Accounting\nfields=sender\n</Plugin>",
        ..Frame::of("Quota")
    };
    let cases: &[Case<'_>] = &[
        (
            "count",
            "field=sender\nmetric=count\nthreshold=2",
            &[
                ("instance=1", "ok"),
                ("instance=2", "ok"),
                ("instance=3", EXCEEDED),
                ("instance=4 sender=b@x", "ok"),
            ],
        ),
        (
            "size",
            "field=sender\nmetric=size\nthreshold=50000",
            &[("instance=1 size=50000", "ok"), ("instance=2", EXCEEDED)],
        ),
    ];
    frame.check(cases).await;
}

#[test]
fn what_cannot_work_is_said_when_the_configuration_is_read() {
    let good = "field=sender\nmetric=count\nthreshold=1";
    for (parameters, compat, findings) in [
        (
            "",
            false,
            &[
                "error: `field` is missing in `p`",
                "error: `metric` is missing in `p`",
                "error: `threshold` is missing in `p`",
                "error: `acct_` is no name of a table: letters, digits, `_`, `-` and `.`",
            ][..],
        ),
        (
            "field=sender\nmetric=id\nthreshold=1",
            false,
            &["error: `metric` is `id`, but one of count, count_rcpt, size, size_rcpt is wanted"],
        ),
        (
            "field=sender\nmetric=count\nthreshold=1.5",
            false,
            &["error: `threshold` is `1.5`, but a whole number is wanted"],
        ),
        (
            &format!("{good}\naction=x\n<Plugin n>\nmodule=Action\naction=dunno\n</Plugin>"),
            false,
            &[
                "warning: the nested chain never runs, since `action` comes first",
                "warning: Postfix may not know the action `x`: if it is no restriction of yours, mail is answered 451 4.3.5",
            ],
        ),
        (
            &format!("{good}\n<Plugin n>\nmodule=Action\naction=dunno\n</Plugin>"),
            true,
            &["warning: the nested chain never runs, since `action` comes first"],
        ),
    ] {
        let mut found = FRAME.findings(parameters, compat);
        found.sort();
        let mut expected = findings.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{parameters}");
    }
}
