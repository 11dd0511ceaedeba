//! `PostfixMap`: scores and answers by whether a table of Postfix has the client's address, or a network around it.

use std::sync::Arc;

use policy_store::{Map, MapKind};

use super::map_handle::MapHandle;
use crate::{
    chain::plugin::{Plugin, PluginError, Step},
    chain::{Call, Score, Scoring, Setting, answer},
    config::Section,
};

#[derive(Debug)]
struct PostfixMap {
    name: Arc<str>,
    enabled: Setting,
    map: MapHandle,
    scoring: Scoring,
    score: Option<Score>,
    match_action: Option<String>,
    not_match_action: Option<String>,
    result: String,
    done: String,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    let name = section.name();
    let file = section.required("db_file");
    Box::new(PostfixMap {
        enabled: section.enabled(),
        map: MapHandle::new(section, "db_file", &file, MapKind::Hash),
        scoring: section.scoring(),
        score: section.score("score"),
        match_action: section.action("match_action"),
        not_match_action: section.action("not_match_action"),
        result: format!("{name}-result"),
        done: format!("{name}-score"),
        name,
    })
}

impl PostfixMap {
    /// Whether it is a match (1 or 0), the key and its value; nothing if there is none.
    async fn look_up(&self, address: &str) -> Result<Vec<String>, PluginError> {
        let is_v4 = is_v4(address);
        if !is_v4 && !is_v6(address) {
            let text = "ip is neither a valid ipv4 nor ipv6 address.";
            return Err(PluginError::other(text));
        }
        let map = self.map.get().await?;
        let found = if !self.map.has_keys() {
            value(&map, address).map(|value| (address, value))
        } else if is_v4 {
            networks(address, |key| key.rfind('.')).find_map(|key| Some((key, value(&map, key)?)))
        } else {
            // As in the original an empty value and 0 are none here.
            let has_value = |value: &String| !["", "0"].contains(&value.as_str());
            networks(address, v6_end)
                .find_map(|key| Some((key, value(&map, key).filter(has_value)?)))
        };
        let Some((key, value)) = found else {
            return Ok(Vec::new());
        };
        let is_match =
            value == "OK" || (!value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()));
        Ok(vec![u8::from(is_match).to_string(), key.to_owned(), value])
    }
}

impl Plugin for PostfixMap {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        if self.enabled.is_off(call.session()) {
            return answer(None);
        }
        let Some(address) = call.text("client_address") else {
            call.note(|| "no attribute 'client_address' in request".to_owned());
            return answer(None);
        };
        Step::later(async move {
            let found = match call.cached(&self.result) {
                Some(found) => found,
                None => {
                    let found = self.look_up(&address).await?;
                    call.keep(&self.result, &found);
                    found
                }
            };
            let name = &self.name;
            match found.as_slice() {
                [is_match, key, value] if is_match == "1" => {
                    call.note(|| {
                        format!("client_address {address} matched {name} ({key} {value})")
                    });
                    call.add_score_once(&self.scoring, name, self.score.as_ref(), &self.done);
                    Ok(self.match_action.clone())
                }
                _ => {
                    call.note(|| format!("client_address {address} did not match {name}"));
                    Ok(self.not_match_action.clone())
                }
            }
        })
    }
}

/// Four numbers, however large.
fn is_v4(address: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    address.split('.').count() == 4 && address.split('.').all(is_number)
}

/// Digits and colons, as Postfix writes an address.
fn is_v6(address: &str) -> bool {
    let is_part = |byte: u8| byte == b':' || matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    !address.is_empty() && address.bytes().all(is_part)
}

/// The address, and what is left when one part after the other is cut off.
fn networks<'a>(
    address: &'a str,
    end: impl Fn(&str) -> Option<usize> + 'a,
) -> impl Iterator<Item = &'a str> {
    std::iter::successors(Some(address), move |key| key.get(..end(key)?))
}

/// Where the last part of an IPv6 address begins, the colons before it included. The original never ends with an address
/// that ends in colons.
fn v6_end(address: &str) -> Option<usize> {
    let colon = address.rfind(':')?;
    Some(address.get(..colon)?.trim_end_matches(':').len())
}

fn value(map: &Map, key: &str) -> Option<String> {
    let value = map.get(key.as_bytes())?;
    Some(String::from_utf8_lossy(&value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_what_is_left_of_an_address() {
        let v4 = |address| networks(address, |key: &str| key.rfind('.')).collect::<Vec<_>>();
        let v6 = |address| networks(address, v6_end).collect::<Vec<_>>();
        assert_eq!(v4("10.1.2.3"), ["10.1.2.3", "10.1.2", "10.1", "10"]);
        assert_eq!(
            v6("2001:db8:1:2::3"),
            [
                "2001:db8:1:2::3",
                "2001:db8:1:2",
                "2001:db8:1",
                "2001:db8",
                "2001"
            ]
        );
        assert_eq!(v6("::1"), ["::1", ""]);
        assert_eq!(v6("fe80::"), ["fe80::", "fe80"]);
        assert_eq!(v6("::"), ["::", ""]);
    }

    #[test]
    fn addresses_are_told_by_their_form() {
        for (address, v4, v6) in [
            ("192.0.2.1", true, false),
            ("999.0.2.1", true, false),
            ("1.2.3", false, false),
            ("1..3.4", false, false),
            ("2001:db8::1", false, true),
            ("2001:DB8::1", false, false),
            ("::ffff:1.2.3.4", false, false),
            ("abc", false, true),
            ("", false, false),
            ("unknown", false, false),
        ] {
            assert_eq!((is_v4(address), is_v6(address)), (v4, v6), "{address}");
        }
    }
}
