//! Statements: what a file does, one after the other.

use std::collections::BTreeMap;

use super::{
    Problem, Value, Variables,
    cursor::Cursor,
    operand::Operand,
    quote::{Interpolation, single},
    value::Values,
    variables::{Scope, Variable},
};

/// Reads a file and does what it says.
pub(super) struct Interpreter {
    pub(super) cursor: Cursor,
    pub(super) scope: Scope,
    pub(super) depth: usize,
    /// After `return` the rest is read, and does nothing.
    pub(super) is_stopped: bool,
    pub(super) warnings: Vec<Problem>,
    /// Where each option was set last.
    pub(super) places: BTreeMap<String, usize>,
}

impl Interpreter {
    pub(super) fn new(text: &str, options: Variables) -> Self {
        Self {
            cursor: Cursor::new(text),
            scope: Scope::new(options),
            depth: 0,
            is_stopped: false,
            warnings: vec![],
            places: BTreeMap::new(),
        }
    }

    /// Runs the whole file.
    pub(super) fn run(&mut self) -> Result<(), Problem> {
        while self.step()? {}
        Ok(())
    }

    /// Does one statement: false at the end.
    pub(super) fn step(&mut self) -> Result<bool, Problem> {
        self.cursor.skip_blanks();
        match self.cursor.peek() {
            None => return Ok(false),
            Some(';') => self.cursor.advance(1),
            Some(_) if matches!(&*self.cursor.peek_word(), "__END__" | "__DATA__") => {
                return Ok(false);
            }
            Some(_) => self.statement()?,
        }
        Ok(true)
    }

    fn statement(&mut self) -> Result<(), Problem> {
        let position = self.cursor.position();
        self.depth = 0;
        let word = self.cursor.peek_word();
        if word == "return" {
            self.cursor.word();
            self.list()?;
            self.is_stopped = true;
            self.warn(position, "what comes after `return` is ignored");
        } else if word == "push" {
            self.push()?;
        } else {
            let operands = self.list()?;
            if let Some(last) = operands.last().filter(|last| last.is_idle) {
                self.idle(position, last);
            }
        }
        self.end_of_statement(position)
    }

    fn end_of_statement(&mut self, statement: usize) -> Result<(), Problem> {
        self.cursor.skip_blanks();
        let position = self.cursor.position();
        match self.cursor.peek() {
            None => Ok(()),
            Some(';') => {
                self.cursor.advance(1);
                Ok(())
            }
            Some(found) => {
                let word = self.cursor.peek_word();
                if let Some(message) = refusal(&word) {
                    return Err(self.cursor.problem(position, message));
                }
                let line = |position| self.cursor.problem(position, "").line;
                let shown = if word.is_empty() {
                    found.to_string()
                } else {
                    word
                };
                let message = if line(statement) < line(position) {
                    format!("`{shown}` cannot follow: is a `;` or a `,` missing before it?")
                } else {
                    format!(
                        "`{shown}` cannot stand here: an option is set by `$NAME = VALUE;`, a list by `@NAME = (..);`"
                    )
                };
                Err(self.cursor.problem(position, message))
            }
        }
    }

    /// A statement that does nothing, but for the `1;` at the end of a file.
    fn idle(&mut self, position: usize, operand: &Operand) {
        let is_comparison =
            matches!(&operand.values, Values::Scalar(Value::Text(text)) if text.is_empty());
        match &operand.values {
            Values::Scalar(Value::Integer(1)) if !self.text_has_equal(position) => {}
            Values::Scalar(Value::Integer(1)) => self.warn(position, COMPARES),
            _ if is_comparison && self.text_has_equal(position) => self.warn(position, COMPARES),
            _ => self.warn(
                position,
                "this does nothing: an option is set by `$NAME = VALUE;`",
            ),
        }
    }

    fn text_has_equal(&self, position: usize) -> bool {
        self.cursor.line(position).contains("==")
    }

    /// `push @NAME, ITEM, ..;`
    fn push(&mut self) -> Result<(), Problem> {
        self.cursor.word();
        let has_parentheses = self.cursor.take("(");
        self.cursor.skip_blanks();
        let position = self.cursor.position();
        let mut operands = self.list()?.into_iter();
        let array = operands.next().and_then(|first| first.array());
        let Some(array) = array else {
            return Err(self
                .cursor
                .problem(position, "a list has to follow: `push @NAME, ITEM, ..;`"));
        };
        let mut values = self.scope.array(&array);
        values.extend(operands.flat_map(|operand| operand.values.list()));
        self.set_array(&array, values);
        self.note(&array, position);
        if has_parentheses && !self.cursor.take(")") {
            return Err(self
                .cursor
                .problem(self.cursor.position(), "`)` is missing"));
        }
        Ok(())
    }

    /// Remembers where an option was set.
    pub(super) fn note(&mut self, variable: &Variable, position: usize) {
        if !self.is_stopped && self.scope.sets_option(variable) {
            self.places.insert(variable.shown(), position);
        }
    }

    pub(super) fn warn(&mut self, position: usize, message: impl Into<String>) {
        let warning = self.cursor.problem(position, message);
        self.warnings.push(warning);
    }

