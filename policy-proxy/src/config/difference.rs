//! The differences of two files with all settings.

/// A setting that differs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Of this key, and a line about it.
    Of(String, String),
    /// A line about a service, a group, a listener or a route.
    OfTable(String),
}

/// The settings in which two files differ, each written with all of them.
pub fn differences(before: &str, after: &str) -> Vec<Change> {
    let (before, after) = (settings(before), settings(after));
    let mut changes = Vec::new();
    for (at, (section, key, value)) in after.iter().enumerate() {
        let was = before
            .iter()
            .find(|(other, name, _)| other == section && name == key);
        let is_new = !before.iter().any(|(other, ..)| other == section);
        // A table begins with what says most of it.
        let is_first = !after.iter().take(at).any(|(other, ..)| other == section);
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
            (_, Some(table)) if is_new => {
                if is_first {
                    changes.push(Change::OfTable(format!("{table} is new: {value}")));
                }
            }
            (was, Some(table)) => {
                let was = was.map_or("not set", |(.., was)| was);
                let text = format!("{table}: {key} = {value} (was {was})");
                changes.push(Change::OfTable(text));
            }
        }
    }
    for (at, (section, key, value)) in before.iter().enumerate() {
        let is_there = after
            .iter()
            .any(|(other, name, _)| other == section && name == key);
        let is_gone = !after.iter().any(|(other, ..)| other == section);
        let is_first = !before.iter().take(at).any(|(other, ..)| other == section);
        match section {
            _ if is_there => {}
            None => {
                let text = format!("{key} is not set any more (was {value})");
                changes.push(Change::Of((*key).to_owned(), text));
            }
            Some(table) if is_gone => {
                if is_first {
                    changes.push(Change::OfTable(format!("{table} is gone")));
                }
            }
            Some(table) => {
                let text = format!("{table}: {key} is not set any more (was {value})");
                changes.push(Change::OfTable(text));
            }
        }
    }
    changes
}

/// Each setting, and the table that it is in.
type Setting<'a> = (Option<String>, &'a str, &'a str);

fn settings(text: &str) -> Vec<Setting<'_>> {
    let mut section = None;
    let mut routes = 0;
    let mut settings = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line == "[[route]]" {
            // They count by their order.
            routes += 1;
            section = Some(format!("route {routes}"));
        } else if let Some(table) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            section = Some(table.replacen('.', " ", 1));
        } else if let Some((key, value)) = line.split_once(" = ") {
            settings.push((section.clone(), key, value));
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
                      weight = 1\nkeep = \"1s\"\n\n[service.b]\naddress = \"y\"\nweight = 1\n\n[[route]]\ngroup = \"g\"\n";
        let after = "deadline = \"60s\"\nidle = \"1s\"\nuser = \"u\"\n\n[service.a]\naddress = \"x\"\n\
                     weight = 2\n\n[service.c]\naddress = \"z\"\nweight = 1\n\n[group.g]\n\
                     services = [\"c\"]\n\n[[route]]\ngroup = \"g\"\n\n[[route]]\ngroup = \"h\"\nlistener = [\"l\"]\n";
        let of = |key: &str, text: &str| Change::Of(key.to_owned(), text.to_owned());
        let of_service = |text: &str| Change::OfTable(text.to_owned());
        let expected = [
            of("deadline", "deadline = \"60s\" (was \"90s\")"),
            of("user", "user = \"u\" (was not set)"),
            of_service("service a: weight = 2 (was 1)"),
            of_service("service c is new: \"z\""),
            of_service("group g is new: [\"c\"]"),
            of_service("route 2 is new: \"h\""),
            of("probe", "probe is not set any more (was \"/p\")"),
            of_service("service a: keep is not set any more (was \"1s\")"),
            of_service("service b is gone"),
        ];
        assert_eq!(differences(before, after), expected);
        assert_eq!(differences(after, after), []);
    }
}
