use std::time::Duration;

use clap::Args;
use policy_net::{Balance, Retry, UpstreamOptions};

use crate::parse_duration;

/// Who is asked, and what happens when a service fails: a part of [`Options`](crate::Options).
#[derive(Args, Clone, Debug)]
#[non_exhaustive]
pub struct Failover {
    /// Who is asked among the services of one priority that are up
    #[arg(
        long,
        value_name = "round-robin|least-loaded|hash:ATTRIBUTE[,ATTRIBUTE...]",
        default_value = "round-robin",
        value_parser = str::parse::<Balance>
    )]
    pub balance: Balance,
    /// When a request that one server has failed is put to the next: always, or only if the first one
    /// certainly has not read it to its end
    #[arg(long, value_name = "always|unsent", default_value = "always", value_parser = retry)]
    pub retry: Retry,
    /// The longest that a request may take with services that are down, once no other is left: 0s asks
    /// none of them
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = parse_duration)]
    pub last_resort: Duration,
}

impl Default for Failover {
    /// What holds without any option; a test compares it with clap's.
    fn default() -> Self {
        let UpstreamOptions {
            balance,
            retry,
            last_resort,
            ..
        } = UpstreamOptions::default();
        Self {
            balance,
            retry,
            last_resort,
        }
    }
}

fn retry(text: &str) -> Result<Retry, &'static str> {
    match text {
        "always" => Ok(Retry::Always),
        "unsent" => Ok(Retry::Unsent),
        _ => Err("neither always nor unsent"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        failover: Failover,
    }

    #[test]
    fn the_defaults_are_the_same_with_and_without_clap() {
        let parsed = Command::try_parse_from(["hapolicy"]).unwrap().failover;
        assert_eq!(format!("{parsed:?}"), format!("{:?}", Failover::default()));
    }
}
