//! Formulas: expressions of single values, in `let`, in `where`, and in the brackets of `{sim[T = 2*i]}`.
//!
//! The language is that of `array` without the arrays: numbers, names, operators and element-wise functions. It is
//! total: a formula that is accepted, and whose names have the right types, has a value for every instance. Start at
//! [`Formula`].

use crate::arrays::exact::MAX_EXACT_INTEGER;
use std::collections::HashMap;
use std::ops::Range;

use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use crate::arrays::syntax::ast::{BinaryOp, ExprNode, Literal, NodeKind, UnaryOp};
use crate::arrays::{self, Expr, Function, Map, RandomContext};
use crate::script::values::value::ScriptValue;

/// The source of the value that a name in a formula stands for. A formula is an expression of single values, as in
/// `let`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum NameInput {
    /// The task's parameter of that number, one that `for`, `zip` or `each` gives it.
    Param(usize),
    /// The task's derived parameter of that number, which `let` computes from other parameters.
    Derived(usize),
    /// A variable of the script, with its value.
    Var(ScriptValue),
}

/// The type of the values that a name in a formula can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FormulaType {
    Whole,
    Number,
    Text,
    /// Numbers for some instances and strings for others. A formula with a name of this type is refused.
    Mixed,
}

impl FormulaType {
    pub(crate) fn of(value: &ScriptValue) -> Self {
        match value {
            ScriptValue::Int(_) | ScriptValue::Bool(_) => FormulaType::Whole,
            ScriptValue::Float(_) => FormulaType::Number,
            ScriptValue::Text(_) | ScriptValue::Path(_) => FormulaType::Text,
        }
    }

    /// Returns the type of a list in which values of both types occur: the common type, or [`FormulaType::Mixed`].
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (FormulaType::Whole | FormulaType::Number, FormulaType::Whole | FormulaType::Number) => {
                FormulaType::Number
            }
            _ => FormulaType::Mixed,
        }
    }
}

/// A name that a formula can use: the source of its value, its type, and a sample value, with which the formula is
/// tried.
pub(crate) type Known = (NameInput, FormulaType, ScriptValue);

/// An expression of single values, no arrays, as in `let` and `where`: parsed and type-checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Formula {
    expr: Expr,
    names: Vec<(String, NameInput)>,
    /// Whether the value is an integer for every instance: all operands are integers, and no operation makes a
    /// fraction.
    whole: bool,
    texts: bool,
    alone: Option<Alone>,
}

/// A formula that is only a name or a string, without an operation. Its value keeps its type, where other formulas
/// compute with floats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Alone {
    Text(String),
    Name(FormulaType),
}

/// A mistake in a formula, with its place: a range of bytes in the formula's text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FormulaError {
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// The unknown name, if an unknown name is the mistake; otherwise `None`.
    pub(crate) unknown: Option<String>,
}

impl From<arrays::ExprError> for FormulaError {
    fn from(error: arrays::ExprError) -> Self {
        // The messages are those of array expressions, except for the name of the language.
        let message = error.message.replace("an array expression", "an expression");
        FormulaError { range: error.range, message, help: error.help, unknown: None }
    }
}

impl Formula {
    /// Creates a formula of its text, which is parsed and type-checked. `lookup` gives the source of a name's value,
    /// its type, and a sample value; `None` for an unknown name.
    pub(crate) fn new(text: &str, lookup: &dyn Fn(&str) -> Option<Known>) -> Result<Self, FormulaError> {
        let expr = Expr::parse(text)?;
        let (mut names, mut samples, mut texts): (Vec<(String, NameInput)>, Vec<ScriptValue>, bool) =
            (Vec::new(), Vec::new(), false);
        let mut types: HashMap<String, FormulaType> = HashMap::new();
        let fault = |range, message, help| FormulaError { range, message, help, unknown: None };
        for (name, range) in expr.names() {
            if types.contains_key(&name) {
                continue;
            }
            let Some((input, kind, sample)) = lookup(&name) else {
                let message = format!("unknown name `{name}` in an expression");
                return Err(FormulaError { unknown: Some(name), ..fault(range, message, None) });
            };
            if kind == FormulaType::Mixed {
                let help = "give it values of one type".to_string();
                return Err(fault(range, format!("`{name}` is a number and a string by turns"), Some(help)));
            }
            texts |= kind == FormulaType::Text;
            types.insert(name.clone(), kind);
            names.push((name, input));
            samples.push(sample);
        }
        scalar(expr.root())?;
        let whole = whole(expr.root(), &types);
        let alone = match &expr.root().kind {
            NodeKind::Text(text) => Some(Alone::Text(text.clone())),
            NodeKind::Name { name, .. } => types.get(name).map(|kind| Alone::Name(*kind)),
            _ => None,
        };
        let formula = Formula { expr, names, whole, texts, alone };
        if formula.alone.is_some() {
            return Ok(formula);
        }
        // A formula fails by the types of its operands, never by their values. So if it has a value for the samples, it
        // has one for every instance.
        let bound = |at: usize| samples.get(at).cloned().unwrap_or(ScriptValue::Int(0));
        formula.number(&bound)?;
        Ok(formula)
    }

