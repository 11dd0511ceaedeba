//! Groups of services before a real Postfix, whose `check_policy_service` gives each its `policy_context`.

use std::{
    fs,
    process::{Command, Stdio},
};

use policy_testing::{
    mail_system::{Processes, Setup, log},
    process::{Daemon, hapolicy},
    stub::{Reply, Script, Stub},
};

use crate::{case::THREE_RECIPIENTS, services};

#[test]
fn each_context_goes_to_its_group() {
    let mut setup = Setup::new();
    let first = Stub::tcp(Script::reply(Reply::Call(|request| {
        services::answer("first", request)
    })));
    let second = Stub::tcp(Script::reply(Reply::Call(|request| {
        services::answer("second", request)
    })));
    let file = setup.path().join("groups.toml");
    let text = format!(
        "listen = \"inet:127.0.0.1:0\"\nstdout = true\n\
         [service.first]\naddress = \"{}\"\n[service.second]\naddress = \"{}\"\n\
         [group.submission]\nservices = \"second\"\n\
         [[route]]\npolicy_context = \"submission\"\ngroup = \"submission\"\n",
        first.address(),
        second.address()
    );
    fs::write(&file, text).unwrap();
    let mut command = Command::new(hapolicy());
    command.arg("--config").arg(&file).stdin(Stdio::null());
    let daemon = Daemon::of(&mut command, 1);
    let endpoint = daemon.endpoint().to_owned();
    let submission = format!("{{{endpoint},policy_context=submission}}");
    let mx = setup.add_smtpd(Processes::OnePerSession, &endpoint);
    let submission = setup.add_smtpd(Processes::OnePerSession, &submission);
    let mut postfix = setup.start();
    for (smtpd, name) in [(mx, "first"), (submission, "second")] {
        let replies = THREE_RECIPIENTS.run(smtpd);
        assert_eq!(replies, THREE_RECIPIENTS.replies(Some(name)), "{name}");
    }
    postfix.deliver(2);
    postfix.stop();
    let requests = THREE_RECIPIENTS.stages().len();
    assert_eq!(
        [&first, &second].map(|stub| stub.requests().len()),
        [requests; 2]
    );
    let log = postfix.log();
    assert_eq!(log::complaints(&log).collect::<Vec<_>>(), [""; 0]);
    daemon.stop();
}
