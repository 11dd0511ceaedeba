//! The configuration's file: when it is read again, and what becomes of one with a fault.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::Command,
    time::{Duration, UNIX_EPOCH},
};

use super::world::{GOOD, Running, World, bad, good, request, signal, text};

#[test]
fn a_fault_in_the_file_keeps_the_settings_of_before() {
    let world = World::new("");
    let _running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    world.configure("$REJECTLEVEL = ;");
    assert!(
        world.run(&["-k"]).status.code() == Some(78),
        "the command line reads the file as well"
    );
    assert!(signal("-HUP", world.pid()));
    assert!(
        world
            .ask(&good("2"))
            .ends_with("using cached result; rate: -4.6")
    );
    world.configure("$POSCACHEMSG = 'known client';");
    world.wait_until_known();
}

#[test]
fn a_file_that_everybody_can_write_to_is_refused() {
    let world = World::new("");
    fs::set_permissions(world.file(), fs::Permissions::from_mode(0o666)).unwrap();
    let output = world.run(&["start"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("every user can write to the file"));
}

#[test]
fn a_file_that_is_too_large_is_refused_and_not_read_in_part() {
    let world = World::new("");
    let path = world.file();
    let large = fs::File::options().append(true).open(&path).unwrap();
    large.set_len(100 << 20).unwrap();
    for words in [
        &["--check-config"][..],
        &["--parse-config", path.to_str().unwrap()],
    ] {
        let output = world.run(words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{words:?}: {said}");
        assert!(
            said.contains("larger than 1048576 bytes"),
            "{words:?}: {said}"
        );
    }
}

/// What becomes a pipe while the daemon runs is not waited for: the settings of before stay.
#[test]
fn a_pipe_in_the_place_of_the_file_keeps_the_settings_of_before() {
    let world = World::new("");
    let running = world.start();
    // It listens before it waits for signals, and answers after that.
    assert!(world.ask(&bad("0")).starts_with("action=550 "));
    fs::remove_file(world.file()).unwrap();
    let made = Command::new("mkfifo").arg(world.file()).status();
    assert!(made.unwrap().success());
    assert!(signal("-HUP", running.0.id()));
    assert_eq!(world.ask(&good("1")), GOOD);
}

/// SIGHUP reads a file whose time is as it was. The Perl program does not, and with `--compat` ours does not.
#[test]
fn a_reload_by_signal_reads_a_file_of_the_same_time_but_with_compat() {
    for (compat, texts) in [(&[][..], 2), (&["--compat"], 1)] {
        let world = World::new("");
        world.configure(&format!(
            "$TCP_PORT = {}; $POSCACHEMSG = 'first';",
            world.port() - 1
        ));
        let first = fs::read_to_string(world.file()).unwrap();
        // No option of the Perl program.
        let first = first.replace("$REQUEST_TIMEOUT = '2s';", "");
        // In one step: the daemon looks at the file each second.
        let write = |message: &str, seconds: u64| {
            let path = world.path("next");
            fs::write(&path, first.replace("first", message)).unwrap();
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
                .unwrap();
            fs::rename(path, world.file()).unwrap();
        };
        write("first", 1_000);
        let log = fs::File::create(world.path("log")).unwrap();
        let words = [compat, &["-d", "start"]].concat();
        let running = Running(world.command(&words).stdout(log).spawn().unwrap());
        world.wait_until_answer("first", good);
        write("second", 1_000);
        assert!(signal("-HUP", running.0.id()));
        if compat.is_empty() {
            world.wait_until_answer("second", |number| good(&format!("2{number}")));
        }
        write("third", 2_000);
        world.wait_until_answer("third", |number| good(&format!("3{number}")));
        drop(running);
        let log = fs::read_to_string(world.path("log")).unwrap();
        assert_eq!(log.matches(" reloaded\n").count(), texts, "{log}");
    }
}

/// The daemon looks at the file each second, without a signal.
#[test]
fn a_file_that_has_gone_is_said_once() {
    let world = World::new("");
    world.configure(&format!("$TCP_PORT = {};", world.port() - 1));
    let log = fs::File::create(world.path("log")).unwrap();
    let running = Running(world.command(&["-d", "start"]).stdout(log).spawn().unwrap());
    assert!(world.ask(&good("1")).starts_with("action=PREPEND"));
    fs::remove_file(world.file()).unwrap();
    let log = || fs::read_to_string(world.path("log")).unwrap();
    let gone = format!(
        "error: the configuration stays as it was: {}: error: the file cannot be read: No such file",
        world.file().display()
    );
    let said = policy_testing::within(super::PATIENCE, || log().contains(&gone));
    assert!(said, "{}", log());
    // It is read again once it is back, and what was said before is not said again.
    world.configure(&format!(
        "$TCP_PORT = {}; $POSCACHEMSG = 'known client';",
        world.port() - 1
    ));
    world.wait_until_known();
    drop(running);
    assert_eq!(log().matches(&gone).count(), 1, "{}", log());
}

#[test]
fn with_compat_a_file_with_a_fault_is_ignored_and_the_log_says_so() {
    let world = World::new("");
    fs::write(world.file(), "\n$REJECTLVEL = 5;\n").unwrap();
    // Nothing is asked of the defaults' name servers.
    let bounce = request("100.64.2.10", "mail.acme.test", "", "1");
    let output = world.feed(&["--compat", "-d"], &bounce);
    let log = text(&output.stdout);
    let fault = format!(
        "warning: conf-err: {}:2:1: error: there is no option `$REJECTLVEL`; did you mean `$REJECTLEVEL`? \
         (a variable of your own begins with `my $REJECTLVEL`): $REJECTLVEL = 5;\n",
        world.file().display()
    );
    for part in [
        &fault,
        "warning: conf-err: falling back to builtin defaults\n",
        "action=DUNNO NULL (<>) Sender\n",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
    let checked = world.run(&["--compat", "--check-config"]);
    assert_eq!(checked.status.code(), Some(78), "{checked:?}");
}

/// A file that a program is about to write is empty for a moment: nobody wants the defaults then.
#[test]
fn a_file_that_was_emptied_keeps_the_settings_of_before() {
    let world = World::new("");
    let options = format!("$TCP_PORT = {}; $POSCACHEMSG = 'first';", world.port() - 1);
    world.configure(&options);
    let log = fs::File::create(world.path("log")).unwrap();
    let running = Running(world.command(&["-d", "start"]).stdout(log).spawn().unwrap());
    world.wait_until_answer("first", good);
    let log = || fs::read_to_string(world.path("log")).unwrap();
    let empty = format!(
        "error: the configuration stays as it was: {}: error: the file is empty",
        world.file().display()
    );
    for text in ["", " \n\n"] {
        let before = log().matches(&empty).count();
        fs::write(world.file(), text).unwrap();
        let said =
            policy_testing::within(super::PATIENCE, || log().matches(&empty).count() > before);
        assert!(said, "{}", log());
        world.wait_until_answer("first", |number| good(&format!("e{number}")));
    }
    // What is asked for is refused as well, and a comment is no empty file.
    let before = log().matches(&empty).count();
    assert!(signal("-HUP", running.0.id()));
    let said = policy_testing::within(super::PATIENCE, || log().matches(&empty).count() > before);
    assert!(said, "{}", log());
    world.configure(&options.replace("first", "second"));
    world.wait_until_answer("second", |number| good(&format!("s{number}")));
    let reloads = || log().matches(" reloaded\n").count();
    let before = reloads();
    fs::write(world.file(), "# the defaults\n").unwrap();
    let read = policy_testing::within(super::PATIENCE, || reloads() > before);
    assert!(read, "{}", log());
    drop(running);
}

/// The Perl program reads an empty file on top of the options that hold, so that all of them stay.
#[test]
fn with_compat_a_file_that_was_emptied_is_read_and_changes_nothing() {
    let world = World::new("");
    world.configure(&format!(
        "$TCP_PORT = {}; $POSCACHEMSG = 'first';",
        world.port() - 1
    ));
    // No option of the Perl program.
    let text = fs::read_to_string(world.file()).unwrap();
    fs::write(world.file(), text.replace("$REQUEST_TIMEOUT = '2s';", "")).unwrap();
    let log = fs::File::create(world.path("log")).unwrap();
    let words = ["--compat", "-d", "start"];
    let running = Running(world.command(&words).stdout(log).spawn().unwrap());
    world.wait_until_answer("first", good);
    fs::write(world.file(), "").unwrap();
    let log = || fs::read_to_string(world.path("log")).unwrap();
    let read = policy_testing::within(super::PATIENCE, || log().contains(" reloaded\n"));
    assert!(read, "{}", log());
    assert!(world.ask(&good("last")).contains("first"));
    drop(running);
}
