//! `--config`, and what prints such a file: `--show-config` and `--convert`.

use std::fs;

use policy_testing::process::{hapolicy, run};
use tempfile::TempDir;

fn file(text: &str) -> (TempDir, String) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("hapolicy.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

#[test]
fn a_fault_is_shown_with_its_line_and_what_was_meant() {
    let text = "listen = \"inet:127.0.0.1:0\"\ndeadlin = \"60s\"\n\n[service.grey1]\naddress = \"127.0.0.1:10031\"\n\
                wieght = \"\u{9b}31mred\"\n";
    let (_dir, path) = file(text);
    for args in [
        &["--config", &path][..],
        &["--check-config", "--config", &path],
    ] {
        let ended = run(hapolicy(), args);
        assert_eq!(ended.code, Some(78), "{ended:?}");
        let expected = format!(
            "\
error: unknown key `deadlin`
 --> {path}:2:1
  |
2 | deadlin = \"60s\"
  | ^^^^^^^ no key here
  |
help: did you mean `deadline`?

error: unknown key `wieght` of service `grey1`
 --> {path}:6:1
  |
6 | wieght = \"\\u{{9b}}31mred\"
  | ^^^^^^ no key of a service
  |
help: did you mean `weight`?

"
        );
        assert_eq!(ended.err, expected);
    }
}

#[test]
fn a_file_is_checked_and_shown_with_all_defaults_or_without() {
    let (_dir, path) = file(
        "listen = \"inet:127.0.0.1:0\"\nworkers = 2\n\n[service.grey1]\naddress = \"127.0.0.1:10031\"\nweight = 3\n",
    );
    let quiet = run(
        hapolicy(),
        &["--check-config", "--quiet", "--config", &path],
    );
    let expected = (Some(0), "", "");
    assert_eq!((quiet.code, &*quiet.out, &*quiet.err), expected);

    let all = run(hapolicy(), &["--show-config", "--config", &path]);
    assert_eq!((all.code, all.err.as_str()), (Some(0), ""));
    for line in [
        "listen = [\"inet:127.0.0.1:0\"]",
        "workers = 2",
        "deadline = \"90s\"",
        "logging = false",
        "# user is not set",
        "[service.grey1]",
        "priority = 10",
        "timeout = \"10s\"",
    ] {
        assert!(
            all.out.lines().any(|found| found == line),
            "{line}: {}",
            all.out
        );
    }

    let chosen = run(hapolicy(), &["--show-config", "-n", "--config", &path]);
    let expected = "listen = [\"inet:127.0.0.1:0\"]\nworkers = 2\n\n[service.grey1]\n\
                    address = \"inet:127.0.0.1:10031\"\nweight = 3\n";
    assert_eq!(chosen.out, expected);
}

#[test]
fn options_of_the_log_are_shown_as_they_are_given() {
    let text = "listen = [\"inet:127.0.0.1:0\"]\nverbose = \"requests,connections\"\nlog-to = \"journal\"\n\
                log-sample = \"1.5%\"\n\n[service.grey1]\naddress = \"inet:127.0.0.1:10031\"\n";
    let in_list = text.replace(
        "\"requests,connections\"",
        "[\"connections\", \"requests\"]",
    );
    for given in [text, &in_list] {
        let (_dir, path) = file(given);
        let shown = run(hapolicy(), &["--show-config", "-n", "--config", &path]);
        let mut lines: Vec<&str> = shown.out.lines().collect();
        let mut expected: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        expected.sort_unstable();
        assert_eq!(lines, expected, "{shown:?}");
    }
    let line = ["-v=services", "-s", "grey1=127.0.0.1:10031"];
    let shown = run(hapolicy(), &[&["--check-config"][..], &line].concat());
    assert!(shown.out.contains("\n--verbose=services\n"), "{shown:?}");
    let shown = run(hapolicy(), &[&["--convert"][..], &line].concat());
    assert!(
        shown.out.starts_with("verbose = \"services\"\n"),
        "{shown:?}"
    );
}

#[test]
fn a_warning_says_where_in_the_file_it_is() {
    let (_dir, path) =
        file("default = \"OK\"\ndeadline = \"101s\"\n[service.a]\naddress = \"127.0.0.1:1\"\n");
    let ended = run(hapolicy(), &["--check-config", "--config", &path]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said = format!("{path}:2:12: warning: --deadline 101s is above the 100s");
    assert!(ended.err.contains(&said), "{ended:?}");
}

#[test]
fn a_command_line_is_converted_and_a_wrong_one_is_not() {
    let args = [
        "--convert",
        "-l",
        "-s",
        "a=127.0.0.1:1:5",
        "--mode",
        "a=drain",
    ];
    let ended = run(hapolicy(), &args);
    let expected = "logging = true\n\n[service.a]\naddress = \"inet:127.0.0.1:1\"\npriority = 5\nmode = \"drain\"\n";
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), expected));
    let ended = run(hapolicy(), &["--convert", "-s", "a=127.0.0.1:0"]);
    let said = "hapolicy: invalid service 'a=127.0.0.1:0': port '0' is not 1 to 65535\n";
    let expected = (Some(78), "", said);
    assert_eq!((ended.code, &*ended.out, &*ended.err), expected);
}

