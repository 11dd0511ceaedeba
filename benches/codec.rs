//! The codec beside its peers: by how requests arrive, and by their size. Prints all as one table at the end, with ratios
//! to httparse, which `cargo bench -p policy-benches --bench codec -- --save-baseline record` keeps under `benches/record/`.

use std::{env, error::Error, fs, path::Path, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput};
use policy_benches::{
    peers::{ALL, CUTS, HTTPARSE, Size},
    report::{Report, Table, number, records},
    samples::{ATTRIBUTES, Pieces, TYPICAL, as_http, by_size, typical},
};

/// So few that all of them stay in the fastest cache.
const REQUESTS: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let mut groups = Vec::new();
    let title = format!("{TYPICAL} bytes, {ATTRIBUTES} attributes");
    for (cut, size) in CUTS {
        let group = format!("{title}, {cut}");
        measure(&mut criterion, &group, &typical(REQUESTS), size);
        groups.push(group);
    }
    for (name, request) in by_size() {
        let group = format!("{name}, {} bytes", request.len());
        measure(
            &mut criterion,
            &group,
            &request.repeat(REQUESTS),
            |request| request,
        );
        groups.push(group);
    }
    criterion.final_summary();
    let arguments: Vec<_> = env::args().collect();
    let has = |word| arguments.iter().any(|argument| argument == word);
    // A test only tries each once, and a list runs none.
    if !has("--bench") || has("--test") || has("--list") {
        return Ok(());
    }
    let report = report(&groups)?;
    print!("{report}");
    if has("record") {
        report.write(&records(), "codec", &[])?;
    }
    Ok(())
}

/// All decoders over one stream.
fn measure(criterion: &mut Criterion, group: &str, stream: &[u8], size: Size) {
    let http = as_http(stream);
    let mut group = criterion.benchmark_group(group);
    group.throughput(Throughput::Elements(REQUESTS as u64));
    for peer in ALL {
        let stream = if peer.reads_http { &http } else { stream };
        let request = stream.len() / REQUESTS;
        group.bench_function(BenchmarkId::from_parameter(peer.name), |b| {
            b.iter(|| {
                let pieces = Pieces::of(stream, request, size(request));
                assert_eq!((peer.decode)(pieces), REQUESTS);
            });
        });
    }
}

/// From the medians that criterion has left in its files.
fn report(groups: &[String]) -> Result<Report, Box<dyn Error>> {
    let command = "cargo bench -p policy-benches --bench codec -- --save-baseline record";
    let mut report = Report::new("The codec", &[], command);
    report.text(
        "Nanoseconds per request on a warm connection, in brackets the ratio to httparse, which reads the same fields as HTTP. \
         It and the naive split\nmake pairs of the fields, so a walk has to be added to ours for what they do; \
         postfix_policy cannot but answer.",
    );
    let mut table = Table::new("", ALL.map(|peer| peer.name));
    for group in groups {
        // Only a part was measured.
        let Ok(theirs) = median(group, HTTPARSE) else {
            continue;
        };
        let times: Result<Vec<_>, _> = ALL.iter().map(|peer| median(group, peer.name)).collect();
        let cells = times?
            .into_iter()
            .map(|time| format!("{} ({:.2})", number(time, 0), time / theirs));
        table.row(group, cells);
    }
    report.table(table);
    Ok(report)
}

/// Nanoseconds per request.
fn median(group: &str, name: &str) -> Result<f64, Box<dyn Error>> {
    let target = env::var_os("CARGO_TARGET_DIR")
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../target").into());
    let folder = Path::new(&target).join("criterion").join(group).join(name);
    let newest = ["new", "record"].map(|run| folder.join(run).join("estimates.json"));
    let text = newest
        .iter()
        .find_map(|file| fs::read_to_string(file).ok())
        .ok_or("not measured")?;
    let estimates: serde_json::Value = serde_json::from_str(&text)?;
    let median = estimates["median"]["point_estimate"]
        .as_f64()
        .ok_or("no median")?;
    Ok(median / REQUESTS as f64)
}
