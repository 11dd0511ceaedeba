//! A typo in the unit: what the runbook says comes of it.

use crate::follow::Reader;

#[test]
fn a_typo_in_the_unit_is_named_and_its_socket_stays() {
    let mut reader = Reader::new();
    reader.install();
    let machine = &reader.machine;
    let unit = "/etc/systemd/system/hapolicy.service";
    machine.must(&format!(
        "sed -i 's/:10031:20/:0/' {unit}; systemctl daemon-reload"
    ));
    assert_ne!(
        machine.run("systemctl restart hapolicy.service").code,
        Some(0)
    );
    // More than the five starts that a unit has by default.
    let ask = "policy-client query unix:/var/spool/postfix/private/hapolicyd --timeout 300ms --preset rcpt";
    machine.must(&format!(
        "for i in 1 2 3 4 5 6 7 8 9 10; do {ask} || true; done"
    ));
    assert_eq!(
        machine.must("systemctl is-active hapolicy.socket"),
        "active\n"
    );
    let log = machine.must("journalctl --no-pager --unit=hapolicy.service");
    assert!(log.contains("grey2=192.0.2.11:0"), "{log}");

    machine.must(&format!(
        "sed -i 's/:10031:10/:10031:20/; s/:11:0/:11:10031/; s/\\.11:0/.11:10031/' {unit}"
    ));
    machine.must("systemctl daemon-reload");
    machine.must("policy-client query unix:/var/spool/postfix/private/hapolicyd --preset rcpt --expect '^DUNNO'");
    reader.finish();
}

/// What the manual describes, so that the way out stays a true one.
#[test]
fn a_typo_in_a_unit_with_a_limit_of_starts_takes_the_socket_with_it_and_there_is_a_way_out() {
    let mut reader = Reader::new();
    reader.install();
    let machine = &reader.machine;
    let unit = "/etc/systemd/system/hapolicy.service";
    machine.must(&format!(
        "sed -i '/^StartLimit/d; /^ExecStartPre/d; s/^RestartSec.*/RestartPreventExitStatus=64 78/; s/:10031:20/:0/' {unit}
         systemctl daemon-reload; systemctl restart hapolicy.service || true
         for i in 1 2 3 4 5 6 7 8 9 10; do
             policy-client query unix:/var/spool/postfix/private/hapolicyd --timeout 300ms || true
         done"
    ));
    let result = machine.must("systemctl show --value --property=Result hapolicy.socket");
    assert_eq!(result, "service-start-limit-hit\n");
    machine.must(&format!(
        "sed -i 's/\\.11:0/.11:10031/' {unit}; systemctl daemon-reload"
    ));
    let runbook = crate::follow::blocks_of("docs/runbook.md");
    let way_out = runbook
        .iter()
        .find(|block| block.text.contains("reset-failed"));
    machine.must(&way_out.expect("the way out").text);
    machine.must("policy-client query unix:/var/spool/postfix/private/hapolicyd --preset rcpt --expect '^DUNNO'");
    reader.finish();
}
