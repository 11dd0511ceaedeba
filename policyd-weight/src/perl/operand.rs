//! The operands of an expression while a file is run: their values, and where they can be set.

use super::{Value, value::Values, variables::Variable};

/// What an expression is, and the variable that can be set where it stands.
pub(super) struct Operand {
    pub(super) values: Values,
    pub(super) target: Option<Target>,
    /// Whether it does nothing on its own.
    pub(super) is_idle: bool,
    pub(super) position: usize,
}

impl Operand {
    /// A variable that was declared just now.
    pub(super) fn of_variable(variable: Variable, position: usize) -> Self {
        let values = if variable.is_array {
            Values::Array(vec![])
        } else {
            Values::Scalar(Value::Undefined)
        };
        Self {
            values,
            target: Some(Target::Variable(variable)),
            is_idle: false,
            position,
        }
    }

    /// A value that stands for itself.
    pub(super) fn of_values(position: usize, values: Values) -> Self {
        Self {
            values,
            target: None,
            is_idle: true,
            position,
        }
    }

    /// The array that the operand is.
    pub(super) fn array(&self) -> Option<Variable> {
        match &self.target {
            Some(Target::Variable(variable)) if variable.is_array => Some(variable.clone()),
            _ => None,
        }
    }
}

/// What can be set.
#[derive(Clone)]
pub(super) enum Target {
    Variable(Variable),
    Element(Variable, usize),
}

impl Target {
    /// The variable, or the one that the element is of.
    pub(super) fn variable(&self) -> &Variable {
        match self {
            Self::Variable(variable) | Self::Element(variable, _) => variable,
        }
    }
}
