//! The start of both programs with each configuration that the original refuses, and with those that it takes although each
//! request will fail.

use std::{
    fs,
    net::TcpStream,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use policy_testing::{port::Port, process::Process};

use crate::run::{Manner, PERL};

/// What comes of a start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Start {
    /// It serves.
    Serves,
    /// It ends with a status other than 0, and says this.
    Ends(&'static str),
}
use Start::{Ends, Serves};

/// The configuration; what the original says, and what ours says.
const CASES: &[(&str, Start, Start)] = &[
    (
        "",
        Ends("no virtual hosts configured"),
        Ends("no virtual hosts configured"),
    ),
    (
        "<VirtualHost PORT>\nname=v\n</VirtualHost>\n",
        Ends("Plugin"),
        Ends("no <Plugin> defined"),
    ),
    (
        "<VirtualHost PORT>\nPLUGIN\n</VirtualHost>\n",
        Ends("name"),
        Ends("`name` is missing"),
    ),
    (
        "HOST=<Plugin p>\naction=ok\n</Plugin>\n",
        Ends("module"),
        Ends("`module` is missing"),
    ),
    (
        "HOST=<Plugin p>\nmodule=Nothing\n</Plugin>\n",
        Ends("Nothing"),
        Ends("there is no module `Nothing`"),
    ),
    (
        "HOST=<Plugin p>\nmodule=action\naction=ok\n</Plugin>\n",
        Ends("action"),
        Ends("did you mean Action?"),
    ),
    (
        "HOST=<Plugin p>\nmodule=Action\n</Plugin>\n",
        Ends("action"),
        Ends("`action` is missing"),
    ),
    (
        "HOST=<Plugin p>\nmodule=Condition\n</Plugin>\n",
        Ends("key"),
        Ends("`key` is missing"),
    ),
    (
        "HOST=<Plugin p>\nmodule=Condition\nkey=a\nscore=many\n</Plugin>\n",
        Ends("score"),
        Ends("a number is wanted"),
    ),
    (
        "HOST=<Plugin p>\nmodule=Condition\nkey=a\ngt_match=many\n</Plugin>\n",
        Ends("gt_match"),
        Ends("a number is wanted"),
    ),
    (
        "HOST=<Plugin p>\nmodule=Condition\nkey=a\nlt_match=many\n</Plugin>\n",
        Ends("lt_match"),
        Ends("a number is wanted"),
    ),
    (
        "HOST=<Plugin p>\nmodule=Condition\nkey=a\ninvert=yes\n</Plugin>\n",
        Ends("invert"),
        Ends("1 or 0 is wanted"),
    ),
    (
        "HOST=<Plugin p>\nmodule=Condition\nkey=a\nre_match=(\n</Plugin>\n",
        Serves,
        Ends("is no regular expression"),
    ),
    (
        "HOST=<Plugin p>\nmodule=RegexList\n</Plugin>\n",
        Ends("key"),
        Ends("`key` is missing"),
    ),
    (
        "HOST=<Plugin p>\nmodule=RegexList\nkey=a\nfile=/nowhere\n</Plugin>\n",
        Serves,
        Ends("/nowhere"),
    ),
    (
        "HOST=<Plugin p>\nmodule=ScoreAction\n</Plugin>\n",
        Ends("threshold"),
        Ends("`threshold` is missing"),
    ),
    (
        "HOST=<Plugin p>\nmodule=ScoreAction\nthreshold=x\n</Plugin>\n",
        Ends("threshold"),
        Ends("a number is wanted"),
    ),
    (
        "HOST=<Plugin p>\nmodule=AddScoreHeader\nspam_score=x\n</Plugin>\n",
        Ends("spam_score"),
        Ends("a number is wanted"),
    ),
    (
        "HOST=<Plugin p>\nmodule=SetField\nkey=a\n</Plugin>\n",
        Ends("value"),
        Ends("`value` is missing"),
    ),
    (
        "HOST=<Plugin p>\nmodule=SetField\nvalue=a\n</Plugin>\n",
        Ends("key"),
        Ends("`key` is missing"),
    ),
    (
        "HOST=<Plugin p>\nmodule=Eval\n</Plugin>\n",
        Ends("store_in"),
        Ends("`store_in` is missing"),
    ),
    (
        "HOST=<Plugin p>\nmodule=RBL\n</Plugin>\n",
        Ends("domain"),
        Ends("`domain` is missing"),
    ),
    (
        "HOST=<Plugin p>\nmodule=RBL\ndomain=a\nscore=x\n</Plugin>\n",
        Ends("score"),
        Ends("`score`"),
    ),
    (
        "HOST=<Plugin p>\nmodule=DBL\n</Plugin>\n",
        Ends("domain"),
        Ends("`domain` is missing"),
    ),
    (
        "HOST=<Plugin p>\nmodule=RBLAction\nre_match=.\n</Plugin>\n",
        Ends("result_from"),
        Ends("`result_from` is missing"),
    ),
    (
        "HOST=<Plugin p>\nmodule=RBLAction\nresult_from=a\n</Plugin>\n",
        Ends("re_match"),
        Ends("`re_match` is missing"),
    ),
    (
        "HOST=<Plugin p>\nmodule=GeoIPAction\ncountry_codes=DE\n</Plugin>\n",
        Ends("result_from"),
        Ends("`result_from` is missing"),
    ),
    (
        "HOST=<Plugin p>\nmodule=GeoIPAction\nresult_from=a\n</Plugin>\n",
        Ends("country_codes"),
        Ends("`country_codes` is missing"),
    ),
    (
        "HOST=<Plugin p>\nmodule=SPF\nfail_score=x\n</Plugin>\n",
        Ends("fail_score"),
        Ends("a number is wanted"),
    ),
    (
        "HOST=<Plugin p>\nmodule=SPF\nmax_void_dns_lookups=x\n</Plugin>\n",
        Ends("max_void_dns_lookups"),
        Ends("number is wanted"),
    ),
    (
        "HOST=<Plugin p>\nmodule=PostfixMap\n</Plugin>\n",
        Ends("db_file"),
        Ends("`db_file` is missing"),
    ),
    (
        "HOST=<Plugin p>\nmodule=Accounting\n</Plugin>\n",
        Ends("fields"),
        Ends("`fields` is missing"),
    ),
    (
        "HOST=<Plugin p>\nmodule=SqlList\n</Plugin>\n",
        Ends("db"),
        Ends("there is no <Connection db>"),
    ),
    (
        "HOST=<Plugin p>\nmodule=LdapUserConfig\nfilter=a\nconfig_fields=b\n</Plugin>\n",
        Ends("ldap"),
        Ends("there is no <Connection ldap>"),
    ),
    (
        "HOST=<Plugin p>\nmodule=Greylist\n</Plugin>\n",
        Ends("no connection db"),
        Ends("there is no <Connection memcached>"),
    ),
    (
        "HOST=<Plugin p>\nmodule=Proxy\n</Plugin>\n",
        Serves,
        Ends("host"),
    ),
    (
        "HOST=<Plugin p>\nmodule=SMTPVerify\n</Plugin>\n",
        Ends("SMTP"),
        Serves,
    ),
    (
        "<Connection c>\nmodule=Oracle\n</Connection>\nHOST=PLUGIN",
        Ends("Oracle"),
        Ends("there is no module `Oracle`"),
    ),
    (
        "<Connection c>\ndsn=x\n</Connection>\nHOST=PLUGIN",
        Ends("module"),
        Ends("`module` is missing"),
    ),
    (
        "<Connection c>\nmodule=Sql\n</Connection>\nHOST=PLUGIN",
        Ends("dsn"),
        Ends("`dsn` is missing"),
    ),
    (
        "<SessionCache>\nmodule=Disk\n</SessionCache>\nHOST=PLUGIN",
        Serves,
        Ends("there is no module `Disk`"),
    ),
    (
        "<SessionCache>\nmodule=Redis\n</SessionCache>\nHOST=PLUGIN",
        Serves,
        Ends("there is no <Connection redis>"),
    ),
    (
        "<SessionCache>\nmodule=Memcached\n</SessionCache>\nHOST=PLUGIN",
        Serves,
        Ends("there is no <Connection memcached>"),
    ),
    (
        "<SessionCache>\nmodule=None\n</SessionCache>\nHOST=PLUGIN",
        Serves,
        Serves,
    ),
    (
        "a = 1\na = 2\nHOST=PLUGIN",
        Ends("occurs more than once"),
        Ends("occurs more than once"),
    ),
    ("HOST=PLUGIN<P x>\n", Ends("EndBlock"), Ends("EndBlock")),
    (
        "<<include nothing.conf>>\nHOST=PLUGIN",
        Ends("nothing.conf"),
        Ends("nothing.conf"),
    ),
    (
        "HOST=<Plugin o>\nmodule=Condition\nkey=a\n<Plugin p>\nmodule=Nothing\n</Plugin>\n</Plugin>\n",
        Serves,
        Ends("there is no module `Nothing`"),
    ),
];

#[test]
fn both_refuse_the_same_and_ours_more() {
    let mut differences = Vec::new();
    for (config, original, ours) in CASES {
        for manner in Manner::all() {
            let expected = if manner == Manner::Original {
                original
            } else {
                ours
            };
            let found = start(config, manner);
            let is_expected = match (&found, expected) {
                (Ok(()), Serves) => true,
                (Err(text), Ends(part)) => text.contains(part),
                _ => false,
            };
            if !is_expected {
                differences.push(format!(
                    "{manner:?} {config}\n{found:?} and not {expected:?}"
                ));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Whether it serves, or what it says.
fn start(config: &str, manner: Manner) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let port = Port::any();
    let config = expand(config).replace("PORT", &port.number().to_string());
    let path = directory.path().join("mt.conf");
    let listen = format!("port = 127.0.0.1:{}\n", port.number());
    fs::write(&path, listen + &config).unwrap();
    let mut process = Process::of(command(&path, manner).process_group(0));
    loop {
        if TcpStream::connect(("127.0.0.1", port.number())).is_ok() {
            // Children of the original would go on without it.
            process.kill_group();
            return Ok(());
        }
        if !process.is_running() {
            let ended = process.end();
            assert_ne!(ended.code, Some(0), "{ended:?}");
            return Err(ended.err);
        }
        sleep(Duration::from_millis(10));
    }
}

/// `HOST=` is a virtual host around what follows, up to a block that it does not have.
fn expand(config: &str) -> String {
    let config = config.replace(
        "PLUGIN",
        "<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n",
    );
    match config.split_once("HOST=") {
        Some((before, plugins)) => {
            format!("{before}<VirtualHost PORT>\nname=v\n{plugins}</VirtualHost>\n")
        }
        None => config,
    }
}

fn command(path: &Path, manner: Manner) -> Command {
    let ours = env!("CARGO_BIN_EXE_mtpolicyd");
    let program = if manner == Manner::Original {
        PERL
    } else {
        ours
    };
    let mut command = Command::new(program);
    command.arg("-f").arg("-c").arg(path).stdin(Stdio::null());
    command.args((manner == Manner::Compat).then_some("--compat"));
    command
}
