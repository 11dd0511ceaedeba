//! Groups of services, listeners with rules of their own and routes, which only a configuration file has.

use policy_proxy::{
    config::{Config, Owner},
    options::Groups,
};

use super::{Arguments, Stop};

/// What a file says of groups, beside what its own settings say.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileGroups {
    pub(crate) groups: Groups,
    /// For each group of the list: what holds for it, as arguments.
    pub(crate) arguments: Vec<Arguments>,
}

impl FileGroups {
    /// What a file says.
    pub(super) fn of(file: &Config) -> Result<Self, Stop> {
        let mut of_groups = Vec::new();
        let groups = file.groups(|owner, words| {
            let arguments = Arguments::parse_words(words)?;
            let options = arguments.group_options();
            if owner == Owner::Group {
                of_groups.push(arguments);
            }
            Ok(options)
        })?;
        Ok(Self {
            groups,
            arguments: of_groups,
        })
    }
}
