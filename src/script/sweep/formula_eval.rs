//! The evaluator of formulas: a walk over the syntax tree, with integers as integers.
//!
//! Integers have 64 bits, and a result that does not fit is a fault, never a float nearby. An integer becomes a float
//! only where it is exactly one. Comparisons of the two are exact. Start at [`FormulaEval::value`].

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::arrays::exact::{compare, float_of, integer_of, no_float, sign, whole_result};
use crate::arrays::syntax::ast::{BinaryOp, ExprNode, Literal, NodeKind, Subscript, UnaryOp};
use crate::arrays::{Function, Map};
use crate::script::sweep::expression::FormulaError;
use crate::script::sweep::formula_check::split_call;
use crate::script::sweep::lane::{Lane, Values};
use crate::script::values::value::{Scalar, ScriptValue};

/// The evaluator of one formula for some cells.
pub(super) struct FormulaEval<'e, 'a> {
    /// Gives the values of a name.
    pub(super) named: &'e dyn Fn(&str) -> Result<Values<'a>, FormulaError>,
    /// Gives the texts of a name's values, for a comparison of a number with a text.
    pub(super) spelled: &'e dyn Fn(&str) -> Option<Lane<Cow<'a, str>>>,
    /// Whether both sides of `&&`, `||` and `where` are evaluated even where one decides, to find mistakes in them.
    pub(super) strict: bool,
}

type Evaluated<'a> = Result<Values<'a>, FormulaError>;

