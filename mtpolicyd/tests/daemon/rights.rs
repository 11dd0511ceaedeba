//! The rights of tasks that root starts: whose the files are that they make, and why one cannot be read or written.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
};

use policy_store::{Sql as _, Sqlite, SqliteOptions};
use policy_testing::process::as_user;

use super::{
    unchanged::{GLOBALS, PLUGINS, request, rows},
    world::{World, host},
};

const NOBODY: u32 = 65534;

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn what_a_task_of_root_makes_belongs_to_the_daemons_user() {
    for (words, input) in [
        (&["--cron", "hourly"][..], ""),
        (&["limits", "reset", "a@y"], ""),
        (&["limits", "show", "a@y"], ""),
        (&["--explain"], "1"),
    ] {
        let plugins = PLUGINS.replace("module = Proxy\n  host = STUB", "module = Stress");
        let globals = format!("user = {NOBODY}\n{GLOBALS}");
        let world = World::new(&(globals + &host(&plugins)));
        let directory = world.path("");
        chown(&directory, Some(NOBODY), Some(NOBODY)).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        // Root alone may read the configuration.
        fs::set_permissions(world.path("mt.conf"), fs::Permissions::from_mode(0o600)).unwrap();
        let ended = world.run_with(words, &request(input));
        let is_done = ended.code == Some(0) || ended.err.contains("nothing is counted for a@y");
        assert!(is_done, "{ended:?}");
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with("db.sqlite") {
                assert_eq!(entry.metadata().unwrap().uid(), NOBODY, "{words:?}: {name}");
            }
        }
        // The daemon's user can write.
        let path = world.path("db.sqlite");
        as_user(NOBODY, || rows(&path));
    }
}

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn why_a_database_file_cannot_be_read_or_written_is_said() {
    let denied = "Permission denied";
    // The modes of the directory and the file, which are root's; what an explanation and a daemon say.
    for (directory, file, read, written) in [
        (0o755, 0o600, denied, denied),
        (0o700, 0o666, denied, denied),
        (0o755, 0o644, "", denied),
        (0o755, 0o666, "", "its directory: Permission denied"),
    ] {
        let plugins = "<Plugin pot>\nmodule=Honeypot\nstore=db\nrecipients=trap@x\non_error=continue\n</Plugin>\n";
        let globals = format!("user = {NOBODY}\n{GLOBALS}").replace("@TMP@/", "@TMP@/of-root/");
        let world = World::new(&(globals + &host(plugins)));
        let of_root = world.path("of-root");
        fs::create_dir(&of_root).unwrap();
        fs::write(of_root.join("db.sqlite"), "").unwrap();
        let parts = [
            (of_root.join("db.sqlite"), file),
            (of_root, directory),
            (world.path(""), 0o755),
        ];
        for (path, mode) in parts {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let ended = world.run_with(&["--explain"], &request("1"));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let line = ended
            .out
            .lines()
            .find(|line| line.contains("pot (Honeypot)"));
        let line = line.unwrap_or_default();
        assert!(line.contains(read), "{directory:o} {file:o}: {ended:?}");
        assert_eq!(line.contains("error: "), !read.is_empty(), "{ended:?}");

        let daemon = world.serve(&[]);
        assert_eq!(world.ask(&request("1")).unwrap(), "action=dunno");
        let failed = "plugin pot failed: ";
        assert!(daemon.err.wait_lines(1, failed), "{}", daemon.err.text());
        let line = &daemon.err.lines(failed)[0];
        assert!(line.contains(written), "{directory:o} {file:o}: {line}");
    }
}

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn a_database_file_that_the_user_cannot_write_is_read() {
    let plugins = "<Plugin list>\nmodule=SqlList\nsql_query=SELECT 1 FROM bad WHERE sender = ?\nfield=sender\n\
                   match_action=reject listed\n</Plugin>\n\
                   <Plugin count>\nmodule=Accounting\nfields=sender\non_error=continue\n</Plugin>\n";
    for (directory, file) in [(0o755, 0o644), (0o755, 0o444), (0o755, 0o666)] {
        let world = World::new(&format!(
            "user = {NOBODY}\n<Connection db>\nmodule=Sql\ndsn=dbi:SQLite:dbname=@TMP@/of-root/db.sqlite\n</Connection>\n{}",
            host(plugins)
        ));
        let of_root = world.path("of-root");
        fs::create_dir(&of_root).unwrap();
        let path = of_root.join("db.sqlite");
        // As other programs make it: without a write-ahead log.
        let mut options = SqliteOptions::new(&path);
        options.write_ahead = false;
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(async {
            let made = Sqlite::open(options).await.unwrap();
            for statement in [
                "CREATE TABLE bad (sender)",
                "INSERT INTO bad VALUES ('a@x')",
            ] {
                made.execute(statement, &[]).await.unwrap();
            }
            made.close().await;
        });
        for (path, mode) in [(path, file), (of_root, directory), (world.path(""), 0o755)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let daemon = world.serve(&[]);
        for (sender, answer) in [
            ("a@x", "reject listed"),
            ("b@x", "dunno"),
            ("a@x", "reject listed"),
        ] {
            let asked = world.ask(&format!("sender={sender}"));
            assert_eq!(
                asked,
                Some(format!("action={answer}")),
                "{file:o}: {}",
                daemon.err.text()
            );
        }
        let failed = "plugin count failed: ";
        assert!(daemon.err.wait_lines(1, failed), "{}", daemon.err.text());
        let line = &daemon.err.lines(failed)[0];
        assert!(line.contains("Permission denied"), "{file:o}: {line}");
    }
}

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn a_user_that_is_not_there_is_said() {
    let config = format!("user = no-such-user\n{GLOBALS}");
    let world = World::new(&(config + &host("<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n")));
    let ended = world.run_with(&["--explain"], &request("1"));
    assert_ne!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains("no-such-user"), "{ended:?}");
}

#[test]
fn a_file_with_a_password_that_everybody_can_read_is_warned_of() {
    let secrets = |password: &str| {
        format!(
            "<Connection ldap>\nmodule=Ldap\npassword={password}\n</Connection>\n\
             <Connection redis>\nmodule=Redis\npassword={password}\n</Connection>\n\
             <Connection db>\nmodule=Sql\ndsn=dbi:mysql:mail\npassword={password}\n</Connection>\n\
             <Connection limits>\nmodule=Memory\n</Connection>\n"
        )
    };
    let limit = |secret: &str| {
        format!(
            "<Plugin l>\nmodule=Limit\nlimits=1/1m\non_block_url=http://127.0.0.1:1/\non_block_secret={secret}\n</Plugin>\n"
        )
    };
    // The modes of the directory and the file, the passwords, and how many are warned of.
    for (directory, file, password, warned) in [
        (0o755, 0o644, "geheim", 4),
        (0o755, 0o640, "geheim", 0),
        (0o750, 0o644, "geheim", 0),
        (0o755, 0o644, "\"\"", 0),
    ] {
        let world = World::new(&(secrets(password) + &host(&limit(password))));
        let set = |name: &str, mode| {
            fs::set_permissions(world.path(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        set("", directory);
        set("mt.conf", file);
        let ended = world.run(&["--check-config"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let lines = ended.err.lines();
        let found: Vec<&str> = lines.filter(|line| line.contains("can read")).collect();
        assert_eq!(
            found.len(),
            warned,
            "{directory:o} {file:o} {password}: {ended:?}"
        );
        for line in found {
            assert!(
                line.contains(": warning: every user of this machine can read `"),
                "{line}"
            );
            assert!(!line.contains("geheim"), "{line}");
        }
    }
}
