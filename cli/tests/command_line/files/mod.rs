//! Configuration files: what they say, and what is wrong with them.

use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt, path::Path};

use proptest::prelude::*;
use tempfile::TempDir;

use clap::CommandFactory;
use hapolicy::{Arguments, Effective, Stop};
use policy_proxy::{
    config::{Config, Findings, Written, written},
    options::Services,
};

use crate::effective::command_line;

mod groups;

fn read_file(path: &Path) -> Result<Config, Findings> {
    Config::read(path, Arguments::command())
}

/// What is wrong with a file, without its path.
fn faults(text: &str) -> Vec<String> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, text).unwrap();
    let words = ["--config".into(), path.clone().into_os_string()];
    let prefix = format!("{}:", path.display());
    match Arguments::parse(words, false) {
        Ok(_) => Vec::new(),
        Err(stopped) => match stopped.stop {
            Stop::Config(findings) => {
                let lines = findings.lines.iter();
                let lines = lines.map(|line| line.strip_prefix(&prefix).unwrap_or(line).to_owned());
                lines.collect()
            }
            stop => panic!("{stop:?}"),
        },
    }
}

#[test]
fn each_fault_is_said_with_its_place_and_what_was_meant() {
    for (text, fault) in [
        (
            "deadlin = \"90s\"",
            "1:1: error: unknown key `deadlin`: no key here (did you mean `deadline`?)",
        ),
        (
            "max_clients = 9",
            "1:1: error: unknown key `max_clients`: no key here (did you mean `max-clients`?)",
        ),
        (
            "weight = 9",
            "1:1: error: unknown key `weight`: no key here (`weight` is a key of a service: [service.NAME])",
        ),
        (
            "check-config = true",
            "1:1: error: unknown key `check-config`: no key here",
        ),
        (
            "deadline = 90",
            "1:12: error: invalid value for `deadline`: a duration needs a unit: 200ms, 10s, 2m, 1h",
        ),
        (
            "deadline = [\"90s\"]",
            "1:12: error: invalid value for `deadline`: expected a duration such as \"10s\", found a list",
        ),
        (
            "max-request = 1.5",
            "1:15: error: invalid value for `max-request`: expected a size such as \"128K\", found a number with a \
             fraction",
        ),
        (
            "max-request = \"1K\"",
            "1:15: error: invalid value for `max-request`: not between 4K and 16384K",
        ),
        (
            "max-failures = 0x10",
            "1:16: error: invalid value for `max-failures`: expected a whole number, found a whole number",
        ),
        (
            "logging = 1",
            "1:11: error: invalid value for `logging`: expected `true` or `false`, found a whole number",
        ),
        (
            "verbose = [\"requests\", \"atempts\"]",
            "1:24: error: invalid value for `verbose`: no category 'atempts': there are requests, services and connections",
        ),
        (
            "log-to = \"file\"",
            "1:10: error: invalid value for `log-to`: use one of syslog, journal, stdout, json",
        ),
        (
            "log-sample = \"1\"",
            "1:14: error: invalid value for `log-sample`: not a percentage from 0% to 100%, such as 1%",
        ),
        (
            "affinity = \"mesage\"",
            "1:12: error: invalid value for `affinity`: neither `none` nor `message` (did you mean `message`?)",
        ),
        (
            "default = \" \"",
            "1:11: error: invalid value for `default`: blank action",
        ),
        (
            "keep = \"a=5s\"",
            "1:8: error: invalid value for `keep`: not a duration such as \"60s\" (the time of one service is `keep` \
             in its table)",
        ),
        (
            "listen = [\"unix:/a\", 5]\nallow = [\"10.0.0.1/8\"]",
            "2:10: error: invalid value for `allow`: not a network: 10.0.0.0/8 is one",
        ),
        (
            "[service.a]\nadress = \"127.0.0.1:1\"",
            "1:10: error: invalid service `a`: it has no `address`, such as \"127.0.0.1:10031\" or \"unix:/path\"\n\
             2:1: error: unknown key `adress` of service `a`: no key of a service (did you mean `address`?)",
        ),
        (
            "[service.a]\naddress = \"127.0.0.1:1:5\"\npriority = 70000\nweight = 0\ntimeout = \"50ms\"\n\
             mode = \"draining\"\nkeep = 5\nactions = [\"dunno\", \"600\"]",
            "2:11: error: invalid `address` of service `a`: more than an address (`priority`, `weight` and `timeout` \
             are keys of their own)\n\
             3:12: error: invalid `priority` of service `a`: not 0 to 65535\n\
             4:10: error: invalid `weight` of service `a`: not 1 to 1000\n\
             5:11: error: invalid `timeout` of service `a`: not 100ms to 3600s\n\
             6:8: error: invalid `mode` of service `a`: neither `enabled` nor `drain` nor `disabled` (did you mean \
             `drain`?)\n\
             7:8: error: invalid `keep` of service `a`: a duration needs a unit: 200ms, 10s, 2m, 1h\n\
             8:21: error: invalid `actions` of service `a`: neither an action",
        ),
        ("service = 5", "1:11: error: `service` is no table"),
        ("service.a = 5", "1:13: error: service `a` is no table"),
        (
            "idle = \"1s\"\n[service.\"a=b\"]\naddress = \"127.0.0.1:1\"",
            "2:10: error: invalid service `a=b`: the name of a service is not empty and has no `=`",
        ),
        (
            "workers = 2\nprobe = \"/x\"\nlisten = \"inet:127.0.0.1:0\"",
            "2:9: error: `probe` needs an interval: `health-check` DURATION, or `check` DURATION",
        ),
        (
            "# a comment\nmax-memory = \"1M\"\nmax-request = \"16M\"",
            "2:14: error: `max-memory` 1M is less than 8 times `max-request` 16M",
        ),
        (
            "idle = \"1s\"",
            "1:8: error: `idle` is for a daemon, which needs a listener: `listen` ENDPOINT, or sockets",
        ),
        ("a = \"\u{1b}[31m\"\n", "1:1: error: unknown key `a`"),
        (
            "include = \"/nonexistent\"",
            "1:11: error: invalid value for `include`: /nonexistent: No such file",
        ),
    ] {
        let found = faults(text).join("\n");
        assert!(found.contains(fault), "{text}\n{found}");
    }
}

