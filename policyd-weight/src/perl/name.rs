//! Variables and elements of arrays by their names.

use super::{
    Problem, Value,
    interpreter::Interpreter,
    operand::{Operand, Target},
    value::Values,
    variables::Variable,
};

impl Interpreter {
    /// `$NAME`, `@NAME`, `$NAME[3]`.
    pub(super) fn variable(&mut self) -> Result<Operand, Problem> {
        let position = self.cursor.position();
        let is_array = self.cursor.next() == Some('@');
        let braced = self.cursor.peek() == Some('{');
        self.cursor.advance(usize::from(braced));
        let name = self.cursor.word();
        if name.is_empty() || (braced && !self.cursor.take("}")) {
            let message = "a name has to follow: `$NAME`, or `@NAME` for a list";
            return Err(self.cursor.problem(position, message));
        }
        if self.cursor.peek() == Some('{') || self.cursor.is_at("->") {
            let message = "hashes and references are not read here: write the value itself";
            return Err(self.cursor.problem(position, message));
        }
        let is_element = !is_array && self.cursor.peek() == Some('[');
        let variable = Variable {
            is_array: is_array || is_element,
            name,
        };
        if !self.scope.knows(&variable) {
            return Err(self.unknown(position, &variable));
        }
        if is_element {
            return self.element(position, variable);
        }
        let values = if is_array {
            Values::Array(self.scope.array(&variable))
        } else {
            Values::Scalar(self.scope.scalar(&variable))
        };
        Ok(Operand {
            values,
            target: Some(Target::Variable(variable)),
            is_idle: true,
            position,
        })
    }

    fn element(&mut self, position: usize, array: Variable) -> Result<Operand, Problem> {
        self.cursor.advance(1);
        let index = self.assignment()?.values.scalar().number();
        if !self.cursor.take("]") {
            return Err(self
                .cursor
                .problem(self.cursor.position(), "`]` is missing"));
        }
        let values = self.scope.array(&array);
        #[expect(clippy::cast_precision_loss, reason = "no array is so long")]
        let from_end = if index < 0.0 {
            index + values.len() as f64
        } else {
            index
        };
        if index < 0.0 && from_end < 0.0 {
            // Before the first one there is nothing, which cannot be set.
            return Ok(Operand::of_values(
                position,
                Values::Scalar(Value::Undefined),
            ));
        }
        if !(0.0..MAX_INDEX).contains(&from_end) {
            return Err(self.cursor.problem(position, "there is no such element"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked above"
        )]
        let index = from_end as usize;
        let value = values.get(index).cloned().unwrap_or_default();
        Ok(Operand {
            values: Values::Scalar(value),
            target: Some(Target::Element(array, index)),
            is_idle: true,
            position,
        })
    }

    pub(super) fn unknown(&self, position: usize, variable: &Variable) -> Problem {
        let shown = variable.shown();
        let meant = self.scope.suggestion(variable);
        let meant = meant
            .map(|meant| format!("; did you mean `{meant}`?"))
            .unwrap_or_default();
        let own = format!("a variable of your own begins with `my {shown}`");
        self.cursor.problem(
            position,
            format!("there is no option `{shown}`{meant} ({own})"),
        )
    }
}

/// The elements of an array that can be set by their number.
const MAX_INDEX: f64 = 4096.0;
