//! The units of mtpolicyd and policyd-weight, on a machine with systemd: they serve Postfix's user over the socket, take
//! commands and reload, and a fault in a file takes no socket down.

use policy_testing::process::{mtpolicyd, policyd_weight};

use crate::machine::Machine;

/// A policy server with its units.
struct Unit {
    name: &'static str,
    user: &'static str,
    socket: &'static str,
    file: &'static str,
    /// What in the file is replaced by what, for another answer.
    change: (&'static str, &'static str),
    /// What the answers begin with, before and after that.
    answers: [&'static str; 2],
}

const UNITS: [Unit; 2] = [
    Unit {
        name: "mtpolicyd",
        user: "mtpolicyd",
        socket: "/var/spool/postfix/private/mtpolicyd",
        file: "/etc/mtpolicyd/mtpolicyd.conf",
        change: ("action = warn one", "action = warn two"),
        answers: ["^warn one", "^warn two"],
    },
    Unit {
        name: "policyd-weight",
        user: "polw",
        socket: "/var/spool/postfix/private/policyd-weightd",
        file: "/etc/policyd-weight.conf",
        change: ("$TCP_PORT", " $TCP_PORT"),
        // Without a sender nothing is asked of DNS.
        answers: ["^DUNNO NULL", "^DUNNO NULL"],
    },
];

/// A regular expression, since the unit forbids to compile one to code.
const MTPOLICYD: &str = r"
port = 127.0.0.1:12345
user = mtpolicyd
group = mtpolicyd
log_to = journal
<VirtualHost 12345>
  name = all
  <Plugin a>
    module = Condition
    key = protocol_name
    re_match = ^E?SMTP$
    action = warn one
  </Plugin>
</VirtualHost>
";

#[test]
fn the_policy_servers_serve_postfix_without_root_and_a_typo_takes_no_socket_down() {
    let machine = Machine::boot();
    machine.bring(mtpolicyd(), "mtpolicyd");
    machine.bring(policyd_weight(), "policyd-weight");
    machine.must(&format!(
        "install -m 755 /usr/src/test/mtpolicyd /usr/src/test/policyd-weight /usr/local/sbin/
         install -m 755 /usr/src/test/policy-client /usr/local/bin/
         for user in mtpolicyd polw; do id $user || adduser --system --group --no-create-home $user; done
         mkdir -p /etc/mtpolicyd; cat >/etc/mtpolicyd/mtpolicyd.conf <<'EOF'{MTPOLICYD}EOF
         policyd-weight defaults --defaults modern >/etc/policyd-weight.conf
         echo \"\\$LOG_TO = 'journal';\" >>/etc/policyd-weight.conf
         cp contrib/systemd/mtpolicyd.* contrib/systemd/policyd-weight.* /etc/systemd/system/
         systemctl daemon-reload"
    ));
    for unit in &UNITS {
        unit.try_out(&machine);
    }
}

/// Postfix's number of a message.
const INSTANCE: &str = "123.abc.0";

impl Unit {
    fn try_out(&self, machine: &Machine) {
        let Self {
            name, user, socket, ..
        } = self;
        machine.must(&format!(
            "systemctl enable --now {name}.socket {name}.service"
        ));
        self.ask(machine, self.answers[0]);
        // Its line has fields in the journal.
        let line = machine.must(&format!(
            "journalctl --sync
             journalctl --no-pager --quiet --output=cat _SYSTEMD_UNIT={name}.service _TRANSPORT=journal INSTANCE={INSTANCE}"
        ));
        assert_ne!(line, "", "{name}: no line with an instance in the journal");
        // Nobody else may ask, or command.
        for command in [
            format!("policy-client query unix:{socket} --preset rcpt"),
            format!("{name} ctl status"),
        ] {
            let refused = machine.run(&format!("runuser -u nobody -- {command}"));
            assert_ne!(refused.code, Some(0), "{command}: {refused:?}");
        }
        let status = machine.must(&format!("{name} ctl status"));
        assert!(status.contains("\nrequests: 1, "), "{status}");
        let rights = machine.must(&format!(
            "pid=$(systemctl show --value --property=MainPID {name}.service)
             stat -c %U /proc/$pid; grep ^Cap /proc/$pid/status"
        ));
        let rights: Vec<_> = rights.split_whitespace().collect();
        assert_eq!(rights[0], *user);
        let caps = rights[1..].iter().skip(1).step_by(2);
        assert!(
            caps.into_iter().all(|set| set.trim_matches('0').is_empty()),
            "{rights:?}"
        );

        let (from, to) = self.change;
        let file = self.file;
        machine.must(&format!(
            "cp {file} /tmp/good; grep -qF '{from}' {file}; sed -i 's/{from}/{to}/' {file}
             systemctl reload {name}.service"
        ));
        self.ask(machine, self.answers[1]);
        // A fault fails the reload, and the daemon serves on.
        machine.must(&format!("echo '</nothing>' >>{file}"));
        assert_ne!(
            machine.run(&format!("systemctl reload {name}")).code,
            Some(0)
        );
        assert_ne!(machine.run(&format!("{name} ctl reload")).code, Some(0));
        self.ask(machine, self.answers[1]);
        // It fails a start as well, and the socket stays.
        assert_ne!(
            machine.run(&format!("systemctl restart {name}")).code,
            Some(0)
        );
        let active = machine.must(&format!("systemctl is-active {name}.socket"));
        assert_eq!(active, "active\n");
        machine.must(&format!("cp /tmp/good {file}"));
        // It is tried again each second, and who asks meanwhile waits.
        self.ask(machine, self.answers[0]);
        let left = machine.must(&format!(
            "systemctl stop {name}.socket {name}.service; find {socket} /run/{name}/control 2>/dev/null || true"
        ));
        assert_eq!(left, "", "nothing is left");
    }

    /// Asks as smtpd does.
    fn ask(&self, machine: &Machine, expected: &str) {
        machine.must(&format!(
            "runuser -u postfix -- policy-client query unix:{} --preset rcpt sender= instance={INSTANCE} --expect '{expected}'",
            self.socket
        ));
    }
}
