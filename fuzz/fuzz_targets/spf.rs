//! SPF records and macros: a check ends, within its look-ups, with texts that fit into a reply, and with the same
//! verdict each time; a mechanism that matched is printed as it would be written.

#![no_main]

use std::{cell::RefCell, net::IpAddr, time::Duration};

use libfuzzer_sys::fuzz_target;
use policy_dns::{
    Answer, Data, Name, Outcome, Question, Record, RecordType, Resolver,
    spf::{self, SpfOptions, SpfRequest, SpfResult, Verdict},
};
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().enable_time().build().expect("a runtime"));
}

// The client and the sender in the first line, then the records of d0.test, d1.test and so on; the last line is the
// explanation at e.test.
fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|&byte| byte == b'\n');
    let Some((&client, sender)) = lines.next().and_then(<[u8]>::split_first) else {
        return;
    };
    let client: IpAddr = if client & 1 == 0 {
        [192, 0, 2, client].into()
    } else {
        [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()
    };
    let world = World {
        records: lines.map(<[u8]>::to_vec).collect(),
        client,
    };
    let request = SpfRequest::mail_from(client, [sender, b"@d0.test"].concat(), sender);

    let verdict = check(&world, &request);
    assert_eq!(verdict, check(&world, &request), "another verdict");
    assert!(verdict.look_ups() <= 123, "{} look-ups", verdict.look_ups());
    assert_eq!(
        verdict.authority_explanation().is_some(),
        verdict.result() == SpfResult::Fail
    );
    for text in [
        verdict.local_explanation(),
        verdict.authority_explanation().unwrap_or_default(),
        verdict.mechanism().unwrap_or_default(),
        &verdict.received_spf(),
        &verdict.authentication_results(),
    ] {
        assert!(
            text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            "{text}"
        );
    }
    assert!(verdict.authority_explanation().unwrap_or_default().len() <= 512);
    if let Some(mechanism) = verdict.mechanism() {
        check_mechanism(mechanism, &world, &verdict);
    }
    let helo = check(&world, &SpfRequest::helo(client, sender));
    assert!(helo.look_ups() <= 123);
});

/// A record of the printed mechanism alone is a record, with the same meaning where no macro and no domain of
/// another record is in it.
fn check_mechanism(mechanism: &str, world: &World, verdict: &Verdict) {
    if mechanism.contains('%') || mechanism.contains('\\') {
        return;
    }
    let mut records = world.records.clone();
    records.truncate(1);
    records.splice(..1, [format!("v=spf1 {mechanism}").into_bytes()]);
    let alone = World {
        records,
        client: world.client,
    };
    let got = check(
        &alone,
        &SpfRequest::mail_from(world.client, "a@d0.test", "h"),
    );
    assert!(
        got.result() != SpfResult::PermError || mechanism.contains("include:"),
        "{mechanism}: {got:?}"
    );
    let bare = mechanism.trim_start_matches(['+', '-', '~', '?']);
    if bare == "all" || bare.starts_with("ip4:") || bare.starts_with("ip6:") {
        assert_eq!(
            (got.result(), got.mechanism()),
            (verdict.result(), Some(mechanism))
        );
    }
}

fn check(world: &World, request: &SpfRequest) -> Verdict {
    let mut options = SpfOptions::default();
    options.timeout = Duration::MAX;
    options.default_explanation = "%{p} %{i} %{S}".into();
    RUNTIME.with_borrow(|runtime| runtime.block_on(spf::check(world, request, &options)))
}

/// Names that have all that can be asked for.
struct World {
    records: Vec<Vec<u8>>,
    client: IpAddr,
}

impl Resolver for World {
    async fn ask(&self, question: Question) -> Answer {
        let data = match question.kind {
            RecordType::Txt => self
                .text(&question.name)
                .into_iter()
                .map(|text| Data::Txt(text.chunks(255).map(Into::into).collect()))
                .collect(),
            RecordType::A => vec![Data::A([192, 0, 2, 7].into())],
            RecordType::Aaaa => vec![Data::Aaaa("2001:db8::7".parse().expect("an address"))],
            RecordType::Mx => (0..9)
                .map(|host| Data::Mx {
                    preference: host,
                    exchange: name(&format!("m{host}.test")),
                })
                .collect(),
            RecordType::Ptr => (0..12)
                .map(|host| Data::Ptr(name(&format!("p{host}.d0.test"))))
                .collect(),
            _ => vec![],
        };
        let record = |data| Record {
            name: question.name.clone(),
            ttl: 1,
            data,
        };
        Answer::from_section(
            &question,
            Outcome::Records,
            data.into_iter().map(record).collect(),
            Duration::ZERO,
        )
    }
}

impl World {
    fn text(&self, name: &Name) -> Option<&[u8]> {
        let label = std::str::from_utf8(name.labels().next()?).ok()?;
        let text = if label == "e" {
            self.records.last()
        } else {
            self.records
                .get(label.strip_prefix('d')?.parse::<usize>().ok()?)
        };
        text.map(Vec::as_slice)
    }
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}
