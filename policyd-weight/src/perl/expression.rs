//! Expressions: lists, arithmetic and assignments.

use super::{
    Problem, Value,
    interpreter::Interpreter,
    operand::{Operand, Target},
    operator::{self, Binary},
    value::Values,
    variables::Variable,
};

impl Interpreter {
    /// Expressions with commas between them. As a statement the last one counts.
    pub(super) fn list(&mut self) -> Result<Vec<Operand>, Problem> {
        let mut operands = vec![];
        self.cursor.skip_blanks();
        let begin = self.cursor.position();
        if self.comma() {
            let message = "a list does not begin with a `,`: is an item missing before it?";
            return Err(self.cursor.problem(begin, message));
        }
        loop {
            while self.comma() {}
            if self.is_at_end_of_list() {
                return Ok(operands);
            }
            operands.push(self.assignment()?);
            if !self.comma() {
                return Ok(operands);
            }
        }
    }

    fn comma(&mut self) -> bool {
        self.cursor.take(",") || self.cursor.take("=>")
    }

    fn is_at_end_of_list(&mut self) -> bool {
        self.cursor.skip_blanks();
        matches!(self.cursor.peek(), None | Some(')' | ';' | ']' | '}'))
    }

    /// `NAME = ..`, `NAME .= ..` and the like, or a value.
    pub(super) fn assignment(&mut self) -> Result<Operand, Problem> {
        self.deeper()?;
        let left = self.binary(0)?;
        self.cursor.skip_blanks();
        let at = self.cursor.position();
        let operand = match self.assignment_operator() {
            None => left,
            Some(operator) => {
                let Some(target) = left.target else {
                    return Err(self
                        .cursor
                        .problem(left.position, "only a variable can be set"));
                };
                let right = self.assignment()?;
                let values = self.assign(&target, operator, right.values, at)?;
                self.note(target.variable(), left.position);
                Operand {
                    values,
                    target: Some(target),
                    is_idle: false,
                    position: left.position,
                }
            }
        };
        self.depth -= 1;
        Ok(operand)
    }

    /// An operator that sets: none for `=` itself within.
    fn assignment_operator(&mut self) -> Option<Option<Binary>> {
        if self.cursor.is_at("==") || self.cursor.is_at("=>") || self.cursor.is_at("=~") {
            return None;
        }
        if self.cursor.take("=") {
            return Some(None);
        }
        let (operator, length) = operator::at(&self.cursor)?;
        let sets = self.cursor.ahead(length) == Some('=') && operator != Binary::Equal;
        sets.then(|| {
            self.cursor.advance(length + 1);
            Some(operator)
        })
    }

    fn assign(
        &mut self,
        target: &Target,
        operator: Option<Binary>,
        right: Values,
        at: usize,
    ) -> Result<Values, Problem> {
        let variable = match target {
            Target::Element(array, index) => {
                let mut values = self.scope.array(array);
                if values.len() <= *index {
                    values.resize(index + 1, Value::Undefined);
                }
                let old = values.get(*index).cloned().unwrap_or_default();
                let new = self.combined(operator, old, right.scalar(), at)?;
                if let Some(place) = values.get_mut(*index) {
                    *place = new.clone();
                }
                self.set_array(array, values);
                return Ok(Values::Scalar(new));
            }
            Target::Variable(variable) => variable,
        };
        if !variable.is_array {
            let old = self.scope.scalar(variable);
            let new = self.combined(operator, old, right.scalar(), at)?;
            if !self.is_stopped {
                self.scope.set_scalar(variable, new.clone());
            }
            return Ok(Values::Scalar(new));
        }
        if operator.is_some() {
            return Err(self
                .cursor
                .problem(at, "an array is set by `=`, and added to by `push`"));
        }
        let values = right.list();
        self.set_array(variable, values.clone());
        Ok(Values::Array(values))
    }

