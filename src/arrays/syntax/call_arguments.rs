//! Parsing of calls, and matching of arguments with the function's parameters. Matching is done while parsing, so that
//! `dtask check` finds a misspelt function before the job waits in a queue.

use super::ast::{Call, ExprNode, NodeKind, Span};
use super::function::{FUNCTIONS, Function, Signature, nearest};
use super::parse::Parser;
use crate::arrays::error::ExprError;

impl Parser<'_> {
    /// Parses a call. The current token is the opening parenthesis.
    pub(crate) fn call(&mut self, name: &str, name_span: Span) -> Result<ExprNode, ExprError> {
        let signature = Signature::of(name).ok_or_else(|| unknown(name, &name_span))?;
        let open = self.here();
        self.advance();
        let random = self.randoms;
        if signature.function == Function::Random {
            self.randoms += 1;
        }
        let mut given = Vec::new();
        let mut named: Vec<Option<ExprNode>> = vec![None; signature.slots()];
        let mut last_keyword: Option<Span> = None;
        while self.symbol() != Some(")") {
            match self.keyword() {
                Some((keyword, span)) => {
                    let value = self.alternatives()?;
                    keyword_argument(signature, &mut named, &keyword, &span, value)?;
                    last_keyword = Some(span);
                }
                None => {
                    let value = self.alternatives()?;
                    if last_keyword.is_some() {
                        return Err(ExprError {
                            range: value.span,
                            message: "an argument without a keyword stands after one with a keyword"
                                .to_owned(),
                            help: Some(format!("usage: {}", signature.usage())),
                        });
                    }
                    given.push(value);
                }
            }
            self.separator(")", &open)?;
        }
        let span = name_span.start..self.here().end;
        self.advance();
        let rest = positional_arguments(signature, &mut named, given, &span)?;
        let call = Call { function: signature.function, name_span, named, rest, random };
        self.node(NodeKind::Call(Box::new(call)), span)
    }
}

fn keyword_argument(
    signature: &Signature,
    named: &mut [Option<ExprNode>],
    keyword: &str,
    span: &Span,
    value: ExprNode,
) -> Result<(), ExprError> {
    let Some(slot) = signature.slot(keyword) else {
        let parameters = signature.positional.iter().chain(signature.keyword).copied();
        let help = match nearest(keyword, parameters) {
            Some(near) => format!("did you mean `{near}`? usage: {}", signature.usage()),
            None => format!("usage: {}", signature.usage()),
        };
        return Err(ExprError {
            range: span.clone(),
            message: format!("`{}` has no argument `{keyword}`", signature.name),
            help: Some(help),
        });
    };
    if named[slot].is_some() {
        return Err(twice(signature, keyword, span));
    }
    named[slot] = Some(value);
    Ok(())
}

/// Assigns the positional arguments `given` to the parameters of the function, `named`, and returns those left over,
/// where it takes any number. `call` is the position of the call, for the error about a missing argument.
fn positional_arguments(
    signature: &Signature,
    named: &mut [Option<ExprNode>],
    given: Vec<ExprNode>,
    call: &Span,
) -> Result<Vec<ExprNode>, ExprError> {
    let count = given.len();
    let mut rest = Vec::new();
    for (i, value) in given.into_iter().enumerate() {
        match signature.positional.get(i) {
            Some(parameter) if named[i].is_some() => return Err(twice(signature, parameter, &value.span)),
            Some(_) => named[i] = Some(value),
            None if signature.rest.is_some() => rest.push(value),
            None => {
                return Err(ExprError {
                    range: value.span,
                    message: format!(
                        "`{}` takes at most {} arguments, {count} are given",
                        signature.name,
                        signature.positional.len()
                    ),
                    help: Some(too_many_help(signature)),
                });
            }
        }
    }
    let missing = signature.positional[..signature.required]
        .iter()
        .zip(&*named)
        .find_map(|(parameter, value)| value.is_none().then_some(*parameter))
        .or(signature.rest.and_then(|(what, fewest)| (rest.len() < fewest).then_some(what)));
    match missing {
        None => Ok(rest),
        Some(parameter) => Err(ExprError {
            range: call.clone(),
            message: format!("`{}` lacks its argument `{parameter}`", signature.name),
            help: Some(format!("usage: {}", signature.usage())),
        }),
    }
}

fn too_many_help(signature: &Signature) -> String {
    match signature.name {
        "min" | "max" | "sum" => {
            format!("usage: {}; of several values: {}([a, b, c])", signature.usage(), signature.name)
        }
        _ => format!("usage: {}", signature.usage()),
    }
}

fn twice(signature: &Signature, parameter: &str, span: &Span) -> ExprError {
    ExprError {
        range: span.clone(),
        message: format!("argument `{parameter}` of `{}` is given twice", signature.name),
        help: None,
    }
}

fn unknown(name: &str, span: &Span) -> ExprError {
    let known = || FUNCTIONS.iter().map(|signature| signature.name);
    let last = name.rsplit('.').next().unwrap_or(name);
    let (message, help) = if let Some((first, _)) = name.split_once('.')
        && Signature::of(last).is_some()
    {
        let help = match first {
            "np" | "numpy" => format!("write `{last}(..)`: functions have no prefix here"),
            _ => {
                format!("there are no methods: write `{last}({}, ..)`", &name[..name.len() - last.len() - 1])
            }
        };
        (format!("unknown function `{name}`"), Some(help))
    } else {
        let synonym = match last {
            "concatenate" | "hstack" | "vstack" => Some("concat"),
            "amin" | "minimum" => Some("min"),
            "amax" | "maximum" => Some("max"),
            "average" => Some("mean"),
            "absolute" | "fabs" => Some("abs"),
            "ln" => Some("log"),
            "pow" | "power" => Some("a ** b"),
            "rand" | "randn" | "normal" | "uniform" => Some("random"),
            "range" => Some("arange"),
            "astype" => Some("cast"),
            "loadtxt" | "genfromtxt" | "read_csv" => Some("from_csv"),
            "frombuffer" | "fromfile" => Some("from_bytes"),
            "identity" => Some("eye"),
            _ => None,
        };
        let help = match synonym.or_else(|| nearest(last, known())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("functions: {}", known().collect::<Vec<_>>().join(", ")),
        };
        (format!("unknown function `{name}`"), Some(help))
    };
    ExprError { range: span.clone(), message, help }
}