#[test]
fn all_faults_of_a_file_are_said_those_of_its_grammar_among_them() {
    let text = "deadline = 90s\nidle 5\n[service.a\naddress = \"127.0.0.1:1\"\nwieght = 2\n";
    let found = faults(text);
    for line in ["1:", "2:", "3:"] {
        let of_line = found.iter().filter(|fault| fault.starts_with(line));
        assert_eq!(of_line.count(), 1, "{found:?}");
    }
    let text = "daedline = 1\nidle = 5\nworkers = 0\n";
    assert_eq!(faults(text).len(), 3);
}

#[test]
fn what_is_given_twice_in_two_files_is_a_fault_that_names_both_places() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("hapolicy.toml");
    let included = dir.path().join("conf.d");
    fs::create_dir(&included).unwrap();
    fs::write(&path, "include = \"conf.d\"\ndeadline = \"60s\"\n").unwrap();
    fs::write(included.join("b.toml"), "deadline = \"70s\"\n").unwrap();
    fs::write(
        included.join("a.toml"),
        "[service.a]\naddress = \"127.0.0.1:1\"\n",
    )
    .unwrap();
    fs::write(included.join("c.toml"), "include = \"x\"\n").unwrap();
    fs::write(included.join("d.toml~"), "garbage").unwrap();
    fs::write(included.join(".e.toml"), "garbage").unwrap();
    let lines = read_file(&path).unwrap_err().lines;
    let (b, c) = (included.join("b.toml"), included.join("c.toml"));
    let expected = [
        format!(
            "{}:1:1: error: `deadline` is given twice: it is given in {}:2:1 already",
            b.display(),
            path.display()
        ),
        format!(
            "{}:1:1: error: `include` in a file that is included: for the first file only",
            c.display()
        ),
    ];
    assert_eq!(lines, expected);

    fs::remove_file(b).unwrap();
    fs::remove_file(c).unwrap();
    let config = read_file(&path).unwrap();
    assert_eq!(
        config.words,
        ["--deadline=60s", "--service=a=127.0.0.1:1:::"]
    );
}

#[test]
fn a_file_that_is_not_there_too_large_or_not_utf_8_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("f");
    let read = || read_file(&path).unwrap_err().lines.join("\n");
    assert!(
        read().contains(":1:1: error: cannot be read: No such file"),
        "{}",
        read()
    );
    fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(read().contains("larger than 1 MiB"), "{}", read());
    fs::write(&path, "include = \"conf.d\"\n").unwrap();
    let included = dir.path().join("conf.d");
    fs::create_dir(&included).unwrap();
    std::os::unix::fs::symlink(&path, included.join("a.toml")).unwrap();
    assert!(read().contains("a.toml is the same file as "), "{}", read());
    fs::remove_file(included.join("a.toml")).unwrap();
    fs::write(included.join("b.toml"), "").unwrap();
    fs::hard_link(included.join("b.toml"), included.join("c.toml")).unwrap();
    assert!(read().contains("c.toml is the same file as "), "{}", read());
    fs::remove_dir_all(&included).unwrap();
    fs::write(&path, b"# x\n# gr\xfcn\n").unwrap();
    assert!(read().contains(":2:5: error: not UTF-8"), "{}", read());
}

