//! Bounds of formulas: interval arithmetic, to know without a look at each instance that no integer leaves 64 bits.
//!
//! The bounds are those that the values of all names give, so they are wide: what may leave 64 bits by them need not.
//! Start at [`bounds`].

use crate::arrays::exact::{MAX_EXACT_INTEGER, integer_of};
use crate::arrays::syntax::ast::{BinaryOp, Call, ExprNode, Literal, NodeKind, Subscript, UnaryOp};
use crate::arrays::{Function, Map, TextFunction};
use crate::script::sweep::param_values::ParamValues;
use crate::script::sweep::text_functions::LONGEST;
use crate::script::values::value::{Scalar, ScriptValue};

/// The least and the largest value of a subexpression over all instances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bounds {
    Ints(i64, i64),
    /// Floats, which may also be `nan`.
    Floats(f64, f64),
    /// Texts of at most this many bytes.
    Texts(u64),
}

/// Bounds, and whether the subexpression may have no value for some instance.
type BoundsAndFailure = (Bounds, bool);

/// The largest length in bytes of a number as dtask writes it, and as users normally do.
const NUMBER: u64 = 64;

const ANY_INT: Bounds = Bounds::Ints(i64::MIN, i64::MAX);
const ANY_FLOAT: Bounds = Bounds::Floats(f64::NEG_INFINITY, f64::INFINITY);

impl Bounds {
    /// The bounds of a single value.
    pub(crate) fn of(value: &ScriptValue) -> Bounds {
        match value.scalar() {
            Scalar::Int(number) => Bounds::Ints(number, number),
            Scalar::Bool(truth) => Bounds::Ints(i64::from(truth), i64::from(truth)),
            Scalar::Float(number) => Bounds::Floats(number, number),
            Scalar::Text(text) => Bounds::Texts(text.len() as u64),
        }
    }

    /// The bounds of all values of a parameter.
    pub(crate) fn of_all(values: &ParamValues) -> Bounds {
        match values {
            ParamValues::List(list) => {
                list.iter().map(Bounds::of).reduce(Bounds::or).unwrap_or(Bounds::Texts(0))
            }
            computed => Bounds::of(&computed.get(0)).or(Bounds::of(&computed.get(computed.len() - 1))),
        }
    }

    /// The bounds of a value that lies within these bounds or within `other`.
    pub(crate) fn or(self, other: Bounds) -> Bounds {
        match (self, other) {
            (Bounds::Ints(a, b), Bounds::Ints(c, d)) => Bounds::Ints(a.min(c), b.max(d)),
            (a @ Bounds::Texts(_), b) | (a, b @ Bounds::Texts(_)) => {
                Bounds::Texts(a.length().max(b.length()))
            }
            (a, b) => {
                let ((a, b), (c, d)) = (a.ends(), b.ends());
                // `nan` is in all bounds of floats
                Bounds::Floats(a.min(c), b.max(d))
            }
        }
    }

    fn ends(self) -> (f64, f64) {
        match self {
            Bounds::Ints(low, high) => (low as f64, high as f64),
            Bounds::Floats(low, high) if low <= high => (low, high),
            Bounds::Floats(..) | Bounds::Texts(_) => (f64::NEG_INFINITY, f64::INFINITY),
        }
    }

    /// The length in bytes of the longest text that a value can become.
    fn length(self) -> u64 {
        match self {
            Bounds::Texts(length) => length,
            _ => NUMBER,
        }
    }

    /// The bounds as floats, and whether some integer may be no float.
    pub(crate) fn to_floats(self) -> BoundsAndFailure {
        let (low, high) = self.ends();
        let large = match self {
            Bounds::Ints(low, high) => low.unsigned_abs().max(high.unsigned_abs()) > MAX_EXACT_INTEGER as u64,
            _ => false,
        };
        (Bounds::Floats(low, high), large)
    }
}

