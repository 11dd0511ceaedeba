//! `policy-client bench`: what it prints, also when it is interrupted, and what it refuses.

use std::{fs, process::Command};

use policy_testing::{
    process::{Process, Signal, policy_client, run},
    stub::{Script, Stub},
};
use tempfile::TempDir;

use crate::bench::{bench, number, object};

#[test]
fn ctrl_c_ends_it_with_what_was_measured_so_far() {
    let stub = Stub::tcp(Script::default());
    let args = [
        "bench",
        &stub.address(),
        "--duration",
        "10m",
        "--warm-up",
        "0s",
        "--every",
        "50ms",
        "--json",
    ];
    let process = Process::start(policy_client(), &args);
    assert!(
        process.err.wait_lines(2, "/s  p50 "),
        "{:?}",
        process.err.text()
    );
    process.signal(Signal::INT);
    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = object(&ended);
    assert_eq!(report["interrupted"], true);
    let (answers, under_way) = (number(&report, "/answers"), number(&report, "/under_way"));
    assert!(answers > 0 && under_way <= 16, "{report}");
    assert_eq!(number(&report, "/requests"), answers + under_way);
    let elapsed = report["elapsed_s"].as_f64().unwrap();
    assert!((0.05..60.0).contains(&elapsed), "{report}");
}

#[test]
fn ctrl_c_within_the_warm_up_leaves_its_time_and_nothing_measured() {
    let stub = Stub::tcp(Script::default());
    let args = [
        "bench",
        &stub.address(),
        "--warm-up",
        "10m",
        "--every",
        "50ms",
        "--json",
    ];
    let process = Process::start(policy_client(), &args);
    assert!(process.err.wait_lines(1, "(warm-up)"));
    process.signal(Signal::INT);
    let ended = process.end();
    assert_eq!(ended.code, Some(69), "nothing was measured: {ended:?}");
    let report = object(&ended);
    assert_eq!(number(&report, "/requests"), 0);
    assert!(number(&report, "/warm_up/requests") > 0, "{report}");
    let elapsed = report["warm_up"]["elapsed_s"].as_f64().unwrap();
    assert!((0.05..600.0).contains(&elapsed), "{report}");
}

#[test]
fn two_measurements_are_compared_and_drawn() {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let stub = Stub::tcp(Script::default());
    for name in ["a.json", "b.json"] {
        let plot = path("one.svg");
        let ended = bench(&stub.address(), &["-n", "50", "--json", "--plot", &plot]);
        fs::write(path(name), &ended.out).unwrap();
        assert!(fs::read_to_string(plot).unwrap().contains(&stub.address()));
    }
    let both = path("both.svg");
    let args = [
        "bench",
        "--compare",
        &path("a.json"),
        &path("b.json"),
        "--plot",
        &both,
    ];
    let ended = run(policy_client(), &args);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    for row in ["answers/s", "p50", "p99.99", "missing"] {
        assert!(
            ended.out.lines().any(|line| line.starts_with(row)),
            "{row}: {ended:?}"
        );
    }
    let drawn = fs::read_to_string(both).unwrap();
    assert!(drawn.contains("a.json") && drawn.contains("b.json"));
    fs::write(path("bytes"), b"\xff").unwrap();
    for (file, status) in [
        ("none.json", 66),
        ("one.svg", 65),
        ("bytes", 65),
        ("/dev/zero", 65),
    ] {
        let args = ["bench", "--compare", &path("a.json"), &path(file)];
        let ended = run(policy_client(), &args);
        assert_eq!(ended.code, Some(status), "{ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
    }
}

#[test]
fn a_plot_that_cannot_be_created_is_told_before_anybody_is_asked() {
    let stub = Stub::tcp(Script::default());
    let plot = "/nonexistent/plot.svg";
    let ended = bench(&stub.address(), &["-n", "5", "--plot", plot]);
    let said = format!("policy-client: {plot}: No such file or directory (os error 2)\n");
    assert_eq!((ended.code, &*ended.out, ended.err), (Some(73), "", said));
    assert_eq!(stub.connections(), 0);
}

#[test]
fn a_plot_that_cannot_be_written_does_not_cost_the_report() {
    let stub = Stub::tcp(Script::default());
    let ended = bench(&stub.address(), &["-n", "5", "--plot", "/dev/full"]);
    assert_eq!(ended.code, Some(74), "{ended:?}");
    assert!(ended.out.contains("requests    5\n"), "{ended:?}");
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
}

#[test]
fn a_report_in_text_is_one_that_a_pipe_may_close() {
    let stub = Stub::tcp(Script::default());
    let ended = bench(&stub.address(), &["-n", "50"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    for line in [
        "requests    50\n",
        "actions     dunno 50\n",
        "missing     0\n",
    ] {
        assert!(ended.out.contains(line), "{line}: {ended:?}");
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(policy_client());
    let output = command
        .args(["bench", &stub.address(), "-n", "5"])
        .stdout(writer)
        .output();
    let output = output.unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}

#[test]
fn bench_on_a_wrong_command_line_ends_with_64() {
    for args in [
        &[][..],
        &["nonsense"],
        &["127.0.0.1:1", "-c", "0"],
        &["127.0.0.1:1", "--rate", "0"],
        &["127.0.0.1:1", "-n", "0"],
        &["127.0.0.1:1", "-n", "1", "-d", "1s"],
        &["127.0.0.1:1", "-d", "0s"],
        &["127.0.0.1:1", "--recipients", "4-1"],
        &["127.0.0.1:1", "--requests", "f", "--seed", "1"],
        &["127.0.0.1:1", "--new", "day"],
        &["127.0.0.1:1", "--expect", "("],
        &["127.0.0.1:1", "--tui", "--json"],
        // Its standard output is no terminal.
        &["127.0.0.1:1", "--tui"],
        &["127.0.0.1:1", "--compare", "a", "b"],
        &["--compare", "a"],
    ] {
        let ended = run(policy_client(), &[&["bench"], args].concat());
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (Some(64), ""),
            "{args:?}: {ended:?}"
        );
        assert!(!ended.err.is_empty(), "{args:?}");
    }
    let ended = bench("127.0.0.1:1", &["--requests", "/nowhere"]);
    assert_eq!(ended.code, Some(66), "{ended:?}");
}
