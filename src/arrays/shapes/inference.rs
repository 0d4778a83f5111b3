//! Shape inference: finds the shape of an expression's value before anything is computed, by the same walk as the
//! evaluation, over shapes instead of elements. A shape that depends on values of the run is unknown.

use super::shape;
use crate::arrays::error::{ExprError, Fault, PutPosition};
use crate::arrays::eval::builtins::of_texts;
use crate::arrays::eval::index::{self, EvaluatedSubscript};
use crate::arrays::eval::operand::Intermediate;
use crate::arrays::kernels::{construct, elementwise};
use crate::arrays::numeric::{Cows, Numeric};
use crate::arrays::slab::Slab;
use crate::arrays::syntax::ast::{BinaryOp, Call, ExprNode, Literal, NodeKind, Subscript, UnaryOp};
use crate::arrays::syntax::function::{Aggregate, Function};
use crate::arrays::typed_numbers::TypedNumbers;
use ndarray::{ArrayD, CowArray, IxDyn};

/// The properties of a name or of a subexpression, as far as they are known before the run.
#[derive(Debug, Clone, PartialEq)]
pub enum Sketch {
    /// A value of which nothing is known before the run.
    Unknown,
    /// A number whose value is known before the run.
    Number(f64),
    /// A text whose value is known before the run.
    Text(String),
    /// An array with these lengths of its axes.
    Shape(Vec<usize>),
    /// The members of a gather (the results of several instances) or of a list.
    List(Vec<Sketch>),
}

/// The walk over the syntax tree that infers shapes. `element` is the single element that all arrays of the walk are
/// views of, so that they need no memory.
struct Sketcher<'n> {
    names: &'n dyn Fn(&str) -> Sketch,
    element: ArrayD<f64>,
}

/// Infers the properties (shape, or value) of an expression's value from the properties of its names.
pub(crate) fn sketch(root: &ExprNode, names: &dyn Fn(&str) -> Sketch) -> Result<Sketch, ExprError> {
    let sketcher = Sketcher { names, element: ndarray::arr0(0.0).into_dyn() };
    let found = sketcher.sketch(root)?;
    Ok(match sketcher.shape(&found).at(&root.span)? {
        Some(shape) => Sketch::Shape(shape),
        None => Sketch::Unknown,
    })
}

type Sketched = Result<Sketch, ExprError>;

impl<'n> Sketcher<'n> {
    fn sketch(&self, node: &ExprNode) -> Sketched {
        let span = &node.span;
        match &node.kind {
            NodeKind::Number(Literal::Float(number)) => Ok(Sketch::Number(*number)),
            NodeKind::Number(literal) => Ok(Sketch::Number(literal.as_integer().unwrap_or_default() as f64)),
            NodeKind::Text(text) => Ok(Sketch::Text(text.clone())),
            NodeKind::Name { name, .. } => Ok((self.names)(name)),
            NodeKind::Unary(op, a) => match self.sketch(a)? {
                Sketch::Number(x) if *op == UnaryOp::Neg => Ok(Sketch::Number(-x)),
                Sketch::Number(x) => Ok(Sketch::Number(f64::from(u8::from(x == 0.0)))),
                a => self.whole(self.shape(&a).at(span)?),
            },
            NodeKind::Binary(op, a, b) => {
                let (x, y) = (self.sketch(a)?, self.sketch(b)?);
                match (x, y) {
                    (Sketch::Text(_), Sketch::Text(_)) => Ok(Sketch::Unknown),
                    (Sketch::Number(x), Sketch::Number(y)) => self.number(*op, x, y).at(span),
                    (x, y) => self.together(&[(x, a), (y, b)], node),
                }
            }
            NodeKind::Index(a, subscripts) => self.index(a, subscripts, node),
            NodeKind::List(items) => {
                let items = items.iter().map(|item| self.sketch(item)).collect::<Result<Vec<_>, _>>()?;
                Ok(Sketch::List(items))
            }
            NodeKind::Call(call) => self.call(call, node),
            // some instances have the value before `else`, others the one after it: the shape must fit both
            NodeKind::Else(a, b) => {
                let (a, b) = (self.sketch(a)?, self.sketch(b)?);
                Ok(if a == b { a } else { Sketch::Unknown })
            }
            NodeKind::Optional(_) => Ok(Sketch::Unknown),
        }
    }

    fn number(&self, op: BinaryOp, x: f64, y: f64) -> Result<Sketch, Fault> {
        let found = elementwise::binary(op, Numeric::Scalar(x), Numeric::Scalar(y))?;
        Ok(found.into_number("a number").map_or(Sketch::Unknown, Sketch::Number))
    }

    fn whole(&self, shape: Option<Vec<usize>>) -> Sketched {
        Ok(shape.map_or(Sketch::Unknown, Sketch::Shape))
    }

