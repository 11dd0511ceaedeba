//! Runs a case in which time passes: the clock of a process cannot be set, but that of a chain can. A store in memory is in
//! the place of memcached.

use std::{path::Path, time::Duration};

use mtpolicyd::{Call, Services, Session, config::LoadOptions, load::load_text, services::Dns};
use policy_proto::MessageDecoder;

use crate::{
    case::{Case, Step, request},
    run::{Manner, is_expected, rows_of},
};

pub(crate) fn run(case: &Case, manner: Manner, directory: &Path) {
    let compat = manner == Manner::Compat;
    let config = case
        .config
        .replace("@TMP@", &directory.display().to_string())
        .replace("module = \"Memcached\"", "module = \"Memory\"");
    let options = LoadOptions {
        compat,
        ..LoadOptions::default()
    };
    let (config, findings) = load_text(&case.number, &config, options);
    let config = config.unwrap_or_else(|| panic!("{findings:?}"));
    let mut services = Services::for_tests(Dns::none());
    services.compat = compat;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for step in &case.steps {
        match step {
            Step::Clock(seconds) => services.clock_offset += Duration::from_secs(*seconds),
            Step::Sql(query, rows, of) if of.count(manner) => {
                assert_eq!(rows_of(&directory.join("db.sqlite"), query), *rows);
            }
            Step::Sql(..) => {}
            Step::Ask {
                changes, answers, ..
            } => {
                let expected = answers.of(manner);
                let mut bytes = request(changes).as_slice().into();
                let request = MessageDecoder::new().request(&mut bytes).unwrap().unwrap();
                // Each request of such a case has an instance of its own.
                let mut session = Session::default();
                let attributes = mtpolicyd::chain::Attributes::of(&request);
                let mut call = Call::new(&attributes, &mut session, &services);
                let verdict = runtime.block_on(config.hosts[0].chain.run(&mut call));
                let action = verdict.unwrap().map(|verdict| verdict.action);
                let found = format!("action={}", action.as_deref().unwrap_or("dunno"));
                assert!(
                    is_expected(Some(&found), expected),
                    "{} compat: {compat}: {changes}: {found} and not {expected:?}",
                    case.number
                );
            }
            Step::Other(value) => panic!("{}: cannot do {value}", case.number),
        }
    }
}