impl<'a> FormulaEval<'_, 'a> {
    /// Evaluates a subexpression. A fault of one cell is the fault of all: who wants to know which cell evaluates them
    /// one by one, where `&&` and `||` guard what stands behind them.
    pub(super) fn value(&self, node: &ExprNode) -> Evaluated<'a> {
        match &node.kind {
            NodeKind::Index(inner, subscripts) => match (split_call(inner), &subscripts[..]) {
                (Some(split), [Subscript::Index(at)]) => self.part(split, at, node),
                _ => Err(FormulaError::of_type(node.span.clone(), "arrays have no place here".to_owned())),
            },
            NodeKind::Number(Literal::Float(number)) => Ok(Values::Floats(Lane::One(*number))),
            NodeKind::Number(literal) => {
                Ok(Values::Ints(Lane::One(literal.as_integer().unwrap_or_default())))
            }
            NodeKind::Text(text) => Ok(Values::Texts(Lane::One(text.clone().into()))),
            // a fault in a derived parameter is shown where this formula names it
            NodeKind::Name { name, span } => {
                (self.named)(name).map_err(|error| FormulaError { range: span.clone(), ..error })
            }
            NodeKind::Unary(op, a) => {
                let value = number(self.value(a)?, a)?;
                match op {
                    UnaryOp::Not => Ok(truths(value.truth(), |x| !x)),
                    UnaryOp::Neg => match value {
                        Values::Ints(lane) => ints(lane.try_map(i64::checked_neg), node),
                        value => Ok(Values::Floats(to_floats(value, a)?.map(|x| -x))),
                    },
                }
            }
            NodeKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), a, b) => {
                let left = number(self.value(a)?, a)?.truth();
                let decides = *op == BinaryOp::Or;
                if !self.strict && left.one() == Some(&decides) {
                    return Ok(truths(left, |x| x));
                }
                let right = number(self.value(b)?, b)?.truth();
                Ok(truths(left.zip(right, |a, b| if decides { a || b } else { a && b }), |x| x))
            }
            NodeKind::Binary(op, a, b) => self.binary(*op, a, b, node),
            NodeKind::Call(call) => {
                let argument = |at: usize| {
                    call.named.get(at).and_then(Option::as_ref).ok_or_else(|| {
                        FormulaError::of_type(node.span.clone(), "an argument is missing".to_owned())
                    })
                };
                match call.function {
                    Function::Map(function) => {
                        let x = argument(0)?;
                        map(function, number(self.value(x)?, x)?, node)
                    }
                    Function::Clip => {
                        let value = |at| argument(at).and_then(|node| number(self.value(node)?, node));
                        let [x, low, high] = alike([value(0)?, value(1)?, value(2)?], node)?;
                        let raised = extreme(x, low, Ordering::Less);
                        Ok(extreme(raised, high, Ordering::Greater))
                    }
                    Function::Where => self.choice(argument(0)?, argument(1)?, argument(2)?, node),
                    Function::Text(function) => self.text_call(function, node, call),
                    Function::Number => {
                        let float = |value: ScriptValue| match value.scalar() {
                            Scalar::Int(number) => number as f64,
                            Scalar::Float(number) => number,
                            _ => f64::NAN,
                        };
                        Ok(Values::Floats(self.read_number(argument(0)?)?.map(float)))
                    }
                    _ => Err(FormulaError::of_type(node.span.clone(), "this is for arrays".to_owned())),
                }
            }
            NodeKind::List(_) | NodeKind::Else(..) | NodeKind::Optional(_) => {
                Err(FormulaError::of_type(node.span.clone(), "arrays have no place here".to_owned()))
            }
        }
    }

    fn binary(&self, op: BinaryOp, a: &ExprNode, b: &ExprNode, node: &ExprNode) -> Evaluated<'a> {
        let (x, y) = (self.value(a)?, self.value(b)?);
        if matches!(op, BinaryOp::Equal | BinaryOp::NotEqual)
            && let Some(same) = self.same_texts(&x, a, &y, b)
        {
            return Ok(truths(same, |same| same == (op == BinaryOp::Equal)));
        }
        let (x, y) = match (op, x, y) {
            (BinaryOp::Add, Values::Texts(x), Values::Texts(y)) => return Self::glued(x, y, node),
            (BinaryOp::Add, x, y) => (number(x, a).map_err(glue_help)?, number(y, b).map_err(glue_help)?),
            (_, x, y) => (number(x, a)?, number(y, b)?),
        };
        let holds: fn(Ordering) -> bool = match op {
            BinaryOp::Less => Ordering::is_lt,
            BinaryOp::LessEqual => Ordering::is_le,
            BinaryOp::Equal => Ordering::is_eq,
            BinaryOp::GreaterEqual => Ordering::is_ge,
            BinaryOp::Greater => Ordering::is_gt,
            // `nan` is unequal to all
            BinaryOp::NotEqual => return Ok(truths(compared(x, y, Ordering::is_eq), |same| !same)),
            _ => return arithmetic(op, x, y, node),
        };
        Ok(truths(compared(x, y, holds), |x| x))
    }

    /// Compares two texts for equality. A number that a name stands for is compared by its spelling with a text that
    /// reads as a number. `None` where both are numbers, or the comparison is a mistake.
    fn same_texts(&self, x: &Values<'a>, a: &ExprNode, y: &Values<'a>, b: &ExprNode) -> Option<Lane<bool>> {
        let texts = |value: &Values<'a>, node: &ExprNode, other: &Values<'a>| match (value, &node.kind, other)
        {
            (Values::Texts(lane), ..) => Some(lane.clone()),
            (_, NodeKind::Name { name, .. }, Values::Texts(Lane::One(other))) => {
                ScriptValue::read(other)?;
                (self.spelled)(name)
            }
            _ => None,
        };
        Some(texts(x, a, y)?.zip(texts(y, b, x)?, |a, b| a == b))
    }

    fn choice(&self, condition: &ExprNode, a: &ExprNode, b: &ExprNode, node: &ExprNode) -> Evaluated<'a> {
        let holds = number(self.value(condition)?, condition)?.truth();
        let (x, y) = (self.value(a), self.value(b));
        if let (Ok(Values::Texts(x)), Ok(Values::Texts(y))) = (&x, &y) {
            return Ok(Values::Texts(chosen(holds, x.clone(), y.clone())));
        }
        let value = |value: Evaluated<'a>, node| value.and_then(|value| number(value, node));
        let (x, y) = (value(x, a), value(y, b));
        if let (Some(holds), false) = (holds.one(), self.strict) {
            let (chosen, other) = if *holds { (x, y) } else { (y, x) };
            return match (chosen?, other) {
                (chosen @ Values::Ints(_), Ok(Values::Floats(_))) => {
                    Ok(Values::Floats(to_floats(chosen, node)?))
                }
                (chosen, _) => Ok(chosen),
            };
        }
        let [x, y] = alike([x?, y?], node)?;
        Ok(match (x, y) {
            (Values::Ints(x), Values::Ints(y)) => Values::Ints(chosen(holds, x, y)),
            (Values::Floats(x), Values::Floats(y)) => Values::Floats(chosen(holds, x, y)),
            (x, _) => x,
        })
    }
}

