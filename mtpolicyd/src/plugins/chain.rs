//! `<Plugin>` blocks become a chain.

use std::sync::Arc;

use super::{Kind, find, names};
use crate::{
    chain::{Chain, Link, OnError},
    config::{Build, Section, similar},
    config_general::{Block, Entry, Place, Value},
};

/// Builds the chain of a block `Plugin`, which holds the named blocks.
pub(crate) fn build(plugins: &Entry, build: &mut Build) -> Option<Chain> {
    let Value::Block(named) = &plugins.value else {
        build
            .findings
            .error(&plugins.place, "`Plugin` is a value, but a block is wanted");
        return None;
    };
    let mut links = Vec::new();
    for entry in &named.entries {
        match &entry.value {
            Value::Block(block) => links.extend(link(&entry.key, block, &entry.place, build)),
            _ => {
                let text = format!("a <Plugin> needs a name, as in <Plugin {}>", entry.key);
                build.findings.error(&entry.place, text);
            }
        }
    }
    Some(Chain::new(links))
}

fn link(name: &str, block: &Block, place: &Place, build: &mut Build) -> Option<Link> {
    let module = block.get("module").map(|entry| &entry.value);
    if let Some(Value::Text(module)) = module {
        build.references.plugin(name, module);
    }
    let mut section = Section::new(name, block, place, build);
    let Some(module) = section.text("module") else {
        section.error("module", format!("`module` is missing in <Plugin {name}>"));
        return None;
    };
    let on_error = on_error(&mut section);
    let log_level = u8::try_from(section.integer("log_level", 4)).unwrap_or(u8::MAX);
    _ = section.text("vhost_name");
    let kind = find(&module);
    let plugin = match kind {
        Some(Kind::Plugin(new)) => new(&mut section),
        Some(Kind::Gone(reason)) => {
            section.skipped("module", format!("{module} is skipped: {reason}"));
            return None;
        }
        None => {
            let hint = similar(&module, names());
            let hint = hint.map_or_else(String::new, |name| format!(": did you mean {name}?"));
            let text = format!("there is no module `{module}` in this build of mtpolicyd{hint}");
            section.error("module", text);
            return None;
        }
    };
    let overridable = section.finish();
    let name: Arc<str> = name.into();
    let counters = build.counters.plugin(&name, &build.previous.2);
    Some(Link {
        name,
        module: module.into(),
        on_error,
        log_level,
        overridable,
        counters,
        plugin,
    })
}

fn on_error(section: &mut Section<'_>) -> OnError {
    let Some(word) = section.text("on_error") else {
        return OnError::default();
    };
    OnError::parse(&word).unwrap_or_else(|| {
        let text = format!(
            "`on_error` is `{word}`, which means close: use one of continue, dunno, defer, close"
        );
        section.warning("on_error", text);
        OnError::Close
    })
}
