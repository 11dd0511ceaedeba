//! When and where it is measured.

use std::{fs, process::Command};

pub(crate) fn today() -> String {
    chrono::Local::now().format("%Y-%m-%d").to_string()
}

pub(crate) fn heading() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "# The codec, {}\n\n{} ({processors} processors), {}, {}, load {}.\n\
         `cargo run --release -p policy-benches --bin table -- --record`\n",
        today(),
        processor(),
        command("uname", &["-sm"]),
        command("rustc", &["--version"]),
        load(),
    )
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find(|line| line.starts_with("model name"));
    let name = model.and_then(|line| line.split_once(": "));
    name.map_or("unknown processor", |(_, name)| name)
        .to_owned()
}

/// Of the last minute: what is measured under load is worth less.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn command(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| format!("{program} unknown"),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