/// Returns the bounds of a subexpression, given those of names.
pub(crate) fn bounds(node: &ExprNode, named: &dyn Fn(&str) -> Bounds) -> BoundsAndFailure {
    let of = |node: &ExprNode| bounds(node, named);
    match &node.kind {
        NodeKind::Number(Literal::Float(number)) => (Bounds::Floats(*number, *number), false),
        NodeKind::Number(literal) => {
            let number = literal.as_integer().unwrap_or_default();
            (Bounds::Ints(number, number), false)
        }
        NodeKind::Else(..) | NodeKind::Optional(_) => (Bounds::Texts(0), false),
        NodeKind::Text(text) => (Bounds::Texts(text.len() as u64), false),
        NodeKind::List(items) => {
            let all = items.iter().map(|item| of(item).0.length() + 1).sum();
            (Bounds::Texts(all), items.iter().any(|item| of(item).1))
        }
        // an index fails if the text has fewer parts; a slice, inside `join`, does not fail
        NodeKind::Index(inner, subscripts) => {
            (of(inner).0, matches!(subscripts[..], [Subscript::Index(_)]) || of(inner).1)
        }
        NodeKind::Name { name, .. } => (named(name), false),
        NodeKind::Unary(UnaryOp::Not, a) => (Bounds::Ints(0, 1), of(a).1),
        NodeKind::Unary(UnaryOp::Neg, a) => match of(a) {
            (Bounds::Ints(low, high), fails) => {
                let (found, beyond) = ints([-i128::from(low), -i128::from(high)]);
                (found, fails || beyond)
            }
            (found, fails) => {
                let (low, high) = found.ends();
                (Bounds::Floats(-high, -low), fails)
            }
        },
        NodeKind::Binary(op, a, b) => {
            let ((x, x_fails), (y, y_fails)) = (of(a), of(b));
            let (found, fails) = binary(*op, x, y);
            (found, fails || x_fails || y_fails)
        }
        NodeKind::Call(call) => {
            let all: Vec<BoundsAndFailure> = call.named.iter().flatten().map(of).collect();
            let fails = all.iter().any(|(_, fails)| *fails);
            let first = all.first().map_or(Bounds::Texts(0), |(found, _)| *found);
            let (found, beyond) = match call.function {
                Function::Map(function) => map(function, first),
                Function::Where | Function::Clip => {
                    let skipped = usize::from(call.function == Function::Where);
                    let all: Vec<Bounds> = all.iter().skip(skipped).map(|(found, _)| *found).collect();
                    let mixed = !all.iter().all(|found| matches!(found, Bounds::Ints(..)));
                    let large = mixed && all.iter().any(|found| found.to_floats().1);
                    (all.into_iter().reduce(Bounds::or).unwrap_or(Bounds::Texts(0)), large)
                }
                Function::Number => (ANY_FLOAT, true),
                Function::Text(function) => text(function, call, &all, named),
                _ => (Bounds::Texts(0), true),
            };
            (found, fails || beyond)
        }
    }
}

/// The bounds of integers whose least and greatest value are among `ends`, and whether they may leave 64 bits.
fn ints<const N: usize>(ends: [i128; N]) -> BoundsAndFailure {
    let low = ends.iter().copied().min().unwrap_or(0);
    let high = ends.iter().copied().max().unwrap_or(0);
    match (i64::try_from(low), i64::try_from(high)) {
        (Ok(low), Ok(high)) => (Bounds::Ints(low, high), false),
        _ => (ANY_INT, true),
    }
}

fn binary(op: BinaryOp, x: Bounds, y: Bounds) -> BoundsAndFailure {
    let arithmetic = matches!(
        op,
        BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem | BinaryOp::Pow
    );
    if !arithmetic {
        return (Bounds::Ints(0, 1), false);
    }
    if let (Bounds::Texts(a), Bounds::Texts(b)) = (x, y) {
        return texts(a + b);
    }
    if let (Bounds::Ints(a, b), Bounds::Ints(c, d)) = (x, y) {
        let [low, high, least, most] = [a, b, c, d].map(i128::from);
        match op {
            BinaryOp::Add => return ints([low + least, high + most]),
            BinaryOp::Sub => return ints([low - most, high - least]),
            BinaryOp::Mul => return ints([low * least, low * most, high * least, high * most]),
            BinaryOp::Rem => {
                let (found, _) = ints([0, (least + 1).min(0), (most - 1).max(0)]);
                return (found, c <= 0 && d >= 0);
            }
            BinaryOp::Pow if c >= 0 => {
                let size = low.abs().max(high.abs());
                let most = u32::try_from(d).ok().and_then(|power| size.checked_pow(power));
                return match most {
                    Some(most) => ints([most, if a < 0 { -most } else { 0 }]),
                    None => (ANY_INT, size > 1),
                };
            }
            _ => {}
        }
    }
    let ((_, large), (_, too)) = (x.to_floats(), y.to_floats());
    let ((a, b), (c, d)) = (x.ends(), y.ends());
    let between = |ends: [f64; 4]| {
        let known = !ends.iter().any(|end| end.is_nan());
        let least = ends.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if known { Bounds::Floats(least, most) } else { ANY_FLOAT }
    };
    let found = match op {
        BinaryOp::Add => between([a + c, b + d, a + c, b + d]),
        BinaryOp::Sub => between([a - d, b - c, a - d, b - c]),
        BinaryOp::Mul => between([a * c, a * d, b * c, b * d]),
        BinaryOp::Div if c > 0.0 || d < 0.0 => between([a / c, a / d, b / c, b / d]),
        _ => ANY_FLOAT,
    };
    (found, large || too)
}

/// The bounds of texts of at most `length` bytes, and whether making them can fail because they are too long. Fails
/// from half of the limit on, since numbers with unusual spellings may be longer than assumed.
fn texts(length: u64) -> BoundsAndFailure {
    let most = LONGEST as u64;
    (Bounds::Texts(length.min(most)), length > most / 2)
}

