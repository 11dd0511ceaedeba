//! The protocol in one page: what Postfix sends, what it makes of an answer, and what it does when there is none.
//!
//! Read in Postfix's sources (`smtpd_check.c`, `attr_clnt.c`, `attr_scan_plain.c`, `spawn.c`) and its
//! `SMTPD_POLICY_README`, versions 3.7 and 3.12, and seen in experiments with both. There is nothing in this module but
//! this text.
//!
//! # Having Postfix ask
//!
//! ```text
//! # main.cf; the list is a matter of taste, but reject_unauth_destination comes first.
//! smtpd_recipient_restrictions =
//!     reject_unauth_destination,
//!     check_policy_service inet:127.0.0.1:10031
//! ```
//!
//! A server is `inet:HOST:PORT`, `unix:/PATH` or `unix:PATH`, which is below Postfix's queue directory. An smtpd that is
//! chrooted sees no other path. In whose list it stands decides at which stage it is asked: `smtpd_client_restrictions`,
//! `smtpd_data_restrictions`, `smtpd_end_of_data_restrictions` and so on.
//!
//! # A request and its answer
//!
//! A request is lines `name=value` and an empty line. The answer is a line `action=...` and an empty line.
//!
//! ```
//! use policy_proto::{Action, MessageDecoder, ProtocolState, Request, attr};
//!
//! let mut arrived = "request=smtpd_access_policy\n\
//!     protocol_state=RCPT\n\
//!     client_address=192.0.2.1\n\
//!     sender=alice@example.net\n\
//!     recipient=bob@example.org\n\
//!     sasl_username=\n\n"
//!     .into();
//! let request = MessageDecoder::new().request(&mut arrived)?.expect("a whole request");
//! assert_eq!(request.protocol_state(), Some(ProtocolState::Rcpt));
//! assert_eq!(request.recipient(), Some(&b"bob@example.org"[..]));
//! assert_eq!(request.sasl_username(), None, "an empty value is none");
//!
//! let mut answered = "action=DEFER_IF_PERMIT 4.2.0 greylisted\n\n".into();
//! let response = MessageDecoder::new().response(&mut answered)?.expect("a whole answer");
//! assert_eq!(response.action(), Action::DeferIfPermit(b"4.2.0 greylisted"));
//! # Ok::<(), policy_proto::DecodeError>(())
//! ```
//!
//! - Lines end in LF. A reply with CR LF is a broken one to Postfix; this crate writes LF and reads both.
//! - Names hold no `=`. Values hold anything but NUL and line ends: a client's HELO or address may be 8-bit bytes.
//! - Attributes come in any order, and a server leaves out those that it does not know. [`attr`](crate::attr) names all of
//!   them, with the version that brought each.
//! - What Postfix does not know is empty, `0`, or absent. Views such as [`Request::sender`](crate::Request::sender) say
//!   `None` for all three.
//! - A request has 0.5 to 0.8 kB as a rule, 3.4 kB with the longest addresses.
//! - Of an answer Postfix reads `action` alone and skips other attributes. A server sends nothing else: a byte too many and
//!   the connection is dropped.
//!
//! # Stages
//!
//! | `protocol_state` | when | known by then |
//! | --- | --- | --- |
//! | `CONNECT` | a client has connected | its address and names |
//! | `EHLO`, `HELO` | it has said its name | `helo_name`, TLS afterwards |
//! | `MAIL` | a message begins | `sender`, login, announced `size`; `instance` from here on |
//! | `RCPT` | for each recipient | `recipient`; `queue_id` after the first that was accepted |
//! | `DATA` | the text is about to come | `recipient_count`; `recipient` only if there is one |
//! | `END-OF-MESSAGE` | the text has come | the real `size` |
//! | `VRFY`, `ETRN` | commands of these names | what they are about |
//!
//! By default Postfix waits until RCPT with all restrictions before it (`smtpd_delay_reject`), so that a server that stands in
//! several lists is asked several times about one recipient.
//!
//! All requests about one message have the same `instance`, and come over the same connection, one message after the
//! other. A server that counts messages counts values of `instance`.
//!
//! # Actions
//!
//! The word is compared without case.
//!
//! | action | effect | text |
//! | --- | --- | --- |
//! | `DUNNO` | no opinion: the next restriction of the list decides | none |
//! | `OK`, `RELAY`, digits alone | permits, and skips the rest of the list | none |
//! | `REJECT` | refuses, with 554 | optional; may begin with a code such as `5.7.1` |
//! | `DEFER` | refuses for now, with 450 | optional |
//! | `DEFER_IF_PERMIT` | refuses for now if nothing later refuses for good | optional |
//! | `DEFER_IF_REJECT` | refuses for now if something later refuses for good | optional |
//! | `4NN`, `5NN` | refuses with this code; 421 and 521 also disconnect | required, or it means `OK` |
//! | `DISCARD` | accepts, and throws away | optional, for the log |
//! | `HOLD` | puts into the queue `hold` | optional, for the log |
//! | `INFO`, `WARN` | writes a line of the log | optional |
//! | `PREPEND` | adds a header; not at END-OF-MESSAGE | `Name: value`, required |
//! | `FILTER` | sends through a content filter | `transport:destination`, required |
//! | `REDIRECT` | sends to somebody else | `user@domain`, required |
//! | `BCC` | sends a copy | `user@domain`, required |
//! | anything else | the names of restrictions or their classes | |
//!
//! `OK` skips what follows in that list only, but that may be what protects a server from being an open relay: `DUNNO` is the
//! answer of a server that has nothing against a mail.
//!
//! # When there is no answer
//!
//! A server in trouble sends nothing and closes the connection. Then Postfix
//!
//! 1. waits for a second (`smtpd_policy_service_retry_delay`), connects again and repeats the request, once
//!    (`smtpd_policy_service_try_limit` is 2),
//! 2. and then takes `smtpd_policy_service_default_action`: a reply of
//!    `451 4.3.5 Server configuration problem`, so that the mail comes later.
//!
//! So a server can see one request twice, and one that counts may count twice. It has 100 s for connecting, for taking the
//! request and for its answer each (`smtpd_policy_service_timeout`); what comes later is read by nobody.
//!
//! # Connections
//!
//! Each smtpd process keeps a connection of its own for each server that it asks, and sends the next request when it has the
//! answer to the last. It closes a connection that was idle for 300 s (`..._max_idle`) or is 1000 s old (`..._max_ttl`). A busy
//! Postfix has a hundred of them, nearly all idle; a server that has a process for each runs out of them. One that closes after
//! each answer costs its clients a second each time: Postfix notices when it is about to send, and waits before it connects.
//!
//! Under spawn(8), in master.cf, a process is started for each connection, whose standard input, output and error are all
//! that connection: an error message lands in the protocol. The process is ended after `<service>_time_limit`, 1000 s by
//! default.
