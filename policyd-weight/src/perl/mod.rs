//! The part of Perl that configuration files are written in: assignments, lists, texts and arithmetic.
//!
//! The original evaluates its file as a Perl program. Files in use hold no program, but options and their values. This
//! reads these with the values that Perl gives them, and refuses all else with the place and what to write instead.

mod cursor;
mod expression;
mod faults;
mod interpreter;
mod literal;
mod name;
mod operand;
mod operator;
mod problem;
mod quote;
mod value;
mod variables;

use std::collections::BTreeMap;

pub(crate) use faults::evaluate_past_faults;
pub use problem::Problem;
pub use value::Value;
pub use variables::Variables;
pub(crate) use variables::distance;

use crate::text::characters;
use interpreter::Interpreter;

/// The options after a file, and what is odd in it.
#[derive(Clone, Debug, Default)]
pub struct Evaluated {
    /// The options.
    pub options: Variables,
    /// Line and column, from 1, where each option that the file sets was set last: `$NAME`, `@NAME`.
    pub places: BTreeMap<String, (usize, usize)>,
    /// What does nothing, and the like.
    pub warnings: Vec<Problem>,
}

/// Reads a file that sets options. Unknown names are an error.
///
/// # Errors
///
/// The first fault: the options are then as they were.
///
/// ```
/// use policyd_weight::perl::{Variables, define, evaluate};
///
/// let options = define("$REJECTLEVEL = 1;")?;
/// let evaluated = evaluate(b"$REJECTLEVEL = 60*4 / 100; # more", &options)?;
/// assert_eq!(evaluated.options.scalar("REJECTLEVEL").to_string(), "2.4");
/// let problem = evaluate(b"\n$REJECTLEVL = 2;", &options).unwrap_err();
/// assert!(problem.to_string().starts_with("line 2, column 1: there is no option `$REJECTLEVL`; did you mean"));
/// # Ok::<(), policyd_weight::perl::Problem>(())
/// ```
pub fn evaluate(text: &[u8], options: &Variables) -> Result<Evaluated, Problem> {
    run(text, options.clone(), false)
}

/// Reads a file that defines the options there are.
///
/// # Errors
///
/// The first fault.
pub fn define(text: &str) -> Result<Variables, Problem> {
    run(text.as_bytes(), Variables::default(), true).map(|evaluated| evaluated.options)
}

fn run(text: &[u8], options: Variables, declares: bool) -> Result<Evaluated, Problem> {
    let text = characters(text);
    let mut interpreter = Interpreter::new(&text, options);
    interpreter.scope.declares = declares;
    if text.chars().count() > MAX_FILE {
        return Err(interpreter
            .cursor
            .problem(0, "the file is larger than 1 MiB"));
    }
    interpreter.run()?;
    let places = interpreter.places.iter().map(|(name, &position)| {
        let place = interpreter.cursor.problem(position, "");
        (name.clone(), (place.line, place.column))
    });
    Ok(Evaluated {
        places: places.collect(),
        options: interpreter.scope.options,
        warnings: interpreter.warnings,
    })
}

/// How large a file may be.
const MAX_FILE: usize = 1 << 20;
