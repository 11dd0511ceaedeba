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

mod rows;

use super::world::{PROGRAM, text};
use rows::{COMPAT, Outcome, ROWS};

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
# It has that name as soon as it has become sleep(1).
until [ "$(cat "/proc/$!/comm")" = sleep ]; do sleep 0.01; done
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
        // Its children may have the port still, and then it has failed.
        .filter(|(state, action, ..)| (*state, *action) != ("running", "restart"))
        .map(|&(state, action, _, perl)| (PERL, "", state, action, perl))
        .collect());
}
