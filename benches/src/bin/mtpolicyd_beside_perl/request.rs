//! The requests of a case.

use crate::case::Asked;

/// What a connection asks after so many requests. Each `run` has other mails and clients.
pub(crate) fn request(asked: Asked, run: u64, number: usize, count: u64) -> String {
    let mail = if asked == Asked::MailsTwice {
        count / 2
    } else {
        count
    };
    let client = if asked == Asked::Clients {
        let unique = run.wrapping_add(count);
        let [_, _, a, b] = (unique as u32).to_be_bytes();
        format!("10.{}.{a}.{b}", unique >> 16 & 255)
    } else {
        "192.0.2.10".to_owned()
    };
    let (state, sender) = if asked == Asked::Senders {
        ("END-OF-MESSAGE", count * 7 % 100)
    } else {
        ("RCPT", 0)
    };
    format!(
        "request=smtpd_access_policy\nprotocol_state={state}\nprotocol_name=ESMTP\nhelo_name=mail.acme.example\nqueue_id=\n\
         sender=carol{sender}@acme.example\nrecipient=dave@ours.example\nrecipient_count=1\nclient_address={client}\n\
         client_name=mail.acme.example\nreverse_client_name=mail.acme.example\ninstance={run:x}.{number}.{mail}\nsize=12345\n\n"
    )
}
