//! Documents that are followed, block after block, as a reader does.

use std::{fs, path::Path};

use policy_testing::{
    process::{mtpolicyd, policyd_weight},
    within,
};

use crate::{
    PATIENCE,
    block::{Block, Kind, blocks, root},
    machine::Machine,
    postfix::Postfix,
    start::PAGES,
};

#[test]
fn readme_can_be_followed_and_its_units_have_no_fault() {
    let mut reader = Reader::new();
    reader.follow(&blocks_of("README.md"));
    let units = "/etc/systemd/system/hapolicy.socket /etc/systemd/system/hapolicy.service";
    let verify = format!("systemd-analyze verify --man=no {units} 2>&1");
    assert_eq!(reader.machine.must(&verify), "");
    reader.finish();
}

#[test]
fn the_manual_can_be_followed() {
    let mut reader = Reader::new();
    reader.follow(&blocks_of("docs/hapolicy.md"));
    reader.finish();
}

#[test]
fn the_pages_can_be_followed_once_all_is_installed() {
    let own = ["README.md", "docs/hapolicy.md", "docs/upgrade.md"];
    let mut documents: Vec<_> = blocks().into_iter().map(|block| block.document).collect();
    documents.dedup();
    documents.retain(|document| {
        !own.contains(&document.as_str()) && !PAGES.contains(&document.as_str())
    });
    assert!(documents.len() > 3, "{documents:?}");
    let mut reader = Reader::new();
    reader.install();
    build_for_any_linux(&reader.machine);
    for document in documents {
        reader.follow(&blocks_of(&document));
    }
    reader.finish();
}

/// As scripts/musl has left them, of which images are made (see `docker.sh`).
fn build_for_any_linux(machine: &Machine) {
    machine.bring(mtpolicyd(), "mtpolicyd");
    machine.bring(policyd_weight(), "policyd-weight");
    machine.must(
        "directory=target/x86_64-unknown-linux-musl/release; mkdir -p $directory
        cp /usr/src/test/mtpolicyd /usr/src/test/policyd-weight /usr/src/test/policy-client $directory",
    );
}

pub fn blocks_of(document: &str) -> Vec<Block> {
    let mut blocks = blocks();
    blocks.retain(|block| block.document == document);
    assert!(!blocks.is_empty(), "{document}");
    blocks
}

/// A reader who follows documents on a machine, and the failures so far.
#[derive(Debug)]
pub struct Reader {
    pub machine: Machine,
    postfix: Postfix,
    /// The daemons of the section.
    daemons: Vec<String>,
    /// The last block for master.cf, and whether it has run.
    master: Option<(Block, bool)>,
    failures: Vec<String>,
}

impl Reader {
    pub fn new() -> Self {
        Self::at(Machine::boot())
    }

    /// A reader at a machine that has been booted.
    pub fn at(mut machine: Machine) -> Self {
        machine.start_servers();
        // As where a syslogd writes them.
        machine.must(&format!(
            "touch /var/log/auth.log; echo '{TIME} mail {PROGRAM}[9]: {REJECTED}' >/var/log/mail.log
            gzip --stdout /var/log/mail.log >/var/log/mail.log.2.gz
            logger --priority mail.info --tag {PROGRAM} --id=9 '{REJECTED}'"
        ));
        let postfix = Postfix::start(&machine);
        Self {
            machine,
            postfix,
            daemons: Vec::new(),
            master: None,
            failures: Vec::new(),
        }
    }

    /// Installs all as the README says.
    pub fn install(&mut self) {
        let mut blocks = blocks_of("README.md");
        blocks.retain(|block| block.kind == Ok(Kind::Shell));
        self.follow(&blocks);
    }

    pub fn follow(&mut self, blocks: &[Block]) {
        let mut section = 0;
        for block in blocks {
            if block.section != section {
                self.stop_daemons();
                section = block.section;
            }
            println!("{block}: {:?}", block.kind);
            if let Err(why) = self.copy(block) {
                self.failures
                    .push(format!("{block}: {why}\n{}", block.text));
            }
        }
        self.stop_daemons();
        if let Some((block, false)) = self.master.take() {
            self.failures
                .push(format!("{block}: no main.cf after it asks this service"));
        }
    }

    /// All went well.
    pub fn finish(self) {
        assert!(self.failures.is_empty(), "{}", self.failures.join("\n"));
    }

