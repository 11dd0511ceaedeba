//! Values of the command line, with words that say what is wrong: numbers, times, and servers to ask.

use std::{ops::RangeInclusive, time::Duration};

use clap::builder::TypedValueParser;
use policy_daemon::command_line::parse_duration;
use policy_net::{Endpoint, InvalidEndpoint};

pub(crate) mod expression;

/// A whole number within these bounds. `u64::MAX` is no bound that anybody has to know.
pub(crate) fn number<T>(bounds: RangeInclusive<u64>) -> impl TypedValueParser<Value = T>
where
    T: TryFrom<u64> + Clone + Send + Sync + 'static,
{
    move |text: &str| {
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| match (bounds.start(), bounds.end()) {
            (0, &u64::MAX) => "not a number".to_owned(),
            (1, &u64::MAX) => "not a number above 0".to_owned(),
            (least, most) => format!("not a number from {least} to {most}"),
        })
    }
}

/// A time to wait: within none at all nothing comes.
pub(crate) fn some_time(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("more than no time is needed".to_owned()),
        time => Ok(time),
    }
}

/// A server to ask; an error quotes the text. Port 0 is for listening alone.
pub(crate) fn server(text: &str) -> Result<Endpoint, String> {
    let endpoint = text.parse().and_then(|endpoint| match endpoint {
        Endpoint::Inet { port: 0, .. } => Err(InvalidEndpoint::Port("0".to_owned())),
        endpoint => Ok(endpoint),
    });
    endpoint.map_err(|error| format!("{text}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_and_no_port_are_refused() {
        assert_eq!(some_time("10ms"), Ok(Duration::from_millis(10)));
        assert!(some_time("0s").is_err());
        assert!(server("[::1]:10031").is_ok());
        assert!(server("unix:/run/policy").is_ok());
        let error = server("localhost:0").unwrap_err();
        assert_eq!(error, "localhost:0: port '0' is not 1 to 65535");
    }
}