    /// The sources of the values of all names in the formula.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &NameInput> {
        self.names.iter().map(|(_, input)| input)
    }

    /// Whether strings occur in the formula, so that it cannot be evaluated for many instances at once.
    pub(crate) fn has_texts(&self) -> bool {
        self.texts || self.is_text()
    }

    /// Whether the value of the formula is a string.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.alone, Some(Alone::Text(_)) | Some(Alone::Name(FormulaType::Text)))
    }

    pub(crate) fn kind(&self) -> FormulaType {
        match self.alone {
            Some(Alone::Text(_)) => FormulaType::Text,
            Some(Alone::Name(kind)) => kind,
            None if self.whole => FormulaType::Whole,
            None => FormulaType::Number,
        }
    }

    fn number(&self, value: &dyn Fn(usize) -> ScriptValue) -> Result<f64, arrays::ExprError> {
        let scope = FormulaNames { names: &self.names, values: FormulaValues::Single(value) };
        let found = self.expr.eval(&scope)?.into_f64();
        Ok(found.first().copied().unwrap_or(f64::NAN))
    }

    /// Evaluates the formula for one instance; `value` gives the value of each name in it.
    pub(crate) fn value(&self, value: &dyn Fn(&NameInput) -> ScriptValue) -> ScriptValue {
        let bound = |at: usize| self.names.get(at).map_or(ScriptValue::Int(0), |(_, input)| value(input));
        match &self.alone {
            Some(Alone::Text(text)) => return ScriptValue::Text(text.clone()),
            Some(Alone::Name(_)) => return bound(0),
            None => {}
        }
        let found = self.number(&bound).unwrap_or(f64::NAN);
        if self.whole && found.fract() == 0.0 && found.abs() <= MAX_EXACT_INTEGER {
            ScriptValue::Int(found as i64)
        } else {
            ScriptValue::Float(found)
        }
    }

    /// Evaluates the formula for one instance. `values` are the values of its parameters: the first `count` are given,
    /// the others are derived (computed by `let`).
    pub(crate) fn at(&self, values: &[ScriptValue], count: usize) -> ScriptValue {
        self.value(&|input| {
            let known = match input {
                NameInput::Param(at) => values.get(*at),
                NameInput::Derived(at) => values.get(count + at),
                NameInput::Var(value) => Some(value),
            };
            known.cloned().unwrap_or(ScriptValue::Int(0))
        })
    }

    /// Evaluates a formula without strings for `len` instances at once; `column` gives the values of a name for all of
    /// them.
    pub(crate) fn column(&self, len: usize, column: &dyn Fn(&NameInput) -> Vec<f64>) -> Vec<f64> {
        let columns: Vec<ArrayD<f64>> =
            self.names.iter().map(|(_, input)| ndarray::Array1::from_vec(column(input)).into_dyn()).collect();
        let scope = FormulaNames { names: &self.names, values: FormulaValues::Columns(&columns) };
        let found = self.expr.eval(&scope);
        match found.map(arrays::ArrayValue::into_f64) {
            // A formula of constants alone has one value for all instances.
            Ok(one) if one.ndim() == 0 => vec![one.first().copied().unwrap_or(f64::NAN); len],
            Ok(many) => many.into_iter().collect(),
            Err(_) => vec![f64::NAN; len],
        }
    }
}

/// Refuses operations of the array language that make arrays or take them apart, since a formula has single values
/// only.
fn scalar(node: &ExprNode) -> Result<(), FormulaError> {
    let fault = |message: String| FormulaError {
        range: node.span.clone(),
        message,
        help: Some(
            "there are numbers, names, operators, `sqrt exp log sin cos tan abs floor clip where`".into(),
        ),
        unknown: None,
    };
    match &node.kind {
        NodeKind::Call(call) => match call.function {
            Function::Map(_) | Function::Clip | Function::Where => {}
            _ => {
                return Err(fault(format!(
                    "`{}` is for arrays, and this is about single values",
                    call.signature().name
                )));
            }
        },
        NodeKind::Index(..) | NodeKind::List(_) => {
            return Err(fault("arrays have no place here".to_string()));
        }
        _ => {}
    }
    let mut wrong = None;
    node.children(&mut |child| wrong = wrong.take().or_else(|| scalar(child).err()));
    wrong.map_or(Ok(()), Err)
}

