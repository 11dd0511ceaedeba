//! The command line: each option under each of its names, and what it does.

use std::{fs, os::unix::fs::PermissionsExt};

use mtpolicyd::args::Args;
use policy_store::{Sql as _, Sqlite, SqliteOptions, Value};
use policy_testing::process::{Process, Signal, as_user, copy_program};

use super::world::{PROGRAM, World, host};

const REJECT: &str = "<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n";

#[test]
fn the_command_line_is_the_originals() {
    let world = World::new(&host("<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n"));
    for words in [["-h"], ["--help"], ["--he"]] {
        let help = world.run(&words);
        assert_eq!(help.code, Some(0));
        let begin = "mtpolicyd [-h|--help] [-c|--config=<file>] [-f|--foreground]";
        assert!(help.out.starts_with(begin), "{help:?}");
    }
    let version = format!("mtpolicyd {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(world.run(&["--version"]).out, version);
    for words in [&["-d"][..], &["--dump_config"], &["--dump_vhosts"]] {
        let dumped = world.run(words);
        let expected = format!(
            "----- Virtual Hosts -----\n{} (test)\n  a (Action)\n",
            world.port.number()
        );
        assert_eq!((dumped.code, dumped.out), (Some(0), expected));
    }
    let unknown = world.run(&["--no-such-option", "-d"]);
    assert_eq!(
        (unknown.code, unknown.err.as_str()),
        (Some(0), "Unknown option: no-such-option\n")
    );
}

#[test]
fn the_configuration_is_the_one_that_is_named_or_that_of_the_package() {
    let usual = Args::parse(Vec::new()).config();
    assert_eq!(usual.as_os_str(), "/etc/mtpolicyd/mtpolicyd.conf");
    for (words, status) in [
        (&["-f", "-c", "/nonexistent"][..], 1),
        (&["-f", "--config=/nonexistent"], 1),
        (&["-f", "--config", "/nonexistent"], 1),
        (&["-d", "-c", "/nonexistent"], 1),
        (&["--check-config", "-c", "/nonexistent"], 78),
    ] {
        let ended = Process::start(PROGRAM, words).end();
        let said = "configuration file /nonexistent does not exist!\n";
        assert_eq!(
            (ended.code, ended.err.as_str()),
            (Some(status), said),
            "{words:?}"
        );
    }
}

#[test]
fn why_a_file_cannot_be_read_is_said() {
    let world = World::new(&host(REJECT));
    let directory = world.directory.path().display().to_string();
    let file = world.path("mt.conf").display().to_string();
    for (path, reason) in [
        (directory, "is a directory"),
        ("/dev/null".to_owned(), "is no plain file"),
        (
            format!("{file}/x"),
            "cannot be read: Not a directory (os error 20)",
        ),
        (format!("{file}x"), "does not exist"),
    ] {
        for (words, status) in [(&["-f"][..], 1), (&["--check-config"], 78)] {
            let ended = Process::start(PROGRAM, &[words, &["-c", &path]].concat()).end();
            let said = format!("configuration file {path} {reason}!\n");
            assert_eq!((ended.code, ended.err), (Some(status), said), "{words:?}");
        }
    }
}

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn that_a_file_may_not_be_read_is_said() {
    let world = World::new(&host(REJECT));
    let everybody = fs::Permissions::from_mode(0o755);
    fs::set_permissions(world.directory.path(), everybody).unwrap();
    fs::set_permissions(world.path("mt.conf"), fs::Permissions::from_mode(0o600)).unwrap();
    let path = world.path("mt.conf").display().to_string();
    let program = world.path("mtpolicyd");
    copy_program(PROGRAM, &program);
    let program = program.to_str().unwrap();
    let ended = as_user(65_534, || {
        Process::start(program, &["-d", "-c", &path]).end()
    });
    let said =
        format!("configuration file {path} cannot be read: Permission denied (os error 13)!\n");
    assert_eq!((ended.code, ended.err), (Some(1), said));
}

#[test]
fn a_value_that_is_missing_and_a_task_that_is_none_end_it() {
    let world = World::new(&host(REJECT));
    let path = world.path("mt.conf").display().to_string();
    for (words, status, said) in [
        (&["-f", "-c"][..], 64, "Option c requires an argument"),
        (
            &["-c", "--check-config"],
            64,
            "Option c requires an argument",
        ),
        (&["-t"], 64, "Option t requires an argument"),
        (&["--cron="], 64, "Option cron requires an argument"),
        (
            &["-f", "-c", &path, "--admin"],
            64,
            "Option admin requires an argument",
        ),
        (
            &["-c", &path, "limits"],
            64,
            "limits: use `limits show KEY` or `limits reset KEY`",
        ),
        (
            &["-c", &path, "limits", "show"],
            64,
            "limits: use `limits show KEY`",
        ),
        (
            &["--compat", "limits", "reset"],
            64,
            "limits: use `limits show KEY`",
        ),
        (
            &["-c", &path, "limits", "list", "x"],
            64,
            "limits: use `limits show KEY`",
        ),
        (
            &["-c", &path, "-t", "hourly,bogus"],
            1,
            "mtpolicyd: `bogus` is no task: use one of hourly, daily, weekly, monthly",
        ),
        // As the original.
        (&["-c", &path, "--compat", "-t", "bogus"], 0, ""),
        (
            &["-d", "-c", &path, "--compat", "-l"],
            0,
            "Option l requires an argument",
        ),
        (
            &["-c", &path, "--dump_config=x", "-d"],
            0,
            "Option dump_config does not take an argument",
        ),
    ] {
        let ended = Process::start(PROGRAM, words).end();
        assert_eq!(ended.code, Some(status), "{words:?}: {ended:?}");
        assert!(ended.err.starts_with(said), "{words:?}: {ended:?}");
        if status == 64 {
            let hint = "mtpolicyd: mtpolicyd --help shows how to use it\n";
            assert!(
                ended.err.ends_with(hint) && ended.out.is_empty(),
                "{ended:?}"
            );
        }
    }
}

#[test]
fn the_level_of_the_command_line_counts_before_that_of_the_file() {
    for (of_file, words, is_logged) in [
        (0, &["-f"][..], false),
        (1, &["--foreground"], true),
        (0, &["-f", "-l", "1"], true),
        (0, &["-f", "--loglevel=1"], true),
        // 0 is none.
        (1, &["-f", "-l", "0"], true),
    ] {
        let world = World::new(&format!("log_level = {of_file}\n{}", host(REJECT)));
        let process = world.start(words);
        assert!(process.err.wait_lines(1, "listening on "));
        assert!(world.ask("instance=7").is_some());
        process.signal(Signal::TERM);
        let log = process.end().err;
        let found = log.contains("test: instance=7, ");
        assert_eq!(found, is_logged, "{of_file} {words:?}: {log}");
    }
}

#[test]
fn a_file_is_shown_as_the_original_s_parser_reads_it() {
    let world = World::new("a = 1\n<P x>\n  b = \"c d\"\n</P>\n");
    let path = world.path("mt.conf").display().to_string();
    let parsed = Process::start(PROGRAM, &["--parse-config", &path]).end();
    let found: serde_json::Value = serde_json::from_str(&parsed.out).unwrap();
    let expected = serde_json::json!([
        ["P", {"block": [["x", {"block": [["b", "c d"]]}]]}],
        ["a", "1"]
    ]);
    assert_eq!((parsed.code, found), (Some(0), expected));
}

#[test]
fn scheduled_work_is_done_at_its_time_and_a_failure_is_the_status() {
    let greylist = |name: &str| {
        format!(
            "<Plugin {name}>\nmodule=Greylist\nautowl_table={name}\n<Ticket>\nmodule=Memory\n</Ticket>\n</Plugin>\n"
        )
    };
    let nested = format!(
        "<Plugin c>\nmodule=Condition\nkey=sender\nmatch=a@x\n{}</Plugin>\n",
        greylist("inner")
    );
    let config = |path: &str| {
        let database =
            format!("<Connection db>\nmodule=Sql\ndsn=dbi:SQLite:dbname={path}\n</Connection>\n");
        database + &host(&(greylist("outer") + &nested))
    };
    let world = World::new(&config("@TMP@/db.sqlite"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let clients = || {
        runtime.block_on(async {
            let file = Sqlite::open(SqliteOptions::new(world.path("db.sqlite"))).await;
            let file = file.unwrap();
            let mut all = Vec::new();
            for table in ["outer", "inner"] {
                let query = format!("SELECT client_ip FROM \"{table}\" ORDER BY client_ip");
                let rows = file.rows(&query, &[]).await.unwrap();
                all.extend(rows.into_iter().flatten());
            }
            all
        })
    };
    runtime.block_on(async {
        let file = Sqlite::open(SqliteOptions::new(world.path("db.sqlite"))).await;
        let file = file.unwrap();
        for table in ["outer", "inner"] {
            for statement in [
                format!(
                    "CREATE TABLE \"{table}\" (id INTEGER PRIMARY KEY, sender_domain TEXT, client_ip TEXT, count INT, last_seen INT)"
                ),
                format!(
                    "INSERT INTO \"{table}\" VALUES (1, 'x', 'new', 1, strftime('%s') - 59*86400), \
                     (2, 'x', 'old', 1, strftime('%s') - 61*86400)"
                ),
            ] {
                file.execute(&statement, &[]).await.unwrap();
            }
        }
    });
    let values = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| Value::from(*text))
            .collect::<Vec<_>>()
    };
    for (words, left) in [
        (&["-t", "daily"][..], &["new", "old", "new", "old"][..]),
        (&["--cron=weekly,hourly"], &["new", "new"]),
        (&["-t", "hourly"], &["new", "new"]),
    ] {
        let ended = world.run(words);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(clients(), values(left), "{words:?}");
    }
    world.configure(&config("/nonexistent/db.sqlite"));
    let failed = world.run(&["-t", "hourly"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(
        failed.err.contains("plugin outer failed in cron: "),
        "{failed:?}"
    );
    assert_eq!(world.run(&["-t", "daily"]).code, Some(0));
}
