//! SPF beside Perl's Mail::SPF and Python's pyspf, and DNS lists at once beside one after the other, over a name
//! server on loopback that takes its time.
//!
//! ```text
//! cargo run --release -p policy-benches --bin dns [-- --record]
//! ```
//!
//! Debian's packages `libmail-spf-perl`, `python3-spf` and `python3-dns` bring the peers; one that is not there is left out.
//! All take turns, so that a busy machine is as unkind to each. Times are medians of the rounds.

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use clap::Parser;
use policy_benches::machine;
use policy_dns::{
    DnsOptions, DnsResolver,
    list::{DnsList, ListOptions, check_all},
    spf::{self, SpfOptions, SpfRequest},
};
use policy_testing::NameServer;

const ROUNDS: usize = 9;
const CHECKS: u32 = 50;
const LISTS: usize = 8;

/// Senders' domains, and what their records ask for.
const DOMAINS: [(&str, &str); 4] = [
    ("plain.test", "`ip4:`, 1 question"),
    ("include.test", "three includes, 5 questions"),
    ("mx.test", "`a` and `mx` with 4 hosts, 7 questions"),
    ("macro.test", "`exists` with `%{ir}` and `ptr`, 5 questions"),
];

const ZONE: &str = r#"
    plain.test      TXT "v=spf1 ip4:192.0.2.0/24 -all"
    include.test    TXT "v=spf1 include:i1.test include:i2.test include:i3.test -all"
    i1.test         TXT "v=spf1 ip4:198.51.100.0/24 -all"
    i2.test         TXT "v=spf1 ip4:203.0.113.0/24 -all"
    i3.test         TXT "v=spf1 a:mail.test -all"
    mx.test         TXT "v=spf1 a mx -all"
    mx.test         A 198.51.100.1
    mx.test         MX 1 m1.mx.test
    mx.test         MX 2 m2.mx.test
    mx.test         MX 3 m3.mx.test
    mx.test         MX 4 mail.test
    m1.mx.test      A 198.51.100.2
    m2.mx.test      A 198.51.100.3
    m3.mx.test      A 198.51.100.4
    macro.test      TXT "v=spf1 exists:%{ir}.%{l}.x.test ptr:mail.test -all"
    9.2.0.192.carol.x.test CNAME nothing.test
    nothing.test    TXT x
    192.0.2.9       PTR mail.test
    mail.test       A 192.0.2.9
"#;

type BoxError = Box<dyn Error>;

/// Measures SPF beside Mail::SPF and pyspf, and DNS lists at once beside one after the other.
#[derive(Debug, Parser)]
struct Options {
    /// Write the report to benches/record
    #[arg(long)]
    record: bool,
}

fn main() -> Result<(), BoxError> {
    let options = Options::parse();
    let mut page = format!(
        "# SPF and DNS lists, {}\n\n{}. Medians of {ROUNDS} rounds in turns, {CHECKS} checks each.\n\
         `cargo run --release -p policy-benches --bin dns -- --record`\n",
        machine::today(),
        machine::description(),
    );
    for delay in [0, 5] {
        page += &spf_table(delay)?;
    }
    page += &list_table(5)?;
    print!("{page}");
    if options.record {
        let file = format!("{}-dns.md", machine::today());
        fs::write(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("record")
                .join(file),
            page,
        )?;
    }
    Ok(())
}

/// A row for each domain, a column for each program.
fn spf_table(delay: u64) -> Result<String, BoxError> {
    let server = NameServer::start(&format!(
        "{ZONE}\n*.test !delay {delay}ms\n*.arpa !delay {delay}ms"
    ));
    let port = server.address().port();
    let mut names = vec!["policy-dns", "policy-dns, cached"];
    let scripts = [
        ("Mail::SPF", "perl", "check.pl"),
        ("pyspf", "/usr/bin/python3", "check.py"),
    ];
    let scripts: Vec<_> = scripts
        .into_iter()
        .filter(|(_, program, script)| peer(program, script, port, "plain.test", 1).is_ok())
        .collect();
    names.extend(scripts.iter().map(|(name, ..)| *name));
    let mut page = format!(
        "\n## SPF, {delay} ms a question: ms a check\n\n| record | {} |\n| --- |",
        names.join(" | ")
    );
    page += &" ---: |".repeat(names.len());
    page.push('\n');
    for (domain, about) in DOMAINS {
        let mut samples = vec![vec![]; names.len()];
        for _ in 0..ROUNDS {
            samples[0].push(ours(server.address(), domain, false)?);
            samples[1].push(ours(server.address(), domain, true)?);
            for ((_, program, script), samples) in scripts.iter().zip(&mut samples[2..]) {
                samples.push(peer(program, script, port, domain, CHECKS)?);
            }
        }
        let medians: Vec<_> = samples
            .iter_mut()
            .map(|samples| format!("{:.3}", 1e3 * median(samples)))
            .collect();
        writeln!(page, "| {about} | {} |", medians.join(" | "))?;
    }
    Ok(page)
}

