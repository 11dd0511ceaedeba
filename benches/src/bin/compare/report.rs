//! What has been measured, for readers.

use crate::{
    contest::{Case, Row, Sample},
    contestant::Contestant,
    options::Part,
};

pub(crate) fn print(case: &Case, rows: &[Row]) {
    let requests = match case.part {
        Part::Kept => "",
        Part::New => ", a new one per request",
    };
    println!(
        "\n{:?}, {:?}, {} connections{requests}, load {}\n\n\
         | | requests/s | x | p50 us | p99 | p99.9 | added p50 | x | CPU us/request | x | switches/request | RSS kB |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        case.place,
        case.transport,
        case.connections,
        load_average(),
    );
    let find = |contestant| rows.iter().find(|row| row.contestant == contestant);
    let haproxy = find(Contestant::Haproxy { threads: 1 });
    let direct = find(Contestant::Direct);
    for row in rows {
        let of = |figure: fn(&Sample) -> f64| median(row.samples.iter().map(figure));
        let ratio = |figure: fn(&Sample) -> f64| {
            haproxy.map_or(f64::NAN, |haproxy| {
                let pairs = row.samples.iter().zip(&haproxy.samples);
                median(pairs.map(|(ours, theirs)| figure(ours) / figure(theirs)))
            })
        };
        let added = |row: &Row| -> Vec<f64> {
            let direct = direct.map_or(&[][..], |direct| &direct.samples);
            let pairs = row.samples.iter().zip(direct);
            pairs
                .map(|(row, direct)| row.latency[0] - direct.latency[0])
                .collect()
        };
        let theirs = haproxy.map(added).unwrap_or_default();
        let ours = added(row);
        let added_ratio = median(ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs));
        println!(
            "| {} | {:.0} | {:.2} | {:.1} | {:.0} | {:.0} | {:.1} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} |",
            row.contestant.name(),
            of(|sample| sample.requests),
            ratio(|sample| sample.requests),
            of(|sample| sample.latency[0]),
            of(|sample| sample.latency[1]),
            of(|sample| sample.latency[2]),
            median(ours.iter().copied()),
            added_ratio,
            of(|sample| sample.cpu),
            ratio(|sample| sample.cpu),
            of(|sample| sample.switches),
            of(|sample| sample.resident as f64),
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        length => (values[(length - 1) / 2] + values[length / 2]) / 2.0,
    }
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
