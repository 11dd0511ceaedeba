//! DNS lists: what counts as listed, which lists are asked, and what is never shown.

mod answers;
mod health;

use std::net::IpAddr;

use policy_dns::{
    Table,
    list::{DnsList, ListOptions, ListResult, Subject},
};

const CLIENT: &str = "192.0.2.9";

fn client() -> Subject {
    CLIENT.parse::<IpAddr>().unwrap().into()
}

fn options() -> ListOptions {
    ListOptions::default()
}

fn list(options: ListOptions) -> DnsList {
    DnsList::addresses("list.test", options).unwrap()
}

/// A zone in which the client has these lines.
fn zone(lines: &[&str]) -> Table {
    let lines: Vec<_> = lines
        .iter()
        .map(|line| format!("{CLIENT}@list.test {line}"))
        .collect();
    lines.join("\n").parse().unwrap()
}

/// `listed CODE...`, `not listed`, `error: ...`, `skipped: ...`.
fn told(result: &ListResult) -> String {
    match result {
        ListResult::Listed(listed) => {
            let codes: Vec<_> = listed.codes().iter().map(ToString::to_string).collect();
            format!("listed {}", codes.join(" ")).trim_end().into()
        }
        ListResult::NotListed => "not listed".into(),
        ListResult::Error(error) => format!("error: {error}"),
        ListResult::Skipped(skipped) => format!("skipped: {skipped}"),
        other => format!("{other:?}"),
    }
}
