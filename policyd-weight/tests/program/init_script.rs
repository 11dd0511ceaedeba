//! The script of Debian's package, word for word, with our program in the place of its own.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use super::world::{GOOD, PROGRAM, World, good, text};

/// `/etc`, `/run` and `/usr/sbin/policyd-weight` of our own: the file is where the script's program looks for it.
const PREPARE: &str = r#"
set -e
script=/etc/init.d/policyd-weight
test -x "$script"
mount --make-rprivate /
mount -t tmpfs none "$2/layer"
mkdir "$2/layer/upper" "$2/layer/work"
mount -t overlay -o "lowerdir=/etc,upperdir=$2/layer/upper,workdir=$2/layer/work" overlay /etc
mount -t tmpfs -o mode=755 none /run
cp "$2/policyd-weight.conf" /etc/policyd-weight.conf
mount --bind "$1" /usr/sbin/policyd-weight
shift 2
"#;

/// Runs a shell in the namespace; the daemons that it leaves behind end with it.
fn shell(world: &World, script: &str) -> Output {
    fs::create_dir_all(world.path("layer")).unwrap();
    Command::new("unshare")
        .args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "setsid",
            "sh",
            "-c",
        ])
        .arg(format!("{PREPARE}{script}"))
        .arg("sh")
        .arg(PROGRAM)
        .arg(world.directory.path())
        .env("SYSTEMCTL_SKIP_REDIRECT", "1")
        .env("_SYSTEMCTL_SKIP_REDIRECT", "true")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// A request by bash, whose answer is printed.
fn ask(world: &World, request: &str) -> String {
    fs::write(world.path("request"), request).unwrap();
    format!(
        "bash -c 'exec 3<>/dev/tcp/127.0.0.1/{}; cat {} >&3; head -n 1 <&3'\n",
        world.port(),
        world.path("request").display()
    )
}

/// The pid file where the script looks for it, a user that is there, and the rest as it is.
const PATHS: &str = "$LOCKPATH = '/var/run/policyd-weight/'; $SPATH = '/var/run/policyd-weight/polw.sock'; $PIDFILE = '/var/run/policyd-weight.pid';";

#[test]
fn it_starts_reloads_restarts_and_stops_as_the_script_expects() {
    let world = World::new(PATHS);
    let asked = ask(&world, &good("1"));
    let script = format!(
        r#"
pid() {{ cat /run/policyd-weight.pid; }}
is_up() {{ kill -0 "$1" 2>/dev/null; }}
gone() {{ for i in $(seq 600); do is_up "$1" || return 0; sleep 0.1; done; return 1; }}
$script start; echo "start $?"
{asked}
first=$(pid)
$script start; echo "again $?"
test "$first" = "$(pid)" && echo same
$script reload; echo "reload $?"
is_up "$first" && echo "up after reload"
$script restart; echo "restart $?"
second=$(pid)
gone "$first" && echo "first gone"
is_up "$second" && echo "second up"
test -S /run/policyd-weight/polw.sock && echo "socket there"
{asked}
$script drestart; echo "drestart $?"
third=$(pid)
gone "$second" && is_up "$third" && echo "third up"
{asked}
$script stop; echo "stop $?"
gone "$third" && echo "third gone"
test -e /run/policyd-weight.pid || echo "no pid file"
$script stop; echo "stop $?"
"#
    );
    let output = shell(&world, &script);
    let printed = text(&output.stdout);
    let forgotten = printed.matches("*** 1 forgotten of the daemon at ").count();
    assert_eq!(forgotten, 2, "{printed}");
    // The texts of lsb-base are those of a terminal.
    let own: Vec<&str> = printed
        .lines()
        .filter(|line| {
            !line.starts_with("Start") && !line.starts_with("Stop") && !line.starts_with("Re")
        })
        .filter(|line| !line.ends_with("done."))
        // -k says of which cache it has forgotten how much, within a line of the script.
        .filter(|line| *line != ".")
        .collect();
    let known = "action=PREPEND X-policyd-weight: using cached result; rate: -4.6";
    let expected = [
        "start 0",
        GOOD,
        "again 0",
        "same",
        "reload 0",
        "up after reload",
        "restart 0",
        "first gone",
        "second up",
        "socket there",
        // The script empties the cache, but for drestart.
        "action=PREPEND X-policyd-weight:  NOT_IN_BL=-1.5 CL_IP_EQ_FROM_MX=-3.1; rate: -4.6",
        "drestart 0",
        "third up",
        known,
        "stop 0",
        "third gone",
        "no pid file",
        "stop 0",
    ];
    assert_eq!(own, expected, "{printed}{}", text(&output.stderr));
}