fn whole(node: &ExprNode, types: &HashMap<String, FormulaType>) -> bool {
    let all = || {
        let mut all = true;
        node.children(&mut |child| all &= whole(child, types));
        all
    };
    match &node.kind {
        NodeKind::Number(literal) => matches!(literal, Literal::Int(_)),
        NodeKind::Name { name, .. } => types.get(name) == Some(&FormulaType::Whole),
        NodeKind::Unary(UnaryOp::Neg, a) => whole(a, types),
        NodeKind::Unary(UnaryOp::Not, _) => true,
        NodeKind::Binary(
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Rem | BinaryOp::Pow,
            ..,
        ) => all(),
        NodeKind::Binary(BinaryOp::Div, ..) => false,
        NodeKind::Binary(..) => true,
        NodeKind::Call(call) => match call.function {
            Function::Map(Map::Floor) => true,
            Function::Map(Map::Abs) | Function::Clip => all(),
            Function::Where => {
                ["a", "b"].iter().all(|arg| call.arg(arg).is_some_and(|node| whole(node, types)))
            }
            _ => false,
        },
        _ => false,
    }
}

enum FormulaValues<'a> {
    Single(&'a dyn Fn(usize) -> ScriptValue),
    Columns(&'a [ArrayD<f64>]),
}

struct FormulaNames<'a> {
    names: &'a [(String, NameInput)],
    values: FormulaValues<'a>,
}

impl arrays::Scope for FormulaNames<'_> {
    fn get(&self, name: &str) -> Option<arrays::Binding<'_>> {
        let at = self.names.iter().position(|(known, _)| known == name)?;
        Some(match &self.values {
            FormulaValues::Columns(columns) => arrays::Binding::Array(columns.get(at)?.into()),
            FormulaValues::Single(value) => match value(at) {
                ScriptValue::Int(number) => arrays::Binding::Number(number as f64),
                ScriptValue::Float(number) => arrays::Binding::Number(number),
                ScriptValue::Bool(truth) => arrays::Binding::Number(f64::from(u8::from(truth))),
                ScriptValue::Text(text) | ScriptValue::Path(text) => arrays::Binding::Text(text.into()),
            },
        })
    }

    fn context(&self) -> RandomContext {
        // Only `random` reads these two, and a formula with a call of it has been refused.
        RandomContext { task: 0, index: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formula(text: &str) -> Result<Formula, FormulaError> {
        Formula::new(text, &|name| match name {
            "i" => Some((NameInput::Param(0), FormulaType::Whole, ScriptValue::Int(1))),
            "x" => Some((NameInput::Param(1), FormulaType::Number, ScriptValue::Float(0.5))),
            "m" => Some((NameInput::Param(2), FormulaType::Text, ScriptValue::Text("small".into()))),
            "n" => Some((NameInput::Var(ScriptValue::Int(10)), FormulaType::Whole, ScriptValue::Int(10))),
            "mix" => Some((NameInput::Param(3), FormulaType::Mixed, ScriptValue::Int(1))),
            _ => None,
        })
    }

    fn value(text: &str) -> ScriptValue {
        formula(text).unwrap().value(&|input| match input {
            NameInput::Param(0) => ScriptValue::Int(7),
            NameInput::Param(1) => ScriptValue::Float(2.5),
            NameInput::Var(value) => value.clone(),
            _ => ScriptValue::Text("small".into()),
        })
    }

    #[test]
    fn integers_stay_integers() {
        let shown =
            ["2*i + 1", "i / 2", "floor(i / 2)", "i % n", "i < 3", "x * 2", "-i", "2 ** i", "i ** -1"]
                .map(|t| value(t).to_string());
        assert_eq!(shown[..8], ["15", "3.5", "3", "7", "0", "5.0", "-7", "128"]);
        assert!(matches!(value("i ** -1"), ScriptValue::Float(_)));
        assert!(matches!(value("where(m == 'small', i, n)"), ScriptValue::Int(7)));
    }

    #[test]
    fn columns_are_what_single_values_are() {
        let text = formula("i >= 2 && x < 3 || i == n").unwrap();
        let column = text.column(3, &|input| match input {
            NameInput::Param(0) => vec![1.0, 2.0, 10.0],
            NameInput::Param(1) => vec![0.0, 1.0, 5.0],
            _ => vec![10.0; 3],
        });
        assert_eq!(column, [0.0, 1.0, 1.0]);
        assert_eq!(formula("1 < 2").unwrap().column(2, &|_| vec![]), [1.0, 1.0]);
    }

    #[test]
    fn what_is_no_formula() {
        let error = |text: &str| formula(text).unwrap_err();
        assert_eq!((error("i + q").range, error("i + q").unknown), (4..5, Some("q".into())));
        assert_eq!(error("zeros(3)").message, "`zeros` is for arrays, and this is about single values");
        assert_eq!(error("i[0]").message, "arrays have no place here");
        assert_eq!(error("mix > 1").message, "`mix` is a number and a string by turns");
        assert_eq!(error("m + 1").message, "the text `small` is no number");
        assert_eq!(error("i <").message, "expected a value, the expression ends");
    }
}