    fn copy(&mut self, block: &Block) -> Result<(), String> {
        match block.kind.clone()? {
            Kind::Shell => self.shell(&block.text),
            Kind::Daemon => self.daemon(block),
            Kind::Console => self.console(&block.text),
            Kind::Master => {
                self.master = Some((block.clone(), false));
                Ok(())
            }
            Kind::Main => {
                let asks_spawn = block.text.contains("unix:private/hapolicy") && !block.text.contains("unix:private/hapolicyd");
                let master = self.master.as_mut().filter(|_| asks_spawn).map(|(master, has_run)| {
                    *has_run = true;
                    master.text.as_str()
                });
                let mark = format!("{}-{}", block.document.replace('/', "-"), block.line);
                self.postfix.ask(&self.machine, &block.text, master.unwrap_or_default(), &mark)
            }
            Kind::MainOf(program) => {
                let mark = format!("{}-{}", block.document.replace('/', "-"), block.line);
                let lines = format!("journalctl --sync; journalctl --no-pager --quiet --identifier={program} | wc -l");
                let before = self.machine.must(&lines);
                self.postfix.ask_only(&self.machine, &block.text, "", &mark)?;
                let logged = within(PATIENCE, || self.machine.must(&lines) != before);
                if logged { Ok(()) } else { Err(format!("{program} has logged nothing")) }
            }
            Kind::File(path) => {
                let directory = Path::new(&path).parent().ok_or("no path")?;
                self.machine.must(&format!(
                    "mkdir -p '{}'; cat >'{path}' <<'EOF'\n{}EOF",
                    directory.display(),
                    block.text
                ));
                // By the program whose settings they are.
                if path.starts_with("/etc/fail2ban/") {
                    self.shell("fail2ban-client --test")
                } else if path.starts_with("/tmp/") {
                    // By the commands after it.
                    Ok(())
                } else if path.ends_with(".toml") {
                    self.shell(&format!("hapolicy --check-config --strict --quiet --config {path}"))
                } else {
                    self.shell("systemd-analyze verify /etc/systemd/system/hapolicy.service")
                }
            }
            Kind::Dockerfile => {
                self.machine
                    .must(&format!("cat >Dockerfile <<'EOF'\n{}EOF", block.text));
                Ok(())
            }
            Kind::Probe => self.shell(&format!(
                "cat >/tmp/probe <<'EOF'\n{}EOF\nhapolicy --listen inet:127.0.0.1:1 --check --check 5s --probe /tmp/probe \
                 -s a=192.0.2.10:10031\n(cat /tmp/probe; echo) | policy-client query 192.0.2.10:10031 -",
                block.text
            )),
            // See options.rs.
            Kind::Options | Kind::Text | Kind::OfOthers | Kind::Nagios => Ok(()),
        }
    }

    pub fn shell(&self, text: &str) -> Result<(), String> {
        if let Some((_, file)) = ELSEWHERE
            .iter()
            .find(|(command, _)| *command == text.trim())
        {
            let runs = fs::read_to_string(root().join(file)).map_err(|error| error.to_string())?;
            return if runs.contains(text.trim()) {
                Ok(())
            } else {
                Err(format!("{file} does not run it"))
            };
        }
        let ended = self.machine.run(text);
        if ended.code == Some(0) && !ended.err.contains("warning") {
            return Ok(());
        }
        let journal = self.machine.run("journalctl --no-pager --lines=30").out;
        Err(format!("{ended:?}\n{journal}"))
    }

    fn console(&self, text: &str) -> Result<(), String> {
        for part in text.split("$ ").skip(1) {
            let (command, shown) = part.split_once('\n').ok_or("a command is a line")?;
            let ended = self.machine.run(command);
            if (ended.code, ended.out.as_str()) != (Some(0), shown) {
                return Err(format!("{command}: {ended:?}"));
            }
        }
        Ok(())
    }

    /// Starts a daemon, and asks it where it listens.
    fn daemon(&mut self, block: &Block) -> Result<(), String> {
        let unit = format!("reader-{}", block.line);
        self.machine.must(&format!(
            "systemd-run --quiet --unit={unit} --setenv=PATH=\"$PATH\" --working-directory=/usr/src/hapolicy \
             sh -e -c {}",
            quoted(&block.text)
        ));
        self.daemons.push(unit.clone());
        let words: Vec<&str> = block.text.split_whitespace().collect();
        let listens = words
            .windows(2)
            .filter(|pair| ["--listen", "serve", "tap"].contains(&pair[0]))
            .map(|pair| pair[1].split(',').next().unwrap_or_default());
        let hangs = words.contains(&"--hang");
        for endpoint in listens {
            let mut ended = None;
            let answers = within(PATIENCE, || {
                let query = format!("policy-client query {endpoint} --preset rcpt --timeout 5s");
                let asked = ended.insert(self.machine.run(&query));
                asked.code == Some(0) || hangs && asked.err.contains("timed out")
            });
            if !answers {
                let log = self
                    .machine
                    .run(&format!("journalctl --no-pager --unit={unit}"));
                return Err(format!("{endpoint} does not answer: {ended:?} {log:?}"));
            }
        }
        Ok(())
    }

    fn stop_daemons(&mut self) {
        for unit in std::mem::take(&mut self.daemons) {
            // One may have handed over, and ended.
            let stop = format!(
                "systemctl stop {unit} || true; systemctl show --value --property=Result {unit}"
            );
            let result = self.machine.must(&stop);
            if result.trim_end() != "success" {
                self.failures.push(format!("{unit} ended with {result}"));
            }
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Commands that take a compiler, and the file that runs them in each change's tests.
const ELSEWHERE: [(&str, &str); 4] = [
    (
        "cargo run --locked --release --example quickstart",
        ".ci/run",
    ),
    (
        "cargo run --release --locked -p mtpolicyd --example scored_chain",
        ".ci/run",
    ),
    ("cargo doc --locked --workspace --no-deps", "scripts/test"),
    ("scripts/test", ".ci/run"),
];

/// What a log of mail has on a machine that is in use.
const TIME: &str = "Nov 29 12:00:01";
const PROGRAM: &str = "postfix/smtpd";
const REJECTED: &str = "NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 450 4.7.1 \
                        <b@example.org>: Recipient address rejected: Greylisted; from=<a@example.com> \
                        to=<b@example.org> proto=ESMTP helo=<foo>";
