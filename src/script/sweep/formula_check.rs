//! Checks of formulas that need no values: whether all operations are ones of single values, and whether the result is
//! an integer.

use std::collections::HashMap;

use crate::arrays::syntax::ast::{BinaryOp, ExprNode, NodeKind, UnaryOp};
use crate::arrays::{Function, Map};
use crate::script::sweep::expression::{FormulaError, FormulaType};

/// Refuses operations of the array language that make arrays or take them apart, since a formula has single values
/// only.
pub(super) fn scalar(node: &ExprNode) -> Result<(), FormulaError> {
    let fault = |message: String| FormulaError {
        help: Some(
            "there are numbers, names, operators, `sqrt exp log sin cos tan abs floor clip where`".into(),
        ),
        ..FormulaError::of_type(node.span.clone(), message)
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
        NodeKind::Else(..) | NodeKind::Optional(_) => {
            return Err(fault("`else` and `?` are about results of tasks, and here are none".to_string()));
        }
        NodeKind::Index(..) | NodeKind::List(_) => {
            return Err(fault("arrays have no place here".to_string()));
        }
        _ => {}
    }
    let mut wrong = None;
    node.children(&mut |child| wrong = wrong.take().or_else(|| scalar(child).err()));
    wrong.map_or(Ok(()), Err)
}

/// Whether the value of a subexpression is an integer for every instance, given the types of names.
pub(super) fn whole(node: &ExprNode, types: &HashMap<String, FormulaType>) -> bool {
    let all = || {
        let mut all = true;
        node.children(&mut |child| all &= whole(child, types));
        all
    };
    match &node.kind {
        NodeKind::Number(literal) => literal.as_integer().is_some(),
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
