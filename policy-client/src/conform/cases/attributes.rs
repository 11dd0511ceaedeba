//! Cases about names and values: all that Postfix may send, and what a later Postfix may add.

use policy_proto::{
    ProtocolState::{self, Data},
    attr,
};

use crate::conform::{
    attributes::Attributes,
    case::{Case, Test::Answered, must, should},
    source::{
        ADDRESSES, CERTIFICATES, CHARACTERS, CONTEXT, DUPLICATES, EIGHT_BIT, IGNORED, LINE_LENGTH,
        ORDER, RECIPIENTS, SASL, SIZE, STRESS, TLS, UNAVAILABLE, UNKNOWN_CLIENT,
    },
};

pub(super) const CASES: &[Case] = &[
    should(
        "4.1",
        "ignores an attribute that it does not know",
        IGNORED,
        Answered(|| rcpt().with("x_later_postfix", "1")),
    ),
    should(
        "4.2",
        "ignores a hundred attributes that it does not know",
        IGNORED,
        Answered(|| (0..100).fold(rcpt(), |all, number| all.and(&format!("x_{number}"), "1"))),
    ),
    should(
        "4.3",
        "ignores a name with other characters than letters",
        IGNORED,
        Answered(|| rcpt().with("x-later.Postfix 4", "1")),
    ),
    must(
        "4.4",
        "takes attributes in the reverse order",
        ORDER,
        Answered(|| rcpt().reversed()),
    ),
    must(
        "4.5",
        "takes attributes in the order of the alphabet",
        ORDER,
        Answered(|| rcpt().sorted()),
    ),
    must(
        "4.6",
        "takes an attribute twice",
        DUPLICATES,
        Answered(|| rcpt().and(attr::SENDER, "other@example.net")),
    ),
    must(
        "4.7",
        "takes all attributes twice",
        DUPLICATES,
        Answered(|| rcpt().twice()),
    ),
    must(
        "4.8",
        "takes attributes without a value, where one may be unavailable",
        UNAVAILABLE,
        Answered(|| {
            let names = attr::ALL.iter().filter(|name| !ALWAYS_THERE.contains(name));
            names.fold(rcpt(), |all, name| all.with(name, ""))
        }),
    ),
    must(
        "4.9",
        "takes 0 for each number",
        UNAVAILABLE,
        Answered(|| NUMBERS.iter().fold(rcpt(), |all, name| all.with(name, "0"))),
    ),
    must(
        "4.10",
        "takes a request without the attributes that may be unavailable",
        UNAVAILABLE,
        Answered(Attributes::few),
    ),
    should(
        "4.11",
        "takes a request with its stage alone",
        UNAVAILABLE,
        Answered(|| {
            attr::ALL
                .iter()
                .skip(2)
                .fold(rcpt(), |all, name| all.without(name))
        }),
    ),
    must(
        "4.12",
        "takes a value with an equals sign",
        CHARACTERS,
        Answered(|| addresses("prvs=0123=a@example.net", "a+b=c@example.org")),
    ),
    must(
        "4.13",
        "takes a value with blanks, tabs and quotation marks",
        CHARACTERS,
        Answered(|| rcpt().with(attr::HELO_NAME, "a \"b\"\t'c'")),
    ),
    must(
        "4.14",
        "takes a value with blanks at both ends",
        CHARACTERS,
        Answered(|| rcpt().with(attr::HELO_NAME, "  a  ")),
    ),
    must(
        "4.15",
        "takes a value that shells, SQL and formats would read",
        CHARACTERS,
        Answered(|| {
            rcpt().with(
                attr::HELO_NAME,
                "'; -- %s%n $(id) `id` \\ { } < > | & * ? #",
            )
        }),
    ),
    should(
        "4.16",
        "takes a value with control characters",
        CHARACTERS,
        Answered(|| rcpt().with(attr::HELO_NAME, "a\u{1}b\u{1b}[2J\u{7f}")),
    ),
    must(
        "4.17",
        "takes bytes over 127 in the name of a client",
        EIGHT_BIT,
        Answered(|| rcpt().with(attr::HELO_NAME, b"caf\xe9.example.net")),
    ),
    must(
        "4.18",
        "takes bytes over 127 in addresses",
        EIGHT_BIT,
        Answered(|| addresses(b"\xe9t\xe9@example.net", b"\xff\xfe@example.org")),
    ),
    must(
        "4.19",
        "takes addresses in UTF-8",
        EIGHT_BIT,
        Answered(|| {
            addresses(
                "gr\u{fc}n@b\u{fc}cher.example",
                "\u{7528}\u{6237}@\u{4f8b}\u{5b50}.example",
            )
        }),
    ),
    must(
        "4.20",
        "takes an IPv6 address",
        ADDRESSES,
        Answered(|| {
            rcpt()
                .with(attr::CLIENT_ADDRESS, "2001:db8::4:5:6")
                .with(attr::SERVER_ADDRESS, "2001:db8::25")
        }),
    ),
    must(
        "4.21",
        "takes a client without a name",
        UNKNOWN_CLIENT,
        Answered(|| {
            rcpt()
                .with(attr::CLIENT_NAME, "unknown")
                .with(attr::REVERSE_CLIENT_NAME, "unknown")
        }),
    ),
    must(
        "4.22",
        "takes an address for the name of a client",
        CHARACTERS,
        Answered(|| rcpt().with(attr::HELO_NAME, "[IPv6:2001:db8::1]")),
    ),
    must(
        "4.23",
        "takes the sender of a bounce, which is empty",
        UNAVAILABLE,
        Answered(|| rcpt().with(attr::SENDER, "")),
    ),
    must(
        "4.24",
        "takes a recipient without a domain",
        CHARACTERS,
        Answered(|| rcpt().with(attr::RECIPIENT, "postmaster")),
    ),
    must(
        "4.25",
        "takes addresses with quotation marks, blanks and several at signs",
        CHARACTERS,
        Answered(|| addresses("\"a b@c\"@example.net", "\"@\"@example.org")),
    ),
    must(
        "4.26",
        "takes values of 2,000 bytes",
        LINE_LENGTH,
        Answered(|| {
            addresses(
                format!("{}@example.net", "a".repeat(2000)),
                format!("{}@example.org", "b".repeat(2000)),
            )
            .with(attr::HELO_NAME, "c".repeat(2000))
        }),
    ),
    should(
        "4.27",
        "takes a value of 8,000 bytes",
        CHARACTERS,
        Answered(|| rcpt().with(attr::CCERT_SUBJECT, "a".repeat(8000))),
    ),
    should(
        "4.28",
        "takes a request of 32,000 bytes",
        CHARACTERS,
        Answered(|| {
            rcpt().each(|value| {
                if value.is_empty() {
                    vec![b'a'; 2000]
                } else {
                    value.to_owned()
                }
            })
        }),
    ),
    must(
        "4.29",
        "takes a client that has logged in",
        SASL,
        Answered(|| {
            rcpt()
                .with(attr::SASL_METHOD, "PLAIN")
                .with(attr::SASL_USERNAME, "alice smith@example.org")
                .with(attr::SASL_SENDER, "alice@example.org")
        }),
    ),
    must(
        "4.30",
        "takes a client with a certificate",
        CERTIFICATES,
        Answered(|| {
            rcpt()
                .with(attr::CCERT_SUBJECT, "J+C3+B6rg+20Example+2B")
                .with(attr::CCERT_ISSUER, "Example+20CA")
                .with(
                    attr::CCERT_FINGERPRINT,
                    "C2:9D:F4:87:71:73:73:D9:18:E7:C2:F3:C1:DA:6E:04",
                )
        }),
    ),
    must(
        "4.31",
        "takes a client with TLS",
        TLS,
        Answered(|| {
            rcpt()
                .with(attr::ENCRYPTION_PROTOCOL, "TLSv1.3")
                .with(attr::ENCRYPTION_CIPHER, "TLS_AES_256_GCM_SHA384")
                .with(attr::ENCRYPTION_KEYSIZE, "256")
        }),
    ),
    must(
        "4.32",
        "takes a Postfix under stress",
        STRESS,
        Answered(|| rcpt().with(attr::STRESS, "yes")),
    ),
    should(
        "4.33",
        "takes a size over 4 GiB",
        SIZE,
        Answered(|| rcpt().with(attr::SIZE, "5000000000")),
    ),
    must(
        "4.34",
        "takes a message to 50,000 recipients",
        RECIPIENTS,
        Answered(|| {
            Attributes::at(Data)
                .with(attr::RECIPIENT_COUNT, "50000")
                .with(attr::RECIPIENT, "")
        }),
    ),
    must(
        "4.35",
        "takes a context of the administrator's",
        CONTEXT,
        Answered(|| rcpt().with(attr::POLICY_CONTEXT, "submission, port 587")),
    ),
    should(
        "4.36",
        "takes a request in which its kind and stage alone have a value",
        UNAVAILABLE,
        Answered(|| rcpt().each(|_| Vec::new())),
    ),
];

fn rcpt() -> Attributes {
    Attributes::at(ProtocolState::Rcpt)
}

fn addresses(sender: impl AsRef<[u8]>, recipient: impl AsRef<[u8]>) -> Attributes {
    rcpt()
        .with(attr::SENDER, sender)
        .with(attr::RECIPIENT, recipient)
}

const NUMBERS: [&str; 5] = [
    attr::CLIENT_PORT,
    attr::SERVER_PORT,
    attr::RECIPIENT_COUNT,
    attr::SIZE,
    attr::ENCRYPTION_KEYSIZE,
];
/// Postfix knows these of each client.
const ALWAYS_THERE: [&str; 5] = [
    attr::REQUEST,
    attr::PROTOCOL_STATE,
    attr::PROTOCOL_NAME,
    attr::CLIENT_ADDRESS,
    attr::CLIENT_NAME,
];
