//! `--check-config` and the faults of a start: where it would listen, and with whose rights.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use policy_testing::{
    free_port,
    process::{Ended, Process, SilentNameServer, as_user, hapolicy, is_root, run},
};
use tempfile::TempDir;

#[test]
fn a_check_refuses_each_place_at_which_a_start_would_fail() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| format!("unix:{}", dir.path().join(name).display());
    fs::write(dir.path().join("file"), "").unwrap();
    fs::create_dir(dir.path().join("directory")).unwrap();
    let path = dir.path().join("hapolicy.toml");
    let no_socket = "the file that is there is no socket";
    let no_name = "the path does not end in the name of a file";
    for (address, why) in [
        (at("file"), no_socket),
        (at("directory"), no_socket),
        (at("none/socket"), "No such file or directory"),
        (at("file/socket"), "ot a directory"),
        (at("socket/"), no_name),
        (at("directory/."), no_name),
        (at("directory/.."), no_name),
        (
            "unix:/proc/socket".to_owned(),
            "no socket can be made in its directory",
        ),
        (
            "unix:/dev/pts/socket".to_owned(),
            "no socket can be made in its directory",
        ),
        (at(&"x".repeat(120)), "the system takes 107"),
    ] {
        for key in ["listen", "admin", "control", "handover"] {
            let first = match key {
                "listen" => "",
                _ => "listen = \"inet:127.0.0.1:0\"\n",
            };
            let service = "[service.a]\naddress = \"127.0.0.1:1\"\n";
            let text = format!("{first}{key} = \"{address}\"\n{service}");
            fs::write(&path, &text).unwrap();
            let config = path.to_str().unwrap();
            let checked = run(
                hapolicy(),
                &["--check-config", "--quiet", "--config", config],
            );
            assert_eq!(checked.code, Some(78), "{text}: {checked:?}");
            assert!(checked.err.contains(why), "{text}: {checked:?}");
            let line = first.lines().count() + 1;
            let place = format!("{config}:{line}:");
            assert!(checked.err.contains(&place), "{text}: {checked:?}");
            let started = run(hapolicy(), &["--config", config]);
            assert!(matches!(started.code, Some(71 | 78)), "{text}: {started:?}");
        }
    }
}

#[test]
fn a_fault_of_an_address_has_the_place_of_that_address() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("hapolicy.toml");
    let config = path.to_str().unwrap();
    let file = format!("unix:{config}");
    for (text, place) in [
        (
            format!("listen = \"inet:127.0.0.1:0\"\n[listener.x]\naddress = \"{file}\"\n"),
            "3:11",
        ),
        (
            format!("listen = [\n\"inet:127.0.0.1:0\",\n\"{file}\"]\n"),
            "3:1",
        ),
        (
            "listen = [\n\"inet:127.0.0.1:0\",\n\"unix:/x,owner=nosuch\"]\n".to_owned(),
            "3:1",
        ),
    ] {
        let service = "[service.a]\naddress = \"127.0.0.1:1\"\n";
        fs::write(&path, format!("{text}{service}")).unwrap();
        let args = ["--check-config", "--quiet", "--config", config];
        let checked = run(hapolicy(), &args);
        let said = format!("{config}:{place}: --listen unix:");
        assert!(checked.err.starts_with(&said), "{text}: {checked:?}");
    }
}

#[test]
fn what_a_start_may_find_by_then_is_a_warning() {
    for (key, value, why) in [
        (
            "control",
            "unix:/run/none-of-hapolicy/control",
            "the directory has to be made before each start, as RuntimeDirectory= of a unit does",
        ),
        ("admin", "inet:none.invalid:9", "on this machine as it is"),
        ("listen", "inet:192.0.2.1:10031", "on this machine as it is"),
    ] {
        let option = format!("--{key}={value}");
        let args = [
            "--check-config",
            "--quiet",
            "-sa=127.0.0.1:1",
            "--listen=inet:127.0.0.1:0",
            "--allow=192.0.2.0/24",
            &option,
        ];
        let ended = run(hapolicy(), &args);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let is_said = ended.err.starts_with("hapolicy: warning: ") && ended.err.contains(why);
        assert!(is_said && ended.err.contains(value), "{ended:?}");
        let strict = run(hapolicy(), &[&args[..], &["--strict"]].concat());
        assert_eq!(strict.code, Some(78), "{strict:?}");
    }
}

