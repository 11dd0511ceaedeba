//! A configuration as JSON, for those who compare it with what Config::General makes of it.
//!
//! Perl reads bytes, so each byte is one character here, as in JSON that Perl writes of them.

use serde_json::{Value as Json, json};

use super::{Block, Value};

pub(super) fn write(root: &Block) -> String {
    let mut entries: Vec<_> = root.entries.iter().collect();
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    let list = entries
        .into_iter()
        .map(|entry| json!([bytes(&entry.key), value(&entry.value)]));
    Json::Array(list.collect()).to_string()
}

fn value(value: &Value) -> Json {
    match value {
        Value::Absent => Json::Null,
        Value::Text(text) => Json::String(bytes(text)),
        Value::Block(block) => json!({ "block": block_entries(block) }),
    }
}

fn block_entries(block: &Block) -> Json {
    let list = block
        .entries
        .iter()
        .map(|entry| json!([bytes(&entry.key), value(&entry.value)]));
    Json::Array(list.collect())
}

fn bytes(text: &str) -> String {
    text.bytes().map(char::from).collect()
}
