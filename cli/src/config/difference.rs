//! What two files with all settings differ in.

/// A setting that differs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// Of this key, and a line about it.
    Of(String, String),
    /// A line about a service.
    OfService(String),
}

/// The settings in which two files differ, each written with all of them.
pub(crate) fn differences(before: &str, after: &str) -> Vec<Change> {
    let (before, after) = (settings(before), settings(after));
    let mut changes = Vec::new();
    for (section, key, value) in &after {
        let was = before
            .iter()
            .find(|(other, name, _)| other == section && name == key);
        let is_new = !before.iter().any(|(other, ..)| other == section);
        match (was, section) {
            (Some((.., was)), _) if was == value => {}
            (Some((.., was)), None) => {
                let text = format!("{key} = {value} (was {was})");
                changes.push(Change::Of((*key).to_owned(), text));
            }
            (None, None) => {
                let text = format!("{key} = {value} (was not set)");
                changes.push(Change::Of((*key).to_owned(), text));
            }
            (_, Some(service)) if is_new => {
                if *key == "address" {
                    let text = format!("service {service} is new: {value}");
                    changes.push(Change::OfService(text));
                }
            }
            (was, Some(service)) => {
                let was = was.map_or("not set", |(.., was)| was);
                let text = format!("service {service}: {key} = {value} (was {was})");
                changes.push(Change::OfService(text));
            }
        }
    }
    for (section, key, value) in &before {
        let is_there = after
            .iter()
            .any(|(other, name, _)| other == section && name == key);
        let is_gone = !after.iter().any(|(other, ..)| other == section);
        match section {
            _ if is_there => {}
            None => {
                let text = format!("{key} is not set any more (was {value})");
                changes.push(Change::Of((*key).to_owned(), text));
            }
            Some(service) if is_gone => {
                if *key == "address" {
                    changes.push(Change::OfService(format!("service {service} is gone")));
                }
            }
            Some(service) => {
                let text = format!("service {service}: {key} is not set any more (was {value})");
                changes.push(Change::OfService(text));
            }
        }
    }
    changes
}

/// Each setting, and the service that it is one of.
type Setting<'a> = (Option<&'a str>, &'a str, &'a str);

fn settings(text: &str) -> Vec<Setting<'_>> {
    let mut section = None;
    let mut settings = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(service) = line.strip_prefix("[service.") {
            section = service.strip_suffix(']');
        } else if let Some((key, value)) = line.split_once(" = ") {
            settings.push((section, key, value));
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_that_differs_is_one_change() {
        let before = "deadline = \"90s\"\nidle = \"1s\"\nprobe = \"/p\"\n# user is not set\n\n[service.a]\naddress = \"x\"\n\
                      weight = 1\nkeep = \"1s\"\n\n[service.b]\naddress = \"y\"\nweight = 1\n";
        let after = "deadline = \"60s\"\nidle = \"1s\"\nuser = \"u\"\n\n[service.a]\naddress = \"x\"\n\
                     weight = 2\n\n[service.c]\naddress = \"z\"\nweight = 1\n";
        let of = |key: &str, text: &str| Change::Of(key.to_owned(), text.to_owned());
        let of_service = |text: &str| Change::OfService(text.to_owned());
        let expected = [
            of("deadline", "deadline = \"60s\" (was \"90s\")"),
            of("user", "user = \"u\" (was not set)"),
            of_service("service a: weight = 2 (was 1)"),
            of_service("service c is new: \"z\""),
            of("probe", "probe is not set any more (was \"/p\")"),
            of_service("service a: keep is not set any more (was \"1s\")"),
            of_service("service b is gone"),
        ];
        assert_eq!(differences(before, after), expected);
        assert_eq!(differences(after, after), []);
    }
}
