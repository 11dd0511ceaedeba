//! The things that plugins and blocks are built with: what is there already, and what is noted on the way.

use std::collections::HashSet;

use super::{finding::Findings, lists::Lists, references::References};
use crate::{chain::Chain, config_general::Entry, connection::Connections, counters::Counters};

/// Builds the chain of a block `Plugin`, which holds the named blocks. `None`: it holds something else, which is noted.
pub(crate) type ChainBuilder = fn(&Entry, &mut Build) -> Option<Chain>;

/// What plugins and blocks are built with.
#[derive(Debug)]
pub(crate) struct Build {
    /// How a block `Plugin` becomes a chain.
    pub(crate) chain: ChainBuilder,
    pub(crate) findings: Findings,
    pub(crate) connections: Connections,
    pub(crate) lists: Lists,
    pub(crate) counters: Counters,
    /// Those of the configuration before.
    pub(crate) previous: (Connections, Lists, Counters),
    pub(crate) compat: bool,
    pub(crate) is_check: bool,
    /// Which plugins there are, and which of them name others.
    pub(crate) references: References,
    /// The blocks that stand for keys of mtpolicyd 1.x.
    pub(crate) old_blocks: HashSet<String>,
}
