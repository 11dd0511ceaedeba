//! A scored chain with a DNS list, without a network: the answers of DNS are a table.
//!
//! ```text
//! cargo run --release --locked -p mtpolicyd --example scored_chain
//! ```

use std::sync::Arc;

use mtpolicyd::{
    Call, Services, Session, chain::Trace, config::LoadOptions, load::load_text, services::Dns,
};
use policy_proto::Request;

const CONFIG: &str = r#"
<VirtualHost 12345>
  name = example
  <Plugin zen>
    module = RBL
    domain = zen.example
    mode = passive
    score = "127.0.0.2: 5, 127.0.0.10: 3"
    self_test = 0
  </Plugin>
  <Plugin helo>
    module = Condition
    key = helo_name
    re_match = "\."
    invert = 1
    score = 2
  </Plugin>
  <Plugin reject>
    module = ScoreAction
    threshold = 5
    action = "reject %IP% score=%SCORE%%SCORE_DETAIL%"
  </Plugin>
  <Plugin header>
    module = AddScoreHeader
  </Plugin>
</VirtualHost>
"#;

const ZONE: &str = "192.0.2.9@zen.example A 127.0.0.2\n192.0.2.10@zen.example A 127.0.0.10\n";

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (config, findings) = load_text("example.conf", CONFIG, LoadOptions::default());
    let config = config.ok_or_else(|| format!("{findings:?}"))?;
    let host = config.hosts.first().ok_or("no virtual host")?;
    let services = Services::for_tests(Dns::Table(Arc::new(ZONE.parse()?)));
    for (client, helo, expected) in [
        (
            "192.0.2.9",
            "mail.example",
            "reject 192.0.2.9 score=5, zen=5",
        ),
        (
            "192.0.2.10",
            "localhost",
            "reject 192.0.2.10 score=5, zen=3, helo=2",
        ),
        (
            "192.0.2.10",
            "mail.example",
            "PREPEND X-MtScore: NO score=3 [zen=3]",
        ),
        (
            "192.0.2.11",
            "mail.example",
            "PREPEND X-MtScore: NO score=0",
        ),
    ] {
        let request = Request::from_attributes([
            ("request", "smtpd_access_policy"),
            ("client_address", client),
            ("helo_name", helo),
        ])?;
        let (mut session, mut trace) = (Session::default(), Trace::default());
        let attributes = mtpolicyd::chain::Attributes::of(&request);
        let mut call = Call::new(&attributes, &mut session, &services).with_trace(&mut trace);
        let verdict = host.chain.run(&mut call).await?;
        let action = verdict.map_or_else(|| "dunno".to_owned(), |verdict| verdict.action);
        println!("{client}, {helo}: {action}");
        for step in trace.steps() {
            println!(
                "    {} {:+} {}",
                step.name,
                step.points,
                step.notes.join(", ")
            );
        }
        assert_eq!(action, expected);
    }
    Ok(())
}
