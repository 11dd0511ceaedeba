//! Start, stop, restart and reload in each state that an init script can find: statuses and texts, beside the Perl program's.
//!
//! Must be run as root; the Debian packages policyd-weight, iproute2 and util-linux must be installed.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    path::Path,
    process::Command,
    thread,
};

use super::world::{PROGRAM, text};

/// What came of an action: its status, standard output, the beginning of standard error, whether a daemon listens after it,
/// and whether there is a pid file. `DIR` is the directory, `PID` the number in the file.
type Outcome = (i32, &'static str, &'static str, bool, bool);

/// State, action, ours, and the Perl program's.
const ROWS: &[(&str, &str, Outcome, Outcome)] = &[
    (
        "stopped",
        "start",
        (0, "", "", true, true),
        (0, "", "", true, true),
    ),
    (
        "stopped",
        "stop",
        (0, "not running: there is no DIR/pid\n", "", false, false),
        (1, "", NO_PID_FILE, false, false),
    ),
    (
        "stopped",
        "restart",
        (0, "not running: there is no DIR/pid\n", "", true, true),
        (1, "", NO_PID_FILE, false, false),
    ),
    (
        "stopped",
        "reload",
        (255, "", NOTHING_TO_OPEN, false, false),
        (2, "", NOTHING_TO_OPEN, false, false),
    ),
    (
        "running",
        "start",
        (255, "", "Process already running\n", true, true),
        (255, "", "Process already running\n", true, true),
    ),
    (
        "running",
        "stop",
        (0, "terminating . ... done\n", "", false, false),
        (0, "terminating  ... done\n", "", false, false),
    ),
    (
        "running",
        "restart",
        (0, "terminating . done\n", "", true, true),
        (0, "terminating .. done\n", "", true, true),
    ),
    (
        "running",
        "reload",
        (0, "sending HUP to PID\n", "", true, true),
        (0, "sending -1 to PID\n", "", true, true),
    ),
    (
        "left behind",
        "start",
        (0, "", "", true, true),
        (0, " done\n", "", true, true),
    ),
    (
        "left behind",
        "stop",
        (0, ENDED, "", false, false),
        (0, "killed\n ... done\n", "", false, false),
    ),
    (
        "left behind",
        "restart",
        (0, ENDED, "", true, true),
        (0, "killed\n done\n", "", true, true),
    ),
    (
        "left behind",
        "reload",
        (
            255,
            "",
            "not running: process PID, which DIR/pid names, has ended\n",
            false,
            true,
        ),
        (
            3,
            "sending -1 to PID\n\n",
            "err: No such process",
            false,
            true,
        ),
    ),
    (
        "of another",
        "start",
        (0, "", "", true, true),
        (255, "", "Process already running\n", false, true),
    ),
    (
        "of another",
        "stop",
        (0, ANOTHER, "", false, false),
        (0, "killed\n ... done\n", "", false, false),
    ),
    (
        "of another",
        "restart",
        (0, ANOTHER, "", true, true),
        (
            255,
            "killed\n.......",
            "Couldn't remove DIR/pid, a process with pid PID\n exists! Use \"restart\" to force.\n",
            false,
            false,
        ),
    ),
    (
        "of another",
        "reload",
        (255, "", ANOTHER, false, true),
        (
            3,
            "sending -1 to PID\n\n",
            "err: No such process",
            false,
            true,
        ),
    ),
    (
        "empty",
        "start",
        (0, "", "", true, true),
        (0, " done\n", "", true, true),
    ),
    // The Perl program starts.
    (
        "empty",
        "stop",
        (1, "", EMPTY, false, true),
        (0, " done\n", "", true, true),
    ),
    (
        "empty",
        "restart",
        (1, "", EMPTY, false, true),
        (0, " done\n", "", true, true),
    ),
    (
        "empty",
        "reload",
        (255, "", EMPTY, false, true),
        (255, "", "pid  seems to be wrong", false, true),
    ),
    (
        "garbage",
        "start",
        (0, "", "", true, true),
        (255, "", NO_NUMBER, false, false),
    ),
    (
        "garbage",
        "stop",
        (1, "", GARBAGE, false, true),
        (255, "", NO_NUMBER, false, false),
    ),
    (
        "garbage",
        "restart",
        (1, "", GARBAGE, false, true),
        (255, "", NO_NUMBER, false, false),
    ),
    (
        "garbage",
        "reload",
        (255, "", GARBAGE, false, true),
        (25, "", "pid PID\n seems to be wrong", false, true),
    ),
    (
        "no directory",
        "start",
        (
            255,
            "",
            "cannot write the pid file DIR/none/pid: No such file or directory",
            false,
            false,
        ),
        (2, "", "No such file or directory", false, false),
    ),
    (
        "no directory",
        "stop",
        (
            0,
            "not running: there is no DIR/none/pid\n",
            "",
            false,
            false,
        ),
        (
            1,
            "",
            "No pidfile, expected it at DIR/none/pid!\n",
            false,
            false,
        ),
    ),
    (
        "no directory",
        "restart",
        (
            255,
            "not running: there is no DIR/none/pid\n",
            "cannot write the pid file DIR/none/pid: No such file or directory",
            false,
            false,
        ),
        (
            1,
            "",
            "No pidfile, expected it at DIR/none/pid!\n",
            false,
            false,
        ),
    ),
    (
        "no directory",
        "reload",
        (
            255,
            "",
            "Couldn't open DIR/none/pid: No such file",
            false,
            false,
        ),
        (
            2,
            "",
            "Couldn't open DIR/none/pid: No such file",
            false,
            false,
        ),
    ),
];

