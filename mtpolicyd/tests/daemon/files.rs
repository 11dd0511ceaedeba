//! Files that the daemon opens when it first needs them: the check says what a request would fail at.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    process::Command,
};

use policy_testing::process::is_root;

use super::world::{World, host};

const ACTION: &str = "<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n";

/// A directory with one of each kind.
fn filled(config: &str) -> World {
    let world = World::new(config);
    fs::create_dir(world.path("directory")).unwrap();
    let made = Command::new("mkfifo").arg(world.path("pipe")).status();
    assert!(made.unwrap().success());
    for (name, text) in [("text", "a text\n"), ("empty", ""), ("program", "")] {
        fs::write(world.path(name), text).unwrap();
        fs::set_permissions(world.path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    world
}

fn check(config: &str) -> (Option<i32>, String) {
    let world = filled(config);
    let ended = world.run(&["--check-config"]);
    let directory = format!("{}/", world.directory.path().display());
    let said = ended.err.replace("//", "/").replace(&directory, "");
    (ended.code, said)
}

#[test]
fn what_is_no_database_is_an_error() {
    for (name, said) in [
        ("directory", "`dsn`: directory: no regular file"),
        ("pipe", "`dsn`: pipe: no regular file"),
        ("text", "`dsn`: text: no database of SQLite 3"),
        (
            "none/db.sqlite",
            "`dsn`: none/db.sqlite: the directory none: No such file or directory (os error 2)",
        ),
        (
            "text/db.sqlite",
            "`dsn`: text/db.sqlite: the directory text: not a directory",
        ),
        ("empty", ""),
        ("db.sqlite", ""),
    ] {
        let (status, text) = check(&format!(
            "<Connection db>\nmodule=Sql\ndsn=dbi:SQLite:dbname=@TMP@/{name}\n</Connection>\n{}",
            host(ACTION)
        ));
        if said.is_empty() {
            assert_eq!((status, text.as_str()), (Some(0), ""), "{name}");
        } else {
            let expected = format!("mt.conf:3:1: error: {said}\n");
            assert_eq!((status, text), (Some(78), expected), "{name}");
        }
    }
}

#[test]
fn a_command_that_cannot_be_run_is_an_error() {
    for (program, said) in [
        (
            "none",
            "`on_block_command`: none: No such file or directory (os error 2)",
        ),
        (
            "directory",
            "`on_block_command`: directory: no regular file",
        ),
        (
            "program",
            "`on_block_command`: program: Permission denied (os error 13)",
        ),
    ] {
        let plugin = format!(
            "<Plugin l>\nmodule=Limit\nlimits=1/1m\nstore=memory\non_block_command=@TMP@/{program} %KEY%\n</Plugin>\n"
        );
        let (status, text) = check(&format!(
            "<Connection memory>\nmodule=Memory\n</Connection>\n{}",
            host(&plugin)
        ));
        let (severity, code) = if program == "program" && !is_root() {
            ("warning", 0)
        } else {
            ("error", 78)
        };
        assert!(
            text.contains(&format!("{severity}: {said}\n")),
            "{program}: {text}"
        );
        assert_eq!(status, Some(code), "{text}");
    }
}

#[test]
fn a_socket_is_not_bound_where_another_file_is() {
    for option in ["control = unix:", "admin = unix:", "port = /"] {
        for name in ["directory", "pipe", "text"] {
            let path = format!("{option}@TMP@/{name}").replace("/@TMP@", "@TMP@");
            let globals = if option.starts_with("port") {
                ""
            } else {
                "port = PORT\n"
            };
            let (status, text) = check(&format!(
                "{globals}{path}\n<VirtualHost PORT>\nname=test\n{ACTION}</VirtualHost>\n"
            ));
            let said = format!("` is `{name}`: the file that is there is no socket\n");
            assert!(text.contains(&said), "{path}: {text}");
            assert_eq!(status, Some(78), "{path}: {text}");
        }
    }
    // One of before is replaced.
    let world = World::new(&format!("control = unix:@TMP@/control\n{}", host(ACTION)));
    drop(UnixListener::bind(world.path("control")).unwrap());
    assert_eq!(world.run(&["--check-config"]).err, "");
    world.serve(&[]);
}

#[test]
fn a_connection_with_a_fault_is_said_once() {
    for block in [
        "module=Ldap\ncafile=/nosuch",
        "module=Memcached\nservers=127.0.0.1:no",
        "module=Nosuch",
    ] {
        let user = "<Plugin l>\nmodule=LdapUserConfig\nbasedn=o=x\nfilter=(a=%s)\nconfig_fields=a\n</Plugin>\n";
        let (status, text) = check(&format!(
            "<Connection ldap>\n{block}\n</Connection>\n{}",
            host(user)
        ));
        assert_eq!(status, Some(78), "{text}");
        assert_eq!(text.matches(": error: ").count(), 1, "{text}");
    }
}

/// Root can do all of it: the check looks with the rights of the daemon.
#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn what_the_user_of_the_daemon_may_not_do_is_an_error_of_roots_check() {
    let config = format!(
        "user = nobody\n<Connection db>\nmodule=Sql\ndsn=dbi:SQLite:dbname=@TMP@/db.sqlite\n</Connection>\n{}",
        host("<Plugin m>\nmodule=PostfixMap\ndb_file=texthash:@TMP@/map\n</Plugin>\n")
    );
    let world = World::new(&config);
    fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(world.path("map"), "a b\n").unwrap();
    fs::set_permissions(world.path("map"), fs::Permissions::from_mode(0o600)).unwrap();
    let ended = world.run(&["--check-config"]);
    for said in [":4:1: error: `dsn`: ", "`db_file`: "] {
        let line = ended.err.lines().find(|line| line.contains(said));
        let line = line.unwrap_or_else(|| panic!("{said}: {ended:?}"));
        assert!(line.ends_with("Permission denied (os error 13)"), "{line}");
    }
    assert_eq!(ended.code, Some(78));
}

/// As Postfix has it, a name is without `.cdb` or `.db`, and the text that postmap(1) has read may be root's alone, or gone.
#[test]
fn a_table_is_looked_for_where_its_suffix_leads() {
    let host = host("<Plugin m>\nmodule=PostfixMap\ndb_file=cdb:@TMP@/map\n</Plugin>\n");
    let user = if is_root() { "user = nobody\n" } else { "" };
    let world = World::new(&format!("{user}{host}"));
    fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    // One without an entry: 256 tables at the end of the file.
    fs::write(world.path("map.cdb"), [0, 8, 0, 0, 0, 0, 0, 0].repeat(256)).unwrap();
    fs::set_permissions(world.path("map.cdb"), fs::Permissions::from_mode(0o644)).unwrap();
    let ended = world.run(&["--check-config"]);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
    if is_root() {
        fs::write(world.path("map"), "").unwrap();
        fs::set_permissions(world.path("map.cdb"), fs::Permissions::from_mode(0o600)).unwrap();
        let ended = world.run(&["--check-config"]);
        let said = "/map.cdb: Permission denied (os error 13)\n";
        assert!(ended.err.ends_with(said), "{ended:?}");
        assert_eq!(ended.code, Some(78));
    }
}

#[test]
fn an_address_that_cannot_be_bound_is_named() {
    let long = format!("/tmp/{}", "x".repeat(120));
    for (globals, severity, said) in [
        (
            format!("port = {long}\n"),
            "error",
            "the UNIX path has 125 bytes, the system takes 107",
        ),
        (
            format!("control = unix:{long}\n"),
            "error",
            "the UNIX path has 125 bytes, the system takes 107",
        ),
        (
            "port = 192.0.2.9:12345\nallow = 192.0.2.0/24\n".to_owned(),
            "warning",
            "`inet:192.0.2.9:12345` cannot be bound on this machine as it is: Cannot assign requested address (os error 99)",
        ),
        (
            "admin = inet:192.0.2.9:12345\nallow = 192.0.2.0/24\n".to_owned(),
            "warning",
            "`inet:192.0.2.9:12345` cannot be bound on this machine as it is: Cannot assign requested address (os error 99)",
        ),
    ] {
        let (status, text) = check(&format!(
            "{globals}<VirtualHost 12345>\nname=test\n{ACTION}</VirtualHost>\n"
        ));
        let expected =
            |line: &str| line.contains(&format!("{severity}: `")) && line.ends_with(said);
        assert!(text.lines().any(expected), "{globals}: {text}");
        let code = if severity == "error" { 78 } else { 0 };
        assert_eq!(status, Some(code), "{globals}: {text}");
    }
}

/// Root has read it at the start, and the daemon's user cannot read it again.
#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn a_file_that_the_user_could_not_read_again_is_a_warning() {
    let config = format!(
        "user = nobody\n{}",
        host(
            "<Plugin r>\nmodule=RegexList\nkey=sender\nfile=@TMP@/list\naction=reject\n</Plugin>\n"
        )
    );
    let world = World::new(&config);
    fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(world.path("list"), "a\n").unwrap();
    fs::set_permissions(world.path("list"), fs::Permissions::from_mode(0o600)).unwrap();
    let ended = world.run(&["--check-config"]);
    let said = "/list: Permission denied (os error 13)\n";
    assert!(
        ended.err.contains(": warning: `file`: ") && ended.err.ends_with(said),
        "{ended:?}"
    );
    assert_eq!(ended.code, Some(0));
}

