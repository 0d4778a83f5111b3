//! Formulas: expressions of single values, in `let`, in `where`, and in the brackets of `{sim[T = 2*i]}`.
//!
//! The language is that of `array` without the arrays: numbers, names, operators and element-wise functions. Integers
//! are integers of 64 bits. A formula that is accepted, and whose names have the right types, has a value for every
//! instance, but where an integer leaves 64 bits: [`Formula::bounds`] tells beforehand whether it can. Start at
//! [`Formula`].

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::arrays::exact::{float_of, no_float};
use crate::arrays::syntax::ast::{BinaryOp, ExprNode, Literal, NodeKind};
use crate::arrays::{self, Expr, Function};
use crate::script::sweep::formula_bounds::{Bounds, bounds};
use crate::script::sweep::formula_check::{kind, scalar};
use crate::script::sweep::formula_eval::FormulaEval;
use crate::script::sweep::lane::{Lane, Values};
use crate::script::values::value::{Scalar, ScriptValue};

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
        match value.scalar() {
            Scalar::Int(_) | Scalar::Bool(_) => FormulaType::Whole,
            Scalar::Float(_) => FormulaType::Number,
            Scalar::Text(_) => FormulaType::Text,
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
pub(crate) type KnownName = (NameInput, FormulaType, ScriptValue);

/// An expression of single values, no arrays, as in `let` and `where`: parsed and type-checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Formula {
    expr: Expr,
    names: Vec<(String, NameInput)>,
    /// The type of the value, the same for all instances. [`FormulaType::Whole`] if all operands are integers and no
    /// operation gives a fraction.
    kind: FormulaType,
    /// Whether the whole formula is a call of `number(..)`. Then the value keeps the spelling of the text, such as
    /// `0012`.
    reads: bool,
    alone: Option<Alone>,
}

/// A formula that is only a name, a string or a boolean, without an operation. Its value keeps its type and spelling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Alone {
    Text(String),
    Name(FormulaType),
    Bool(bool),
}

/// A mistake in a formula, with its place: a range of bytes in the formula's text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FormulaError {
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// The unknown name, if an unknown name is the mistake; otherwise `None`.
    pub(crate) unknown: Option<String>,
    /// Whether the fault is in the values of an instance, such as an integer that is too large, and not in the formula.
    pub(crate) of_value: bool,
}

impl FormulaError {
    /// A fault that a formula has whatever the values of its names are.
    pub(crate) fn of_type(range: Range<usize>, message: String) -> Self {
        FormulaError { range, message, help: None, unknown: None, of_value: false }
    }

    /// A fault of the values that names have in some instance.
    pub(crate) fn of_value(range: Range<usize>, message: String) -> Self {
        FormulaError { of_value: true, ..Self::of_type(range, message) }
    }
}

impl From<arrays::ExprError> for FormulaError {
    fn from(error: arrays::ExprError) -> Self {
        // The messages are those of array expressions, except for the name of the language.
        let message = error.message.replace("an array expression", "an expression");
        FormulaError { help: error.help, ..Self::of_type(error.range, message) }
    }
}

impl<'a> From<&'a ScriptValue> for Values<'a> {
    fn from(value: &'a ScriptValue) -> Self {
        match value.scalar() {
            Scalar::Int(number) => Values::Ints(Lane::One(number)),
            Scalar::Bool(truth) => Values::Ints(Lane::One(i64::from(truth))),
            Scalar::Float(number) => Values::Floats(Lane::One(number)),
            Scalar::Text(text) => Values::Texts(Lane::One(text.into())),
        }
    }
}

impl Formula {
    /// Creates a formula of its text, which is parsed and type-checked. `lookup` gives the source of a name's value,
    /// its type, and a sample value; `None` for an unknown name.
    pub(crate) fn new(text: &str, lookup: &dyn Fn(&str) -> Option<KnownName>) -> Result<Self, FormulaError> {
        let expr = Expr::parse(text)?;
        let (mut names, mut samples): (Vec<(String, NameInput)>, Vec<ScriptValue>) = Default::default();
        let mut types: HashMap<String, FormulaType> = HashMap::new();
        for (name, range) in expr.names() {
            if types.contains_key(&name) {
                continue;
            }
            let Some((input, kind, sample)) = lookup(&name) else {
                let message = format!("unknown name `{name}` in an expression");
                return Err(FormulaError { unknown: Some(name), ..FormulaError::of_type(range, message) });
            };
            if kind == FormulaType::Mixed {
                let message = format!("`{name}` is a number and a string by turns");
                let help = Some(
                    "give it values of one type; integers beyond 2**53 and floats are of two".to_string(),
                );
                return Err(FormulaError { help, ..FormulaError::of_type(range, message) });
            }
            types.insert(name.clone(), kind);
            names.push((name, input));
            samples.push(sample);
        }
        scalar(expr.root())?;
        let kind = kind(expr.root(), &types);
        let reads = matches!(&expr.root().kind, NodeKind::Call(call) if call.function == Function::Number);
        let alone = match &expr.root().kind {
            NodeKind::Text(text) => Some(Alone::Text(text.clone())),
            NodeKind::Number(Literal::Bool(truth)) => Some(Alone::Bool(*truth)),
            NodeKind::Name { name, .. } => types.get(name).map(|kind| Alone::Name(*kind)),
            _ => None,
        };
        let formula = Formula { expr, names, kind, reads, alone };
        if formula.alone.is_none() {
            // Only types can go wrong here, so one instance stands for all.
            let sample = |at: usize| samples.get(at);
            match formula.evaluate(&sample, true) {
                Err(error) if !error.of_value => return Err(error),
                _ => {}
            }
        }
        Ok(formula)
    }