/// With groups, routes and listeners with names.
#[test]
fn what_is_shown_of_a_file_with_groups_is_a_file_that_means_the_same() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("f");
    let read = |text: &str| {
        fs::write(&path, text).unwrap();
        Arguments::parse(["--config".into(), path.clone().into_os_string()], false).unwrap()
    };
    let options = read(groups::GOOD);
    let chosen = written_of(&options, Written::NonDefault).unwrap();
    for part in [
        "\n[group.one]\nservices = [\"a\"]\ndeadline = \"7s\"\n",
        "\n[listener.x]\naddress = \"inet:127.0.0.1:0\"\ngroup = \"one\"\ndefault = \"DEFER\"\n",
        "\n[[route]]\ngroup = \"two\"\npolicy_context = [\"p\"]\nprotocol_state = [\"RCPT\", \"END-OF-MESSAGE\"]\n\
         listener = [\"x\"]\n",
    ] {
        assert!(chosen.contains(part), "{part}\n{chosen}");
    }
    assert!(!chosen.contains("listen ="), "{chosen}");
    let shown = all(&options);
    for text in [&chosen, &shown] {
        assert_eq!(all(&read(text)), shown, "{text}");
    }
}

#[test]
fn services_stand_in_the_order_of_the_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("f");
    let text = "[service.z]\naddress = \"127.0.0.1:1\"\n[service.a]\naddress = \"127.0.0.1:2\"\nmode = \"drain\"\n";
    fs::write(&path, text).unwrap();
    let words = read_file(&path).unwrap().words;
    let expected = [
        "--service=z=127.0.0.1:1:::",
        "--service=a=127.0.0.1:2:::",
        "--mode=a=drain",
    ];
    assert_eq!(words, expected);
}

#[test]
fn a_name_that_no_file_may_have_is_not_converted() {
    for name in ["x\u{1}", "x\u{80}"] {
        let word = format!("--service={name}=127.0.0.1:7");
        let options = Arguments::parse([OsString::from(word)], false).unwrap();
        let refused = written_of(&options, Written::All).unwrap_err();
        assert!(refused.ends_with("which no file may have"), "{refused}");
    }
}

/// The file with all settings that hold.
fn all(arguments: &Arguments) -> String {
    written_of(arguments, Written::All).unwrap()
}

fn written_of(arguments: &Arguments, which: Written) -> Result<String, String> {
    let options = arguments.options();
    let services = Services::parse(&options);
    let effective = Effective::new(arguments, &options, &services);
    written(&effective.settings(&options), which)
}

proptest! {
    #[test]
    fn a_command_line_and_the_file_that_it_is_converted_to_mean_the_same(words in command_line()) {
        let words = words.into_iter().map(OsString::from_vec);
        let options = Arguments::parse(words, false).unwrap();
        let dir = TempDir::new().unwrap();
        for which in [Written::NonDefault, Written::All] {
            let text = match written_of(&options, which) {
                Ok(text) => text,
                Err(error) => {
                    let is_of_names = error.ends_with("which a file has to be") || error.ends_with("which no file may have");
                    prop_assert!(is_of_names, "{}", error);
                    return Ok(());
                }
            };
            let path = dir.path().join("f");
            fs::write(&path, &text).unwrap();
            let words = ["--config".into(), path.into_os_string()];
            let read = Arguments::parse(words, false);
            let read = read.map_err(|stopped| TestCaseError::fail(format!("{text}\n{stopped:?}")))?;
            prop_assert_eq!(all(&read), all(&options), "{}", text);
            prop_assert_eq!(read.is_daemon, options.is_daemon);
        }
    }

    #[test]
    fn no_file_makes_the_reader_panic(text in "(([a-z\\-]{1,8}|deadline|service|\\[service\\.a\\]|[0-9]{1,3})[ =\"\n\\[\\]{}.,#]{0,3}){0,40}") {
        faults(&text);
    }
}

#[test]
fn of_many_faults_the_first_are_said_and_the_others_counted() {
    let text: String = (0..5000)
        .map(|number| format!("key{number} = 1\n"))
        .collect();
    let found = faults(&text);
    assert_eq!(found.len(), 21);
    assert_eq!(found.last().unwrap(), "error: 4980 more faults");
}
