//! What is known of another process, such as one that a file names.

use std::{fs, iter::successors};

/// Whether a process is this one, or has started it, directly or by others: such a one is no daemon beside it, though a file that was
/// left behind may have its number.
///
/// ```
/// assert!(policy_daemon::has_led_here(std::process::id()));
/// ```
pub fn has_led_here(process: u32) -> bool {
    // The first process is the parent of each that has lost its own.
    let parent = |process: &u32| parent_of(*process).filter(|parent| *parent > 1);
    successors(Some(std::process::id()), parent).any(|found| found == process)
}

/// Whether a process has ended. One that nobody waits for still has its number, and takes no signal any more.
///
/// ```
/// assert!(!policy_daemon::has_ended(std::process::id()));
/// ```
pub fn has_ended(process: u32) -> bool {
    field(process, "State:").is_none_or(|state| state.starts_with(['Z', 'X']))
}

fn parent_of(process: u32) -> Option<u32> {
    field(process, "PPid:")?.parse().ok()
}

fn field(process: u32, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    Some(value?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::{
        process::Command,
        thread::sleep,
        time::{Duration, Instant},
    };

    use super::*;

    #[test]
    fn those_above_this_one_have_led_here_and_no_other_one() {
        let parent = std::os::unix::process::parent_id();
        for process in [Some(std::process::id()), Some(parent), parent_of(parent)] {
            let process = process.filter(|process| *process > 1);
            assert!(process.is_none_or(has_led_here), "{process:?}");
        }
        let mut beside = Command::new("sleep").arg("60").spawn().unwrap();
        let has_led = has_led_here(beside.id());
        beside.kill().unwrap();
        beside.wait().unwrap();
        assert!(!has_led && !has_led_here(1));
    }

    #[test]
    fn a_process_has_ended_before_somebody_waits_for_it() {
        let mut process = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(!has_ended(process.id()));
        process.kill().unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while !has_ended(process.id()) {
            assert!(Instant::now() < end);
            sleep(Duration::from_millis(5));
        }
        process.wait().unwrap();
        assert!(has_ended(process.id()));
    }
}
