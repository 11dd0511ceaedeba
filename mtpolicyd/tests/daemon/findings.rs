//! The findings about a configuration: errors with their places, and warnings.

use super::world::{World, host};

#[test]
fn what_the_original_refuses_is_refused_with_its_place() {
    let plugin = |text: &str| host(&format!("<Plugin p>\n{text}\n</Plugin>\n"));
    for (config, place, message) in [
        (
            "port = PORT\n".to_owned(),
            "1:1",
            "no virtual hosts configured",
        ),
        (host(""), "2:1", "no <Plugin> defined"),
        (
            "<VirtualHost 1>\n<Plugin p>\nmodule=Action\naction=dunno\n</Plugin>\n</VirtualHost>\n"
                .to_owned(),
            "1:1",
            "`name` is missing",
        ),
        (
            format!(
                "control = unix:/run/a\nadmin = unix:/run/a\n{}",
                plugin("module=Action\naction=dunno")
            ),
            "1:1",
            "`control`: cannot listen at `unix:/run/a` as well: `unix:/run/a` has that address already",
        ),
        (plugin("action=dunno"), "4:1", "`module` is missing"),
        (
            plugin("module=Acton"),
            "5:1",
            "there is no module `Acton` in this build of mtpolicyd: did you mean Action?",
        ),
        (plugin("module=action"), "5:1", "did you mean Action?"),
        (plugin("module=Action"), "4:1", "`action` is missing in `p`"),
        (
            plugin("module=Condition\nkey=sender\nre_match=("),
            "7:1",
            "`re_match` is no regular expression",
        ),
        (
            plugin("module=Condition\nkey=sender\nscore=many"),
            "7:1",
            "`score` is `many`, but a number is wanted",
        ),
        (
            plugin("module=Condition\nkey=sender\ninvert=yes"),
            "7:1",
            "`invert` is `yes`, but 1 or 0 is wanted",
        ),
        (
            plugin("module=ScoreAction"),
            "4:1",
            "`threshold` is missing",
        ),
        (
            plugin("module=SqlUserConfig\ndb=other"),
            "6:1",
            "there is no <Connection other> with a module Sql",
        ),
        (
            "<Connection c>\nmodule=Oracle\n</Connection>\n".to_owned() + &host(""),
            "2:1",
            "there is no module `Oracle`",
        ),
        (
            "<Connection c>\nmodule=Sql\ndsn=x\n</Connection>\n".to_owned() + &host(""),
            "3:1",
            "`dsn` names no database",
        ),
        (
            "<SessionCache>\nmodule=Disk\n</SessionCache>\n".to_owned() + &host(""),
            "2:1",
            "there is no module `Disk` for sessions",
        ),
        (
            "<SessionCache>\nmodule=Redis\n</SessionCache>\n".to_owned() + &host(""),
            "1:1",
            "there is no <Connection redis>",
        ),
        (
            "port = mail\n".to_owned() + &host("").replace("port = PORT\n", ""),
            "1:1",
            "`mail` is no port",
        ),
        (
            "a = 1\na = 2\n".to_owned(),
            "2:1",
            "Option \"a\" occurs more than once",
        ),
        ("<P x>\n".to_owned(), "1:1", "has no EndBlock statement"),
        (
            "<<include nothing.conf>>\n".to_owned(),
            "1:1",
            "\"nothing.conf\" does not exist!",
        ),
    ] {
        let world = World::new(&config);
        for (words, status) in [(&["-f"][..], 1), (&["--check-config"], 78)] {
            let ended = world.run(words);
            assert_eq!(ended.code, Some(status), "{config}{ended:?}");
            let expected = format!("{}:{place}: error: ", world.path("mt.conf").display());
            let is_said = ended
                .err
                .lines()
                .any(|line| line.starts_with(&expected) && line.contains(message));
            assert!(is_said, "{config}{expected}{message}\n{}", ended.err);
        }
    }
}

#[test]
fn each_error_is_said_and_not_the_first_alone() {
    let nested = "<Plugin outer>\nmodule=Condition\nkey=sender\n<Plugin a>\nmodule=None\n</Plugin>\n<Plugin b>\nmodule=SetField\n\
                  </Plugin>\n</Plugin>\n";
    let ended = World::new(&host(nested)).run(&["--check-config"]);
    let errors = ended
        .err
        .lines()
        .filter(|line| line.contains(": error: "))
        .count();
    assert_eq!(errors, 3, "{}", ended.err);
}

