//! A Postfix that has `Limit` asked at the end of each message: what was rejected before does not count.

use policy_testing::mail_system::{Processes, Session, Setup};

use super::{daemon::Daemon, support::redis};

const CHAIN: &str = r#"
<Plugin unwanted>
  module = Condition
  key = recipient
  match = nobody@example.org
  action = "reject no such person"
</Plugin>
<Plugin accounts>
  module = Limit
  key = sender
  limits = 2/1h
  action = "reject 5.7.1 no more than %LIMIT%"
</Plugin>
"#;

#[test]
fn what_was_rejected_is_not_counted_and_what_is_too_much_is_rejected_at_its_end() {
    let redis = redis::one();
    let globals = format!(
        "<Connection limits>\nmodule = Redis\nserver = {}\n</Connection>\n\
         <SessionCache>\nmodule = Memory\n</SessionCache>\n",
        redis.address()
    );
    let daemon = Daemon::start(&globals, CHAIN);
    let mut setup = Setup::new();
    let policy = format!("inet:{}", daemon.endpoint());
    let server = setup.add_smtpd(Processes::OnePerSession, &policy);
    setup.allow_xclient();
    setup.add_mailbox();
    let postfix = setup.start();
    let begin = || {
        let sender = "carol@acme.example";
        Session::begin(
            server,
            "192.0.2.9",
            "mail.acme.example",
            "mail.acme.example",
            sender,
        )
    };
    // Rejected for each recipient, so that the message never ends.
    for _ in 0..5 {
        let reply = begin().recipient("nobody");
        assert!(reply.contains("no such person"), "{reply}");
    }
    // One message each, however many recipients, and however many of them are rejected.
    for _ in 0..2 {
        let mut session = begin();
        for (name, is_taken) in [("dave", true), ("nobody", false), ("erin", true)] {
            let reply = session.recipient(name);
            assert_eq!(reply.starts_with("250 "), is_taken, "{reply}");
        }
        session.send();
    }
    let mut session = begin();
    assert!(session.recipient("dave").starts_with("250 "));
    let reply = session.send_for();
    assert!(
        reply.starts_with("554 5.7.1 ") && reply.ends_with("no more than 2/1h"),
        "{reply}"
    );
    // Each of the two has gone to two people.
    postfix.delivered(4);
    assert_eq!(daemon.count("error: "), 0, "{}", daemon.process.err.text());
}
