//! Checks of formulas that need no values: whether all operations are ones of single values, and the type of the
//! result.

use std::collections::HashMap;

use crate::arrays::syntax::ast::{BinaryOp, Call, ExprNode, NodeKind, Subscript, UnaryOp};
use crate::arrays::{Function, Map, TextFunction};
use crate::script::sweep::expression::{FormulaError, FormulaType};

/// Refuses operations of the array language that make arrays or take them apart, since a formula has single values
/// only.
pub(super) fn scalar(node: &ExprNode) -> Result<(), FormulaError> {
    let fault = |message: String| {
        FormulaError {
        help: Some(
            "there are numbers, names, operators, `sqrt exp log sin cos tan abs floor ceil round isnan clip where`, and for texts \
             `stem name dir ext replace upper lower split join pad number text`"
                .into(),
        ),
        ..FormulaError::of_type(node.span.clone(), message)
    }
    };
    let several = || FormulaError {
        help: Some("choose one, `split(x, '_')[0]`, or join them: `join('-', split(x, '_')[1:])`".into()),
        ..FormulaError::of_type(node.span.clone(), "`split` gives several parts".to_owned())
    };
    match &node.kind {
        NodeKind::Call(call) => match call.function {
            Function::Text(TextFunction::Split) => return Err(several()),
            Function::Text(TextFunction::Join) => {
                call.named.iter().flatten().try_for_each(scalar)?;
                return call.rest.iter().try_for_each(parts);
            }
            Function::Map(_) | Function::Clip | Function::Where | Function::Number | Function::Text(_) => {}
            _ => {
                return Err(fault(format!(
                    "`{}` is for arrays, and this is about single values",
                    call.signature().name
                )));
            }
        },
        NodeKind::Else(..) | NodeKind::Optional(_) => {
            return Err(fault("`else` and `?` are about results of tasks, and here are none".to_string()));
        }
        NodeKind::Index(inner, subscripts) => match (split_call(inner), &subscripts[..]) {
            (Some(call), [Subscript::Index(at)]) => {
                return call.named.iter().flatten().chain([at]).try_for_each(scalar);
            }
            (Some(_), _) => return Err(several()),
            (None, _) => return Err(fault("arrays have no place here".to_string())),
        },
        NodeKind::List(_) => return Err(fault("arrays have no place here".to_string())),
        _ => {}
    }
    let mut wrong = None;
    node.children(&mut |child| wrong = wrong.take().or_else(|| scalar(child).err()));
    wrong.map_or(Ok(()), Err)
}

/// Checks an argument of `join`, which may be a single value, a list of them, or parts of a split text.
fn parts(node: &ExprNode) -> Result<(), FormulaError> {
    if let Some(call) = split_call(node) {
        return call.named.iter().flatten().try_for_each(scalar);
    }
    match &node.kind {
        NodeKind::List(items) => items.iter().try_for_each(parts),
        NodeKind::Index(inner, subscripts) => match (split_call(inner), &subscripts[..]) {
            (Some(call), [Subscript::Slice { start, end, step: None, .. }]) => {
                call.named.iter().flatten().chain(start).chain(end).try_for_each(scalar)
            }
            _ => scalar(node),
        },
        _ => scalar(node),
    }
}

/// The call of `split`, if the node is one.
pub(super) fn split_call(node: &ExprNode) -> Option<&Call> {
    match &node.kind {
        NodeKind::Call(call) if call.function == Function::Text(TextFunction::Split) => Some(call),
        _ => None,
    }
}

/// The type of a subexpression, given the types of names: whole where the value is an integer for every instance.
pub(super) fn kind(node: &ExprNode, types: &HashMap<String, FormulaType>) -> FormulaType {
    let of = |node: &ExprNode| kind(node, types);
    let common = |all: &[&ExprNode]| {
        let common = all.iter().map(|node| of(node)).reduce(FormulaType::and);
        common.filter(|kind| *kind != FormulaType::Mixed).unwrap_or(FormulaType::Number)
    };
    // a text among the operands is an error, reported when the formula is evaluated
    let numbers = |all: &[&ExprNode]| match common(all) {
        FormulaType::Whole => FormulaType::Whole,
        _ => FormulaType::Number,
    };
    match &node.kind {
        NodeKind::Text(_) | NodeKind::Index(..) => FormulaType::Text,
        NodeKind::Number(literal) if literal.as_integer().is_some() => FormulaType::Whole,
        NodeKind::Number(_) | NodeKind::List(_) | NodeKind::Else(..) | NodeKind::Optional(_) => {
            FormulaType::Number
        }
        NodeKind::Name { name, .. } => types.get(name).copied().unwrap_or(FormulaType::Number),
        NodeKind::Unary(UnaryOp::Neg, a) => numbers(&[a]),
        NodeKind::Unary(UnaryOp::Not, _) => FormulaType::Whole,
        NodeKind::Binary(BinaryOp::Add, a, b) => common(&[a, b]),
        NodeKind::Binary(BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Rem | BinaryOp::Pow, a, b) => {
            numbers(&[a, b])
        }
        NodeKind::Binary(BinaryOp::Div, ..) => FormulaType::Number,
        NodeKind::Binary(..) => FormulaType::Whole,
        NodeKind::Call(call) => match call.function {
            Function::Text(_) => FormulaType::Text,
            Function::Map(Map::Floor | Map::Ceil | Map::Round | Map::Isnan) => FormulaType::Whole,
            Function::Map(Map::Abs) | Function::Clip => {
                numbers(&call.named.iter().flatten().collect::<Vec<_>>())
            }
            Function::Where => match (call.arg("a"), call.arg("b")) {
                (Some(a), Some(b)) => common(&[a, b]),
                _ => FormulaType::Number,
            },
            _ => FormulaType::Number,
        },
    }
}
