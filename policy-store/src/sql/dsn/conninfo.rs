//! PostgreSQL's own form of names, `dbname=mail host='a b'`, in which DBD::Pg takes semicolons for blanks.
//! Source: PostgreSQL's manual, 34.1.1.1.

use std::{iter::Peekable, str::Chars};

use super::{Dsn, InvalidDsn};

/// Takes over all settings of a text.
pub(super) fn set_all(dsn: &mut Dsn, text: &str) -> Result<(), InvalidDsn> {
    let mut rest = text.chars().peekable();
    loop {
        while rest.next_if(|char| is_separator(*char)).is_some() {}
        if rest.peek().is_none() {
            return Ok(());
        }
        let mut key = String::new();
        while let Some(char) = rest.next_if(|char| !is_separator(*char) && *char != '=') {
            key.push(char);
        }
        while rest.next_if(|char| char.is_whitespace()).is_some() {}
        rest.next_if_eq(&'=').ok_or(InvalidDsn::Syntax)?;
        while rest.next_if(|char| char.is_whitespace()).is_some() {}
        dsn.set(&key, &value(&mut rest)?)?;
    }
}

/// As far as a separator, or in quotes; a backslash makes any character an ordinary one.
fn value(rest: &mut Peekable<Chars<'_>>) -> Result<String, InvalidDsn> {
    let is_quoted = rest.next_if_eq(&'\'').is_some();
    let mut value = String::new();
    while let Some(char) = rest.next_if(|char| is_quoted || !is_separator(*char)) {
        match char {
            '\\' => value.push(rest.next().ok_or(InvalidDsn::Syntax)?),
            '\'' if is_quoted => return Ok(value),
            char => value.push(char),
        }
    }
    if is_quoted {
        return Err(InvalidDsn::Syntax);
    }
    Ok(value)
}

fn is_separator(char: char) -> bool {
    char == ';' || char.is_whitespace()
}
