//! The line per attempt (`-l`), whose every field can be read whatever its value is.

use policy_proto::{Request, attr};

use super::{Place, escape};
use crate::journal::counted::Counted;

/// The line of an attempt: `action` is empty where it failed. `delay` is the time since the request came,
/// with its unit.
pub(in crate::journal) fn line(
    counted: &Counted,
    request: &Request,
    delay: &str,
    action: &[u8],
) -> String {
    let value = |name, place| escape(request.get(name).unwrap_or_default(), place);
    let Counted { name, service, .. } = counted;
    let address = &service.address;
    let (priority, weight) = (service.backend.priority, service.backend.weight);
    let (answers, failed) = counted.so_far();
    let queries = answers + failed;
    let client = value(attr::CLIENT_NAME, Place::Client);
    let client_address = value(attr::CLIENT_ADDRESS, Place::Client);
    let helo = value(attr::HELO_NAME, Place::Address);
    let sender = value(attr::SENDER, Place::Address);
    let recipient = value(attr::RECIPIENT, Place::Address);
    let action = escape(action, Place::Action);
    format!(
        "[{name}] ({address}), prio: {priority}, weight: {weight}, queries: {queries}, \
         answers: {answers}, failed: {failed}, delay: {delay}, \
         client: {client}[{client_address}], helo: <{helo}>, from: <{sender}>, to: <{recipient}>, \
         action: '{action}'"
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use policy_daemon::log::printable;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        journal::line::tests::{is_shown, unescaped, value},
        options::Service,
    };

    proptest! {
        #[test]
        fn each_field_is_found_by_its_delimiters_whatever_the_values_are(
            values in prop::array::uniform6(value(&PIECES)),
        ) {
            let line = line_about(&values);
            prop_assert_eq!(&printable(&line), &line, "nothing is left to be escaped or cut");
            let fields = fields(&line).ok_or_else(|| TestCaseError::fail(line.clone()))?;
            for (field, value) in fields.iter().zip(&values) {
                let shown = unescaped(field).is_some_and(|field| is_shown(value, &field));
                prop_assert!(shown, "{} is not {}", field, value.escape_ascii());
            }
            prop_assert_eq!(fields_from_the_end(&line), Some(fields));
        }
    }

    #[test]
    fn the_longest_values_leave_the_line_whole() {
        let long = [b'"'; 16_000];
        let values = [&long; 6].map(|value| value.to_vec());
        let line = line_about(&values);
        assert_eq!(printable(&line), line);
        let fields = fields(&line).unwrap();
        assert!(fields.iter().all(|field| field.ends_with("...")), "{line}");
    }

    fn line_about(values: &[Vec<u8>; 6]) -> String {
        let [client, address, helo, sender, recipient, action] = values;
        let attributes = [
            (attr::CLIENT_NAME, client),
            (attr::CLIENT_ADDRESS, address),
            (attr::HELO_NAME, helo),
            (attr::SENDER, sender),
            (attr::RECIPIENT, recipient),
        ];
        let request = Request::from_attributes(attributes).unwrap();
        let service = Service::parse(b"name=127.0.0.1:1", Duration::from_secs(1)).unwrap();
        line(&Counted::new(service), &request, "0s", action)
    }

    /// A naive reader of the line.
    fn fields(line: &str) -> Option<[&str; 6]> {
        let (_, rest) = line.split_once(", client: ")?;
        let (client, rest) = rest.split_once('[')?;
        let (address, rest) = rest.split_once("], helo: <")?;
        let (helo, rest) = rest.split_once(">, from: <")?;
        let (sender, rest) = rest.split_once(">, to: <")?;
        let (recipient, rest) = rest.split_once(">, action: '")?;
        let (action, rest) = rest.split_once('\'')?;
        rest.is_empty()
            .then_some([client, address, helo, sender, recipient, action])
    }

    /// A reader that begins at the other end.
    fn fields_from_the_end(line: &str) -> Option<[&str; 6]> {
        let (rest, action) = line.strip_suffix('\'')?.rsplit_once(">, action: '")?;
        let (rest, recipient) = rest.rsplit_once(">, to: <")?;
        let (rest, sender) = rest.rsplit_once(">, from: <")?;
        let (rest, helo) = rest.rsplit_once("], helo: <")?;
        let (rest, address) = rest.rsplit_once('[')?;
        let (_, client) = rest.rsplit_once(", client: ")?;
        Some([client, address, helo, sender, recipient, action])
    }

    /// Pieces of the line's own syntax.
    const PIECES: [&str; 14] = [
        "'",
        "<",
        ">",
        ",",
        "[",
        "]",
        "\\x27",
        "\u{9b}",
        ", client: ",
        "], helo: <",
        ">, from: <",
        ">, to: <",
        ">, action: '",
        "v[203.0.113.8]",
    ];
}