/// The bounds of a function of texts, given those of its named arguments.
fn text(
    function: TextFunction,
    call: &Call,
    all: &[BoundsAndFailure],
    named: &dyn Fn(&str) -> Bounds,
) -> BoundsAndFailure {
    let length = |at: usize| all.get(at).map_or(0, |(found, _)| found.length());
    let literal = |at: usize| match &call.named.get(at)?.as_ref()?.kind {
        NodeKind::Number(literal) => literal.as_integer().and_then(|width| u64::try_from(width).ok()),
        NodeKind::Text(text) => Some(text.chars().count() as u64),
        _ => None,
    };
    match function {
        TextFunction::Stem | TextFunction::Name | TextFunction::Ext => texts(length(0)),
        TextFunction::Dir => texts(length(0) + 1),
        // an empty separator is an error, which a literal separator excludes
        TextFunction::Split => {
            let (found, fails) = texts(length(0));
            (
                found,
                fails
                    || (call.named.get(1).is_some_and(Option::is_some) && literal(1).is_none_or(|n| n == 0)),
            )
        }
        // a few letters take up to three times as many bytes in the other case
        TextFunction::Upper | TextFunction::Lower => texts(length(0) * 3),
        TextFunction::Replace => {
            let (found, fails) = texts(length(0).saturating_mul(length(2).max(1)));
            (found, fails || literal(1).is_none_or(|count| count == 0))
        }
        TextFunction::Pad => match (literal(1), call.named.get(2).and_then(Option::as_ref)) {
            (Some(width), fill) => {
                let (found, fails) = texts(length(0).max(width.saturating_mul(4)));
                (found, fails || (fill.is_some() && literal(2) != Some(1)))
            }
            (None, _) => (Bounds::Texts(LONGEST as u64), true),
        },
        TextFunction::Text => {
            let format = call.named.get(1).and_then(Option::as_ref);
            let is_float = matches!(all.first(), Some((Bounds::Floats(..), _)));
            (Bounds::Texts(length(0).max(1024)), format.is_some() && (is_float || literal(1).is_none()))
        }
        TextFunction::Join => {
            let parts: Vec<BoundsAndFailure> = call.rest.iter().map(|node| bounds(node, named)).collect();
            // a text of n characters has at most n + 1 parts
            let each = |(found, _): &BoundsAndFailure| found.length() + (found.length() + 1) * length(0);
            let (found, fails) = texts(parts.iter().map(each).sum());
            (found, fails || parts.iter().any(|(_, fails)| *fails))
        }
    }
}

fn map(function: Map, x: Bounds) -> BoundsAndFailure {
    match (function, x) {
        (Map::Isnan, _) => (Bounds::Ints(0, 1), false),
        (Map::Floor | Map::Ceil | Map::Round, Bounds::Ints(..)) => (x, false),
        (Map::Floor | Map::Ceil | Map::Round, _) => {
            let (low, high) = x.ends();
            let whole = match function {
                Map::Floor => f64::floor,
                Map::Ceil => f64::ceil,
                _ => f64::round_ties_even,
            };
            match (integer_of(whole(low)), integer_of(whole(high))) {
                (Some(low), Some(high)) => (Bounds::Ints(low, high), false),
                _ => (ANY_INT, false),
            }
        }
        (Map::Abs, Bounds::Ints(low, high)) => {
            let (a, b) = (i128::from(low).abs(), i128::from(high).abs());
            ints([if low < 0 && high > 0 { 0 } else { a.min(b) }, a.max(b)])
        }
        (Map::Abs, _) => {
            let (low, high) = x.ends();
            (Bounds::Floats(0.0, low.abs().max(high.abs())), false)
        }
        _ => (ANY_FLOAT, x.to_floats().1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrays::Expr;

    fn of(text: &str, i: (i64, i64)) -> BoundsAndFailure {
        bounds(Expr::parse(text).unwrap().root(), &|name| match name {
            "i" => Bounds::Ints(i.0, i.1),
            _ => Bounds::Floats(0.5, 2.0),
        })
    }

    #[test]
    fn bounds_hold() {
        for (text, low, high) in [
            ("2*i + 1", 1, 21),
            ("-i", -10, 0),
            ("i % 3", 0, 2),
            ("floor(i / 4) + 1", 1, 3),
            ("i ** 2", 0, 100),
            ("(i - 5) ** 3", -125, 125),
            ("abs(i - 3)", 0, 7),
            ("where(i > 3, i, 40)", 0, 40),
            ("clip(i, 2, 5)", 0, 10),
            ("i > 3 && i < 5", 0, 1),
            ("floor(x * 3)", 1, 6),
        ] {
            assert_eq!(of(text, (0, 10)), (Bounds::Ints(low, high), false), "{text}");
        }
    }

    #[test]
    fn what_may_have_no_value_is_found() {
        let all = (0, i64::MAX);
        for text in ["i + 1", "i * 2", "i - 1 - i - 1 - i", "i ** 2", "2 ** i", "i % i", "i / 2", "x * i"] {
            assert!(of(text, all).1, "{text}");
        }
        for text in ["i - 1", "i % 7", "i > 0", "0 - i", "abs(i)", "1 ** i", "i == x", "floor(i)"] {
            assert!(!of(text, all).1, "{text}");
        }
    }
}
