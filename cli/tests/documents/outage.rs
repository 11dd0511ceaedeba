//! A typo in the unit: what the runbook says comes of it.

use crate::{
    block::{Block, Kind},
    follow::{Reader, blocks_of},
};

#[test]
fn a_typo_in_the_unit_is_named_and_its_socket_stays() {
    let mut reader = Reader::new();
    reader.install();
    let machine = &reader.machine;
    let runbook = blocks_of("docs/runbook.md");
    let check = &block(&runbook, "--check").text;
    let services = machine.must(check);
    assert!(
        ["grey1", "grey2"]
            .iter()
            .all(|name| services.contains(name)),
        "{services}"
    );

    for (typo, named) in [
        ("s/:10031:20/:0/", "grey2"),
        ("s/OPTIONS=-l/OPTIONS=-l --deadlin 5s/", "--deadlin"),
    ] {
        machine.must(&format!(
            "cp {UNIT} /tmp/unit; sed -i '{typo}' {UNIT}; systemctl daemon-reload"
        ));
        assert_ne!(
            machine.run(check).code,
            Some(0),
            "before the restart: {typo}"
        );
        machine.must(&format!("{ASK} --expect '^DUNNO'"));
        let restart = machine.run("systemctl restart hapolicy.service");
        assert!(
            restart.code != Some(0) && restart.err.contains(FAILED),
            "{restart:?}"
        );
        machine.must(MANY);
        assert_eq!(
            machine.must("systemctl is-active hapolicy.socket"),
            "active\n"
        );
        let log = machine.must(&block(&runbook, "--unit=hapolicy.service").text);
        assert!(log.contains(named), "{log}");
        // It is tried again each second: all that is effective, each time, would bury the fault.
        assert!(
            !log.contains("--deadline=") && !log.contains("# mode:"),
            "{log}"
        );

        machine.must(&format!("cp /tmp/unit {UNIT}"));
        machine.must("systemctl daemon-reload");
        machine.must(&format!("{ASK} --expect '^DUNNO'"));
    }
    reader.finish();
}

/// What the manual describes, so that the way out stays a true one.
#[test]
fn a_typo_in_a_unit_with_a_limit_of_starts_takes_the_socket_with_it_and_there_is_a_way_out() {
    let mut reader = Reader::new();
    reader.install();
    let machine = &reader.machine;
    machine.must(&format!(
        "cp {UNIT} /tmp/unit
         sed -i '/^StartLimit/d; /^ExecStartPre/d; s/^RestartSec.*/RestartPreventExitStatus=64 78/; s/:10031:20/:0/' {UNIT}
         systemctl daemon-reload; systemctl restart hapolicy.service || true"
    ));
    machine.must(MANY);
    let result = machine.must("systemctl show --value --property=Result hapolicy.socket");
    assert_eq!(result, "service-start-limit-hit\n");
    machine.must(&format!("cp /tmp/unit {UNIT}; systemctl daemon-reload"));
    let runbook = blocks_of("docs/runbook.md");
    machine.must(&block(&runbook, "reset-failed").text);
    machine.must(&format!("{ASK} --expect '^DUNNO'"));
    reader.finish();
}

/// The block with this in it.
fn block<'a>(blocks: &'a [Block], part: &str) -> &'a Block {
    let block = blocks
        .iter()
        .find(|block| block.kind == Ok(Kind::Shell) && block.text.contains(part));
    block.expect("the runbook has it")
}

const UNIT: &str = "/etc/systemd/system/hapolicy.service";

const FAILED: &str = "Job for hapolicy.service failed";

const ASK: &str = "policy-client query unix:/var/spool/postfix/private/hapolicyd --preset rcpt";

/// More connections than the five starts that a unit has by default.
const MANY: &str = "for i in 1 2 3 4 5 6 7 8 9 10; do
    policy-client query unix:/var/spool/postfix/private/hapolicyd --timeout 300ms || true
done";
