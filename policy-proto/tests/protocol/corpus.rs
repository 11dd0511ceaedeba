//! Requests that a real Postfix sent (3.7.11, and the 3.12 development version of August 2026), against a
//! split that knows nothing of this crate.

use std::{collections::BTreeSet, fs, path::Path};

use bytes::BytesMut;
use policy_proto::{MessageDecoder, ProtocolState, Request, attr};

use crate::support::drive;

#[test]
fn every_request_is_its_bytes_however_it_is_cut() {
    for (file, stream) in corpus() {
        for pieces in drive::every_cut(&stream) {
            let found = drive::requests(MessageDecoder::new(), pieces);
            assert_eq!(found.end, Ok(()), "{file}");
            assert_eq!(found.messages, [stream.as_slice()], "{file}");
        }
    }
}

#[test]
fn attributes_are_those_of_an_independent_split() {
    for (file, stream) in corpus() {
        // Each byte as a character of its own, since not all is UTF-8.
        let latin = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
        let text = latin(&stream);
        let split: Vec<_> = text
            .strip_suffix("\n\n")
            .unwrap()
            .split('\n')
            .map(|line| line.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let request = request(&stream);
        let found = request.attributes();
        let found: Vec<_> = found
            .map(|(name, value)| (latin(name), latin(value)))
            .collect();
        assert_eq!(found, split, "{file}");
    }
}

#[test]
fn each_attribute_is_found_by_its_name() {
    for (file, stream) in corpus() {
        let request = request(&stream);
        for (name, value) in request.attributes() {
            assert_eq!(request.get(name), Some(value), "{file}");
        }
    }
}

#[test]
fn a_request_built_of_the_attributes_is_the_same() {
    for (file, stream) in corpus() {
        let request = request(&stream);
        assert_eq!(
            Request::from_attributes(request.attributes()).as_ref(),
            Ok(&request),
            "{file}"
        );
    }
}

#[test]
fn all_requests_on_one_connection_come_one_by_one() {
    let requests: Vec<_> = corpus().into_iter().map(|(_, stream)| stream).collect();
    let stream = requests.concat();
    for size in [1, 7, 128, 4096, stream.len()] {
        let found = drive::requests(MessageDecoder::new(), stream.chunks(size));
        assert_eq!(found.messages, requests, "in pieces of {size}");
    }
}

#[test]
fn the_attributes_are_those_of_the_version_in_the_order_of_the_list() {
    for (file, stream) in corpus() {
        let request = request(&stream);
        let (version, left_out) = match request.get(attr::MAIL_VERSION) {
            None => ((3, 7), &[][..]),
            // This one was built without SASL.
            Some(_) => (
                (3, 12),
                &[attr::SASL_METHOD, attr::SASL_USERNAME, attr::SASL_SENDER][..],
            ),
        };
        let known = attr::ALL
            .iter()
            .filter(|name| attr::since(name) <= Some(version));
        let known = known.filter(|name| !left_out.contains(name));
        let known: Vec<_> = known.map(|name| name.as_bytes()).collect();
        let names: Vec<_> = request.attributes().map(|(name, _)| name).collect();
        assert_eq!(names, known, "{file}");
    }
}

#[test]
fn the_newest_postfix_says_its_version_and_the_context_of_its_policy() {
    let texts = |request: &Request| {
        let names = [
            attr::MAIL_VERSION,
            attr::COMPATIBILITY_LEVEL,
            attr::POLICY_CONTEXT,
        ];
        names.map(|name| {
            String::from_utf8_lossy(request.get(name).unwrap_or(b"absent")).into_owned()
        })
    };
    let newest = corpus()
        .into_iter()
        .filter(|(file, _)| file.starts_with("postfix-3.12/"));
    let mut contexts = BTreeSet::new();
    for (file, stream) in newest {
        let [version, level, context] = texts(&request(&stream));
        assert_eq!(
            (version.as_str(), level.as_str()),
            ("3.12-20260821", "3.10"),
            "{file}"
        );
        contexts.insert(context);
    }
    assert_eq!(contexts, ["".to_owned(), "rcpt".to_owned()].into());
}

#[test]
fn a_request_of_another_kind_is_no_access_policy_request() {
    for kind in [
        "",
        "smtpd_access_policy2",
        "SMTPD_ACCESS_POLICY",
        "junk_policy",
    ] {
        let request = Request::from_attributes([(attr::REQUEST, kind)]).unwrap();
        assert!(!request.is_access_policy(), "{kind}");
    }
    let request = Request::from_attributes([(attr::SENDER, attr::SMTPD_ACCESS_POLICY)]).unwrap();
    assert!(!request.is_access_policy());
}

#[test]
fn typed_views_say_what_the_text_says() {
    for (file, stream) in corpus() {
        let request = request(&stream);
        let text = |name| str::from_utf8(request.get(name).unwrap()).unwrap();
        let number = |name| {
            Some(text(name))
                .filter(|value| *value != "0")
                .map(str::to_owned)
        };
        assert!(request.is_access_policy(), "{file}");
        assert_eq!(
            request.protocol_state().unwrap().as_str(),
            text(attr::PROTOCOL_STATE),
            "{file}"
        );
        assert_eq!(
            request.client_address().unwrap().to_string(),
            text(attr::CLIENT_ADDRESS),
            "{file}"
        );
        assert_eq!(
            request.server_address().unwrap().to_string(),
            text(attr::SERVER_ADDRESS),
            "{file}"
        );
        assert_eq!(
            request.client_port().unwrap().to_string(),
            text(attr::CLIENT_PORT),
            "{file}"
        );
        assert_eq!(
            request.server_port().unwrap().to_string(),
            text(attr::SERVER_PORT),
            "{file}"
        );
        assert_eq!(
            request.size().map(|size| size.to_string()),
            number(attr::SIZE),
            "{file}"
        );
        assert_eq!(
            request.recipient_count().map(|count| count.to_string()),
            number(attr::RECIPIENT_COUNT),
            "{file}"
        );
    }
}

#[test]
fn recipients_are_counted_at_data_and_at_the_end_of_the_message_only() {
    for (file, stream) in corpus() {
        let request = request(&stream);
        let counted = matches!(
            request.protocol_state(),
            Some(ProtocolState::Data | ProtocolState::EndOfMessage)
        );
        assert_eq!(request.recipient_count().is_some(), counted, "{file}");
    }
}

#[test]
fn certificates_are_decoded_where_the_client_showed_one() {
    for (file, stream) in corpus() {
        let request = request(&stream);
        let name = file.contains("ccert").then(|| b"client ".to_vec());
        assert_eq!(request.ccert_subject(), name, "{file}");
        assert_eq!(request.ccert_issuer(), name, "{file}");
    }
}

#[test]
fn the_corpus_has_every_stage() {
    let stages: BTreeSet<_> = corpus()
        .iter()
        .map(|(_, stream)| request(stream).protocol_state().unwrap().as_str())
        .collect();
    let all = [
        "CONNECT",
        "DATA",
        "EHLO",
        "END-OF-MESSAGE",
        "ETRN",
        "HELO",
        "MAIL",
        "RCPT",
        "VRFY",
    ];
    assert_eq!(stages, all.into());
}

/// Names below the directory of the corpus, and bytes, in order.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut files: Vec<_> = ["", "postfix-3.12"]
        .iter()
        .flat_map(|directory| fs::read_dir(data.join(directory)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "req"))
        .collect();
    files.sort();
    let name = |path: &Path| {
        path.strip_prefix(&data)
            .unwrap()
            .to_string_lossy()
            .into_owned()
    };
    files
        .iter()
        .map(|path| (name(path), fs::read(path).unwrap()))
        .collect()
}

fn request(stream: &[u8]) -> Request {
    MessageDecoder::new()
        .request(&mut BytesMut::from(stream))
        .unwrap()
        .unwrap()
}