#[test]
fn the_files_in_the_documents_have_no_fault_and_nothing_to_warn_of() {
    let read = |name: &str| fs::read_to_string(format!("../docs/{name}")).unwrap();
    let (manual, page) = (read("hapolicy.md"), read("hapolicy.toml.5"));
    let blocks = manual
        .split("\n```toml ")
        .skip(1)
        .map(|block| (block, "\n```"));
    let displays = page
        .split("block: toml ")
        .skip(1)
        .map(|block| (block, "\n.Ed"));
    let mut checked = 0;
    for (block, end) in blocks.chain(displays) {
        let (_, text) = block.split_once('\n').unwrap();
        let text = text.trim_start_matches(".Bd -literal -offset indent\n");
        let text = text.split_once(end).unwrap().0;
        let spool = TempDir::new().unwrap();
        fs::create_dir(spool.path().join("private")).unwrap();
        let here = text.replace("/var/spool/postfix", spool.path().to_str().unwrap());
        // A unit makes that directory.
        let here = here.replace("/run/hapolicy/", &format!("{}/", spool.path().display()));
        let (_dir, path) = file(&here);
        let ended = run(
            hapolicy(),
            &["--check-config", "--strict", "--quiet", "--config", &path],
        );
        let expected = (Some(0), "", "");
        assert_eq!((ended.code, &*ended.out, &*ended.err), expected, "{text}");
        checked += 1;
    }
    assert!(checked > 1);
}

#[test]
fn beside_a_file_there_are_no_other_settings() {
    let (_dir, path) = file("[service.a]\naddress = \"127.0.0.1:1\"\n");
    for (args, said) in [
        (&["-s", "b=127.0.0.1:2"][..], "-s belongs into the file"),
        (&["-d", "dunno"], "-d belongs into the file"),
        (&["--deadline", "5s"], "--deadline belongs into the file"),
        (&["--check", "5s"], "--check belongs into the file"),
        (&["--convert"], "--convert belongs into the file"),
    ] {
        let ended = run(hapolicy(), &[&["--config", &path], args].concat());
        assert_eq!(ended.code, Some(1), "{args:?}: {ended:?}");
        assert!(ended.err.contains(said), "{args:?}: {ended:?}");
    }
    let ended = run(
        hapolicy(),
        &["--config", &path, "--check", "-lvL", "--quiet"],
    );
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let ended = run(hapolicy(), &["-s", "a=127.0.0.1:1", "-n"]);
    assert!(ended.err.contains("Unknown option: n"), "{ended:?}");
}