/// However often the name is needed, and by a start as by a check.
#[test]
fn a_name_server_that_is_silent_costs_one_wait_for_each_name() {
    if !is_root() {
        return;
    }
    let server = SilentNameServer::start();
    let said = "admin.example is not found in time";
    // Of one port, so that they are compared as well.
    let port = free_port();
    let listen = format!("--listen=inet:127.0.0.1:{port}");
    let admin = format!("--admin=inet:admin.example:{port}");
    let args = ["-sa=127.0.0.1:1", &listen, &admin, "--allow=192.0.2.0/24"];
    let run = |more: &[&str]| {
        let mut command = server.command(hapolicy());
        Process::of(command.args(args).args(more)).end()
    };
    let checked = run(&["--check-config", "--quiet"]);
    let warning = format!(
        "hapolicy: warning: --admin inet:admin.example:{port} cannot be bound on this machine as it is: {said}; each start looks it up again\n"
    );
    assert_eq!((checked.code, checked.err), (Some(0), warning));
    assert_eq!(server.questions(), 2);
    let started = run(&["--stdout"]);
    assert_eq!(started.code, Some(71), "{started:?}");
    assert!(started.err.contains(said), "{started:?}");
    assert_eq!(server.questions(), 2);
}

/// What a check says of these options, and then what a start does that fails.
fn check_and_start(options: &[&str]) -> (Ended, Ended) {
    let service = ["--listen=inet:127.0.0.1:0", "-sa=127.0.0.1:1"];
    let options = [&service[..], options].concat();
    let check = [&options[..], &["--check-config", "--quiet"]].concat();
    (run(hapolicy(), &check), run(hapolicy(), &options))
}

fn directory(parent: &Path, name: &str, owner: u32, mode: u32) -> PathBuf {
    let path = parent.join(name);
    fs::create_dir(&path).unwrap();
    chown(&path, Some(owner), None).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    path
}

/// Without `--user` it may be the user of a unit that starts the daemon, and not the one who checks.
#[test]
fn a_place_at_which_root_does_not_listen_is_a_fault_where_root_starts_the_daemon() {
    if !is_root() {
        return;
    }
    let dir = TempDir::new().unwrap();
    for (option, directory, why) in [
        (
            "control",
            directory(dir.path(), "open", 0, 0o777),
            "open can be written by others (mode 0777)",
        ),
        (
            "listen",
            directory(dir.path(), "of-a-group", 0, 0o770),
            "of-a-group can be written by others (mode 0770)",
        ),
        (
            "admin",
            directory(dir.path(), "closed", NOBODY, 0o500),
            "Permission denied",
        ),
        (
            "handover",
            directory(dir.path(), "theirs", NOBODY, 0o755),
            "theirs belongs to user 65534: who can change",
        ),
    ] {
        let option = format!("--{option}=unix:{}/socket", directory.display());
        for user in [&[][..], &["--user=nobody"]] {
            let (checked, started) = check_and_start(&[&[option.as_str()], user].concat());
            let (code, said) = match user {
                [] => (0, "hapolicy: warning: "),
                _ => (78, "hapolicy: --"),
            };
            assert_eq!(checked.code, Some(code), "{option} {user:?}: {checked:?}");
            assert!(
                checked.err.starts_with(said),
                "{option} {user:?}: {checked:?}"
            );
            assert!(checked.err.contains(why), "{option} {user:?}: {checked:?}");
            assert!(
                matches!(started.code, Some(71 | 78)),
                "{option}: {started:?}"
            );
            assert!(started.err.contains(why), "{option}: {started:?}");
        }
    }
}