    /// The shape of a value; for a list, that of the array that stacking its members gives. `None` if it is unknown.
    fn shape(&self, sketch: &Sketch) -> Result<Option<Vec<usize>>, Fault> {
        match sketch {
            Sketch::Unknown | Sketch::Text(_) => Ok(None),
            Sketch::Number(_) => Ok(Some(Vec::new())),
            Sketch::Shape(shape) => Ok(Some(shape.clone())),
            Sketch::List(items) => {
                let shapes =
                    items.iter().map(|item| self.shape(item)).collect::<Result<Option<Vec<_>>, _>>()?;
                shapes
                    .map(|s| shape::stacked(&s.iter().map(Vec::as_slice).collect::<Vec<_>>(), 0.0))
                    .transpose()
            }
        }
    }

    /// Infers the common shape of operands that are combined element by element.
    fn together(&self, operands: &[(Sketch, &ExprNode)], node: &ExprNode) -> Sketched {
        let mut whole = Some(Vec::new());
        for (operand, place) in operands {
            whole = match (whole, self.shape(operand).at(&place.span)?) {
                (Some(a), Some(b)) => Some(shape::broadcast(&a, &b).at(&node.span)?),
                _ => None,
            };
        }
        self.whole(whole)
    }

    /// Makes an array of that shape without memory of its own: all its elements are the same one,
    /// `element`. `None` if no array can have that shape.
    fn phantom(&self, shape: &[usize]) -> Option<Cows<'_>> {
        Some(CowArray::from(self.element.broadcast(IxDyn(shape))?))
    }

    fn item(&self, sketch: &Sketch) -> Option<Intermediate<'_>> {
        match sketch {
            Sketch::Unknown | Sketch::Text(_) => None,
            Sketch::Number(x) => Some(Intermediate::number(*x)),
            Sketch::Shape(shape) => Some(TypedNumbers::floats(self.phantom(shape)?).into()),
            Sketch::List(items) => {
                Some(Intermediate::List(items.iter().map(|item| self.item(item)).collect::<Option<_>>()?))
            }
        }
    }

    fn index(&self, a: &ExprNode, subscripts: &[Subscript], node: &ExprNode) -> Sketched {
        let array = self.sketch(a)?;
        let mut entries = Vec::with_capacity(subscripts.len());
        for subscript in subscripts {
            match self.entry(subscript)? {
                Some(entry) => entries.push(entry),
                None => return Ok(Sketch::Unknown),
            }
        }
        if let (Sketch::List(items), [EvaluatedSubscript::Index(..) | EvaluatedSubscript::Slice { .. }]) =
            (&array, &entries[..])
            && items.contains(&Sketch::Unknown)
        {
            return Ok(Sketch::Unknown);
        }
        let Some(item) = self.item(&array) else { return Ok(Sketch::Unknown) };
        Ok(drawn(&index::index(item, &entries, &node.span)?))
    }

    fn entry(&self, subscript: &Subscript) -> Result<Option<EvaluatedSubscript>, ExprError> {
        let bound = |node: &ExprNode| match self.sketch(node)? {
            Sketch::Number(x) => index::whole(x).at(&node.span).map(Some),
            _ => Ok(None),
        };
        match subscript {
            Subscript::Index(node) => {
                Ok(bound(node)?.map(|at| EvaluatedSubscript::Index(at, node.span.clone())))
            }
            Subscript::Slice { start, end, step, span } => {
                let mut parts = [None; 3];
                for (part, node) in parts.iter_mut().zip([start, end, step]) {
                    let Some(node) = node else { continue };
                    *part = bound(node)?;
                    if part.is_none() {
                        return Ok(None);
                    }
                }
                let [start, end, step] = parts;
                Ok(Some(EvaluatedSubscript::Slice {
                    start,
                    end,
                    step: step.unwrap_or(1),
                    span: span.clone(),
                }))
            }
            Subscript::Ellipsis(span) => Ok(Some(EvaluatedSubscript::Ellipsis(span.clone()))),
        }
    }

    fn call(&self, call: &Call, node: &ExprNode) -> Sketched {
        let span = &node.span;
        // all arguments are inspected, even if the shape does not depend on them: each may hold an error of its own
        let named = call.named.iter().map(|arg| arg.as_ref().map(|arg| self.sketch(arg)).transpose());
        let named = named.collect::<Result<Vec<_>, _>>()?;
        let rest = call.rest.iter().map(|arg| self.sketch(arg)).collect::<Result<Vec<_>, _>>()?;
        let arg = |name: &str| call.signature().slot(name).and_then(|slot| named.get(slot)?.as_ref());
        let number = |name: &str, default: f64| match arg(name) {
            None => Some(default),
            Some(Sketch::Number(x)) => Some(*x),
            Some(_) => None,
        };
        let first = named.first().and_then(Option::as_ref).unwrap_or(&Sketch::Unknown);
        let operand = |at: usize| named.get(at)?.clone().zip(call.named.get(at)?.as_ref());
        match call.function {
            Function::Random | Function::Zeros | Function::Ones => {
                self.sized(&rest, &place(&call.rest, span))
            }
            Function::Full => {
                let sizes = if arg("value").is_some() {
                    &rest[..]
                } else {
                    rest.split_last().map_or(&[][..], |s| s.1)
                };
                self.sized(sizes, &place(&call.rest[..sizes.len()], span))
            }
            Function::Arange => {
                let (Some(start), Some(step)) = (number("start", 0.0), number("step", 1.0)) else {
                    return Ok(Sketch::Unknown);
                };
                let Some(stop) = number("stop", start) else { return Ok(Sketch::Unknown) };
                let start = if arg("stop").is_some() { start } else { 0.0 };
                Ok(Sketch::Shape(vec![construct::arange_length(start, stop, step).at(span)?]))
            }
            Function::Linspace => self.lengths(&[number("num", 50.0)], span),
            Function::Histogram => self.lengths(&[number("bins", 10.0)], span),
            Function::Eye => match number("n", 0.0) {
                Some(n) => self.lengths(&[Some(n), number("m", n)], span),
                None => Ok(Sketch::Unknown),
            },
            Function::Aggregate(function) => self.aggregate(call, function, first, node),
            // its axis is taken away as well, or all of them
            Function::Percentile | Function::Quantile => self.aggregate(call, Aggregate::Median, first, node),
            Function::Cumsum | Function::Sort | Function::Diff => self.along(call, first, node),
            Function::Unique => Ok(Sketch::Unknown),
            Function::Map(function) => match first {
                Sketch::Number(x) => {
                    let found = elementwise::map(function, Numeric::Scalar(*x)).at(span)?;
                    Ok(found.into_number("a number").map_or(Sketch::Unknown, Sketch::Number))
                }
                other => self.whole(self.shape(other).at(span)?),
            },
            Function::Cast => self.whole(self.shape(first).at(span)?),
            Function::Clip | Function::Where => {
                let operands: Option<Vec<_>> = (0..3).map(operand).collect();
                operands.map_or(Ok(Sketch::Unknown), |operands| self.together(&operands, node))
            }
            Function::Concat | Function::Stack => self.join(call.function, rest, number("axis", 0.0), node),
            Function::Reshape => match (self.shape(first).at(span)?, numbers(&rest)) {
                (Some(shape), Some(sizes)) => Ok(Sketch::Shape(shape::reshaped(&shape, &sizes).at(span)?)),
                _ => Ok(Sketch::Unknown),
            },
            Function::Transpose => match (self.shape(first).at(span)?, numbers(&rest)) {
                (Some(shape), Some(order)) => {
                    let Some(array) = self.phantom(&shape) else { return Ok(Sketch::Unknown) };
                    let turned = construct::transpose(Numeric::from(array), &order).at(span)?;
                    Ok(Sketch::Shape(turned.shape().to_vec()))
                }
                _ => Ok(Sketch::Unknown),
            },
            Function::Dot | Function::Matmul => self.product(call.function, operand(0), operand(1), node),
            Function::Load => match (first, arg("dataset")) {
                (Sketch::Text(text), None) => Ok(Slab::parse(text)
                    .filter(|slab| !slab.part.is_empty())
                    .map_or(Sketch::Unknown, |slab| Sketch::Shape(slab.shape()))),
                _ => Ok(Sketch::Unknown),
            },
            Function::FromCsv | Function::FromBytes => Ok(Sketch::Unknown),
            Function::Number => Ok(Sketch::Shape(Vec::new())),
            Function::Text(_) => Err(of_texts(call).at(&call.name_span)),
        }
    }

    fn sized(&self, sizes: &[Sketch], span: &crate::arrays::Span) -> Sketched {
        let Some(sizes) = numbers(sizes) else { return Ok(Sketch::Unknown) };
        self.lengths(&sizes.into_iter().map(Some).collect::<Vec<_>>(), span)
    }

    fn lengths(&self, sizes: &[Option<f64>], span: &crate::arrays::Span) -> Sketched {
        let Some(sizes) = sizes.iter().copied().collect::<Option<Vec<f64>>>() else {
            return Ok(Sketch::Unknown);
        };
        let shape = sizes.into_iter().map(shape::length).collect::<Result<Vec<_>, _>>().at(span)?;
        shape::elements(&shape).at(span)?;
        Ok(Sketch::Shape(shape))
    }

    fn aggregate(&self, call: &Call, function: Aggregate, x: &Sketch, node: &ExprNode) -> Sketched {
        let shape = self.shape(x).at(&node.span)?;
        let Some(axis) = call.arg("axis") else { return Ok(Sketch::Shape(Vec::new())) };
        let (Some(mut shape), Sketch::Number(along)) = (shape, self.sketch(axis)?) else {
            return Ok(Sketch::Unknown);
        };
        let along = shape::axis(along, shape.len()).at(&axis.span)?;
        let length = shape.remove(along);
        let needs_one =
            matches!(function, Aggregate::Min | Aggregate::Max | Aggregate::Argmin | Aggregate::Argmax);
        if needs_one && length == 0 && shape::elements(&shape).at(&node.span)? > 0 {
            return Err(Fault::new("the least or greatest of no elements has no value").at(&axis.span));
        }
        Ok(Sketch::Shape(shape))
    }

    /// The shape of what `cumsum`, `sort` and `diff` make of an array along an axis.
    fn along(&self, call: &Call, x: &Sketch, node: &ExprNode) -> Sketched {
        let Some(mut shape) = self.shape(x).at(&node.span)? else { return Ok(Sketch::Unknown) };
        let axis = match (call.arg("axis"), call.function) {
            (None, Function::Cumsum) => return Ok(Sketch::Shape(vec![shape.iter().product()])),
            (None, _) => -1.0,
            (Some(axis), _) => match self.sketch(axis)? {
                Sketch::Number(axis) => axis,
                _ => return Ok(Sketch::Unknown),
            },
        };
        let place = call.arg("axis").map_or(&node.span, |axis| &axis.span);
        let axis = shape::axis(axis, shape.len()).at(place)?;
        if call.function == Function::Diff {
            let times = match call.arg("n").map(|times| self.sketch(times)).transpose()? {
                None => 1.0,
                Some(Sketch::Number(times)) => times,
                Some(_) => return Ok(Sketch::Unknown),
            };
            shape[axis] = shape[axis].saturating_sub(shape::length(times).at(&node.span)?);
        }
        Ok(Sketch::Shape(shape))
    }

    fn join(&self, function: Function, rest: Vec<Sketch>, axis: Option<f64>, node: &ExprNode) -> Sketched {
        let parts = rest.into_iter().flat_map(|part| match part {
            Sketch::List(items) => items,
            other => vec![other],
        });
        let mut shapes = Vec::new();
        for part in parts {
            match self.shape(&part).at(&node.span)? {
                Some(shape) if shape.is_empty() && function == Function::Concat => shapes.push(vec![1]),
                Some(shape) => shapes.push(shape),
                None => return Ok(Sketch::Unknown),
            }
        }
        let Some(axis) = axis else { return Ok(Sketch::Unknown) };
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        let joined = if function == Function::Concat { shape::joined } else { shape::stacked };
        Ok(Sketch::Shape(joined(&shapes, axis).at(&node.span)?))
    }

    fn product(
        &self,
        function: Function,
        a: Option<(Sketch, &ExprNode)>,
        b: Option<(Sketch, &ExprNode)>,
        node: &ExprNode,
    ) -> Sketched {
        let (Some(a), Some(b)) = (a, b) else { return Ok(Sketch::Unknown) };
        let shapes = (self.shape(&a.0).at(&a.1.span)?, self.shape(&b.0).at(&b.1.span)?);
        let (Some(x), Some(y)) = shapes else { return Ok(Sketch::Unknown) };
        if function == Function::Dot && (x.is_empty() || y.is_empty()) {
            return self.together(&[a, b], node);
        }
        if function == Function::Dot && y.len() > 2 {
            return Ok(Sketch::Unknown);
        }
        Ok(Sketch::Shape(shape::product(&x, &y).at(&node.span)?))
    }
}

/// The position in the text of a call's arguments of a variable number; that of the call if it has none.
fn place(nodes: &[ExprNode], call: &crate::arrays::Span) -> crate::arrays::Span {
    match nodes {
        [first, .., last] => first.span.start..last.span.end,
        [only] => only.span.clone(),
        [] => call.clone(),
    }
}

/// The numbers that are given as arguments or as one list; `None` if any of them is unknown before the run.
fn numbers(sketches: &[Sketch]) -> Option<Vec<f64>> {
    let all = match sketches {
        [Sketch::List(items)] => items,
        all => all,
    };
    all.iter().map(|sketch| if let Sketch::Number(x) = sketch { Some(*x) } else { None }).collect()
}

fn drawn(item: &Intermediate<'_>) -> Sketch {
    match item {
        Intermediate::Numeric(typed) => Sketch::Shape(typed.shape().to_vec()),
        Intermediate::List(items) => Sketch::List(items.iter().map(drawn).collect()),
        Intermediate::Text(_) | Intermediate::Bytes(_) => Sketch::Unknown,
    }
}
