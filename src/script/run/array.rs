//! Evaluating one instance of an `array` task, and the steps of a `reduce`.

use super::def::Def;
use super::failure::{located, located_at};
use super::inputs::{Array, Inputs, Results};
use super::pack::{self, Pack, Part};
use super::rank;
use crate::call::Shared;
use crate::call::array::reduce::{self, Mean, With};
use crate::call::array::{self, Expr, ExprError, RandomContext, text};
use crate::error::Failure;
use crate::script::{Action, Binding, Facts, Reduction, Value};
use ndarray::ArrayD;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use xxhash_rust::xxh3::xxh3_64;

/// A task function: an instance that needs others.
///
/// # Errors
/// When the expression cannot be evaluated.
pub fn eval_array(def: &Def, index: u64, packs: &[Pack], arrays: &[Array]) -> Result<Array, Failure> {
    located(def, index, || evaluate(def, index, packs, arrays))
}

/// A task function: an instance that needs nothing.
///
/// # Errors
/// As [`eval_array`].
pub fn eval_array_alone(def: &Def, index: u64) -> Result<Array, Failure> {
    located(def, index, || evaluate(def, index, &[], &[]))
}

thread_local! {
    /// Expressions that this thread has parsed: a script has few, and its families many instances.
    static PARSED: RefCell<HashMap<String, Rc<Expr>>> = RefCell::default();
}

fn parsed(text: &str) -> Result<Rc<Expr>, ExprError> {
    PARSED.with_borrow_mut(|known| {
        if let Some(expr) = known.get(text) {
            return Ok(expr.clone());
        }
        let expr = Rc::new(Expr::parse(text)?);
        known.insert(text.to_owned(), expr.clone());
        Ok(expr)
    })
}

fn evaluate(def: &Def, index: u64, packs: &[Pack], arrays: &[Array]) -> Result<Array, Failure> {
    let Action::Array { text, names } = &def.task.action else {
        return Err(Failure::new("internal error: no expression"));
    };
    let inputs = Inputs::new(def, index, packs, arrays)?;
    let (rank, attempt) = rank::here();
    let facts = Facts {
        rank: rank.0,
        ranks: def.ranks,
        host: rank::host(),
        attempt: attempt.into(),
        ..def.facts(index)
    };
    let values = def.task.family.bindings(index);
    let mut bound = HashMap::with_capacity(names.len());
    for name in names {
        let value = match &name.binding {
            Binding::Param(at) => Bound::Value(
                values.get(*at).cloned().ok_or_else(|| Failure::new("internal error: no such parameter"))?,
            ),
            Binding::Var(value) => Bound::Value(value.clone()),
            Binding::Fact(fact) => Bound::Value(facts.get(*fact)),
            Binding::Input(reference) => {
                let group = def.sources.get(*reference).copied().flatten();
                let one = group.and_then(|at| def.groups.get(at)).is_some_and(|group| group.one);
                Bound::Arrays(gathered(&inputs, *reference, &name.name)?, one)
            }
        };
        bound.insert(name.name.as_str(), value);
    }
    let context = RandomContext { task: xxh3_64(def.task.name.as_bytes()), index };
    let expr = parsed(text).map_err(|error| told(text, &error))?;
    let value = expr.eval(&Names { bound, context }).map_err(|error| told(text, &error))?;
    Ok(Shared::new(value.into_f64()))
}

/// The arrays behind a reference; what a command has written is read as numbers.
fn gathered(inputs: &Inputs<'_>, reference: usize, name: &str) -> Result<Vec<Array>, Failure> {
    if let Results::Arrays(arrays) = inputs.results(reference)? {
        return Ok(arrays.to_vec());
    }
    let files = inputs.files(reference)?;
    files.iter().map(|(_, bytes)| numbers(bytes, name).map(Shared::new)).collect()
}

/// Reads numbers as arrays are printed: one number is a number, one a line is a vector, several a line are rows.
fn numbers(bytes: &[u8], name: &str) -> Result<ArrayD<f64>, Failure> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| Failure::new(format!("`{name}` is no text of numbers")))?;
    let mut elements = Vec::new();
    let (mut rows, mut width) = (0, None);
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let before = elements.len();
        for word in line.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()) {
            let number: f64 = word.parse().map_err(|_| {
                let word: String = word.chars().take(40).collect();
                Failure::new(format!("`{name}`, line {}: `{word}` is no number", at + 1))
            })?;
            elements.push(number);
        }
        let columns = elements.len() - before;
        if *width.get_or_insert(columns) != columns {
            let first = width.unwrap_or(0);
            let line = at + 1;
            return Err(Failure::new(format!(
                "`{name}`, line {line}: {columns} numbers where others have {first}"
            )));
        }
        rows += 1;
    }
    let shape = match (rows, width.unwrap_or(0)) {
        (1, 1) => vec![],
        (rows, 0 | 1) => vec![rows],
        (rows, columns) => vec![rows, columns],
    };
    ArrayD::from_shape_vec(shape, elements).map_err(Failure::from)
}

