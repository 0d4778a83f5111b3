//! What the built-in functions do: arguments to operations.

use super::ast::{Call, Node, Span};
use super::error::{At, ExprError, Fault};
use super::eval::Evaluator;
use super::function::Function;
use super::item::{Item, Numeric};
use super::random::{Distribution, Stream};
use super::{aggregate, broadcast, build, linalg, ops, shape};

impl<'s> Evaluator<'s> {
    pub(super) fn call(&self, call: &Call, span: &Span) -> Result<Item<'s>, ExprError> {
        let numeric: Numeric<'s> = match call.function {
            Function::Random => return self.random(call, span),
            Function::Zeros => self.filled(call, 0.0)?,
            Function::Ones => self.filled(call, 1.0)?,
            Function::Full => self.full(call, span)?,
            Function::Arange => {
                let first = self.required(call, 0, span)?;
                let first = self.number(first, "`start`")?;
                // One argument is the end, as in Python's `range`.
                let (start, stop) = match call.arg("stop") {
                    Some(stop) => (first, self.number(stop, "`stop`")?),
                    None => (0.0, first),
                };
                let step = self.optional(call, "step", 1.0)?;
                build::arange(start, stop, step).at(span)?.into()
            }
            Function::Linspace => {
                let start = self.number(self.required(call, 0, span)?, "`start`")?;
                let stop = self.number(self.required(call, 1, span)?, "`stop`")?;
                let num = self.optional(call, "num", 50.0)?;
                build::linspace(start, stop, num).at(span)?.into()
            }
            Function::Aggregate(function) => {
                let x = self.numeric(self.required(call, 0, span)?)?;
                let axis = call.arg("axis");
                let place = axis.map_or(span, |axis| &axis.span);
                let axis = axis.map(|axis| self.number(axis, "`axis`")).transpose()?;
                aggregate::aggregate(function, x, axis).at(place)?
            }
            Function::Map(function) => {
                let x = self.numeric(self.required(call, 0, span)?)?;
                ops::map(function, x).at(span)?
            }
            Function::Clip => {
                let [x, low, high] = self.three(call, span)?;
                ops::clip(x, low, high).at(span)?
            }
            Function::Where => {
                let [condition, a, b] = self.three(call, span)?;
                broadcast::choose(condition, a, b).at(span)?
            }
            Function::Concat => self.concat(call, span)?,
            Function::Reshape => {
                let x = self.numeric(self.required(call, 0, span)?)?;
                let sizes = self.numbers(&call.rest, "a size")?;
                build::reshape(x, &sizes).at(span)?
            }
            Function::Transpose => {
                let x = self.numeric(self.required(call, 0, span)?)?;
                let order = self.numbers(&call.rest, "an axis")?;
                build::transpose(x, &order).at(span)?
            }
            Function::Dot | Function::Matmul => {
                let a = self.numeric(self.required(call, 0, span)?)?;
                let b = self.numeric(self.required(call, 1, span)?)?;
                let product = if call.function == Function::Dot { linalg::dot } else { linalg::matmul };
                product(a, b).at(span)?
            }
        };
        Ok(numeric.into())
    }

    /// The named argument number `slot`, which parsing has seen to be there.
    fn required<'c>(&self, call: &'c Call, slot: usize, span: &Span) -> Result<&'c Node, ExprError> {
        call.named.get(slot).and_then(Option::as_ref).ok_or_else(|| {
            Fault::new(format!("an argument is missing; usage: {}", call.signature().usage())).at(span)
        })
    }

    fn optional(&self, call: &Call, name: &str, default: f64) -> Result<f64, ExprError> {
        call.arg(name).map_or(Ok(default), |node| self.number(node, &format!("`{name}`")))
    }

    fn three(&self, call: &Call, span: &Span) -> Result<[Numeric<'s>; 3], ExprError> {
        Ok([
            self.numeric(self.required(call, 0, span)?)?,
            self.numeric(self.required(call, 1, span)?)?,
            self.numeric(self.required(call, 2, span)?)?,
        ])
    }

    /// Numbers given one by one, or as one list: `zeros(3, 4)` and `zeros((3, 4))`.
    fn numbers(&self, nodes: &[Node], what: &str) -> Result<Vec<f64>, ExprError> {
        if let [node] = nodes
            && let Item::List(items) = self.eval(node)?
        {
            return items.into_iter().map(|item| item.into_number(what).at(&node.span)).collect();
        }
        nodes.iter().map(|node| self.number(node, what)).collect()
    }

    fn shape(&self, nodes: &[Node]) -> Result<Vec<usize>, ExprError> {
        let place = match nodes {
            [first, .., last] => first.span.start..last.span.end,
            [only] => only.span.clone(),
            [] => return Ok(Vec::new()),
        };
        let sizes = self.numbers(nodes, "a size")?;
        let shape = sizes.into_iter().map(shape::length).collect::<Result<Vec<_>, _>>().at(&place)?;
        shape::elements(&shape).at(&place)?;
        Ok(shape)
    }

    fn filled(&self, call: &Call, value: f64) -> Result<Numeric<'s>, ExprError> {
        let shape = self.shape(&call.rest)?;
        Ok(shape::filled(&shape, value).at(&call.name_span)?.into())
    }

    /// `full(3, 4, 7.0)` or `full(3, 4, value = 7.0)`.
    fn full(&self, call: &Call, span: &Span) -> Result<Numeric<'s>, ExprError> {
        let (sizes, value) = match (call.arg("value"), call.rest.as_slice()) {
            (Some(value), sizes) => (sizes, value),
            (None, [sizes @ .., value]) if !sizes.is_empty() => (sizes, value),
            _ => {
                return Err(Fault::new("`full` lacks its value")
                    .help("write `full(3, 4, value = 7)`, or the value after the sizes")
                    .at(span));
            }
        };
        let value = self.number(value, "the value of `full`")?;
        let shape = self.shape(sizes)?;
        Ok(shape::filled(&shape, value).at(span)?.into())
    }

    fn random(&self, call: &Call, span: &Span) -> Result<Item<'s>, ExprError> {
        let shape = self.shape(&call.rest)?;
        let stream = match call.arg("seed") {
            Some(node) => {
                let seed = self.number(node, "`seed`")?;
                // Beyond 2^53 neighbours are one number, and two seeds could silently be the same.
                if seed.fract() != 0.0 || seed.abs() > 9_007_199_254_740_992.0 || seed.is_nan() {
                    let fault = Fault::new(format!("a seed is a whole number of at most 2**53, not {seed}"));
                    return Err(fault.at(&node.span));
                }
                Stream::seeded(seed as i64)
            }
            None => Stream::of(self.context, call.random),
        };
        let distribution = match call.arg("dist") {
            None => Distribution::Uniform,
            Some(node) => self.distribution(node)?,
        };
        Ok(Numeric::from(stream.array(&shape, distribution).at(span)?).into())
    }

    fn distribution(&self, node: &Node) -> Result<Distribution, ExprError> {
        let fault = match self.eval(node)? {
            Item::Text(name) if name == "uniform" => return Ok(Distribution::Uniform),
            Item::Text(name) if name == "normal" => return Ok(Distribution::Normal),
            Item::Text(name) => Fault::new(format!("unknown distribution `{name}`")),
            _ => Fault::new("a distribution is a text"),
        };
        Err(fault.help("`dist = \"uniform\"` (the default) or `dist = \"normal\"`").at(&node.span))
    }

    /// `concat(a, b)`, `concat((a, b))` and `concat(gather)` are the same.
    fn concat(&self, call: &Call, span: &Span) -> Result<Numeric<'s>, ExprError> {
        let mut items = Vec::with_capacity(call.rest.len());
        for node in &call.rest {
            match self.eval(node)? {
                Item::List(list) => items.extend(list),
                item => items.push(item),
            }
        }
        let axis = self.optional(call, "axis", 0.0)?;
        build::concat(items, axis).at(span)
    }
}