const NO_PID_FILE: &str = "No pidfile, expected it at DIR/pid!\n";
const NOTHING_TO_OPEN: &str = "Couldn't open DIR/pid: No such file or directory";
const ENDED: &str = "not running: process PID, which DIR/pid names, has ended\n";
const ANOTHER: &str =
    "not running: process PID, which DIR/pid names, is no policyd-weight, but 'sleep'\n";
const EMPTY: &str = "DIR/pid is empty, and names no process: see whether a policyd-weight runs, end it, and remove the file\n";
const GARBAGE: &str = "DIR/pid holds 'nonsense', and names no process: ";
const NO_NUMBER: &str = "Can't kill a non-numeric process ID";

/// With --compat: as the Perl program where the default is kinder.
const COMPAT: &[(&str, &str, Outcome)] = &[
    ("stopped", "stop", (1, "", NO_PID_FILE, false, false)),
    ("stopped", "restart", (1, "", NO_PID_FILE, false, false)),
    ("left behind", "stop", (0, ENDED, "", false, false)),
];

/// A state, and the action in it. The sleep outlives whatever is done to a file that names it.
const SCRIPT: &str = r#"
set -u
program=$1 words=$2 state=$3 action=$4 dir=$5 expected=$6
exec 2>"$dir/script"
ip link set lo up
mount --make-rprivate /
mkdir "$dir/dev"
mount -t tmpfs -o mode=755 none "$dir/dev"
for device in null zero random urandom; do : >"$dir/dev/$device"; mount --bind "/dev/$device" "$dir/dev/$device"; done
: >"$dir/dev/log"
mount --bind "$dir/log" "$dir/dev/log"
mount --move "$dir/dev" /dev
cd /
pid=$dir/pid
run() { timeout 60 setsid --wait "$program" $words -f "$dir/conf" "$1" </dev/null; }
listens() { (exec 3<>/dev/tcp/127.0.0.1/22525) 2>/dev/null && echo true || echo false; }
# The Perl program waits for nothing.
wait_for() { for try in $(seq 300); do test "$(listens)" = "$1" && return; sleep 0.1; done; }
sleep 1000 &
case $state in
running) run start >/dev/null 2>&1; wait_for true ;;
"left behind") echo 4000 >"$pid" ;;
"of another") echo $! >"$pid" ;;
empty) : >"$pid" ;;
garbage) echo nonsense >"$pid" ;;
"no directory") pid=$dir/none/pid; sed -i "s|$dir/pid|$pid|" "$dir/conf" ;;
esac
test -s "$pid" && read number <"$pid"
run "$action" >"$dir/out" 2>"$dir/err"
echo $? >"$dir/status"
echo "${number:-none}" >"$dir/number"
wait_for "$expected"
listens >"$dir/listens"
test -e "$pid" && : >"$dir/exists"
kill -0 $! && : >"$dir/alive"
"#;