#[test]
fn what_whoever_checks_has_no_right_to_is_a_warning() {
    if !is_root() {
        return;
    }
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let theirs = directory(dir.path(), "theirs", NOBODY, 0o755);
    let own = format!("--listen=unix:{}/socket", theirs.display());
    for (option, why) in [
        (
            format!("--control=unix:{}/socket", dir.path().display()),
            "Permission denied",
        ),
        (format!("{own},owner=daemon"), "Operation not permitted"),
        (format!("{own},group=daemon"), "Operation not permitted"),
        ("--admin=inet:127.0.0.1:1".to_owned(), "Permission denied"),
        ("--user=nobody".to_owned(), "Operation not permitted"),
    ] {
        let (checked, started) = as_user(NOBODY, || check_and_start(&[&option]));
        assert_eq!(checked.code, Some(0), "{option}: {checked:?}");
        let is_said = checked.err.starts_with("hapolicy: warning: ") && checked.err.contains(why);
        assert!(
            is_said && checked.err.lines().count() == 1,
            "{option}: {checked:?}"
        );
        assert_eq!(started.code, Some(71), "{option}: {started:?}");
        assert!(started.err.contains(why), "{option}: {started:?}");
    }
    let by_name = format!("{own},owner=nobody,mode=0600");
    let check = [
        "--check-config",
        "--strict",
        "--quiet",
        "-sa=127.0.0.1:1",
        &by_name,
    ];
    let checked = as_user(NOBODY, || run(hapolicy(), &check));
    assert_eq!((checked.code, checked.err.as_str()), (Some(0), ""));
}

/// Who may not connect to it cannot know that it is one.
#[test]
fn a_stale_socket_that_whoever_checks_may_not_replace_is_a_warning() {
    if !is_root() {
        return;
    }
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let theirs = directory(dir.path(), "theirs", NOBODY, 0o755);
    let sticky = directory(dir.path(), "sticky", 0, 0o1777);
    let stale = |directory: &Path, mode| {
        let path = directory.join("socket");
        _ = fs::remove_file(&path);
        drop(UnixListener::bind(&path).unwrap());
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        format!("--control=unix:{}", path.display())
    };
    for (directory, mode, refused) in [
        (&theirs, 0o777, None),
        (
            &theirs,
            0o755,
            Some((
                "this user may not connect to the socket that is there",
                "Permission denied",
            )),
        ),
        (
            &sticky,
            0o777,
            Some((
                "the socket that is there is another user's, and the sticky bit of its directory keeps it",
                "Operation not permitted",
            )),
        ),
    ] {
        let control = stale(directory, mode);
        let args = ["-sa=127.0.0.1:1", "--listen=inet:127.0.0.1:0", &control];
        let check = || {
            run(
                hapolicy(),
                &[&args[..], &["--check-config", "--quiet"]].concat(),
            )
        };
        // Root may do all that.
        assert_eq!(check().err, "");
        as_user(NOBODY, || {
            let checked = check();
            let begin = control.replace('=', " ");
            let warning = refused.map(|(why, _)| format!("hapolicy: warning: {begin}: {why}"));
            assert!(
                checked
                    .err
                    .starts_with(&warning.clone().unwrap_or_default()),
                "{checked:?}"
            );
            assert_eq!(
                (checked.code, checked.err.is_empty()),
                (Some(0), warning.is_none())
            );
            if let Some((_, why)) = refused {
                let started = run(hapolicy(), &args);
                assert_eq!(started.code, Some(71), "{started:?}");
                assert!(started.err.contains(why), "{started:?}");
            } else {
                let daemon = Process::start(hapolicy(), &[&args[..], &["--stdout"]].concat());
                assert!(
                    daemon.out.wait_lines(1, "listening on "),
                    "{}",
                    daemon.out.text()
                );
            }
        });
    }
}

/// Its own unit makes it, where there are units.
#[test]
fn the_directory_of_the_programs_own_unit_is_missed_where_systemd_does_not_run() {
    if Path::new("/run/hapolicy").exists() {
        println!("SKIPPED: /run/hapolicy is there");
        return;
    }
    let args = [
        "--check-config",
        "--quiet",
        "-sa=127.0.0.1:1",
        "--listen=inet:127.0.0.1:0",
    ];
    let control = "--control=unix:/run/hapolicy/control";
    let checked = run(hapolicy(), &[&args[..], &[control]].concat());
    let has_units = Path::new("/run/systemd/system").exists();
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let said = "has to be made before each start";
    assert_eq!(checked.err.contains(said), !has_units, "{checked:?}");
}

const NOBODY: u32 = 65534;
