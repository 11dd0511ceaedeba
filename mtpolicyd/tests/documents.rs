//! Each block of the manual is run: a configuration passes the check and starts, and its exchange comes out as printed.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
};

use mtpolicyd::{Call, Services, Session, config::LoadOptions, load::load_text, services::Dns};
use policy_proto::Request;
use policy_testing::{
    port::Port,
    process::{Client, Process},
};
use tokio::runtime::Builder;

fn docs(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../docs", name]
        .iter()
        .collect()
}

/// The blocks of the manual: line, kind and text.
fn blocks() -> Vec<(usize, String, String)> {
    let manual = fs::read_to_string(docs("mtpolicyd.md")).unwrap();
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
fn each_configuration_of_the_manual_answers_as_printed() {
    let blocks = blocks();
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
    assert!(count > 4, "{count}");
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
    for (line, kind, _) in blocks() {
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
