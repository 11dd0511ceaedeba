//! The page on containers, followed in one (see `docker.sh`).

use policy_testing::within;

use crate::{
    PATIENCE,
    block::Kind,
    follow::{Reader, blocks_of},
    machine::Machine,
};

#[test]
fn a_container_has_its_log_on_standard_output_and_ends_in_order() {
    let reader = installed();
    let machine = &reader.machine;
    build(machine, "hapolicy", |dockerfile| dockerfile.to_owned());
    machine.must("install -d -o 65532 -g 65532 -m 0711 /srv/policy");
    // Longer than what Docker waits by default, as the image's options say how long it has.
    let slow = machine
        .start("policy-client serve inet:192.0.2.5:20001 --action 'DUNNO late' --delay 12s --log");
    assert!(
        slow.out.wait_lines(1, "listening on "),
        "{}",
        slow.err.text()
    );
    machine.must(&format!("{RUN} --stop-timeout 40 {VOLUME} hapolicy -l {LISTEN},mode=0666 -s grey1=192.0.2.5:20001:::30s"));
    wait_for(machine, "listening on");
    let user = machine.must("docker exec policy policy-client query unix:/nowhere --timeout 1s 2>&1 || stat --format=%u:%a /srv/policy/hapolicy");
    assert!(user.ends_with("65532:666\n"), "{user}");

    let asked = machine.start("runuser -u postfix -- policy-client query unix:/srv/policy/hapolicy --preset rcpt --timeout 30s");
    if !slow.out.wait_lines(1, "protocol_state=RCPT") {
        panic!("{:?} {}", asked.end(), machine.must("docker logs policy"));
    }
    machine.must("docker stop policy");
    let answered = asked.end();
    assert_eq!(
        (answered.code, &*answered.out),
        (Some(0), "DUNNO late\n"),
        "{answered:?}"
    );
    let log = machine.must("docker logs policy");
    assert!(log.contains("[LOG info]: hapolicy "), "{log}");
    assert!(log.contains("action=\"DUNNO late\" default=no"), "{log}");
    assert!(
        log.trim_end().ends_with(", daemon"),
        "it ended by itself: {log}"
    );
    assert!(!log.contains("running as root"), "{log}");
    reader.finish();
}

#[test]
fn a_container_without_dash_l_says_once_that_there_is_no_log() {
    let reader = installed();
    let machine = &reader.machine;
    build(machine, "silent", |dockerfile| {
        dockerfile.replace(", \"-L\"", "")
    });
    machine.must("install -d -o 65532 -g 65532 -m 0711 /srv/policy");
    machine.must(&format!(
        "{RUN} {VOLUME} silent {LISTEN} -s grey1=192.0.2.10:10031"
    ));
    machine.must("until docker exec policy policy-client query unix:/run/policy/hapolicy; do sleep 0.1; done");
    machine.must("docker stop policy");
    let log = machine.must("docker logs policy");
    let said = "hapolicy: no log: /dev/log: No such file or directory (os error 2); -L writes to standard output\n";
    assert_eq!(log, said);
    reader.finish();
}

#[test]
fn a_container_knows_no_names_and_only_root_gives_a_socket_away() {
    let reader = installed();
    let machine = &reader.machine;
    build(machine, "of-root", |dockerfile| {
        dockerfile.replace("USER 65532:65532\n", "")
    });
    build(machine, "of-user", |dockerfile| dockerfile.to_owned());
    machine.must("install -d -o 65532 -g 65532 -m 0711 /srv/policy");
    let postfix = machine.must("id --user postfix");
    let number = postfix.trim_end();
    for (image, options, said) in [
        (
            "of-root",
            format!("{LISTEN},mode=0600,owner={number} --user 65532:65532"),
            "listening on",
        ),
        (
            "of-root",
            format!("{LISTEN},mode=0600,owner=postfix --user 65532"),
            "postfix",
        ),
        (
            "of-root",
            format!("{LISTEN} --user hapolicy"),
            "unknown user or group",
        ),
        (
            "of-user",
            format!("{LISTEN},mode=0600,owner={number}"),
            "Operation not permitted",
        ),
        (
            "of-user",
            format!("{LISTEN},mode=0600 --user 65532"),
            "Operation not permitted",
        ),
        ("of-user", format!("{LISTEN},mode=0600"), "listening on"),
    ] {
        machine.must(&format!(
            "{RUN} {VOLUME} {image} {options} -s grey1=192.0.2.10:10031"
        ));
        wait_for(machine, said);
        if said == "listening on" {
            let owner = machine.must("stat --format=%u:%a /srv/policy/hapolicy");
            let expected = if image == "of-root" { number } else { "65532" };
            assert_eq!(owner, format!("{expected}:600\n"));
            machine.must("docker stop policy");
        }
        machine.must("until docker rm policy; do sleep 0.1; done");
    }
    reader.finish();
}

/// A machine with the programs built and installed.
fn installed() -> Reader {
    let mut reader = Reader::new();
    reader.install();
    reader
}

/// Builds an image of the page's Dockerfile with a change.
fn build(machine: &Machine, image: &str, change: impl Fn(&str) -> String) {
    let blocks = blocks_of("docs/containers.md");
    let dockerfile = blocks
        .iter()
        .find(|block| block.kind == Ok(Kind::Dockerfile));
    let dockerfile = change(&dockerfile.expect("the page has one").text);
    machine.must(&format!(
        "cat >Dockerfile <<'EOF'\n{dockerfile}EOF\ndocker build --tag {image} ."
    ));
}

fn wait_for(machine: &Machine, text: &str) {
    let mut log = String::new();
    let said = within(PATIENCE, || {
        log = machine.must("docker logs policy");
        log.contains(text)
    });
    assert!(said, "{text}: {log}");
}

const RUN: &str = "docker run --detach --name policy";
const VOLUME: &str = "--volume /srv/policy:/run/policy";
const LISTEN: &str = "--listen unix:/run/policy/hapolicy";
