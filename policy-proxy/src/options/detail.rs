//! The categories of `-v`: what is logged beside the usual lines.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// The categories of lines that are logged beside the usual ones.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Detail {
    /// The attributes of each request, and its action.
    pub requests: bool,
    /// Each answer of a service, and each attempt that fails.
    pub services: bool,
    /// Each connection to a service that is opened.
    pub connections: bool,
}

impl Detail {
    /// All of them.
    pub const ALL: Self = Self {
        requests: true,
        services: true,
        connections: true,
    };

    /// The categories of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests || other.requests,
            services: self.services || other.services,
            connections: self.connections || other.connections,
        }
    }

    const fn named(self) -> [(&'static str, bool); 3] {
        [
            ("requests", self.requests),
            ("services", self.services),
            ("connections", self.connections),
        ]
    }
}

impl FromStr for Detail {
    type Err = UnknownCategory;

    /// Names with commas between them.
    fn from_str(text: &str) -> Result<Self, UnknownCategory> {
        let mut detail = Self::default();
        for name in text.split(',') {
            match name {
                "requests" => detail.requests = true,
                "services" => detail.services = true,
                "connections" => detail.connections = true,
                _ => return Err(UnknownCategory(name.to_owned())),
            }
        }
        Ok(detail)
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.named();
        let names = named.iter().filter(|(_, is_on)| *is_on);
        let names: Vec<&str> = names.map(|(name, _)| *name).collect();
        formatter.write_str(&names.join(","))
    }
}

/// A word that is no category.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("no category '{0}': there are requests, services and connections")]
pub struct UnknownCategory(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_read_as_they_are_shown() {
        for text in [
            "requests",
            "services",
            "connections",
            "requests,connections",
            "requests,services,connections",
        ] {
            let detail: Detail = text.parse().unwrap();
            assert_eq!(detail.to_string(), text);
        }
        assert_eq!("connections,services,requests".parse(), Ok(Detail::ALL));
        for text in ["", "request", "requests,", "requests, services", "all"] {
            assert!(text.parse::<Detail>().is_err(), "{text}");
        }
    }
}
