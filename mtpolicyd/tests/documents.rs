//! Each block of the manual is run: a configuration passes the check and starts, and its exchange comes out as printed.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use mtpolicyd::{
    Call, Services, Session, chain::Pattern, config::LoadOptions, load::load_text, services::Dns,
};
use policy_proto::Request;
use policy_testing::{
    port::Port,
    process::{Client, Process, Signal, is_root},
};
use tokio::runtime::Builder;

fn docs(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../docs", name]
        .iter()
        .collect()
}

/// The blocks of a document: line, kind and text.
fn blocks(document: &str) -> Vec<(usize, String, String)> {
    let manual = fs::read_to_string(docs(document)).unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String, String)> = None;
    for (index, line) in manual.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(kind), None) => open = Some((index + 1, kind.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, _, text))) => text.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    blocks
}

#[test]
fn each_configuration_of_the_manual_and_of_the_page_on_migration_answers_as_printed() {
    assert!(followed("mtpolicyd.md") > 4);
    assert_eq!(followed("migrate.md"), 1);
}

/// Follows the configurations of a document; how many there are.
fn followed(document: &str) -> usize {
    let blocks = blocks(document);
    let mut count = 0;
    for (index, (line, kind, config)) in blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| block.1 == "mtpolicyd.conf")
    {
        let (_, next, exchange) = &blocks[index + 1];
        count += 1;
        if next == "zone" {
            let (_, last, printed) = &blocks[index + 2];
            assert_eq!(last, "exchange", "line {line}");
            follow_with_zone(*line, config, exchange, printed);
            continue;
        }
        assert_eq!(
            (kind.as_str(), next.as_str()),
            ("mtpolicyd.conf", "exchange"),
            "line {line}"
        );
        follow(*line, config, exchange);
    }
    count
}

/// The chain of a configuration whose DNS is a zone, without a daemon around it.
fn follow_with_zone(line: usize, config: &str, zone: &str, exchange: &str) {
    let text = format!("port = 12345\n{config}");
    let (config, findings) = load_text("manual", &text, LoadOptions::default());
    assert!(
        findings.sorted().is_empty(),
        "line {line}: {:?}",
        findings.sorted()
    );
    let config = config.unwrap();
    let services = Services::for_tests(Dns::Table(Arc::new(zone.parse().unwrap())));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut answer = String::new();
    for printed in exchange.lines() {
        if let Some(attributes) = printed.strip_prefix("> ") {
            let pairs = attributes
                .split(' ')
                .map(|pair| pair.split_once('=').unwrap());
            let request = Request::from_attributes(pairs).unwrap();
            let mut session = Session::default();
            let mut call = Call::new(&request, &mut session, &services);
            let verdict = runtime.block_on(config.hosts[0].chain.run(&mut call));
            let action = verdict.unwrap().map(|verdict| verdict.action);
            answer = format!("< action={}", action.as_deref().unwrap_or("dunno"));
        } else {
            assert_eq!(answer, printed, "line {line}");
        }
    }
}

fn follow(line: usize, config: &str, exchange: &str) {
    let directory = tempfile::tempdir().unwrap();
    let port = Port::any();
    let number = port.number().to_string();
    let path = directory.path().join("mtpolicyd.conf");
    let config = config.replace("<VirtualHost 12345>", &format!("<VirtualHost {number}>"));
    fs::write(&path, format!("port = {number}\n{config}")).unwrap();
    let program = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mtpolicyd"));
        command
            .args(words)
            .arg("-c")
            .arg(&path)
            .current_dir(directory.path());
        Process::of(command.stdin(Stdio::null()))
    };
    let checked = program(&["--check-config"]).end();
    assert_eq!(checked.code, Some(0), "line {line}: {}", checked.err);
    let daemon = program(&["-f"]);
    assert!(
        daemon.err.wait_lines(1, "listening on "),
        "line {line}: {}",
        daemon.err.text()
    );
    let mut client = Client::connect(&format!("127.0.0.1:{number}"));
    for printed in exchange.lines() {
        if let Some(attributes) = printed.strip_prefix("> ") {
            let attributes = attributes.replace(' ', "\n");
            client.send(format!("request=smtpd_access_policy\n{attributes}\n\n").as_bytes());
        } else {
            let reply = client
                .reply()
                .map(|reply| String::from_utf8(reply).unwrap());
            let expected = printed.strip_prefix("< ").unwrap();
            assert_eq!(
                reply.as_deref().map(str::trim_end),
                Some(expected),
                "line {line}"
            );
        }
    }
}

#[test]
fn each_block_is_of_a_kind_that_is_run_or_shown() {
    for (line, kind, _) in blocks("mtpolicyd.md") {
        assert!(
            ["mtpolicyd.conf", "exchange", "text", "zone"].contains(&kind.as_str()),
            "line {line}: {kind}"
        );
    }
}

