//! The place of each finding: the line of the option that the file has, or the file alone.

use std::{fs, os::unix::fs::PermissionsExt};

use super::world::{World, text};

/// The line of the first option that follows the world's own ones.
const OWN: &str = "4:1";

#[test]
fn a_finding_has_the_line_of_the_option_that_the_user_wrote() {
    for (more, words, finding) in [
        (
            "$COUNTRY_DB = '/nonexistent';",
            "--check-config",
            format!("{OWN}: error: $COUNTRY_DB /nonexistent: "),
        ),
        (
            "$COUNTRY_DB = '/nonexistent';",
            "-D start",
            format!("{OWN}: error: $COUNTRY_DB /nonexistent: "),
        ),
        // What follows from another option than the one that is named.
        (
            "",
            "--check-config",
            "3:1: warning: $DEFER_STRING: no score has 'IN_SPAMCOP=' in its text".to_owned(),
        ),
        (
            "$DEFER_STRING = 'IN_SPAMCOP=';",
            "--check-config",
            format!("{OWN}: warning: $DEFER_STRING: no score has 'IN_SPAMCOP=' in its text"),
        ),
        (
            "@dnsbl_score = ('bl.test', 1, 1, 'X');",
            "--check-config",
            format!(
                "{OWN}: warning: a client on no list has 1 points, which reaches $REJECTLEVEL 1"
            ),
        ),
        (
            "$GROUP = ''; $USER = 'nosuch';",
            "--check-config",
            "4:14: error: $USER: the system has no user 'nosuch'".to_owned(),
        ),
        (
            "$ADMIN = 'unix:/run/a';\n$CONTROL = 'unix:/run/a';",
            "--check-config",
            "5:1: error: $CONTROL: cannot listen at 'unix:/run/a' as well".to_owned(),
        ),
        // A port of the address.
        (
            "$BIND_ADDRESS = '127.0.0.1:9107';\n$ADMIN = 'inet:127.0.0.1:9107';",
            "--check-config",
            "5:1: error: $ADMIN: cannot listen at 'inet:127.0.0.1:9107' as well: $BIND_ADDRESS has ".to_owned(),
        ),
        (
            "$BIND_ADDRESS = '127.0.0.1:0';",
            "--check-config",
            format!("{OWN}: warning: $BIND_ADDRESS has port 0: the system chooses one, which no client knows"),
        ),
        // One line, whatever the value has.
        (
            r#"$BIND_ADDRESS = "a\nb";"#,
            "--check-config",
            format!("{OWN}: error: $BIND_ADDRESS is 'a?b': host 'a?b' is neither a name nor an address"),
        ),
        (
            "$CACHE_STORE = 'redis';",
            "--check-config",
            format!("{OWN}: error: $CACHE_STORE: "),
        ),
        (
            "$LOG_TO = 'json';",
            "start",
            format!("{OWN}: error: $LOG_TO: standard output is for a daemon in the foreground"),
        ),
        // A value with a sign of Perl's names no option.
        (
            "$PIDFILE = '/run/pid'; $USER = '$PIDFILE';",
            "--check-config",
            "4:24: error: $USER: the system has no user '$PIDFILE'".to_owned(),
        ),
    ] {
        let world = World::new(more);
        let words: Vec<&str> = words.split(' ').collect();
        let said = text(&world.run(&words).stderr);
        let finding = format!("{}:{finding}", world.file().display());
        assert!(
            said.lines().any(|line| line.starts_with(&finding)),
            "{more}: no {finding}\n{said}"
        );
        assert!(!said.contains(".conf:1:1: "), "{more}: {said}");
    }
}

#[test]
fn a_finding_about_no_line_has_the_file_alone() {
    let world = World::new("");
    let file = world.file();
    let shown = file.display();
    let check = |words: &[&str], finding: String| {
        let said = text(&world.run(words).stderr);
        assert!(said.starts_with(&finding), "no {finding}\n{said}");
    };
    fs::set_permissions(&file, fs::Permissions::from_mode(0o646)).unwrap();
    check(
        &["--check-config"],
        format!("{shown}: error: every user can write to the file: chmod o-w {shown}\n"),
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "# \n".repeat(400_000)).unwrap();
    let large = "error: the file cannot be read: larger than 1048576 bytes\n";
    check(&["--check-config"], format!("{shown}: {large}"));
    // The defaults have a list that is dead, which no line of the file says.
    fs::write(&file, "\n").unwrap();
    check(
        &["--check-config"],
        format!("{shown}: warning: @dnsbl_score: "),
    );
}
