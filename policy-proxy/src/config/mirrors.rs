//! The tables of mirrors, `[mirror.NAME]`.

use std::time::Duration;

use policy_socket::Endpoint;

use super::{
    Place,
    reader::Reader,
    service::{address, timeout},
    tables::{MirrorTable, Name},
    value::{Value, Wrong, text},
};
use crate::options::{MirrorOptions, Service, WHOLE};

impl Reader {
    pub(super) fn mirrors(&mut self, source: usize, value: &Value<'_>) {
        self.named_tables(source, value, "mirror", |reader, name, table| {
            let (mut endpoint, mut group) = (None, None);
            let (mut share, mut time, mut connections) = (WHOLE, TIMEOUT, 1);
            reader.keys(&name, "mirror", table, &KEYS, |key, value| {
                let found = match key {
                    "address" => endpoint_of(value).map(|found| endpoint = Some(found)),
                    "group" => text(value, "the name of a group").map(|text| {
                        let span = value.span();
                        let place = Place { source, span };
                        group = Some(Name { text, place });
                    }),
                    "share" => percent(value).map(|found| share = found),
                    "timeout" => timeout(value).map(|(_, found)| time = found),
                    "connections" => count(value).map(|found| connections = found),
                    _ => return None,
                };
                Some(found.map_err(|wrong| vec![wrong]))
            });
            let Some(endpoint) = endpoint else {
                if !table.iter().any(|(key, _)| key.get_ref() == "address") {
                    let title = format!("invalid mirror `{}`", name.text);
                    let label =
                        "it has no `address`, such as \"127.0.0.1:10031\" or \"unix:/path\"";
                    reader.find(source, name.place.span, &title, label, None);
                }
                return;
            };
            let options = MirrorOptions {
                id: reader.tables.mirrors.len(),
                name: name.text,
                endpoint,
                group: group.as_ref().map(|name| name.text.clone()),
                share,
                timeout: time,
                connections,
            };
            reader.tables.mirrors.push(MirrorTable { options, group });
        });
    }
}

fn endpoint_of(value: &Value<'_>) -> Result<Endpoint, Wrong> {
    let address = address(value)?;
    let service = Service::parse(format!("x={address}"), TIMEOUT);
    let service = service.map_err(|error| Wrong::new(value.span(), error.to_string()))?;
    Ok(service.endpoint)
}

/// A share such as `"10%"` or `"0.5%"`, in hundredths of a percent.
fn percent(value: &Value<'_>) -> Result<u16, Wrong> {
    let wrong = || Wrong::new(value.span(), "not a share from \"0.01%\" to \"100%\"");
    let text = text(value, "a share such as \"10%\"")?;
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 2 {
        return Err(wrong());
    }
    let hundredths: u16 = format!("{fraction:0<2}").parse().map_err(|_| wrong())?;
    let whole: u16 = whole.parse().map_err(|_| wrong())?;
    let share = whole
        .checked_mul(100)
        .and_then(|share| share.checked_add(hundredths));
    share
        .filter(|share| (1..=WHOLE).contains(share))
        .ok_or_else(wrong)
}

fn count(value: &Value<'_>) -> Result<usize, Wrong> {
    let text = text(value, "a whole number")?;
    match text.parse() {
        Ok(count @ 1..=MAX_CONNECTIONS) => Ok(count),
        _ => {
            let label = format!("not 1 to {MAX_CONNECTIONS}");
            Err(Wrong::new(value.span(), label))
        }
    }
}

const KEYS: [&str; 5] = ["address", "group", "share", "timeout", "connections"];
/// Each has a thread.
const MAX_CONNECTIONS: usize = 16;
/// As of a service.
const TIMEOUT: Duration = Duration::from_secs(10);