#[test]
fn the_shipped_configuration_has_nothing_to_be_said_about() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtpolicyd"));
    command
        .args(["--check-config", "--strict", "-c"])
        .arg(docs("mtpolicyd.conf"));
    let ended = Process::of(command.stdin(Stdio::null())).end();
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
}

/// Each module has a section of the manual, and each section's module is there.
#[test]
fn each_plugin_has_its_section() {
    let manual = fs::read_to_string(docs("mtpolicyd.md")).unwrap();
    let table =
        fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/plugins/mod.rs"))
            .unwrap();
    let modules = table
        .lines()
        .filter_map(|line| line.trim().strip_prefix("(\"")?.split('"').next());
    let headings: Vec<_> = manual
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let documented: Vec<_> = headings
        .iter()
        .flat_map(|heading| heading.split(", "))
        .collect();
    let modules: Vec<_> = modules.collect();
    let missing: Vec<_> = modules
        .iter()
        .filter(|module| !documented.contains(module))
        .collect();
    let unknown: Vec<_> = documented
        .iter()
        .filter(|name| !modules.contains(name))
        .collect();
    assert_eq!((missing, unknown), (Vec::new(), Vec::new()));
    assert!(modules.len() > 10);
}

/// Whatever a word in capitals of the manual stands for.
const ANY: &str = "[A-Z]+(:[A-Z]+)*";

/// The texts that the source hands to the log, as patterns of what the manual calls them.
fn texts_of_the_source(directory: &Path, patterns: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts_of_the_source(&path, patterns);
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        for call in [".warning(", ".failed(", ".warn(", "journal.line("] {
            // A section's warning is a finding, which has a key first.
            for (at, _) in source.match_indices(call) {
                let place = format!("{}: {call}", path.display());
                let receiver = source[..at].rsplit([' ', '\n']).next().unwrap();
                let argument = &source[at + call.len()..];
                let argument = &argument[..argument.find(';').unwrap_or(argument.len())];
                let is_log =
                    receiver.contains("journal") || call.contains("journal") || call == ".warn(";
                if !is_log || receiver.ends_with("fn") {
                    continue;
                }
                let text = if let Some(text) = literal(argument) {
                    text
                } else if argument.contains("&text") || argument.ends_with("text)") {
                    let (_, before) = source[..at].rsplit_once("let text =").unwrap_or_default();
                    let Some(text) = literal(before) else {
                        continue;
                    };
                    text
                } else {
                    continue;
                };
                patterns.push((place, pattern_of(&text)));
            }
        }
    }
}

/// The first text in quotes.
fn literal(code: &str) -> Option<String> {
    let (_, rest) = code.split_once('"')?;
    Some(rest.split('"').next().unwrap().to_owned())
}

fn pattern_of(text: &str) -> String {
    let mut pattern = "^".to_owned();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        pattern.push_str(&escaped(before));
        pattern.push_str(ANY);
        rest = after.split_once('}').unwrap().1;
    }
    pattern + &escaped(rest) + "$"
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        if !char.is_alphanumeric() && char.is_ascii() {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

/// The lines that the manual lists.
fn lines_of_the_manual() -> Vec<String> {
    let manual = fs::read_to_string(docs("mtpolicyd.md")).unwrap();
    let (_, section) = manual.split_once("\n## The log\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(1));
    let lines = rows.flat_map(|cell| cell.split("`, `"));
    let text = |line: &str| line.trim_matches('`').replace("\\`", "`");
    lines
        .map(text)
        .filter(|line| line.contains(char::is_whitespace) || line.contains(':'))
        .collect()
}

/// Lines whose text is made elsewhere: the one of a request, findings, and errors of plugins and sessions.
const MADE_ELSEWHERE: &[&str] = &[
    "NAME: instance=ID, type=TYPE, t=Nms, plugin=PLUGIN, result=ACTION",
    "plugin NAME failed: REASON",
    "connection NAME is back",
    "could not acquire lock for session ID: another request has it, this one goes on without",
    "session cache: REASON: requests go on without sessions",
    "session cache: REASON",
    "closing a connection from ADDRESS without an answer: the handler has failed: REASON",
    "FILE:LINE is left out, it is no expression: REASON",
    "FILE:LINE:COLUMN: TEXT",
];

#[test]
fn each_line_of_the_log_has_a_row_and_each_row_a_line() {
    let mut patterns = Vec::new();
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    texts_of_the_source(&source, &mut patterns);
    assert!(patterns.len() > 20, "{patterns:?}");
    let lines = lines_of_the_manual();
    let is_match =
        |pattern: &str, line: &str| Pattern::compile(pattern).unwrap().is_match(line.as_bytes());
    for (place, pattern) in &patterns {
        let has_row = lines.iter().any(|line| is_match(pattern, line));
        assert!(has_row, "no row for {pattern}, {place}");
    }
    for line in &lines {
        let has_source = patterns.iter().any(|(_, pattern)| is_match(pattern, line));
        assert!(
            has_source || MADE_ELSEWHERE.contains(&line.as_str()),
            "no line for `{line}`"
        );
    }
    for line in MADE_ELSEWHERE {
        assert!(lines.iter().any(|other| other == line), "{line}");
    }
}

/// The command lines of a document's blocks of kind `text`, with the heading before them.
fn commands(document: &str) -> Vec<String> {
    let text = fs::read_to_string(document).unwrap();
    let mut lines = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            is_open = !is_open && kind == "text";
        } else if is_open {
            lines.push(line.to_owned());
        }
    }
    lines
}

