//! SPF beyond the RFC's suite: reasons, limits, explanations, headers.

mod explanations;
mod identities;
mod look_ups;
mod results;

use std::net::IpAddr;

use policy_dns::{
    Table,
    spf::{self, SpfOptions, SpfRequest, Verdict},
};

const CLIENT: &str = "192.0.2.9";

fn client() -> IpAddr {
    CLIENT.parse().unwrap()
}

fn table(zone: &str) -> Table {
    zone.parse().unwrap()
}

async fn check(zone: &Table, sender: &str) -> Verdict {
    spf::check(
        zone,
        &SpfRequest::mail_from(client(), sender, "helo.test"),
        &SpfOptions::default(),
    )
    .await
}

/// What a record at a.test means for the client, in this zone.
async fn verdict(record: &str, zone: &str) -> Verdict {
    check(
        &table(&format!("a.test TXT \"{record}\"\n{zone}")),
        "carol@a.test",
    )
    .await
}