/// Adds to an error about `+` the help text on which operands it accepts.
fn glue_help(error: FormulaError) -> FormulaError {
    let help =
        "a text is added to a text: `text(x)` makes one of a number, and `number(x)` a number of a text";
    FormulaError { help: Some(help.to_owned()), ..error }
}

/// Refuses texts where a number is needed.
fn number<'a>(value: Values<'a>, node: &ExprNode) -> Evaluated<'a> {
    match &value {
        Values::Texts(lane) => {
            let text = lane.first().map_or("", |text| text.as_ref());
            Err(FormulaError::of_type(node.span.clone(), format!("the text `{text}` is no number")))
        }
        _ => Ok(value),
    }
}

/// Converts numbers to floats. An integer that no float has exactly is a fault.
fn to_floats(value: Values<'_>, node: &ExprNode) -> Result<Lane<f64>, FormulaError> {
    match value {
        Values::Floats(lane) => Ok(lane),
        Values::Ints(lane) => {
            let told = lane.one().map(|x| no_float(*x));
            lane.try_map(float_of).ok_or_else(|| {
                let message = told.unwrap_or_else(|| "an integer is no 64-bit float".to_owned());
                FormulaError::of_value(node.span.clone(), message)
            })
        }
        Values::Texts(_) => Err(FormulaError::of_type(node.span.clone(), "a text is no number".to_owned())),
    }
}

/// Converts numbers to one type: floats, unless all are integers.
fn alike<'a, const N: usize>(
    values: [Values<'a>; N],
    node: &ExprNode,
) -> Result<[Values<'a>; N], FormulaError> {
    if values.iter().all(|value| matches!(value, Values::Ints(_))) {
        return Ok(values);
    }
    let mut wrong = None;
    let values = values.map(|value| {
        Values::Floats(to_floats(value, node).unwrap_or_else(|error| {
            wrong = Some(error);
            Lane::One(f64::NAN)
        }))
    });
    wrong.map_or(Ok(values), Err)
}

fn arithmetic<'a>(op: BinaryOp, x: Values<'a>, y: Values<'a>, node: &ExprNode) -> Evaluated<'a> {
    let (x, y) = match (x, y) {
        (Values::Ints(x), Values::Ints(y)) if op != BinaryOp::Div => {
            if op != BinaryOp::Pow || !y.any(|y| *y < 0) {
                let (one, other) = (x.one().copied(), y.one().copied());
                let told = || match (one, other) {
                    (Some(x), Some(0)) if op == BinaryOp::Rem => format!("the rest of {x} by 0 is no number"),
                    (Some(x), Some(y)) => format!("{x} {} {y} does not fit into 64 bits", sign(op)),
                    _ => "a result does not fit into 64 bits".to_owned(),
                };
                let found = x.try_zip(y, |x, y| whole_result(op, x, y));
                return found
                    .map(Values::Ints)
                    .ok_or_else(|| FormulaError::of_value(node.span.clone(), told()));
            }
            if y.one().is_none() {
                // some powers are integers and some are not: cell by cell
                return Err(FormulaError::of_value(node.span.clone(), "a negative power".to_owned()));
            }
            (Values::Ints(x), Values::Ints(y))
        }
        other => other,
    };
    let (x, y) = (to_floats(x, node)?, to_floats(y, node)?);
    Ok(Values::Floats(x.zip(y, |x, y| float_result(op, x, y))))
}

