//! Evaluation of calls: from the arguments of a built-in function to the kernel that computes it.

use crate::arrays::File;
use crate::arrays::csv::{self, Column};
use crate::arrays::error::{ExprError, Fault, PutPosition};
use crate::arrays::eval::evaluator::Evaluator;
use crate::arrays::eval::operand::Intermediate;
use crate::arrays::exact::{self, MAX_EXACT_INTEGER};
use crate::arrays::kernels::construct;
use crate::arrays::kernels::histogram::histogram;
use crate::arrays::kernels::random::{Distribution, RandomStream};
use crate::arrays::numeric::Numeric;
use crate::arrays::shapes::shape;
use crate::arrays::syntax::ast::{Call, ExprNode, Span};
use crate::arrays::syntax::function::Function;
use crate::arrays::typed_functions;
use crate::arrays::typed_numbers::{Numbers, TypedNumbers};
use crate::arrays::types::{ElementType, ExprType};
use std::borrow::Cow;

impl<'s> Evaluator<'s> {
    pub(crate) fn call(&self, call: &Call, span: &Span) -> Result<Intermediate<'s>, ExprError> {
        let made: Numeric<'s> = match call.function {
            Function::Random => return self.random(call, span),
            Function::Zeros => self.filled(call, 0.0)?,
            Function::Ones => self.filled(call, 1.0)?,
            Function::Full => return self.full(call, span).map(Intermediate::from),
            Function::Arange => {
                let first = self.required(call, 0, span)?;
                let first = self.number(first, "`start`")?;
                // A single argument is the end, as in Python's `range`.
                let (start, stop) = match call.arg("stop") {
                    Some(stop) => (first, self.number(stop, "`stop`")?),
                    None => (0.0, first),
                };
                let step = self.optional(call, "step", 1.0)?;
                construct::arange(start, stop, step).at(span)?.into()
            }
            Function::Linspace => {
                let start = self.number(self.required(call, 0, span)?, "`start`")?;
                let stop = self.number(self.required(call, 1, span)?, "`stop`")?;
                let num = self.optional(call, "num", 50.0)?;
                construct::linspace(start, stop, num).at(span)?.into()
            }
            Function::Eye => {
                let n = self.number(self.required(call, 0, span)?, "`n`")?;
                let m = self.optional(call, "m", n)?;
                let (n, m) = (shape::length(n).at(span)?, shape::length(m).at(span)?);
                construct::eye(n, m).at(span)?.into()
            }
            _ => return self.call_on(call, span).map(Intermediate::from),
        };
        Ok(TypedNumbers::floats(made).into())
    }

    /// Evaluates the call of a built-in function that takes arrays.
    fn call_on(&self, call: &Call, span: &Span) -> Result<TypedNumbers<'s>, ExprError> {
        match call.function {
            Function::Aggregate(function) => {
                let x = self.typed(self.required(call, 0, span)?)?;
                let axis = call.arg("axis");
                let place = axis.map_or(span, |axis| &axis.span);
                let axis = axis.map(|axis| self.number(axis, "`axis`")).transpose()?;
                typed_functions::aggregate(function, x, axis).at(place)
            }
            Function::Map(function) => {
                typed_functions::map(function, self.typed(self.required(call, 0, span)?)?).at(span)
            }
            Function::Clip => typed_functions::clip(self.three(call, span)?).at(span),
            Function::Where => typed_functions::choose(self.three(call, span)?).at(span),
            Function::Concat | Function::Stack => self.join(call, span),
            Function::Reshape => {
                let x = self.typed(self.required(call, 0, span)?)?;
                typed_functions::rearranged(x, &self.numbers(&call.rest, "a size")?, false).at(span)
            }
            Function::Transpose => {
                let x = self.typed(self.required(call, 0, span)?)?;
                typed_functions::rearranged(x, &self.numbers(&call.rest, "an axis")?, true).at(span)
            }
            Function::Dot | Function::Matmul => {
                let a = self.typed(self.required(call, 0, span)?)?;
                let b = self.typed(self.required(call, 1, span)?)?;
                typed_functions::product_of(a, b, call.function == Function::Dot).at(span)
            }
            Function::Percentile | Function::Quantile => {
                let x = self.typed(self.required(call, 0, span)?)?;
                let node = self.required(call, 1, span)?;
                let most = if call.function == Function::Percentile { 100.0 } else { 1.0 };
                let q = self.number(node, "`q`")?;
                if !(0.0..=most).contains(&q) {
                    let name = call.signature().name;
                    return Err(Fault::new(format!("a {name} is from 0 to {most}, not {q}")).at(&node.span));
                }
                let axis = self.axis(call)?;
                typed_functions::quantile(x, q / most, axis).at(self.place_of_axis(call, span))
            }
            Function::Cumsum => {
                let x = self.typed(self.required(call, 0, span)?)?;
                typed_functions::running_sums(x, self.axis(call)?).at(self.place_of_axis(call, span))
            }
            Function::Diff => {
                let x = self.typed(self.required(call, 0, span)?)?;
                let times = shape::length(self.optional(call, "n", 1.0)?).at(span)?;
                let axis = self.axis(call)?.unwrap_or(-1.0);
                typed_functions::differences(x, times, axis).at(self.place_of_axis(call, span))
            }
            Function::Sort => {
                let x = self.typed(self.required(call, 0, span)?)?;
                let axis = self.axis(call)?.unwrap_or(-1.0);
                typed_functions::sorted(x, axis).at(self.place_of_axis(call, span))
            }
            Function::Unique => {
                let x = self.typed(self.required(call, 0, span)?)?;
                Ok(typed_functions::distinct(x))
            }
            Function::Histogram => {
                let x = self.typed(self.required(call, 0, span)?)?;
                let bins = self.optional(call, "bins", 10.0)?;
                let end =
                    |name| call.arg(name).map(|node| self.number(node, &format!("`{name}`"))).transpose();
                let numbers = x.into_floats().at(span)?;
                let counts = histogram(numbers, bins, end("min")?, end("max")?).at(span)?;
                TypedNumbers::fitted(counts.into(), ExprType::I64).at(span)
            }
            Function::Cast => {
                let x = self.typed(self.required(call, 0, span)?)?;
                x.cast(self.element_type(self.required(call, 1, span)?)?).at(span)
            }
            Function::FromCsv => {
                let bytes = self.bytes(self.required(call, 0, span)?)?;
                let column = call.arg("column").map(|node| self.column(node)).transpose()?;
                let table = csv::table(&bytes, column.as_ref()).map_err(Fault::new).at(span)?;
                Ok(table.into_typed())
            }
            Function::FromBytes => {
                let bytes = self.bytes(self.required(call, 0, span)?)?;
                let element = call.arg("type").map(|node| self.element_type(node)).transpose()?;
                let element = element.unwrap_or(ElementType::F64);
                Ok(csv::memory(&bytes, element).map_err(Fault::new).at(span)?.into_typed())
            }
            Function::Load => self.load(call, span),
            Function::Number => self.read_number(self.required(call, 0, span)?),
            Function::Text(_) => Err(of_texts(call).at(&call.name_span)),
            _ => Err(Fault::new("internal error: this function takes no array").at(span)),
        }
    }

    /// The argument for the required parameter number `slot`, counted from 0. The parser has checked that it was given.
    fn required<'c>(&self, call: &'c Call, slot: usize, span: &Span) -> Result<&'c ExprNode, ExprError> {
        call.named.get(slot).and_then(Option::as_ref).ok_or_else(|| {
            Fault::new(format!("an argument is missing; usage: {}", call.signature().usage())).at(span)
        })
    }

    fn optional(&self, call: &Call, name: &str, default: f64) -> Result<f64, ExprError> {
        call.arg(name).map_or(Ok(default), |node| self.number(node, &format!("`{name}`")))
    }

    fn axis(&self, call: &Call) -> Result<Option<f64>, ExprError> {
        call.arg("axis").map(|axis| self.number(axis, "`axis`")).transpose()
    }

    /// The place of a wrong axis: that of the argument, if it is given.
    fn place_of_axis<'c>(&self, call: &'c Call, span: &'c Span) -> &'c Span {
        call.arg("axis").map_or(span, |axis| &axis.span)
    }

    fn three(&self, call: &Call, span: &Span) -> Result<[TypedNumbers<'s>; 3], ExprError> {
        Ok([
            self.typed(self.required(call, 0, span)?)?,
            self.typed(self.required(call, 1, span)?)?,
            self.typed(self.required(call, 2, span)?)?,
        ])
    }

    /// Evaluates the sizes of a shape, given as arguments or as one list: `zeros(3, 4)` and `zeros((3, 4))`. The
    /// message about a value that is no number calls it `what`.
    fn numbers(&self, nodes: &[ExprNode], what: &str) -> Result<Vec<f64>, ExprError> {
        if let [node] = nodes
            && let Intermediate::List(items) = self.eval(node)?
        {
            return items.into_iter().map(|item| item.into_number(what).at(&node.span)).collect();
        }
        nodes.iter().map(|node| self.number(node, what)).collect()
    }

    fn shape(&self, nodes: &[ExprNode]) -> Result<Vec<usize>, ExprError> {
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

    /// Evaluates `full(3, 4, 7.0)` or `full(3, 4, value = 7.0)`.
    fn full(&self, call: &Call, span: &Span) -> Result<TypedNumbers<'s>, ExprError> {
        let (sizes, value) = match (call.arg("value"), call.rest.as_slice()) {
            (Some(value), sizes) => (sizes, value),
            (None, [sizes @ .., value]) if !sizes.is_empty() => (sizes, value),
            _ => {
                return Err(Fault::new("`full` lacks its value")
                    .help("write `full(3, 4, value = 7)`, or the value after the sizes")
                    .at(span));
            }
        };
        let what = "the value of `full`";
        let number = self.typed(value)?;
        if let Numbers::Integers(Numeric::Scalar(whole)) = number.numbers
            && exact::float_of(whole).is_none()
        {
            let numbers = Numeric::from(shape::filled(&self.shape(sizes)?, whole).at(span)?).into();
            return Ok(TypedNumbers { numbers, kind: ExprType::I64 });
        }
        let number = number.into_floats().and_then(|number| number.into_number(what)).at(&value.span)?;
        Ok(TypedNumbers::floats(shape::filled(&self.shape(sizes)?, number).at(span)?))
    }

    fn random(&self, call: &Call, span: &Span) -> Result<Intermediate<'s>, ExprError> {
        let shape = self.shape(&call.rest)?;
        let stream = match call.arg("seed") {
            Some(node) => {
                let seed = self.typed(node)?;
                if let Numbers::Integers(Numeric::Scalar(seed)) = seed.numbers {
                    RandomStream::seeded(seed)
                } else {
                    let seed =
                        seed.into_floats().and_then(|seed| seed.into_number("`seed`")).at(&node.span)?;
                    // Beyond 2^53 several integers are the same f64, so that different seeds could be equal without
                    // notice.
                    if seed.fract() != 0.0 || seed.abs() > MAX_EXACT_INTEGER || seed.is_nan() {
                        let message = format!(
                            "a seed that is computed as a float is a whole number of at most 2**53, not {seed}"
                        );
                        return Err(Fault::new(message).at(&node.span));
                    }
                    RandomStream::seeded(seed as i64)
                }
            }
            None => RandomStream::of(self.context, call.random),
        };
        let distribution = match call.arg("dist") {
            None => Distribution::Uniform,
            Some(node) => self.distribution(node)?,
        };
        Ok(TypedNumbers::floats(stream.array(&shape, distribution).at(span)?).into())
    }

    fn distribution(&self, node: &ExprNode) -> Result<Distribution, ExprError> {
        let fault = match self.eval(node)? {
            Intermediate::Text(name) if name == "uniform" => return Ok(Distribution::Uniform),
            Intermediate::Text(name) if name == "normal" => return Ok(Distribution::Normal),
            Intermediate::Text(name) => Fault::new(format!("unknown distribution `{name}`")),
            _ => Fault::new("a distribution is a text"),
        };
        Err(fault.help("`dist = \"uniform\"` (the default) or `dist = \"normal\"`").at(&node.span))
    }

    /// Evaluates `concat`, which joins arrays along an axis that they have, and `stack`, which joins them along a new
    /// one. The arrays are arguments, a list, or the results of a whole family of tasks.
    fn join(&self, call: &Call, span: &Span) -> Result<TypedNumbers<'s>, ExprError> {
        let mut items = Vec::with_capacity(call.rest.len());
        for node in &call.rest {
            match self.eval(node)? {
                Intermediate::List(list) => items.extend(list),
                item => items.push(item),
            }
        }
        let axis = self.optional(call, "axis", 0.0)?;
        let items =
            items.into_iter().map(Intermediate::into_typed).collect::<Result<Vec<_>, Fault>>().at(span)?;
        typed_functions::join(items, axis, call.function == Function::Stack).at(span)
    }

    fn element_type(&self, node: &ExprNode) -> Result<ElementType, ExprError> {
        let fault = match self.eval(node)? {
            Intermediate::Text(name) => match ElementType::named(&name) {
                Some(element) => return Ok(element),
                None => Fault::new(format!("unknown element type `{name}`")),
            },
            _ => Fault::new("an element type is a text"),
        };
        let names = ElementType::NAMES.map(|(name, _)| format!("\"{name}\""));
        Err(fault.help(format!("element types are: {}", names.join(", "))).at(&node.span))
    }

    fn column(&self, node: &ExprNode) -> Result<Column, ExprError> {
        match self.eval(node)? {
            Intermediate::Text(name) => Ok(Column::Named(name.into_owned())),
            item => item.into_number("`column`").map(Column::At).at(&node.span),
        }
    }

    /// The output of a command, or the content of the file that a path names.
    fn bytes(&self, node: &ExprNode) -> Result<Cow<'s, [u8]>, ExprError> {
        match self.eval(node)? {
            Intermediate::Bytes(bytes) => Ok(bytes),
            Intermediate::Text(path) => Ok(self.scope.read(&path).map_err(Fault::new).at(&node.span)?.into()),
            Intermediate::List(_) => {
                let help = "give the task the parameters of the other, with `each`, or choose one: `x[0]`";
                Err(Fault::new("these are several files").help(help).at(&node.span))
            }
            Intermediate::Numeric(_) => {
                let help = "arrays of tasks are arrays already: leave the function out";
                Err(Fault::new("a file, or what a command has written, is wanted here")
                    .help(help)
                    .at(&node.span))
            }
        }
    }

    /// Evaluates `number(..)`: parses the text, or the output of a command, as a number. Blanks around it are ignored.
    fn read_number(&self, node: &ExprNode) -> Result<TypedNumbers<'s>, ExprError> {
        let text = match self.eval(node)? {
            Intermediate::Text(text) => text,
            Intermediate::Bytes(bytes) => match String::from_utf8(bytes.into_owned()) {
                Ok(text) => text.into(),
                Err(_) => return Err(Fault::new("this is no text, and so no number").at(&node.span)),
            },
            item => {
                let typed = item.into_typed().at(&node.span)?;
                if let Numbers::Integers(Numeric::Scalar(whole)) = typed.numbers {
                    return Ok(TypedNumbers::whole(whole));
                }
                let number =
                    typed.into_floats().and_then(|typed| typed.into_number("the argument of `number`"));
                let numbers = Numeric::Scalar(number.at(&node.span)?).into();
                return Ok(TypedNumbers { numbers, kind: ExprType::Number });
            }
        };
        let plain = text.trim();
        if let Ok(whole) = plain.parse::<i64>() {
            return Ok(TypedNumbers::whole(whole));
        }
        match plain.parse::<f64>() {
            Ok(number) => {
                Ok(TypedNumbers { numbers: Numeric::Scalar(number).into(), kind: ExprType::Number })
            }
            Err(_) => {
                let shown: String = plain.chars().take(40).collect();
                let help = "`number` reads one number; a table of numbers needs no function, or `from_csv`";
                Err(Fault::new(format!("`{}` is no number", shown.escape_debug())).help(help).at(&node.span))
            }
        }
    }

    fn load(&self, call: &Call, span: &Span) -> Result<TypedNumbers<'s>, ExprError> {
        let node = self.required(call, 0, span)?;
        let name = match call.arg("dataset") {
            None => None,
            Some(node) => match self.eval(node)? {
                Intermediate::Text(name) => Some(name),
                _ => return Err(Fault::new("the name of a dataset is a text").at(&node.span)),
            },
        };
        let name = name.as_deref();
        let value = match self.eval(node)? {
            Intermediate::Text(path) => self.scope.dataset(File::Path(&path), name),
            Intermediate::Bytes(bytes) => self.scope.dataset(File::Bytes(&bytes), name),
            _ => {
                let fault = Fault::new("`load` takes a file, or a block of one");
                return Err(fault.help("write `load(\"file.h5\", \"/dataset\")`").at(&node.span));
            }
        };
        Ok(value.map_err(Fault::new).at(span)?.into_typed())
    }
}

/// Makes the error for a function of texts that is used in an array expression.
pub(crate) fn of_texts(call: &Call) -> Fault {
    let name = call.signature().name;
    Fault::new(format!("`{name}` makes a text, and this is about arrays"))
        .help(format!("compute the text in `let = {{ s = \"{name}(..)\" }}`, and write `s` here"))
}
