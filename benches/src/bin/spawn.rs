//! What a start under spawn(8) costs: from the start of the process to its first answer, and its
//! memory then. Prints ours beside the Perl script's, if that is installed.
//!
//! ```text
//! cargo build --release && cargo run --release -p policy-benches --bin spawn
//! ```

use std::{
    error::Error,
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const ROUNDS: usize = 41;

fn main() -> Result<(), Box<dyn Error>> {
    let ours = std::env::current_exe()?.with_file_name("hapolicy");
    let perl = PathBuf::from("/usr/sbin/hapolicy");
    let service = format!("a={}:", policy_service()?);
    let mut programs = vec![("hapolicy", ours)];
    if perl.exists() {
        programs.push(("Perl hapolicy", perl));
    }
    let mut samples = vec![Vec::new(); programs.len()];
    // Interleaved, so that a busy machine is as unkind to each.
    for _ in 0..ROUNDS {
        for ((_, program), samples) in programs.iter().zip(&mut samples) {
            samples.push(start(program, &service)?);
        }
    }
    println!(
        "{:<16} {:>12} {:>12} {:>12}",
        "", "median ms", "fastest ms", "VmRSS kB"
    );
    for ((name, _), samples) in programs.iter().zip(&mut samples) {
        samples.sort_unstable();
        let millis = |sample: &(Duration, u64)| sample.0.as_secs_f64() * 1e3;
        let median = &samples[samples.len() / 2];
        let (fastest, resident) = (millis(&samples[0]), median.1);
        println!(
            "{name:<16} {:>12.2} {fastest:>12.2} {resident:>12}",
            millis(median)
        );
    }
    Ok(())
}

/// Starts the program as spawn(8) does, with one socket for input and output, and asks it once.
fn start(program: &Path, service: &str) -> Result<(Duration, u64), Box<dyn Error>> {
    let (mut near, far) = UnixStream::pair()?;
    near.set_read_timeout(Some(Duration::from_secs(10)))?;
    let begin = Instant::now();
    let mut child = Command::new(program)
        .args(["-s", service])
        .stdin(OwnedFd::from(far.try_clone()?))
        .stdout(OwnedFd::from(far))
        .stderr(Stdio::null())
        .spawn()?;
    near.write_all(policy_benches::samples::RCPT)?;
    let mut reply = Vec::new();
    while !reply.ends_with(b"\n\n") {
        let mut read = [0; 512];
        match near.read(&mut read)? {
            0 => return Err("no answer".into()),
            length => reply.extend_from_slice(&read[..length]),
        }
    }
    let elapsed = begin.elapsed();
    let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident
        .and_then(|text| text.split_whitespace().next())
        .unwrap_or("0")
        .parse()?;
    drop(near);
    child.wait()?;
    if reply != b"action=DUNNO\n\n" {
        return Err(format!("unexpected reply {:?}", String::from_utf8_lossy(&reply)).into());
    }
    Ok((elapsed, resident))
}

/// A policy server that answers DUNNO; its address.
fn policy_service() -> Result<String, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut read = [0; 4096];
            while let Ok(length @ 1..) = client.read(&mut read) {
                request.extend_from_slice(&read[..length]);
                if request.ends_with(b"\n\n") {
                    // A client that has gone is no concern of the others.
                    _ = client.write_all(b"action=DUNNO\n\n");
                    request.clear();
                }
            }
        }
    });
    Ok(address)
}