fn map<'a>(function: Map, x: Values<'a>, node: &ExprNode) -> Evaluated<'a> {
    match (function, x) {
        (Map::Floor | Map::Ceil | Map::Round, Values::Ints(lane)) => Ok(Values::Ints(lane)),
        (Map::Isnan, Values::Ints(lane)) => Ok(truths(lane.map(|_| false), |x| x)),
        (Map::Isnan, Values::Floats(lane)) => Ok(truths(lane.map(f64::is_nan), |x| x)),
        (Map::Abs, Values::Ints(lane)) => ints(lane.try_map(i64::checked_abs), node),
        (Map::Floor | Map::Ceil | Map::Round, Values::Floats(lane)) => {
            let lane = lane.map(match function {
                Map::Floor => f64::floor,
                Map::Ceil => f64::ceil,
                _ => f64::round_ties_even,
            });
            let whole = lane.clone().try_map(integer_of);
            Ok(whole.map_or(Values::Floats(lane), Values::Ints))
        }
        (function, x) => {
            let f = match function {
                Map::Sqrt => f64::sqrt,
                Map::Exp => f64::exp,
                Map::Log => f64::ln,
                Map::Sin => f64::sin,
                Map::Cos => f64::cos,
                Map::Tan => f64::tan,
                Map::Abs => f64::abs,
                Map::Floor => f64::floor,
                Map::Ceil => f64::ceil,
                Map::Round => f64::round_ties_even,
                // has been answered
                Map::Isnan => |_| f64::NAN,
            };
            Ok(Values::Floats(to_floats(x, node)?.map(f)))
        }
    }
}

fn truths<'a>(lane: Lane<bool>, f: impl Fn(bool) -> bool) -> Values<'a> {
    Values::Ints(lane.map(|x| i64::from(f(x))))
}

fn ints<'a>(lane: Option<Lane<i64>>, node: &ExprNode) -> Evaluated<'a> {
    let told = || "a result does not fit into 64 bits".to_owned();
    lane.map(Values::Ints).ok_or_else(|| FormulaError::of_value(node.span.clone(), told()))
}

fn float_result(op: BinaryOp, x: f64, y: f64) -> f64 {
    match op {
        BinaryOp::Add => x + y,
        BinaryOp::Sub => x - y,
        BinaryOp::Mul => x * y,
        BinaryOp::Div => x / y,
        BinaryOp::Rem => crate::arrays::kernels::elementwise::modulo(x, y),
        _ => x.powf(y),
    }
}

fn compared(x: Values<'_>, y: Values<'_>, holds: fn(Ordering) -> bool) -> Lane<bool> {
    let is = |order: Option<Ordering>| order.is_some_and(holds);
    match (x, y) {
        (Values::Ints(x), Values::Ints(y)) => x.zip(y, |x, y| holds(x.cmp(&y))),
        (Values::Ints(x), Values::Floats(y)) => x.zip(y, |x, y| is(compare(x, y))),
        (Values::Floats(x), Values::Ints(y)) => x.zip(y, |x, y| is(compare(y, x).map(Ordering::reverse))),
        (Values::Floats(x), Values::Floats(y)) => x.zip(y, |x, y| is(x.partial_cmp(&y))),
        // texts have been refused
        _ => Lane::One(false),
    }
}

/// Replaces values of `x` by those of `limit` where they are `beyond` them; `nan` stays, as in numpy.
fn extreme<'a>(x: Values<'a>, limit: Values<'a>, beyond: Ordering) -> Values<'a> {
    match (x, limit) {
        (Values::Ints(x), Values::Ints(y)) => {
            Values::Ints(x.zip(y, |x, y| if x.cmp(&y) == beyond { y } else { x }))
        }
        (Values::Floats(x), Values::Floats(y)) => Values::Floats(
            x.zip(y, |x, y| if y.is_nan() || x.partial_cmp(&y) == Some(beyond) { y } else { x }),
        ),
        (x, _) => x,
    }
}

fn chosen<T: Clone>(holds: Lane<bool>, x: Lane<T>, y: Lane<T>) -> Lane<T> {
    holds.zip(x.zip(y, |x, y| (x, y)), |holds, (x, y)| if holds { x } else { y })
}
