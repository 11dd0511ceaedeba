//! The daemon beside HAProxy, nginx and the Perl script, in interleaved rounds.
//!
//! ```text
//! cargo build --release -p hapolicy && cargo run --release -p policy-benches --bin compare
//! ```

mod arena;
mod calls;
mod contest;
mod contestant;
mod figures;
mod idle;
mod load;
mod options;
mod report;
mod rounds;

use std::{error::Error, fs, process::Command, time::Duration};

use clap::Parser;
use policy_benches::{
    process::raise_descriptors,
    stub::{self, ANSWER, Reply},
};
use rustix::process::getuid;

use crate::{
    contestant::Running,
    load::Load,
    options::{Alone, Options},
};

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    raise_descriptors()?;
    match options.alone {
        None => {}
        Some(Alone::Stub { endpoints }) => {
            return Ok(stub::run(&endpoints, |_| Reply::Now(ANSWER.into()))?);
        }
        Some(Alone::Load {
            endpoint,
            connections,
            seconds,
            new,
        }) => {
            let to = Running::at(endpoint);
            let answered =
                Load::open(connections, new, &to)?.run(Duration::from_secs_f64(seconds))?;
            println!("{answered}");
            return Ok(());
        }
    }
    install_peers()?;
    let options = options.complete();
    let outcome = contest::run(&options)?;
    print!("\n{}", report::summary(&outcome));
    if let Some(folder) = options.folder() {
        report::write(&outcome, &folder)?;
    }
    Ok(())
}

/// HAProxy, nginx, the Perl script and perf, from Debian's packages.
fn install_peers() -> Result<(), Box<dyn Error>> {
    let missing = PEERS
        .iter()
        .filter(|(_, file)| !fs::exists(file).unwrap_or(false));
    let packages: Vec<_> = missing.map(|(package, _)| package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    if !getuid().is_root() {
        return Err(format!("not installed: {packages:?}; as root this would be done now").into());
    }
    let run = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command.args(arguments).status()
    };
    run(&["update", "-q"])?;
    let mut arguments = vec!["install", "-q", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    if run(&arguments)?.success() {
        Ok(())
    } else {
        Err("apt-get install has failed".into())
    }
}

/// Debian's packages, and a file that shows each is there.
const PEERS: [(&str, &str); 5] = [
    ("haproxy", "/usr/sbin/haproxy"),
    ("nginx-light", "/usr/sbin/nginx"),
    (
        "libnginx-mod-stream",
        "/usr/lib/nginx/modules/ngx_stream_module.so",
    ),
    ("hapolicy", "/usr/sbin/hapolicy"),
    ("linux-perf", "/usr/bin/perf"),
];
