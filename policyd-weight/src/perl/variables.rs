//! The variables of a configuration: the options, and those of a file's own.

use std::collections::BTreeMap;

use super::Value;

/// The options by their names without `$` and `@`: scalars and arrays are apart, as in Perl.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variables {
    /// `$NAME`.
    pub scalars: BTreeMap<String, Value>,
    /// `@NAME`.
    pub arrays: BTreeMap<String, Vec<Value>>,
}

impl Variables {
    /// The scalar with this name; no value if there is none.
    #[must_use]
    pub fn scalar(&self, name: &str) -> &Value {
        self.scalars.get(name).unwrap_or(&Value::Undefined)
    }

    /// The array with this name; empty if there is none.
    #[must_use]
    pub fn array(&self, name: &str) -> &[Value] {
        self.arrays.get(name).map_or(&[], Vec::as_slice)
    }

    /// The options with another text than in `others`, each as its list of texts; a scalar's has one.
    #[must_use]
    pub fn changed_from(&self, others: &Self) -> BTreeMap<String, Vec<String>> {
        let scalars = self.scalars.iter().filter_map(|(name, value)| {
            let text = value.shown();
            (text != others.scalar(name).shown()).then(|| (format!("${name}"), vec![text]))
        });
        let shown = |values: &[Value]| values.iter().map(Value::shown).collect::<Vec<_>>();
        let arrays = self.arrays.iter().filter_map(|(name, values)| {
            let texts = shown(values);
            (texts != shown(others.array(name))).then(|| (format!("@{name}"), texts))
        });
        scalars.chain(arrays).collect()
    }
}

/// A name with its kind.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Variable {
    pub(super) is_array: bool,
    pub(super) name: String,
}

impl Variable {
    pub(super) fn shown(&self) -> String {
        format!("{}{}", if self.is_array { '@' } else { '$' }, self.name)
    }
}

/// The variables that a file sees: its own, which hide options, before the options.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) options: Variables,
    own: Variables,
    /// Names of another package can be set without being declared, and are no options.
    others: Variables,
    /// Whether unknown names become options: for the files that define them.
    pub(super) declares: bool,
}

impl Scope {
    pub(super) fn new(options: Variables) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    pub(super) fn is_option(&self, variable: &Variable) -> bool {
        has(&self.options, variable)
    }

    /// Whether an option changes where the variable is set, and not one of the file's own.
    pub(super) fn sets_option(&self, variable: &Variable) -> bool {
        matches!(self.place(variable), Place::Option)
    }

    /// Whether the name means anything here.
    pub(super) fn knows(&self, variable: &Variable) -> bool {
        let is_special = matches!(variable.name.as_str(), "a" | "b" | "_" | "0");
        self.declares
            || is_special
            || variable.name.contains("::")
            || has(&self.own, variable)
            || self.is_option(variable)
    }

    /// Whether there is a scalar or an array with this name.
    pub(super) fn is_any(&self, name: &str) -> bool {
        [true, false].into_iter().any(|is_array| {
            let variable = Variable {
                is_array,
                name: name.to_owned(),
            };
            self.is_option(&variable) || has(&self.own, &variable)
        })
    }

    /// Declares a variable of the file's own.
    pub(super) fn declare(&mut self, variable: &Variable) {
        if variable.is_array {
            self.own.arrays.insert(variable.name.clone(), vec![]);
        } else {
            self.own
                .scalars
                .insert(variable.name.clone(), Value::Undefined);
        }
    }

    fn place(&self, variable: &Variable) -> Place {
        if has(&self.own, variable) {
            Place::Own
        } else if self.is_option(variable) || self.declares {
            Place::Option
        } else {
            Place::Other
        }
    }

    fn in_place(&self, place: Place) -> &Variables {
        match place {
            Place::Own => &self.own,
            Place::Option => &self.options,
            Place::Other => &self.others,
        }
    }

    fn in_place_mut(&mut self, variable: &Variable) -> &mut Variables {
        match self.place(variable) {
            Place::Own => &mut self.own,
            Place::Option => &mut self.options,
            Place::Other => &mut self.others,
        }
    }

    pub(super) fn scalar(&self, variable: &Variable) -> Value {
        self.in_place(self.place(variable))
            .scalar(&variable.name)
            .clone()
    }

    pub(super) fn array(&self, variable: &Variable) -> Vec<Value> {
        self.in_place(self.place(variable))
            .array(&variable.name)
            .to_vec()
    }

    pub(super) fn set_scalar(&mut self, variable: &Variable, value: Value) {
        self.in_place_mut(variable)
            .scalars
            .insert(variable.name.clone(), value);
    }

    pub(super) fn set_array(&mut self, variable: &Variable, values: Vec<Value>) {
        self.in_place_mut(variable)
            .arrays
            .insert(variable.name.clone(), values);
    }

    /// The known name that is most like an unknown one.
    pub(super) fn suggestion(&self, variable: &Variable) -> Option<String> {
        let all = |is_array| {
            let known = [&self.options, &self.own].into_iter();
            known.flat_map(move |known| {
                let names: Vec<_> = if is_array {
                    known.arrays.keys().collect()
                } else {
                    known.scalars.keys().collect()
                };
                names.into_iter().map(move |name| Variable {
                    is_array,
                    name: name.clone(),
                })
            })
        };
        let known = all(variable.is_array).chain(all(!variable.is_array));
        let by_distance = known.map(|known| {
            let kind = usize::from(known.is_array != variable.is_array);
            let name = known.name.to_ascii_lowercase();
            (
                distance(&name, &variable.name.to_ascii_lowercase()) + kind,
                known,
            )
        });
        let (least, known) = by_distance.min()?;
        (least <= 1 + variable.name.len() / 4).then(|| known.shown())
    }
}

#[derive(Clone, Copy)]
enum Place {
    Own,
    Option,
    Other,
}

fn has(variables: &Variables, variable: &Variable) -> bool {
    if variable.is_array {
        variables.arrays.contains_key(&variable.name)
    } else {
        variables.scalars.contains_key(&variable.name)
    }
}

/// How many characters have to be changed, put in or left out (Levenshtein).
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<_> = b.chars().collect();
    let mut row: Vec<_> = (0..=b.len()).collect();
    for (index, from) in a.chars().enumerate() {
        let mut next = vec![index + 1];
        for (column, &to) in b.iter().enumerate() {
            let at =
                |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&row, column) + usize::from(from != to);
            next.push(
                replaced
                    .min(at(&row, column + 1) + 1)
                    .min(at(&next, column) + 1),
            );
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_changes() {
        for (a, b, expected) in [
            ("", "abc", 3),
            ("ntime", "nttl", 3),
            ("cachesize", "cachsize", 1),
            ("x", "x", 0),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
