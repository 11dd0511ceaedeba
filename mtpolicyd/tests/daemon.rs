//! The program from outside: its command line, what keeps it from starting, its files, its reload.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    process::{Command, Stdio},
};

use policy_testing::{
    eventually,
    port::Port,
    process::{Client, Ended, Process, Signal},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mtpolicyd");

/// A directory with a configuration; `PORT` in it is a port that nobody else gets.
struct World {
    directory: tempfile::TempDir,
    port: Port,
}

impl World {
    fn new(config: &str) -> Self {
        let world = Self {
            directory: tempfile::tempdir().unwrap(),
            port: Port::any(),
        };
        world.configure(config);
        world
    }

    fn configure(&self, config: &str) {
        let port = self.port.number().to_string();
        let config = config
            .replace("PORT", &port)
            .replace("@TMP@", &self.path("").display().to_string());
        fs::write(self.path("mt.conf"), config).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn start(&self, words: &[&str]) -> Process {
        let mut command = Command::new(PROGRAM);
        command
            .args(words)
            .arg("-c")
            .arg(self.path("mt.conf"))
            .current_dir(self.directory.path());
        Process::of(command.stdin(Stdio::null()))
    }

    fn run(&self, words: &[&str]) -> Ended {
        self.start(words).end()
    }

    fn serve(&self, words: &[&str]) -> Process {
        let words: Vec<&str> = ["-f"].into_iter().chain(words.iter().copied()).collect();
        let process = self.start(&words);
        assert!(
            process.err.wait_lines(1, "listening on "),
            "{}",
            process.err.text()
        );
        process
    }

    fn ask(&self, request: &str) -> Option<String> {
        let mut client = self.connect();
        ask(&mut client, request)
    }

    fn connect(&self) -> Client {
        Client::connect(&format!("127.0.0.1:{}", self.port.number()))
    }
}

fn ask(client: &mut Client, request: &str) -> Option<String> {
    client.send(format!("request=smtpd_access_policy\n{request}\n\n").as_bytes());
    let reply = client.reply()?;
    Some(String::from_utf8(reply).unwrap().trim_end().to_owned())
}

fn host(plugins: &str) -> String {
    format!("port = PORT\n<VirtualHost PORT>\nname=test\n{plugins}</VirtualHost>\n")
}

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
fn on_error_closes_continues_or_answers() {
    for (on_error, answer) in [
        ("", None),
        ("on_error=close\n", None),
        ("on_error=other\n", None),
        ("on_error=continue\n", Some("action=reject end")),
        ("on_error=dunno\n", Some("action=dunno")),
        (
            "on_error=defer\n",
            Some("action=defer_if_permit the mail cannot be checked now, try again later"),
        ),
    ] {
        let world = World::new(&host(&format!(
            "<Plugin p>\nmodule=Condition\nkey=bad:key\n{on_error}</Plugin>\n<Plugin e>\nmodule=Action\naction=reject end\n</Plugin>\n"
        )));
        let process = world.serve(&[]);
        assert_eq!(world.ask("sender=a@x").as_deref(), answer, "{on_error}");
        let said = process.err.wait_lines(
            1,
            "plugin p failed: unknown scope bad while retrieving variable for bad:key",
        );
        assert!(said, "{}", process.err.text());
    }
}

#[test]
fn a_connection_is_closed_after_max_keepalive_requests() {
    let action = "<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n";
    let world = World::new(&format!("max_keepalive = 2\n{}", host(action)));
    let _process = world.serve(&[]);
    let mut client = world.connect();
    let mut answers = Vec::new();
    for _ in 0..2 {
        answers.push(ask(&mut client, "sender=a@x"));
    }
    assert_eq!(
        answers,
        [
            Some("action=reject x".to_owned()),
            Some("action=reject x".to_owned())
        ]
    );
    assert_eq!(client.reply(), None);
}

#[test]
fn two_virtual_hosts_on_one_port_are_told_apart_by_the_context() {
    let one = |name: &str| {
        format!(
            "<VirtualHost PORT>\nname={name}\n<Plugin a>\nmodule=Action\naction=reject {name}\n</Plugin>\n</VirtualHost>\n"
        )
    };
    let world = World::new(&format!(
        "port = PORT\nvhost_by_policy_context = 1\n{}{}",
        one("first"),
        one("second")
    ));
    let _process = world.serve(&[]);
    for (context, answer) in [
        ("second", "second"),
        ("first", "first"),
        ("", "first"),
        ("third", "first"),
    ] {
        let expected = format!("action=reject {answer}");
        assert_eq!(
            world.ask(&format!("policy_context={context}")),
            Some(expected)
        );
    }
}

#[test]
fn a_unix_socket_has_its_own_virtual_host() {
    let world = World::new(
        "port = PORT, @TMP@/mt.sock|unix\n<VirtualHost @TMP@/mt.sock>\nname=unix\n<Plugin a>\nmodule=Action\naction=reject unix\n\
         </Plugin>\n</VirtualHost>\n",
    );
    let process = world.start(&["-f"]);
    assert!(
        process.err.wait_lines(2, "listening on "),
        "{}",
        process.err.text()
    );
    let mut client = Client::connect(&format!("unix:{}", world.path("mt.sock").display()));
    assert_eq!(
        ask(&mut client, "sender=a@x").as_deref(),
        Some("action=reject unix")
    );
    // Nobody is there for the port.
    assert_eq!(world.ask("sender=a@x"), None);
    assert!(
        process
            .err
            .wait_lines(1, "no virtual host defined for port")
    );
}

#[test]
fn a_reload_is_all_or_nothing_and_keeps_sessions() {
    let config = |action: &str| {
        format!(
            "<SessionCache>\nmodule=Memory\n</SessionCache>\n{}",
            host(&format!(
                "<Plugin s>\nmodule=Condition\nkey=sender\nmatch=a@x\nscore=1\n</Plugin>\n\
                 <Plugin a>\nmodule=ScoreAction\nthreshold=0\naction={action} %SCORE%\n</Plugin>\n"
            ))
        )
    };
    let world = World::new(&config("reject one"));
    let process = world.serve(&[]);
    let request = "sender=a@x\ninstance=i";
    assert_eq!(world.ask(request).as_deref(), Some("action=reject one 1"));
    world.configure(&config("reject two"));
    process.signal(Signal::HUP);
    assert!(
        process.err.wait_lines(1, "the configuration is reloaded"),
        "{}",
        process.err.text()
    );
    assert_eq!(world.ask(request).as_deref(), Some("action=reject two 2"));
    world.configure("port = PORT\n");
    process.signal(Signal::HUP);
    assert!(
        process
            .err
            .wait_lines(1, "the configuration has errors, that of before stays")
    );
    assert_eq!(world.ask(request).as_deref(), Some("action=reject two 3"));
}

#[test]
fn a_request_without_an_instance_has_an_empty_session() {
    let score = "<Plugin s>\nmodule=Condition\nkey=sender\nmatch=a@x\nscore=1\n</Plugin>\n<Plugin h>\nmodule=AddScoreHeader\n</Plugin>\n";
    let world = World::new(&format!(
        "<SessionCache>\nmodule=Memory\n</SessionCache>\n{}",
        host(score)
    ));
    let _process = world.serve(&[]);
    for request in ["sender=a@x", "sender=a@x", "sender=a@x\ninstance="] {
        let expected = "action=PREPEND X-MtScore: NO score=1 [s=1]";
        assert_eq!(world.ask(request).as_deref(), Some(expected));
    }
}

#[test]
fn a_dry_run_decides_and_answers_dunno() {
    let world = World::new(&format!(
        "log_level = 1\n{}",
        host("<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n")
    ));
    let process = world.serve(&["--dry-run"]);
    assert_eq!(world.ask("instance=7").as_deref(), Some("action=dunno"));
    for part in [
        "test: instance=7, type=smtpd_access_policy, t=",
        "ms, plugin=a, result=reject x (dry run: answered dunno)",
    ] {
        assert!(process.err.wait_lines(1, part), "{}", process.err.text());
    }
}

#[test]
fn in_the_background_the_starter_ends_when_the_daemon_serves() {
    let world = World::new(&format!(
        "pid_file = @TMP@/mt.pid\nlog_file = @TMP@/mt.log\n{}",
        host("<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n")
    ));
    let ended = world.run(&[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(eventually(|| std::net::TcpStream::connect((
        "127.0.0.1",
        world.port.number()
    ))
    .is_ok()));
    let pid = fs::read_to_string(world.path("mt.pid")).unwrap();
    assert_eq!(world.ask("sender=a@x").as_deref(), Some("action=reject x"));
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert!(
        eventually(|| !world.path("mt.pid").exists()),
        "the file goes with the daemon"
    );
    // A start that fails is the starter's failure.
    world.configure("pid_file = /nonexistent/mt.pid\nport = PORT\n<VirtualHost PORT>\nname=t\n<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n</VirtualHost>\n");
    let ended = world.run(&[]);
    assert_eq!(ended.code, Some(71));
    assert!(
        ended.err.contains("pid_file /nonexistent/mt.pid"),
        "{ended:?}"
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

#[cfg_attr(not(feature = "interop"), ignore = "needs root")]
#[test]
fn a_database_file_belongs_to_the_user_of_the_daemon() {
    let world = World::new(&format!(
        "user=nobody\ngroup=nogroup\n<Connection db>\nmodule=Sql\ndsn=dbi:SQLite:dbname=@TMP@/db.sqlite\n</Connection>\n\
         <SessionCache>\nmodule=Sql\n</SessionCache>\n{}",
        host("<Plugin a>\nmodule=Action\naction=reject x\n</Plugin>\n")
    ));
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(world.directory.path(), everybody).unwrap();
    let _process = world.serve(&[]);
    assert_eq!(world.ask("instance=1").as_deref(), Some("action=reject x"));
    let owner = fs::metadata(world.path("db.sqlite")).unwrap().uid();
    let nobody = fs::read_to_string("/etc/passwd").unwrap();
    let nobody = nobody
        .lines()
        .find(|line| line.starts_with("nobody:"))
        .unwrap()
        .split(':')
        .nth(2)
        .unwrap()
        .to_owned();
    assert_eq!(owner.to_string(), nobody);
}

#[test]
fn the_command_line_is_the_originals() {
    let world = World::new(&host("<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n"));
    let help = world.run(&["-h"]);
    assert_eq!(help.code, Some(0));
    assert!(
        help.out
            .starts_with("mtpolicyd [-h|--help] [-c|--config=<file>] [-f|--foreground]")
    );
    assert!(world.run(&["--version"]).out.starts_with("mtpolicyd "));
    for words in [&["-d"][..], &["--dump_config"], &["--dump_vhosts"]] {
        let dumped = world.run(words);
        let expected = format!(
            "----- Virtual Hosts -----\n{} (test)\n  a (Action)\n",
            world.port.number()
        );
        assert_eq!((dumped.code, dumped.out), (Some(0), expected));
    }
    for words in [&["-t", "hourly"][..], &["--cron=hourly,daily"]] {
        assert_eq!(world.run(words).code, Some(0));
    }
    let ended = Process::start(PROGRAM, &["-f", "-c", "/nonexistent"]).end();
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.err,
        "configuration file /nonexistent does not exist!\n"
    );
    let unknown = world.run(&["--no-such-option", "-d"]);
    assert_eq!(
        (unknown.code, unknown.err.as_str()),
        (Some(0), "Unknown option: no-such-option\n")
    );
}

#[test]
fn a_client_that_leaves_gives_its_session_back_as_it_was() {
    // Nobody answers here.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let plugins = format!(
        "<Plugin slow>\nmodule=Condition\nkey=sender\nmatch=slow@x\n\
         <Plugin mark>\nmodule=SetField\nkey=mark\nvalue=yes\n</Plugin>\n\
         <Plugin wait>\nmodule=Proxy\nhost={silent}\ntimeout=60\n</Plugin>\n</Plugin>\n\
         <Plugin marked>\nmodule=Condition\nkey=s:mark\nmatch=yes\naction=reject marked\n</Plugin>\n"
    );
    let world = World::new(&format!(
        "request_timeout=60\n<SessionCache>\nmodule=Memory\nlock_timeout=3600\n</SessionCache>\n{}",
        host(&plugins)
    ));
    let process = world.serve(&[]);
    let client = world.connect();
    client.send(b"request=smtpd_access_policy\ninstance=i\nsender=slow@x\n\n");
    // The lock is held: this one has an empty session.
    assert!(eventually(|| {
        world.ask("instance=i").as_deref() == Some("action=dunno")
            && !process
                .err
                .lines("could not acquire lock for session i")
                .is_empty()
    }));
    client.reset();
    assert!(eventually(|| {
        world.ask("instance=i").as_deref() == Some("action=reject marked")
    }));
}

#[test]
fn a_plugin_that_takes_too_long_has_failed() {
    // Nobody answers here.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap();
    for (on_error, answer) in [
        ("", None),
        ("on_error=continue\n", Some("action=reject end")),
        ("on_error=dunno\n", Some("action=dunno")),
    ] {
        let world = World::new(&format!(
            "request_timeout=0.2\n{}",
            host(&format!(
                "<Plugin p>\nmodule=Proxy\nhost={silent}\ntimeout=60\n{on_error}</Plugin>\n\
                 <Plugin e>\nmodule=Action\naction=reject end\n</Plugin>\n"
            ))
        ));
        let process = world.serve(&[]);
        assert_eq!(world.ask("sender=a@x").as_deref(), answer, "{on_error}");
        let is_said = process
            .err
            .wait_lines(1, "plugin p failed: Request timeout!");
        assert!(is_said, "{}", process.err.text());
    }
}