/// Lists at once, one after the other, and one after the other by Net::DNS, as the Perl servers ask.
fn list_table(delay: u64) -> Result<String, BoxError> {
    let zones: Vec<_> = (0..LISTS)
        .map(|index| format!("l{index}.lists.test"))
        .collect();
    let server = NameServer::start(&format!("*.lists.test !delay {delay}ms\nlists.test TXT x"));
    let lists = zones
        .iter()
        .map(|zone| DnsList::addresses(zone, ListOptions::default()));
    let lists = lists.collect::<Result<Vec<_>, _>>()?;
    let mut names = vec!["at once", "one after the other"];
    let port = server.address().port();
    if peer("perl", "lists.pl", port, &zones.join(","), 1).is_ok() {
        names.push("Net::DNS, one after the other");
    }
    let mut samples = vec![vec![]; names.len()];
    for _ in 0..ROUNDS {
        for (at_once, samples) in [true, false].into_iter().zip(&mut samples) {
            samples.push(ask_lists(server.address(), &lists, at_once)?);
        }
        if let Some(samples) = samples.get_mut(2) {
            samples.push(peer("perl", "lists.pl", port, &zones.join(","), CHECKS)?);
        }
    }
    let medians: Vec<_> = samples
        .iter_mut()
        .map(|samples| format!("{:.2}", 1e3 * median(samples)))
        .collect();
    Ok(format!(
        "\n## {LISTS} DNS lists, {delay} ms a question: ms a client\n\n| {} |\n|{}\n| {} |\n",
        names.join(" | "),
        " ---: |".repeat(names.len()),
        medians.join(" | "),
    ))
}

/// Seconds for one check.
fn ours(server: SocketAddr, domain: &str, cached: bool) -> Result<f64, BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let resolver = resolver(server, cached);
    let request =
        SpfRequest::mail_from("192.0.2.9".parse()?, format!("carol@{domain}"), "mail.test");
    let options = SpfOptions::default();
    runtime.block_on(async {
        let mut begin = Instant::now();
        for index in 0..=CHECKS {
            let verdict = spf::check(&resolver, &request, &options).await;
            if verdict.result() != spf::SpfResult::Pass {
                return Err(verdict.local_explanation().into());
            }
            if index == 0 {
                // The first one fills the cache.
                begin = Instant::now();
            }
        }
        Ok(begin.elapsed().as_secs_f64() / f64::from(CHECKS))
    })
}

fn ask_lists(server: SocketAddr, lists: &[DnsList], at_once: bool) -> Result<f64, BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let resolver = resolver(server, false);
    let client = "192.0.2.9".parse::<IpAddr>()?.into();
    let begin = Instant::now();
    runtime.block_on(async {
        for _ in 0..CHECKS {
            if at_once {
                check_all(&resolver, lists.iter().map(|list| (list, &client))).await;
            } else {
                for list in lists {
                    list.check(&resolver, &client).await;
                }
            }
        }
    });
    Ok(begin.elapsed().as_secs_f64() / f64::from(CHECKS))
}

fn resolver(server: SocketAddr, cached: bool) -> DnsResolver {
    let mut options = DnsOptions::new([server]);
    options.timeout = Duration::from_secs(2);
    if !cached {
        options.cache_bytes = 0;
    }
    DnsResolver::new(options)
}

/// What a script prints: seconds for one check, without its start.
fn peer(
    program: &str,
    script: &str,
    port: u16,
    argument: &str,
    checks: u32,
) -> Result<f64, BoxError> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/bin/dns")
        .join(script);
    let output = Command::new(program)
        .arg(script)
        .args([&port.to_string(), argument, &checks.to_string()])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