/// An error of an expression, with the place in it.
fn told(text: &str, error: &ExprError) -> Failure {
    let part = text.get(error.range.clone()).unwrap_or_default();
    let help = error.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    Failure(format!("{}, at `{part}` of `array = \"{text}\"`{help}", error.message))
}

enum Bound {
    Value(Value),
    /// And whether the name stands for one array, not for a list of one.
    Arrays(Vec<Array>, bool),
}

struct Names<'a> {
    bound: HashMap<&'a str, Bound>,
    context: RandomContext,
}

impl array::Scope for Names<'_> {
    fn get(&self, name: &str) -> Option<array::Binding<'_>> {
        Some(match self.bound.get(name)? {
            Bound::Value(Value::Int(number)) => array::Binding::Number(*number as f64),
            Bound::Value(Value::Float(number)) => array::Binding::Number(*number),
            Bound::Value(Value::Bool(truth)) => array::Binding::Number(f64::from(u8::from(*truth))),
            Bound::Value(Value::Text(text) | Value::Path(text)) => array::Binding::Text(text.as_str().into()),
            Bound::Arrays(arrays, true) => array::Binding::Array((&**arrays.first()?).into()),
            Bound::Arrays(arrays, false) => {
                array::Binding::List(arrays.iter().map(|array| (&**array).into()).collect())
            }
        })
    }

    fn context(&self) -> RandomContext {
        self.context
    }
}

/// One step of a reduction's tree.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Step {
    /// The number of the `reduce` task.
    pub task: u32,
    /// Its instance.
    pub index: u64,
    /// The operation.
    pub with: Reduction,
    /// At the root, the number of all leaves.
    pub leaves: Option<u64>,
}

/// A task function: combines arrays from left to right.
///
/// # Errors
/// When their shapes do not fit.
pub fn reduce_step(step: &Step, inputs: &[Array]) -> Result<Array, Failure> {
    located_at(step.task, step.index, || {
        let with = match step.with {
            // every leaf weighs 1, so what has to be counted is known from the tree
            Reduction::Add | Reduction::Mean => With::Add,
            Reduction::Mul => With::Mul,
            Reduction::Min => With::Min,
            Reduction::Max => With::Max,
        };
        let arrays: Vec<&ArrayD<f64>> = inputs.iter().map(|array| &**array).collect();
        let told = |error: reduce::ReduceError| {
            let help = error.help.map(|help| format!("; {help}")).unwrap_or_default();
            Failure(format!("{}{help}", error.message))
        };
        let combined = reduce::fold(with, &arrays).map_err(told)?;
        let result = match (step.with, step.leaves) {
            (Reduction::Mean, Some(count)) => Mean { sum: combined, count }.finish().map_err(told)?,
            _ => combined,
        };
        Ok(Shared::new(result))
    })
}

/// A task function: the printed form of an array, as what a command would have printed.
pub fn text_of(array: &Array) -> Pack {
    let text = text::to_text(array);
    pack::pack(&[Part { which: pack::STDOUT, name: "stdout", bytes: text.as_bytes() }])
}

/// A task function: says that an array is there, without the array.
pub fn token_of(_array: &Array) -> Pack {
    pack::pack(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_print_is_read_as_numbers() {
        let shape = |text: &str| numbers(text.as_bytes(), "x").map(|array| array.shape().to_vec());
        assert_eq!(shape("3\n").unwrap(), Vec::<usize>::new());
        assert_eq!(shape("3\n4\n").unwrap(), [2]);
        assert_eq!(shape("3 4\n5,6\n\n").unwrap(), [2, 2]);
        assert_eq!(shape("").unwrap(), [0]);
        assert_eq!(shape("3 4\n5\n").unwrap_err().0, "`x`, line 2: 1 numbers where others have 2");
        assert_eq!(shape("3\nfour\n").unwrap_err().0, "`x`, line 2: `four` is no number");
        assert!(numbers(&[255], "x").is_err());
    }
}
