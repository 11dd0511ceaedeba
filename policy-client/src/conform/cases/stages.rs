//! Cases about the stages of an SMTP session, and about what each Postfix sends.

use std::sync::Arc;

use policy_proto::{
    ProtocolState::{Connect, Data, Ehlo, EndOfMessage, Etrn, Helo, Mail, Rcpt, Vrfy},
    attr,
};

use crate::{
    conform::{
        attributes::Attributes,
        case::{
            Case,
            Test::{Answered, Steps},
            must,
        },
        server::Server,
        source::{KEPT, STAGES, VERSIONS},
        verdict::{Miss, Verdict},
    },
    request::instance,
    request::preset::Version,
};

pub(super) const CASES: &[Case] = &[
    must(
        "5.1",
        "answers at CONNECT",
        STAGES,
        Answered(|| Attributes::at(Connect)),
    ),
    must(
        "5.2",
        "answers at EHLO",
        STAGES,
        Answered(|| Attributes::at(Ehlo)),
    ),
    must(
        "5.3",
        "answers at HELO",
        STAGES,
        Answered(|| Attributes::at(Helo)),
    ),
    must(
        "5.4",
        "answers at MAIL",
        STAGES,
        Answered(|| Attributes::at(Mail)),
    ),
    must(
        "5.5",
        "answers at RCPT",
        STAGES,
        Answered(|| Attributes::at(Rcpt)),
    ),
    must(
        "5.6",
        "answers at DATA",
        STAGES,
        Answered(|| Attributes::at(Data)),
    ),
    must(
        "5.7",
        "answers at END-OF-MESSAGE",
        STAGES,
        Answered(|| Attributes::at(EndOfMessage)),
    ),
    must(
        "5.8",
        "answers at VRFY",
        STAGES,
        Answered(|| Attributes::at(Vrfy)),
    ),
    must(
        "5.9",
        "answers at ETRN",
        STAGES,
        Answered(|| Attributes::at(Etrn)),
    ),
    must(
        "5.10",
        "takes what Postfix 2.1 sends",
        VERSIONS,
        Answered(|| Attributes::of(Rcpt, Version::new(2, 1))),
    ),
    must(
        "5.11",
        "takes what Postfix 2.2 sends",
        VERSIONS,
        Answered(|| Attributes::of(Rcpt, Version::new(2, 2))),
    ),
    must(
        "5.12",
        "takes what Postfix 2.3 sends",
        VERSIONS,
        Answered(|| Attributes::of(Rcpt, Version::new(2, 3))),
    ),
    must(
        "5.13",
        "takes what Postfix 2.5 sends",
        VERSIONS,
        Answered(|| Attributes::of(Rcpt, Version::new(2, 5))),
    ),
    must(
        "5.14",
        "takes what Postfix 2.9 sends",
        VERSIONS,
        Answered(|| Attributes::of(Rcpt, Version::new(2, 9))),
    ),
    must(
        "5.15",
        "takes what Postfix 3.0 sends",
        VERSIONS,
        Answered(|| Attributes::of(Rcpt, Version::new(3, 0))),
    ),
    must(
        "5.16",
        "takes what Postfix 3.1 sends",
        VERSIONS,
        Answered(|| Attributes::of(Rcpt, Version::new(3, 1))),
    ),
    must(
        "5.17",
        "takes what Postfix 3.2 sends",
        VERSIONS,
        Answered(|| Attributes::of(Rcpt, Version::new(3, 2))),
    ),
    must(
        "5.18",
        "takes what Postfix 3.8 sends",
        VERSIONS,
        Answered(|| Attributes::of(Rcpt, Version::new(3, 8))),
    ),
    must(
        "5.19",
        "takes what Postfix 3.12 sends",
        VERSIONS,
        Answered(|| Attributes::of(Rcpt, Version::new(3, 12))),
    ),
    must(
        "5.20",
        "answers at each stage of a session, on one connection",
        KEPT,
        Steps(|server| Box::pin(session(server))),
    ),
];

async fn session(server: Arc<Server>) -> Verdict {
    let mut connection = server.connect().await?;
    let message = instance();
    for stage in [Connect, Ehlo, Mail, Rcpt, Rcpt, Data, EndOfMessage] {
        let knows_message = [Rcpt, Data, EndOfMessage].contains(&stage);
        let known = if knows_message { message.as_str() } else { "" };
        let request = Attributes::at(stage).with(attr::INSTANCE, known);
        match connection.ask(&request.bytes()).await {
            Err(Miss::Failed(why)) => return Miss::failed(format!("at {}: {why}", stage.as_str())),
            asked => asked?,
        };
    }
    Ok(())
}
