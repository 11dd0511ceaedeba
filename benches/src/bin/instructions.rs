//! Instructions of each operation of the codec and the balancer, counted by valgrind: the same on a busy
//! machine. Fails if one takes over 5 % more than is recorded.
//!
//! ```text
//! cargo run --release -p policy-benches --bin instructions [-- --record]
//! ```
//!
//! Each operation is run so many times and then three times as often, after the same preparation;
//! the difference is its own, without what the process costs. The counts are of one compiler and
//! one kind of processor: memchr and the C library choose by what it can do.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fmt::Write,
    fs,
    process::{Command, ExitCode, Stdio},
    thread,
};

use policy_benches::{
    machine,
    operations::{OPERATIONS, Prepared, TIMES},
};

const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/record/instructions.txt");
/// How much more than is recorded may pass, in per cent.
const TOLERANCE: u64 = 5;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => compare(&count_all()?),
        ["--record"] => record(&count_all()?),
        ["run", name, times] => run(name, times.parse()?),
        _ => Err("usage: instructions [--record]".into()),
    }
}

/// What valgrind runs.
fn run(name: &str, times: usize) -> Result<ExitCode, Box<dyn Error>> {
    let mut operations = OPERATIONS.iter();
    let operation = operations.find(|(known, _)| *known == name);
    let (_, operation) = operation.ok_or("no such operation")?;
    operation(&mut Prepared::new(), times);
    Ok(ExitCode::SUCCESS)
}

/// Instructions by operation.
type Counts = BTreeMap<String, u64>;

fn count_all() -> Result<Counts, Box<dyn Error>> {
    let mut counts = Counts::new();
    for (name, _) in OPERATIONS {
        let often = thread::spawn(|| collected(name, 3 * TIMES));
        let few = collected(name, TIMES)?;
        let often = often.join().map_err(|_| "a thread has panicked")??;
        counts.insert((*name).to_owned(), (often - few) / (2 * TIMES as u64));
    }
    Ok(counts)
}

/// The instructions of a whole process.
fn collected(name: &str, times: usize) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let valgrind = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["run", name, &times.to_string()])
        // Where the stack begins depends on the environment.
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let log = String::from_utf8_lossy(&valgrind.stderr);
    let mut lines = log.lines();
    let count = lines.find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    count
        .filter(|_| valgrind.status.success())
        .ok_or_else(|| format!("valgrind has failed: {log}"))
}

fn record(counts: &Counts) -> Result<ExitCode, Box<dyn Error>> {
    let mut text = format!(
        "# Instructions per operation. {}.\n# cargo run --release -p policy-benches --bin instructions -- --record\n",
        compiler()
    );
    for (name, count) in counts {
        writeln!(text, "{count:>8} {name}")?;
    }
    fs::write(RECORD, &text)?;
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}

fn compare(counts: &Counts) -> Result<ExitCode, Box<dyn Error>> {
    let text = fs::read_to_string(RECORD).map_err(|error| format!("{RECORD}: {error}"))?;
    let recorded = parsed(&text)?;
    println!("{:>8} {:>8} {:>7}", "recorded", "now", "");
    let mut failures = 0;
    for (name, &now) in counts {
        let Some(&before) = recorded.get(name) else {
            println!("{:>8} {now:>8} {:>7} {name}: not recorded", "", "");
            failures += 1;
            continue;
        };
        let change = (now as f64 / before as f64 - 1.0) * 100.0;
        let worse = is_regression(before, now);
        let remark = if worse { ": REGRESSION" } else { "" };
        println!("{before:>8} {now:>8} {change:>+6.1}% {name}{remark}");
        failures += usize::from(worse);
    }
    if failures == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let before = text.lines().next().unwrap_or_default();
    println!(
        "\n{failures} failed. Recorded: {before} Now: {}.",
        compiler()
    );
    Ok(ExitCode::FAILURE)
}

fn is_regression(before: u64, now: u64) -> bool {
    now * 100 > before * (100 + TOLERANCE)
}

fn parsed(text: &str) -> Result<Counts, Box<dyn Error>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (count, name) = line.trim().split_once(' ').ok_or("no name")?;
            Ok((name.to_owned(), count.parse()?))
        })
        .collect()
}

fn compiler() -> String {
    machine::command("rustc", &["--version"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_per_cent_more_may_pass() {
        assert!(!is_regression(100, 105) && !is_regression(100, 50));
        assert!(is_regression(100, 106));
    }

    #[test]
    fn what_is_recorded_names_each_operation() {
        let recorded = parsed(&fs::read_to_string(RECORD).unwrap()).unwrap();
        let names: Vec<_> = recorded.keys().map(String::as_str).collect();
        let mut operations: Vec<_> = OPERATIONS.iter().map(|(name, _)| *name).collect();
        operations.sort_unstable();
        assert_eq!(names, operations);
    }
}