    /// A number, a text, a list, a variable.
    pub(super) fn primary(&mut self) -> Result<Operand, Problem> {
        self.cursor.skip_blanks();
        let position = self.cursor.position();
        let Some(c) = self.cursor.peek() else {
            return Err(self
                .cursor
                .problem(position, "the file ends where a value has to stand"));
        };
        match c {
            '$' | '@' => self.special_or_variable(position),
            '(' => self.parentheses(),
            '0'..='9' | '.' => self.number(position),
            '\'' => {
                let quoted = self.cursor.delimited("the text")?;
                Ok(Operand::of_values(
                    position,
                    Values::Scalar(single(&quoted).into()),
                ))
            }
            '"' => self.double(position),
            '/' => self.match_at_once(position),
            '`' => Err(self
                .cursor
                .problem(position, "commands are not run: write the value itself")),
            '<' => Err(self.cursor.problem(
                position,
                "`<<` and `<..>` are not read here: write the text in quotes",
            )),
            '{' | '}' => Err(self.cursor.problem(
                position,
                "blocks are not read here: each option is set by a statement of its own",
            )),
            '\u{ef}' if self.cursor.is_at("\u{ef}\u{bb}\u{bf}") => {
                let message = "the file begins with a byte order mark: save it without (as ASCII, or UTF-8 without BOM)";
                Err(self.cursor.problem(position, message))
            }
            _ => self.word_or_quote(position),
        }
    }

    fn special_or_variable(&mut self, position: usize) -> Result<Operand, Problem> {
        let next = self.cursor.ahead(1);
        if self.cursor.peek() == Some('$') && next.is_some_and(|c| c.is_ascii_digit()) {
            self.cursor.advance(1);
            while self.cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
                self.cursor.advance(1);
            }
            self.warn(position, "this variable has no value");
            return Ok(Operand::of_values(
                position,
                Values::Scalar(Value::Undefined),
            ));
        }
        self.variable()
    }

    fn parentheses(&mut self) -> Result<Operand, Problem> {
        let position = self.cursor.position();
        self.cursor.advance(1);
        self.deeper()?;
        let mut operands = self.list()?;
        if !self.cursor.take(")") {
            let line = self.cursor.problem(position, "").line;
            let (place, next) = (self.cursor.position(), self.cursor.peek());
            let message = match next {
                None | Some(';') => format!("`)` is missing: the list begins in line {line}"),
                Some(_) => match refusal(&self.cursor.peek_word()) {
                    Some(message) => message,
                    None => "a `,` is missing before this item".to_owned(),
                },
            };
            return Err(self.cursor.problem(place, message));
        }
        self.depth -= 1;
        if operands.len() == 1
            && let Some(only) = operands.pop()
        {
            return Ok(Operand::of_values(position, only.values));
        }
        let scalar = operands
            .last()
            .map(|last| last.values.clone().scalar())
            .unwrap_or_default();
        let values = operands
            .into_iter()
            .flat_map(|operand| operand.values.list())
            .collect();
        Ok(Operand::of_values(position, Values::List(values, scalar)))
    }

    pub(super) fn double(&mut self, position: usize) -> Result<Operand, Problem> {
        let quoted = self.cursor.delimited("the text")?;
        let mut interpolation = Interpolation {
            cursor: &self.cursor,
            scope: &self.scope,
            warnings: &mut self.warnings,
        };
        let text = interpolation.text(&quoted)?;
        Ok(Operand::of_values(position, Values::Scalar(text.into())))
    }

    /// A variable of the file's own: `my $NAME`, `our @NAME`.
    pub(super) fn declaration(&mut self, position: usize) -> Result<Operand, Problem> {
        self.cursor.skip_blanks();
        if !matches!(self.cursor.peek(), Some('$' | '@')) {
            return Err(self
                .cursor
                .problem(position, "a name has to follow: `my $NAME = ..;`"));
        }
        let is_array = self.cursor.next() == Some('@');
        let variable = Variable {
            is_array,
            name: self.cursor.word(),
        };
        if self.scope.is_option(&variable) && !self.scope.declares {
            let shown = variable.shown();
            let message = format!(
                "this `{shown}` is a variable of the file's own, and the option stays as it is: leave the word before it out"
            );
            self.warn(position, message);
        }
        if !self.scope.declares {
            self.scope.declare(&variable);
        }
        Ok(Operand::of_variable(variable, position))
    }
}

const COMPARES: &str = "`==` compares, and sets nothing: write `=`";

/// Why a word is not read.
pub(super) fn refusal(word: &str) -> Option<String> {
    let message = match word {
        "if" | "unless" | "while" | "until" | "for" | "foreach" | "else" | "elsif" | "and"
        | "or" | "not" => {
            format!(
                "control structures (`{word}`) are not read here: write the values that are to hold"
            )
        }
        "use" | "no" | "require" | "do" | "package" | "sub" | "eval" | "BEGIN" | "local"
        | "die" | "exit" => {
            format!(
                "`{word}` is not read here: a file holds options and their values, and no program"
            )
        }
        _ => return None,
    };
    Some(message)
}