/// The file is there, and the daemon looks for it elsewhere.
#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn a_file_that_is_missing_below_another_root_is_said_to_be_looked_for_there() {
    let plugin =
        "<Plugin r>\nmodule=RegexList\nkey=sender\nfile=@TMP@/list\naction=reject\n</Plugin>\n";
    let world = World::new(&format!("chroot = @TMP@/root\n{}", host(plugin)));
    fs::create_dir(world.path("root")).unwrap();
    fs::write(world.path("list"), "a\n").unwrap();
    let ended = world.run(&["--check-config"]);
    let directory = world.path("").display().to_string();
    let said = format!(
        "`file`: {directory}/list: No such file or directory (os error 2), below the root directory {directory}/root\n"
    );
    assert!(ended.err.ends_with(&said), "{said}{ended:?}");
}

/// `FILE.db` is read for `FILE`, which may be there.
#[test]
fn a_table_that_is_missing_is_named_with_its_suffix() {
    for (table, file) in [("@TMP@/map", "map.db"), ("cdb:@TMP@/map", "map.cdb")] {
        let plugin = format!("<Plugin m>\nmodule=PostfixMap\ndb_file={table}\n</Plugin>\n");
        let world = World::new(&host(&plugin));
        fs::write(world.path("map"), "192.0.2 OK\n").unwrap();
        let ended = world.run(&["--check-config"]);
        let said = format!("/{file}: No such file or directory (os error 2)\n");
        assert!(ended.err.ends_with(&said), "{table}: {ended:?}");
        let process = world.serve(&[]);
        assert_eq!(world.ask("client_address=192.0.2.1"), None);
        let said = format!("Cannot open {}/{file}: ", world.path("").display());
        assert!(process.err.wait_lines(1, &said), "{}", process.err.text());
    }
}