#[test]
fn what_the_original_ignores_is_a_warning() {
    let plugin = |text: &str| host(&format!("<Plugin p>\n{text}\n</Plugin>\n"));
    for (config, message) in [
        (
            plugin("module=Action\naction=dunno\nactoin=x"),
            "7:1: warning: `actoin` means nothing in `p`: did you mean `action`?",
        ),
        (
            plugin("module=Action\naction=accept"),
            "6:1: warning: Postfix may not know the action `accept`",
        ),
        (
            plugin("module=Action\naction=\"\""),
            "6:1: warning: `action` is empty",
        ),
        (
            plugin("module=Action\naction=dunno\non_error=stop"),
            "7:1: warning: `on_error` is `stop`",
        ),
        (
            plugin("module=Condition\nkey=bad:key"),
            "6:1: warning: there is no scope `bad`",
        ),
        (
            plugin("module=Action\naction=\"reject a#b\""),
            "6:1: warning: `#` cuts the quoted value",
        ),
        (
            "min_servers = 4\n".to_owned() + &plugin("module=Action\naction=ok"),
            "1:1: warning: `min_servers` means nothing here",
        ),
        (
            "include other.conf\n".to_owned() + &plugin("module=Action\naction=ok"),
            "1:1: warning: `include` includes nothing",
        ),
        (
            plugin("module=Condition\nkey=sender\nre_match=\"\""),
            "7:1: warning: `re_match` is empty, and so matches every value",
        ),
        (
            "vhost_by_policy_context = no\n".to_owned() + &plugin("module=Action\naction=ok"),
            "1:1: warning: `vhost_by_policy_context` is `no`, which means 1: use 1 or 0",
        ),
    ] {
        let world = World::new(&config);
        let ended = world.run(&["--check-config"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(
            ended.err.contains(message),
            "{config}{message}\n{}",
            ended.err
        );
        assert_eq!(world.run(&["--check-config", "--strict"]).code, Some(78));
    }
}

#[test]
fn marks_that_nobody_sees_are_named() {
    let plain = host("<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n");
    // Config::General leaves out the first one.
    let marked = World::new(&format!("\u{feff}{plain}"));
    let ended = marked.run(&["--check-config", "--strict"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    for (config, text) in [
        (
            format!("\u{feff}\u{feff}log_level = 1\n{plain}"),
            "means nothing in `global options`: it has the invisible character U+FEFF in it\n",
        ),
        (
            format!("log_level\u{a0}= 1\n{plain}"),
            "means nothing in `global options`: it has the invisible character U+00A0 in it\n",
        ),
    ] {
        let ended = World::new(&config).run(&["--check-config"]);
        assert!(ended.err.ends_with(text), "{ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
    }
    let world = World::new(&plain);
    for (mark, bytes) in [
        ([0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]),
        ([0xfe, 0xff], u16::to_be_bytes),
    ] {
        let text = plain.encode_utf16().flat_map(bytes);
        let text: Vec<u8> = mark.into_iter().chain(text).collect();
        std::fs::write(world.path("mt.conf"), text).unwrap();
        let ended = world.run(&["--check-config"]);
        let said = "mt.conf:1:1: error: the file is UTF-16, as its byte order mark says: save it as UTF-8\n";
        assert!(ended.err.ends_with(said), "{ended:?}");
        assert_eq!((ended.code, ended.err.lines().count()), (Some(78), 1));
    }
}

#[test]
fn a_dead_module_is_an_error_of_the_check_and_skipped_at_the_start() {
    for module in ["CtIpRep", "SaAwlLookup", "SaAwlAction"] {
        let world = World::new(&host(&format!(
            "<Plugin p>\nmodule={module}\n</Plugin>\n<Plugin e>\nmodule=Action\naction=reject end\n</Plugin>\n"
        )));
        let ended = world.run(&["--check-config"]);
        assert_eq!(ended.code, Some(78));
        assert!(
            ended
                .err
                .contains(&format!("5:1: error: {module} is skipped: ")),
            "{}",
            ended.err
        );
        let process = world.serve(&[]);
        assert!(
            process
                .err
                .text()
                .contains(&format!("{module} is skipped: "))
        );
        assert_eq!(
            world.ask("sender=a@x").as_deref(),
            Some("action=reject end")
        );
    }
}

#[test]
fn smtp_verify_takes_its_parameters_says_that_it_asks_nobody_and_answers_nothing() {
    let parameters = "enabled=on\nuc_enabled=x\nhost=mx\nport=25\nsender=a@x\nsender_field=recipient\n\
        recipient_field=sender\nsize_field=size\ncheck_tlsa=on\ncheck_openpgp=on\n\
        temp_fail_action=defer %MSG%\ntemp_fail_score=1\nperm_fail_action=reject %MSG%\nperm_fail_score=2\n\
        has_starttls_score=1\nno_starttls_score=2\nhas_tlsa_score=1\nno_tlsa_score=2\nhas_openpgp_score=1\n\
        no_openpgp_score=2\nscore_field=score";
    let world = World::new(&host(&format!(
        "<Plugin p>\nmodule=SMTPVerify\n{parameters}\n</Plugin>\n\
         <Plugin e>\nmodule=AddScoreHeader\n</Plugin>\n"
    )));
    let said = "5:1: warning: SMTPVerify asks nobody and answers nothing in this version: ";
    let checked = world.run(&["--check-config"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(
        checked.err.lines().count() == 1 && checked.err.contains(said),
        "{checked:?}"
    );
    let process = world.serve(&[]);
    assert!(process.err.text().contains("SMTPVerify asks nobody"));
    let answer = world.ask("sender=a@x\nrecipient=b@x");
    assert_eq!(
        answer.as_deref(),
        Some("action=PREPEND X-MtScore: NO score=0")
    );
}

#[test]
fn keys_of_version_1_mean_what_they_meant() {
    let plain = host("<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n");
    let action = host(
        "<Plugin u>\nmodule=SqlUserConfig\n</Plugin>\n<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n",
    );
    for (old, message) in [
        (
            "db_dsn=dbi:SQLite:dbname=@TMP@/db\ndb_user=x\ndb_password=y\n",
            "write <Connection db> with module = \"Sql\"",
        ),
        (
            "db_dsn=dbi:SQLite:dbname=@TMP@/db\nmemcached_servers=127.0.0.1:1\nmemcached_expire=60\nsession_lock_wait=1\n",
            "write <SessionCache> with module = \"Memcached\"",
        ),
        (
            "db_dsn=dbi:SQLite:dbname=@TMP@/db\nmemcached_namespace=x-\n",
            "write <Connection memcached> with module = \"Memcached\"",
        ),
        (
            "db_dsn=dbi:SQLite:dbname=@TMP@/db\nldap_host=localhost\nldap_starttls=0\n",
            "write <Connection ldap> with module = \"Ldap\"",
        ),
        (
            "db_dsn=dbi:SQLite:dbname=@TMP@/db\nsession_lock_timeout=1\n",
            "`session_lock_timeout` means nothing without memcached_servers",
        ),
        ("db_dsn=\n", "warning: `dsn` names no database"),
        (
            "memcached_servers=127.0.0.1:no\n",
            "warning: Memcached: refused: `127.0.0.1:no` is no address of a server",
        ),
        (
            "memcached_servers=127.0.0.1:1\n",
            "write <SessionCache> with module = \"Memcached\"",
        ),
        (
            "memcached_servers=127.0.0.1:1\n<SessionCache>\nmodule=Memory\n</SessionCache>\n",
            "<SessionCache> is there as well, and wins",
        ),
        (
            "memcached_servers=127.0.0.1:1\n<Connection memcached>\nmodule=Memory\n</Connection>\n",
            "<Connection memcached> is there as well, and wins",
        ),
        (
            "ldap_host=x\n<Connection ldap>\nmodule=Ldap\n</Connection>\n",
            "<Connection ldap> is there as well, and wins",
        ),
        (
            "db_dsn=x\n<Connection db>\nmodule=Sql\ndsn=dbi:SQLite:dbname=@TMP@/db\n</Connection>\n",
            "<Connection db> is there as well, and wins",
        ),
    ] {
        let has_database = old.contains("SQLite");
        let plugins = if has_database { &action } else { &plain };
        let ended = World::new(&(old.to_owned() + plugins)).run(&["--check-config"]);
        assert_eq!(ended.code, Some(0), "{old}{}", ended.err);
        assert!(ended.err.contains(message), "{old}{}", ended.err);
    }
}
