//! What comes of each action in each state: ours, and what the Perl program does.

/// What came of an action: its status, standard output, the beginning of standard error, whether a daemon listens after it,
/// and whether there is a pid file. `DIR` is the directory, `PID` the number in the file.
pub type Outcome = (i32, &'static str, &'static str, bool, bool);

/// State, action, ours, and the Perl program's.
pub const ROWS: &[(&str, &str, Outcome, Outcome)] = &[
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
pub const COMPAT: &[(&str, &str, Outcome)] = &[
    ("stopped", "stop", (1, "", NO_PID_FILE, false, false)),
    ("stopped", "restart", (1, "", NO_PID_FILE, false, false)),
    ("left behind", "stop", (0, ENDED, "", false, false)),
];
