//! A Debian of our own, booted with systemd, in which a document can be followed word for word.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use policy_testing::{
    process::{Ended, Process, copy_program, hapolicy, policy_client},
    within,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::block::root;

/// A machine that runs until this is dropped: see `machine.sh`.
#[derive(Debug)]
pub struct Machine {
    boot: Process,
    /// Its process 1, as it is called outside.
    init: String,
    /// The policy servers at the addresses of the documents.
    servers: Vec<Process>,
    cgroup: PathBuf,
    home: TempDir,
}

impl Machine {
    /// Boots one with the programs under test and the repository that they are of.
    pub fn boot() -> Self {
        Self::boot_with(&root(), Path::new(hapolicy()), Path::new(policy_client()))
    }

    /// Boots one with these programs, which were built in this clone.
    pub fn boot_with(repository: &Path, hapolicy: &Path, policy_client: &Path) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test boots a machine of its own: run it as root"
        );
        let home = TempDir::new().expect("a directory");
        let [root_of_machine, binaries, cgroups] = ["root", "binaries", "cgroups"].map(|name| {
            let path = home.path().join(name);
            fs::create_dir(&path).expect("a directory of our own");
            path
        });
        for (program, name) in [(hapolicy, "hapolicy"), (policy_client, "policy-client")] {
            link_or_copy(program, &binaries.join(name));
        }
        let cgroup = cgroups.join(format!(
            "hapolicy-documents-{}-{}",
            std::process::id(),
            unique()
        ));
        // A cgroup of its own, below which it may do as it likes.
        let script = "mount -t cgroup2 cgroup2 \"$1\" && mkdir \"$2\" && echo $$ >\"$2/cgroup.procs\" && shift 2 && \
            exec unshare --pid --fork --kill-child --cgroup --net --uts --ipc \"$@\"";
        // It ends with this thread, however that ends.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig=KILL", "unshare", "--mount"])
            .args(["sh", "-c", script, "sh"])
            .args([&cgroups, &cgroup])
            .arg("sh")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents/machine.sh"))
            .args([&root_of_machine, repository, &binaries])
            .stdin(Stdio::null());
        let boot = Process::of(&mut command);
        let mut machine = Self {
            boot,
            init: String::new(),
            servers: Vec::new(),
            cgroup,
            home,
        };
        let booted = within(crate::PATIENCE, || {
            machine.find_init();
            !machine.init.is_empty() && machine.is_up()
        });
        assert!(
            booted,
            "no machine: {} {}",
            machine.boot.out.text(),
            machine.boot.err.text()
        );
        machine
    }

    /// Puts another program beside those, at `/usr/src/test`.
    pub fn bring(&self, program: &str, name: &str) {
        let place = self.home.path().join("binaries").join(name);
        link_or_copy(program, &place);
    }

    /// Starts the policy servers that the documents name; each answers DUNNO.
    pub fn start_servers(&mut self) {
        for host in ["10", "11", "12"] {
            let endpoint = format!("inet:192.0.2.{host}:10031");
            let serve = "exec /usr/src/test/policy-client serve \"$0\" --action DUNNO --log";
            let server = Process::of(self.command().args(["sh", "-c", serve, &endpoint]));
            assert!(
                server.out.wait_lines(1, "listening on "),
                "{}",
                server.err.text()
            );
            self.servers.push(server);
        }
    }

    /// How many requests with this in it the policy servers have seen.
    pub fn asked(&self, part: &str) -> usize {
        let count = |server: &Process| server.out.lines(part).len();
        self.servers.iter().map(count).sum()
    }

    /// Runs a script in the directory of the clone; it ends at its first failure.
    pub fn run(&self, script: &str) -> Ended {
        self.start(script).end()
    }

    /// Runs what prepares a test, and has to succeed.
    pub fn must(&self, script: &str) -> String {
        let ended = self.run(script);
        assert_eq!(ended.code, Some(0), "{script}: {ended:?}");
        ended.out
    }

    /// Starts a script.
    pub fn start(&self, script: &str) -> Process {
        Process::of(
            self.command()
                .args(["sh", "-e", "-c", script])
                .stdin(Stdio::null()),
        )
    }

    /// What its journal has from the mail system.
    pub fn mail_log(&self) -> String {
        self.must("journalctl --sync; journalctl --no-pager --output=short-iso --facility=mail")
    }

    /// A command that runs there.
    fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.init))
            .args([
                "--mount", "--net", "--pid", "--uts", "--ipc", "--cgroup", "--root",
            ])
            .args([
                "env",
                "-i",
                "--chdir=/usr/src/hapolicy",
                "HOME=/root",
                "LC_ALL=C",
            ])
            .arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// The child of unshare(1), once it is systemd.
    fn find_init(&mut self) {
        let id = self.boot.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let is_systemd = |id: &&str| {
            let name = fs::read_to_string(format!("/proc/{id}/comm"));
            name.is_ok_and(|name| name.trim_end() == "systemd")
        };
        if let Some(id) = children.split_whitespace().find(is_systemd) {
            self.init = id.to_owned();
        }
    }

    fn is_up(&self) -> bool {
        let state = self.run("systemctl is-system-running || true");
        let state = state.out;
        ["running", "degraded"].contains(&state.trim_end())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // With process 1 all others end.
        if let Some(id) = self.init.parse().ok().and_then(Pid::from_raw) {
            // An error says that it has ended already.
            _ = kill_process(id, Signal::KILL);
        }
        within(crate::PATIENCE, || !self.boot.is_running());
        let script =
            "mount -t cgroup2 cgroup2 \"$1\" && find \"$2\" -depth -type d -exec rmdir {} +";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]);
        // What is left there is empty, and does no harm.
        _ = command
            .arg(self.home.path().join("cgroups"))
            .arg(&self.cgroup)
            .output();
    }
}

fn unique() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Relaxed)
}

/// A copy of what has been built with all its symbols would be large.
fn link_or_copy(program: impl AsRef<Path>, place: &Path) {
    fs::hard_link(&program, place).unwrap_or_else(|_| copy_program(program, place));
}
