//! Logical lines become a tree of blocks.

use super::{
    Block, Entry, ParseError, Parsed, Place, REPEATED, Value,
    entry::{Kind, Line, type_and_name},
    lines::Lines,
};

/// Nests all lines into blocks.
pub(super) fn build(lines: Lines) -> Result<Parsed, ParseError> {
    let mut root = Block::default();
    fill(&mut root, &lines.lines, 1)?;
    Ok(Parsed {
        root,
        warnings: lines.warnings,
    })
}

/// A block that has begun: its lines come later.
struct Open<'a> {
    kind: String,
    name: Option<String>,
    place: &'a Place,
    /// The first line in it.
    begin: usize,
    /// Blocks in it that are open.
    inner: usize,
}

/// Fills a block with lines. `level` counts the blocks around, from 1.
fn fill(block: &mut Block, lines: &[Line], level: usize) -> Result<(), ParseError> {
    let mut open: Option<Open<'_>> = None;
    for (index, line) in lines.iter().enumerate() {
        let fault = |text: String, level: usize| {
            let message = format!(
                "Config::General: {text} (level: {level}, chunk {})!\n",
                index + 1
            );
            ParseError {
                place: line.place.clone(),
                message,
            }
        };
        match (line.kind(), &mut open) {
            (Kind::Open(inner), None) => {
                if level >= MAX_LEVEL {
                    return Err(fault("too many blocks in each other".to_owned(), level));
                }
                let (kind, name) = type_and_name(inner);
                open = Some(Open {
                    kind,
                    name,
                    place: &line.place,
                    begin: index + 1,
                    inner: 0,
                });
            }
            (Kind::Close(name), None) => {
                let text = format!("EndBlock \"</{name}>\" has no StartBlock statement");
                return Err(fault(text, level));
            }
            (Kind::Option, None) => {
                let (key, value) = line.option();
                if block.get(&key).is_some() {
                    return Err(fault(
                        format!("Option \"{key}\" occurs more than once"),
                        level,
                    ));
                }
                let value = value.map_or(Value::Absent, Value::Text);
                block.push(key, value, &line.place);
            }
            (Kind::Open(_), Some(open)) => open.inner += 1,
            (
                Kind::Close(_),
                Some(Open {
                    inner: inner @ 1.., ..
                }),
            ) => *inner -= 1,
            (Kind::Close(_), Some(_)) => {
                if let Some(open) = open.take() {
                    let inside = lines.get(open.begin..index).unwrap_or_default();
                    close(block, open, inside, level, &fault)?;
                }
            }
            (Kind::Option, Some(_)) => {}
        }
    }
    let Some(open) = open else { return Ok(()) };
    let message = format!(
        "Config::General: Block \"<{}>\" has no EndBlock statement (level: {}, chunk {})!\n",
        open.kind,
        level + 1,
        lines.len()
    );
    Err(ParseError {
        place: open.place.clone(),
        message,
    })
}

/// Puts a block that has ended where it belongs.
fn close(
    block: &mut Block,
    open: Open<'_>,
    inside: &[Line],
    level: usize,
    fault: &dyn Fn(String, usize) -> ParseError,
) -> Result<(), ParseError> {
    let Open {
        kind, name, place, ..
    } = open;
    let plain = |message: String| ParseError {
        place: place.clone(),
        message,
    };
    let mut filled = Block::default();
    let Some(name) = name else {
        match block.get(&kind).map(|entry| &entry.value) {
            None => {}
            Some(Value::Block(_)) => {
                let text = format!("Block \"<{kind}>\" occurs more than once");
                return Err(fault(text, level + 1));
            }
            Some(value) => {
                let value = if let Value::Text(text) = value {
                    text
                } else {
                    ""
                };
                return Err(plain(format!(
                    "Config::General: Cannot create hashref from <{kind}> because there is\nalready a scalar option \
                     '{kind}' with value '{value}'\n"
                )));
            }
        }
        fill(&mut filled, inside, level + 1)?;
        block.push(kind, Value::Block(filled), place);
        return Ok(());
    };
    if block.get(&kind).is_none() {
        block.push(kind.clone(), Value::Block(Block::default()), place);
    }
    let named = block.entries.iter_mut().find(|entry| entry.key == kind);
    let Some(Value::Block(named)) = named.map(|entry| &mut entry.value) else {
        return Err(plain(format!(
            "Config::General: Block <{kind}> already exists as scalar entry!\n"
        )));
    };
    if named.get(&name).is_some() && kind != REPEATED {
        let text = format!("Named block \"<{kind} {name}>\" occurs more than once");
        return Err(fault(text, level + 1));
    }
    fill(&mut filled, inside, level + 1)?;
    named.push(name, Value::Block(filled), place);
    Ok(())
}

impl Block {
    fn push(&mut self, key: String, value: Value, place: &Place) {
        self.entries.push(Entry {
            key,
            value,
            place: place.clone(),
        });
    }
}

/// A configuration needs about five. Reading is recursive.
const MAX_LEVEL: usize = 64;