fn check(program: &str, words: &str, state: &str, action: &str, expected: Outcome) {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    let shown = dir.display().to_string();
    fs::write(
        dir.join("conf"),
        format!(
            "$LOCKPATH = '{shown}/lock/'; $SPATH = $LOCKPATH.'polw.sock'; $PIDFILE = '{shown}/pid';\n\
             $TCP_PORT = 22525; $NS = '127.0.0.1'; $USER = 'nobody'; $GROUP = 'nogroup';\n\
             @dnsbl_score = (); @rhsbl_score = ();\n"
        ),
    )
    .unwrap();
    // Without a log the Perl program does nothing.
    let log = UnixDatagram::bind(dir.join("log")).unwrap();
    fs::set_permissions(dir.join("log"), fs::Permissions::from_mode(0o666)).unwrap();
    thread::spawn(move || while log.recv(&mut [0; 9000]).is_ok() {});
    let (status, out, err, listens, exists) = expected;
    let ended = Command::new("unshare")
        .args(["--mount", "--pid", "--net", "--fork", "--kill-child"])
        .args(["--mount-proc", "bash", "-c", SCRIPT, "bash"])
        .args([program, words, state, action, &shown])
        .arg(listens.to_string())
        .status()
        .unwrap();
    let read = |name: &str| text(&fs::read(dir.join(name)).unwrap_or_default());
    let what = format!(
        "{program} {words} {state} {action}: {ended} {}",
        read("script")
    );
    let number = read("number");
    let known = |name: &str| {
        let said = read(name).replace(&shown, "DIR");
        said.replace(&format!(" {}", number.trim()), " PID")
    };
    // A dot for each second that it takes.
    let without_dots = |said: &str| said.replace('.', "");
    assert_eq!(
        read("status").trim(),
        status.to_string(),
        "{what}: {}",
        known("err")
    );
    assert_eq!(without_dots(&known("out")), without_dots(out), "{what}");
    // What a system or Perl adds to it, such as a line of its source, is its own.
    let said = known("err");
    let is_said = if err.is_empty() {
        said.is_empty()
    } else {
        said.starts_with(err)
    };
    assert!(is_said, "{what}: {said:?}");
    assert_eq!(read("listens").trim(), listens.to_string(), "{what}");
    assert_eq!(dir.join("exists").exists(), exists, "{what}");
    assert!(
        dir.join("alive").exists(),
        "{what}: another's process has ended"
    );
}

/// Some at a time: the Perl program takes seconds for some of them.
fn all(rows: Vec<(&str, &str, &str, &str, Outcome)>) {
    for some in rows.chunks(7) {
        thread::scope(|scope| {
            for &(program, words, state, action, expected) in some {
                scope.spawn(move || check(program, words, state, action, expected));
            }
        });
    }
}

#[test]
fn each_action_says_what_has_come_of_it_in_each_state() {
    let rows = ROWS.iter();
    all(rows
        .map(|&(state, action, ours, _)| (PROGRAM, "", state, action, ours))
        .collect());
    let rows = COMPAT.iter();
    all(rows
        .map(|&(state, action, ours)| (PROGRAM, "--compat", state, action, ours))
        .collect());
}

/// The other half of the table is true as well.
#[test]
fn the_perl_program_does_what_the_table_has() {
    const PERL: &str = "/usr/sbin/policyd-weight";
    assert!(
        Path::new(PERL).exists(),
        "the Debian package policyd-weight"
    );
    let rows = ROWS.iter();
    all(rows
        .map(|&(state, action, _, perl)| (PERL, "", state, action, perl))
        .collect());
}
