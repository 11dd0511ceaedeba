//! Blocks of main.cf and master.cf, in Debian's Postfix on a machine of the test's own.

use policy_testing::within;

use crate::{PATIENCE, machine::Machine};

/// A Postfix whose configuration is a fresh one and that of one block at a time.
#[derive(Debug)]
pub struct Postfix;

impl Postfix {
    /// Starts it.
    pub fn start(machine: &Machine) -> Self {
        // The client is nobody whom `permit_mynetworks` lets in: the policy server is to be asked.
        machine.must(
            "cd /etc/postfix
             postconf -e 'mynetworks = 192.0.2.99/32' 'local_recipient_maps =' 'inet_protocols = ipv4'
             cp main.cf main.cf.fresh; cp master.cf master.cf.fresh
             systemctl restart postfix",
        );
        Self
    }

    /// Adds the lines to the configuration, and has a client send a recipient with this mark, which a policy server is asked
    /// about.
    pub fn ask(
        &self,
        machine: &Machine,
        main: &str,
        master: &str,
        mark: &str,
    ) -> Result<(), String> {
        let log = self.ask_only(machine, main, master, mark)?;
        if machine.asked(&format!("recipient={mark}@example.org")) == 0 {
            return Err(format!("no policy server was asked\n{log}"));
        }
        Ok(())
    }

    /// The same, with any server that answers Postfix; returns what it has logged.
    pub fn ask_only(
        &self,
        machine: &Machine,
        main: &str,
        master: &str,
        mark: &str,
    ) -> Result<String, String> {
        let before = machine.mail_log().lines().count();
        let warnings = machine.must(&format!(
            "cd /etc/postfix
             cp main.cf.fresh main.cf; cp master.cf.fresh master.cf
             cat >>main.cf <<'EOF'\n{main}EOF\ncat >>master.cf <<'EOF'\n{master}EOF\n\
             postconf -n 2>&1 >/dev/null; postconf -M 2>&1 >/dev/null
             systemctl restart postfix"
        ));
        let heard = machine.run(&format!(
            "timeout 15 bash -c '{SESSION}' session '{mark}@example.org'"
        ));
        let replies: Vec<_> = heard
            .out
            .lines()
            .map(|line| line.get(..3).unwrap_or(line))
            .collect();
        let log = || {
            let log = machine.mail_log();
            log.lines()
                .skip(before)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        // It logs after it has replied; one that died says nothing more.
        if replies.contains(&"221") {
            within(PATIENCE, || {
                log().iter().any(|line| line.contains("disconnect from"))
            });
        }
        let log = log();
        let is_fault = |line: &&String| FAULTS.iter().any(|fault| line.contains(fault));
        let faults: Vec<_> = log.iter().filter(is_fault).collect();
        if !warnings.is_empty() || !faults.is_empty() {
            return Err(format!("{warnings}{faults:#?}"));
        }
        if replies != ["220", "250", "250", "250", "221"] {
            return Err(format!("the client heard {heard:?}\n{}", log.join("\n")));
        }
        Ok(log.join("\n"))
    }
}

/// What the documents say of blanks around an equals sign, and that such a line would not pass here.
#[test]
fn blanks_within_the_braces_kill_every_smtpd_and_postfix_check_says_nothing() {
    let mut machine = Machine::boot();
    machine.start_servers();
    let postfix = Postfix::start(&machine);
    let line = |options: &str| {
        format!(
            "smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service {{ inet:192.0.2.10:10031, {options} }}\n"
        )
    };
    let asked = postfix.ask(&machine, &line("timeout = 100s"), "", "blanks");
    let fault = asked.expect_err("no smtpd lives");
    assert!(
        fault.contains("fatal: malformed option: missing '=' after attribute name"),
        "{fault}"
    );
    assert_eq!(machine.must("postfix check 2>&1"), "");
    for good in ["timeout=100s", "{ timeout = 100s }"] {
        postfix.ask(&machine, &line(good), "", "good").expect(good);
    }
}

/// What Postfix must not say.
const FAULTS: [&str; 6] = [
    "fatal:",
    "panic:",
    "malformed",
    "warning:",
    "error:",
    "problem talking",
];

/// An SMTP client: prints the last line of each reply.
const SESSION: &str = r#"
exec 3<>/dev/tcp/127.0.0.1/25
reply() {
    while IFS= read -r -t 10 line <&3; do
        case $line in ???-*) ;; *) echo "$line"; return ;; esac
    done
    echo none
}
reply
for command in "EHLO client.example.net" "MAIL FROM:<a@example.net>" "RCPT TO:<$1>" QUIT; do
    printf "%s\r\n" "$command" >&3
    reply
done
"#;