/// Runs the program as a line says, with a configuration of the repository in the place of the installed one.
fn run_as_said(words: &str) {
    let directory = tempfile::tempdir().unwrap();
    let port = Port::any();
    let shipped = fs::read_to_string(docs("mtpolicyd.conf")).unwrap();
    let shipped = shipped.replace("12345", &port.number().to_string());
    let user = if is_root() { "nobody" } else { "" };
    let shipped = shipped.replace("user = mtpolicyd", &format!("user = {user}"));
    let shipped = shipped.replace("group = mtpolicyd", "group = nogroup");
    let path = directory.path().join("mtpolicyd.conf");
    fs::write(&path, shipped).unwrap();
    let words = words.replace("/etc/mtpolicyd/mtpolicyd.conf", &path.display().to_string());
    if let Some(words) = words.strip_prefix("ctl ") {
        return command_as_said(words, &path);
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtpolicyd"));
    command
        .args(words.split_whitespace())
        .current_dir(directory.path());
    let process = Process::of(command.stdin(Stdio::null()));
    if words.contains("-f") {
        assert!(
            process.err.wait_lines(1, "listening on "),
            "{}",
            process.err.text()
        );
        process.signal(Signal::TERM);
    }
    assert_eq!(process.end().code, Some(0), "{words}");
}

/// Sends a command to a daemon with this configuration.
fn command_as_said(words: &str, config: &Path) {
    let directory = config.parent().unwrap();
    // The daemon's user reads it again.
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    let control = directory.join("control").display().to_string();
    let start = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mtpolicyd"));
        Process::of(command.args(words).stdin(Stdio::null()))
    };
    let address = format!("unix:{control}");
    let config = config.display().to_string();
    let daemon = start(&["-f", "-c", &config, "--control", &address]);
    assert!(
        daemon.err.wait_lines(1, "commands at "),
        "{}",
        daemon.err.text()
    );
    let words: Vec<_> = words.split_whitespace().collect();
    let ended = start(&[&["ctl", "--socket", &control], &words[..]].concat()).end();
    assert_eq!(ended.code, Some(0), "{words:?}: {ended:?}");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().code, Some(0));
}

#[test]
fn the_commands_of_the_manual_and_of_the_front_page_are_those_that_work() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut run = 0;
    for document in ["docs/mtpolicyd.md", "README.md"] {
        let lines = commands(&root.join(document).display().to_string());
        let mut made_user = false;
        for line in lines {
            let words = line.split_once("mtpolicyd -- ").map(|(_, words)| words);
            let words = words.or_else(|| line.strip_prefix("mtpolicyd "));
            if let Some(words) = words {
                run_as_said(words);
                run += 1;
            }
            made_user |= line.starts_with("adduser ") && line.ends_with(" mtpolicyd");
            if line.starts_with("install ") && line.contains("mtpolicyd") {
                let words: Vec<&str> = line.split_whitespace().collect();
                let source = words[words.len() - 2];
                let is_there = source == "target/release/mtpolicyd" || root.join(source).is_file();
                assert!(is_there, "{document}: {source}");
                assert!(
                    made_user || !line.contains("-g mtpolicyd"),
                    "{document}: the user is made before"
                );
                run += 1;
            }
        }
    }
    assert!(run >= 6, "{run}");
    // The unit and the block of installation name the same places.
    let unit = fs::read_to_string(docs("../contrib/systemd/mtpolicyd.service")).unwrap();
    let manual = fs::read_to_string(docs("mtpolicyd.md")).unwrap();
    for place in ["/usr/local/sbin/mtpolicyd", "/etc/mtpolicyd/mtpolicyd.conf"] {
        assert!(unit.contains(place) && manual.contains(place), "{place}");
    }
}