    /// The sources of the values of all names in the formula.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &NameInput> {
        self.names.iter().map(|(_, input)| input)
    }

    /// Returns the parameter and the number that is added to it, of a formula such as `i`, `i - 1` or `n + i`, where
    /// `n` is a variable. `None` for any other formula.
    pub(crate) fn offset(&self) -> Option<(usize, i64)> {
        let input = |node: &ExprNode| match &node.kind {
            NodeKind::Name { name, .. } => self.names.get(self.place(name)?).map(|(_, input)| input),
            _ => None,
        };
        let param =
            |node: &ExprNode| if let Some(NameInput::Param(at)) = input(node) { Some(*at) } else { None };
        let constant = |node: &ExprNode| match (&node.kind, input(node)) {
            (NodeKind::Number(literal), _) => literal.as_integer(),
            (_, Some(NameInput::Var(ScriptValue::Int(number)))) => Some(*number),
            _ => None,
        };
        let root = self.expr.root();
        match &root.kind {
            NodeKind::Binary(BinaryOp::Add, a, b) => {
                let sides = |a: &ExprNode, b: &ExprNode| Some((param(a)?, constant(b)?));
                sides(a, b).or_else(|| sides(b, a))
            }
            NodeKind::Binary(BinaryOp::Sub, a, b) => Some((param(a)?, constant(b)?.checked_neg()?)),
            _ => Some((param(root)?, 0)),
        }
    }

    pub(crate) fn kind(&self) -> FormulaType {
        match self.alone {
            Some(Alone::Text(_)) => FormulaType::Text,
            Some(Alone::Name(kind)) => kind,
            Some(Alone::Bool(_)) => FormulaType::Whole,
            None => self.kind,
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|(known, _)| known == name)
    }

    fn evaluate<'a>(
        &'a self,
        value: &dyn Fn(usize) -> Option<&'a ScriptValue>,
        strict: bool,
    ) -> Result<Values<'a>, FormulaError> {
        self.with_evaluator(value, strict, &|eval| eval.value(self.expr.root()))
    }

    fn with_evaluator<'a, T>(
        &'a self,
        value: &dyn Fn(usize) -> Option<&'a ScriptValue>,
        strict: bool,
        evaluate: &dyn Fn(&FormulaEval<'_, 'a>) -> Result<T, FormulaError>,
    ) -> Result<T, FormulaError> {
        let found = |name: &str| self.place(name).and_then(value);
        evaluate(&FormulaEval {
            named: &|name| {
                found(name).map(Values::from).ok_or_else(|| {
                    FormulaError::of_type(0..0, format!("internal error: no value of `{name}`"))
                })
            },
            spelled: &|name| found(name).map(|value| Lane::One(value.to_string().into())),
            strict,
        })
    }

    /// Evaluates a formula that is a call of `number(..)` to a number that keeps its spelling.
    fn read_number<'a>(
        &'a self,
        value: &dyn Fn(usize) -> Option<&'a ScriptValue>,
    ) -> Result<ScriptValue, FormulaError> {
        let argument = match &self.expr.root().kind {
            NodeKind::Call(call) => call.named.first().and_then(Option::as_ref),
            _ => None,
        };
        let lost = || FormulaError::of_type(0..0, "an argument is missing".to_owned());
        let argument = argument.ok_or_else(lost)?;
        let read = self.with_evaluator(value, false, &|eval| eval.read_number(argument))?;
        read.first().cloned().ok_or_else(lost)
    }

    /// Evaluates the formula for one instance. `values` are the values of its parameters: the first `count` are given,
    /// the others are derived (computed by `let`).
    ///
    /// # Errors
    /// When an integer does not fit into 64 bits.
    pub(crate) fn try_at(&self, values: &[ScriptValue], count: usize) -> Result<ScriptValue, FormulaError> {
        let value = |at: usize| match &self.names.get(at)?.1 {
            NameInput::Param(at) => values.get(*at),
            NameInput::Derived(at) => values.get(count + at),
            NameInput::Var(value) => Some(value),
        };
        match &self.alone {
            Some(Alone::Text(text)) => return Ok(ScriptValue::Text(text.clone())),
            Some(Alone::Bool(truth)) => return Ok(ScriptValue::Bool(*truth)),
            Some(Alone::Name(_)) => return Ok(value(0).cloned().unwrap_or(ScriptValue::Int(0))),
            None => {}
        }
        if self.reads {
            return self.read_number(&value);
        }
        Ok(match self.evaluate(&value, false)? {
            Values::Ints(lane) => {
                let number = lane.first().copied().unwrap_or(0);
                if self.kind == FormulaType::Whole {
                    return Ok(ScriptValue::Int(number));
                }
                let root = || self.expr.root().span.clone();
                let float = float_of(number);
                ScriptValue::Float(float.ok_or_else(|| FormulaError::of_value(root(), no_float(number)))?)
            }
            Values::Floats(lane) => ScriptValue::Float(lane.first().copied().unwrap_or(f64::NAN)),
            Values::Texts(lane) => {
                ScriptValue::Text(lane.first().map_or_else(String::new, |text| text.to_string()))
            }
        })
    }

    /// Evaluates the formula as [`Formula::try_at`] does, where it has been checked that no integer is too large.
    pub(crate) fn at(&self, values: &[ScriptValue], count: usize) -> ScriptValue {
        self.try_at(values, count).unwrap_or(ScriptValue::Float(f64::NAN))
    }

    /// Evaluates the formula for many instances at once. `named` gives the values of a name for all of them, and
    /// `spelled` their texts.
    ///
    /// # Errors
    /// When the formula has no value for some of them.
    pub(crate) fn column<'a>(
        &'a self,
        named: &dyn Fn(&'a NameInput) -> Result<Values<'a>, FormulaError>,
        spelled: &dyn Fn(&'a NameInput) -> Option<Lane<Cow<'a, str>>>,
    ) -> Result<Values<'a>, FormulaError> {
        let input = |name: &str| Some(&self.names.get(self.place(name)?)?.1);
        let lost = |name: &str| FormulaError::of_type(0..0, format!("internal error: no value of `{name}`"));
        let eval = FormulaEval {
            named: &|name| input(name).ok_or_else(|| lost(name)).and_then(named),
            spelled: &|name| input(name).and_then(spelled),
            strict: false,
        };
        eval.value(self.expr.root())
    }

    /// Returns numbers between which the value lies for all instances, given such numbers for each name, and whether
    /// the formula may have no value for some instance.
    pub(crate) fn bounds(&self, named: &dyn Fn(&NameInput) -> Bounds) -> (Bounds, bool) {
        let input = |name: &str| self.place(name).and_then(|at| self.names.get(at));
        let named = |name: &str| input(name).map_or(Bounds::Texts(0), |(_, input)| named(input));
        let (found, mut fails) = bounds(self.expr.root(), &named);
        if self.alone.is_none() && self.kind == FormulaType::Number {
            fails |= found.to_floats().1;
        }
        (found, fails)
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
        try_value(text).unwrap()
    }

    fn try_value(text: &str) -> Result<ScriptValue, FormulaError> {
        let small = || ScriptValue::Text("small".into());
        let values = [ScriptValue::Int(7), ScriptValue::Float(2.5), small(), small()];
        formula(text).unwrap().try_at(&values, values.len())
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
    fn truth_has_names() {
        let shown =
            ["true", "false", "!true", "true && i == 7", "x > 3 || false", "where(true, i, 1)", "i == true"]
                .map(|t| value(t).to_string());
        assert_eq!(shown, ["true", "false", "0", "1", "0", "7", "0"]);
        assert!(formula("true(1)").is_err());
    }

    #[test]
    fn integers_are_exact_or_told() {
        let large = "9007199254740993"; // 2^53 + 1
        for (text, shown) in [
            (large, large),
            ("9007199254740992 + 1", large),
            ("9007199254740994 - 1", large),
            ("3002399751580331 * 3", large),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("-9223372036854775807 - 1", "-9223372036854775808"),
            ("-9223372036854775808 % -1", "0"),
            ("9007199254740993 % 2", "1"),
            ("-7 % 3", "2"),
            ("7 % -3", "-2"),
            ("3 ** 39", "4052555153018976267"),
            ("(-1) ** 9223372036854775807", "-1"),
            ("2 ** 0", "1"),
            ("abs(-9223372036854775807)", "9223372036854775807"),
            ("clip(9007199254740993, 0, 9223372036854775807)", large),
            ("where(i > 3, 9007199254740993, 0)", large),
            ("9007199254740993 == 9007199254740992.0", "0"),
            ("9007199254740993 > 9007199254740992.0", "1"),
            ("9223372036854775807 < 9223372036854775808.0", "1"),
            ("-9223372036854775808 >= -9223372036854775808.0", "1"),
            ("9007199254740993 == 9007199254740992", "0"),
            ("floor(9007199254740992.0)", "9007199254740992"),
            ("i == 0 || 9223372036854775807 > i", "1"),
            ("i > 0 || 9223372036854775807 + i > 0", "1"),
            ("i < 0 && 1 % 0", "0"),
            ("where(i > 0, i, 1 % 0)", "7"),
        ] {
            assert_eq!(try_value(text).map(|value| value.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for (text, range, message) in [
            ("1 + 9223372036854775807 + 1", 0..23, "1 + 9223372036854775807 does not fit into 64 bits"),
            ("2 ** 63", 0..7, "2 ** 63 does not fit into 64 bits"),
            ("-9223372036854775808 * -1", 0..25, "-9223372036854775808 * -1 does not fit into 64 bits"),
            ("1 - -9223372036854775808", 0..24, "1 - -9223372036854775808 does not fit into 64 bits"),
            ("-(-9223372036854775808)", 0..23, "a result does not fit into 64 bits"),
            ("abs(-9223372036854775808)", 0..25, "a result does not fit into 64 bits"),
            ("i % 0", 0..5, "the rest of 7 by 0 is no number"),
            ("9007199254740993 * 1.0", 0..22, "9007199254740993 is beyond 2**53, and no 64-bit float"),
            ("sqrt(9007199254740993)", 0..22, "9007199254740993 is beyond 2**53, and no 64-bit float"),
            ("i > 0 && 2 ** 64 > 0", 9..16, "2 ** 64 does not fit into 64 bits"),
        ] {
            let error = try_value(text).unwrap_err();
            assert_eq!((error.range, error.message.as_str()), (range, message), "{text}");
            assert!(formula(text).unwrap().bounds(&|_| Bounds::Ints(7, 7)).1, "{text}");
        }
        let unread = |text: &str| formula(text).unwrap_err().message;
        assert_eq!(unread("9223372036854775808"), "this integer does not fit into 64 bits");
        assert_eq!(
            unread("i + 18446744073709551616"),
            "`18446744073709551616` does not fit into 64 bits; `18446744073709551616.0` is a float"
        );
    }

    #[test]
    fn a_cell_is_a_text_beside_a_text() {
        let cell = ScriptValue::read("0101").unwrap();
        let told = |text: &str| {
            let formula =
                Formula::new(text, &|_| Some((NameInput::Param(0), FormulaType::Whole, cell.clone())));
            formula
                .map(|formula| formula.at(std::slice::from_ref(&cell), 1).to_string())
                .map_err(|e| e.message)
        };
        let shown = ["c == '0101'", "c == '101'", "c == 101", "'0101' != c", "c + 1", "c"].map(told);
        assert_eq!(shown, ["1", "0", "1", "0", "102", "0101"].map(|text| Ok(text.to_owned())));
        assert_eq!(told("c == 'abc'"), Err("the text `abc` is no number".to_owned()));
    }

    #[test]
    fn columns_are_what_single_values_are() {
        let names =
            ["i >= 2 && x < 3 || i == n", "i * n - 1", "-x", "floor(x / 2)", "i ** 2 % 7", "!(i - 2)"];
        let (i, x) = ([1, 2, 10], [0.0, 1.0, 5.0]);
        for text in names {
            let formula = formula(text).unwrap();
            let column = formula.column(
                &|input| {
                    Ok(match input {
                        NameInput::Param(0) => Values::Ints(Lane::Many(i.to_vec())),
                        NameInput::Param(1) => Values::Floats(Lane::Many(x.to_vec())),
                        _ => Values::Ints(Lane::One(10)),
                    })
                },
                &|_| None,
            );
            let singles =
                i.iter().zip(x).map(|(i, x)| formula.at(&[ScriptValue::Int(*i), ScriptValue::Float(x)], 2));
            match column.unwrap() {
                Values::Ints(Lane::Many(all)) => {
                    assert!(all.into_iter().map(ScriptValue::Int).eq(singles), "{text}")
                }
                Values::Floats(Lane::Many(all)) => {
                    assert!(all.into_iter().map(ScriptValue::Float).eq(singles), "{text}")
                }
                other => panic!("{text}: {other:?}"),
            }
        }
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