    pub(super) fn set_array(&mut self, variable: &Variable, values: Vec<Value>) {
        if !self.is_stopped {
            self.scope.set_array(variable, values);
        }
    }

    fn combined(
        &self,
        operator: Option<Binary>,
        old: Value,
        new: Value,
        at: usize,
    ) -> Result<Value, Problem> {
        match operator {
            None => Ok(new),
            Some(operator) => {
                let combined = operator.apply(&old, &new);
                combined.map_err(|message| self.cursor.problem(at, message))
            }
        }
    }

    /// Values with operators between them that bind at least so tightly.
    fn binary(&mut self, least: u8) -> Result<Operand, Problem> {
        let mut left = self.unary()?;
        let (mut left_compares, mut is_primary) = (false, true);
        loop {
            self.cursor.skip_blanks();
            let at = self.cursor.position();
            let Some((operator, length)) = operator::at(&self.cursor) else {
                return Ok(left);
            };
            // `NAME .= ..` is for the assignment.
            let sets = operator != Binary::Equal
                && self.cursor.ahead(length) == Some('=')
                && self.cursor.ahead(length + 1) != Some('=');
            if sets || operator.level() < least {
                return Ok(left);
            }
            let sign = self.cursor.peek().filter(|c| matches!(c, '+' | '-'));
            if sign.is_some() && self.cursor.ahead(1) == sign {
                let message = "`++` and `--` are not read here: write `+ 1` or `- 1`";
                return Err(self.cursor.problem(at, message));
            }
            if operator == Binary::Repeat
                && is_primary
                && self.cursor.char_at(left.position) == Some('(')
            {
                let message = "a list in parentheses is not repeated here: write its items, or leave the parentheses out";
                return Err(self.cursor.problem(at, message));
            }
            is_primary = false;
            if operator == Binary::Equal && left_compares {
                let message = "`==` cannot follow another one: write parentheses";
                return Err(self.cursor.problem(at, message));
            }
            left_compares = operator == Binary::Equal;
            self.cursor.advance(length);
            let right = if operator == Binary::Power {
                // `2**3**2` is 512.
                self.deeper()?;
                let right = self.binary(operator.level())?;
                self.depth -= 1;
                right
            } else {
                self.binary(operator.level() + 1)?
            };
            let value = operator.apply(&left.values.scalar(), &right.values.scalar());
            let value = value.map_err(|message| self.cursor.problem(at, message))?;
            left = Operand {
                values: Values::Scalar(value),
                target: None,
                is_idle: true,
                position: left.position,
            };
        }
    }

    fn unary(&mut self) -> Result<Operand, Problem> {
        self.cursor.skip_blanks();
        let position = self.cursor.position();
        let sign = self.cursor.peek().filter(|c| matches!(c, '-' | '+'));
        let Some(sign) = sign else {
            return self.primary();
        };
        self.cursor.advance(1);
        if self.cursor.peek() == Some(sign) {
            return Err(self
                .cursor
                .problem(position, format!("`{sign}{sign}` is not read here")));
        }
        self.deeper()?;
        // `-2**2` is -4.
        let operand = self.binary(Binary::Power.level())?;
        self.depth -= 1;
        if sign == '+' {
            return Ok(operand);
        }
        let value = operand.values.scalar();
        if matches!(value, Value::Regex(_)) {
            return Err(self.cursor.problem(position, operator::NO_NUMBER));
        }
        let negated = value.negated();
        Ok(Operand {
            values: Values::Scalar(negated),
            target: None,
            is_idle: true,
            position,
        })
    }

    /// An expression within an expression: a file cannot fill the stack.
    pub(super) fn deeper(&mut self) -> Result<(), Problem> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.cursor.problem(
                self.cursor.position(),
                "too many parentheses within parentheses",
            ));
        }
        Ok(())
    }
}

/// How deep parentheses may nest.
const MAX_DEPTH: usize = 60;
