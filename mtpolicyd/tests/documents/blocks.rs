//! Each block of the manual is run: a configuration passes the check and starts, and its exchange comes out as printed.

use std::{
    fs,
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

use super::docs;

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
            let attributes = mtpolicyd::chain::Attributes::of(&request);
            let mut call = Call::new(&attributes, &mut session, &services);
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
