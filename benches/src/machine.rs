//! The time and the machine of a measurement, with which a record begins.

use std::{fs, process::Command, thread};

/// The date of today, as in a file's name.
#[must_use]
pub fn today() -> String {
    chrono::Local::now().format("%Y-%m-%d").to_string()
}

/// Processor, system, compiler, and how busy it all is.
#[must_use]
pub fn description() -> String {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{} ({processors} processors), {}, {}, load {}",
        processor(),
        command("uname", &["-srm"]),
        command("rustc", &["--version"]),
        load(),
    )
}

/// The load average of the last minute: what is measured under load is worth less.
#[must_use]
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// The first line that a program prints, on either output.
#[must_use]
pub fn command(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        return format!("{program} unknown");
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or_default().trim().to_owned()
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find(|line| line.starts_with("model name"));
    let name = model.and_then(|line| line.split_once(": "));
    name.map_or("unknown processor", |(_, name)| name)
        .to_owned()
}
