//! The language of `array`, as the front end sees it.

use crate::arrays::{Expr, ExprError, Sketch};
use crate::script::options::{ArrayError, ArrayLanguage};
use std::ops::Range;

/// The expressions of [`crate::arrays`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Expressions;

impl ArrayLanguage for Expressions {
    fn check(&self, text: &str) -> Result<Vec<(String, Range<usize>)>, ArrayError> {
        let parsed = Expr::parse(text).map_err(|error| (error.range, error.message, error.help))?;
        Ok(parsed.names())
    }

    fn sketch(&self, text: &str, names: &dyn Fn(&str) -> Sketch) -> Result<Option<Vec<usize>>, ArrayError> {
        let told = |error: ExprError| (error.range, error.message, error.help);
        Ok(match Expr::parse(text).and_then(|expr| expr.sketch(names)).map_err(told)? {
            Sketch::Shape(shape) => Some(shape),
            _ => None,
        })
    }
}
