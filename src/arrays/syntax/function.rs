//! The built-in functions: names and parameters. Their evaluation is in [`builtins`](crate::arrays::eval::builtins).

use serde::{Deserialize, Serialize};

/// An element-wise function of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the functions'")]
pub enum Map {
    Sqrt,
    Exp,
    Log,
    Sin,
    Cos,
    Tan,
    Abs,
    Floor,
    Ceil,
    Round,
    Isnan,
}

/// A function that aggregates an array to one number, or along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the functions'")]
pub enum Aggregate {
    Sum,
    Mean,
    Min,
    Max,
    Std,
    Var,
    Norm,
    Argmin,
    Argmax,
    Median,
    Any,
    All,
    Nansum,
    Nanmean,
}

/// A function of texts, such as `stem` or `replace`. Such functions are allowed for single values only, as in `let`:
/// there are no arrays of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the functions'")]
pub enum TextFunction {
    Stem,
    Name,
    Dir,
    Ext,
    Replace,
    Upper,
    Lower,
    Split,
    Join,
    Pad,
    Text,
}

/// A built-in function of the array language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the functions'")]
pub enum Function {
    Random,
    Zeros,
    Ones,
    Full,
    Arange,
    Linspace,
    Aggregate(Aggregate),
    Map(Map),
    Clip,
    Where,
    Concat,
    Stack,
    Reshape,
    Transpose,
    Dot,
    Matmul,
    Eye,
    Histogram,
    Cast,
    FromCsv,
    FromBytes,
    Load,
    Percentile,
    Quantile,
    Cumsum,
    Diff,
    Sort,
    Unique,
    /// `number(text)`: parses a text as a number.
    Number,
    /// A function of texts, for single values only.
    Text(TextFunction),
}

/// The parameters of a built-in function of the array language.
#[derive(Debug)]
pub struct Signature {
    /// The name by which expressions call the function.
    pub name: &'static str,
    /// The function that the evaluator runs.
    pub function: Function,
    /// The parameters that are given by position or by keyword. The first `required` of them must be given.
    pub positional: &'static [&'static str],
    /// The number of parameters in `positional` that must be given.
    pub required: usize,
    /// The arguments that may follow `positional` in any number: their name in messages, and their smallest number.
    /// `None` if the function takes no such arguments.
    pub rest: Option<(&'static str, usize)>,
    /// The parameters that are given by keyword only, all optional.
    pub keyword: &'static [&'static str],
}

const fn plain(
    name: &'static str,
    function: Function,
    positional: &'static [&'static str],
    required: usize,
) -> Signature {
    Signature { name, function, positional, required, rest: None, keyword: &[] }
}

const fn map(name: &'static str, function: Map) -> Signature {
    plain(name, Function::Map(function), &["x"], 1)
}

const fn aggregate(name: &'static str, function: Aggregate) -> Signature {
    plain(name, Function::Aggregate(function), &["x", "axis"], 1)
}

const fn text(
    name: &'static str,
    function: TextFunction,
    positional: &'static [&'static str],
    required: usize,
) -> Signature {
    plain(name, Function::Text(function), positional, required)
}

const fn sized(
    name: &'static str,
    function: Function,
    fewest: usize,
    keyword: &'static [&'static str],
) -> Signature {
    Signature { name, function, positional: &[], required: 0, rest: Some(("size", fewest)), keyword }
}

const fn joining(name: &'static str, function: Function) -> Signature {
    Signature { name, function, positional: &[], required: 0, rest: Some(("array", 1)), keyword: &["axis"] }
}

/// The table of all built-in functions.
pub(crate) static FUNCTIONS: &[Signature] = &[
    sized("random", Function::Random, 0, &["seed", "dist"]),
    sized("zeros", Function::Zeros, 1, &[]),
    sized("ones", Function::Ones, 1, &[]),
    sized("full", Function::Full, 1, &["value"]),
    plain("arange", Function::Arange, &["start", "stop", "step"], 1),
    plain("linspace", Function::Linspace, &["start", "stop", "num"], 2),
    plain("eye", Function::Eye, &["n", "m"], 1),
    plain("load", Function::Load, &["file", "dataset"], 1),
    plain("from_csv", Function::FromCsv, &["x", "column"], 1),
    plain("from_bytes", Function::FromBytes, &["x", "type"], 1),
    aggregate("sum", Aggregate::Sum),
    aggregate("mean", Aggregate::Mean),
    aggregate("min", Aggregate::Min),
    aggregate("max", Aggregate::Max),
    aggregate("std", Aggregate::Std),
    aggregate("var", Aggregate::Var),
    aggregate("norm", Aggregate::Norm),
    aggregate("argmin", Aggregate::Argmin),
    aggregate("argmax", Aggregate::Argmax),
    aggregate("median", Aggregate::Median),
    aggregate("any", Aggregate::Any),
    aggregate("all", Aggregate::All),
    aggregate("nansum", Aggregate::Nansum),
    aggregate("nanmean", Aggregate::Nanmean),
    plain("percentile", Function::Percentile, &["x", "q", "axis"], 2),
    plain("quantile", Function::Quantile, &["x", "q", "axis"], 2),
    plain("cumsum", Function::Cumsum, &["x", "axis"], 1),
    plain("diff", Function::Diff, &["x", "n", "axis"], 1),
    plain("sort", Function::Sort, &["x", "axis"], 1),
    plain("unique", Function::Unique, &["x"], 1),
    plain("histogram", Function::Histogram, &["x", "bins", "min", "max"], 1),
    map("sqrt", Map::Sqrt),
    map("exp", Map::Exp),
    map("log", Map::Log),
    map("sin", Map::Sin),
    map("cos", Map::Cos),
    map("tan", Map::Tan),
    map("abs", Map::Abs),
    map("floor", Map::Floor),
    map("ceil", Map::Ceil),
    map("round", Map::Round),
    map("isnan", Map::Isnan),
    plain("clip", Function::Clip, &["x", "min", "max"], 3),
    plain("where", Function::Where, &["condition", "a", "b"], 3),
    joining("concat", Function::Concat),
    joining("stack", Function::Stack),
    Signature {
        name: "reshape",
        function: Function::Reshape,
        positional: &["x"],
        required: 1,
        rest: Some(("size", 1)),
        keyword: &[],
    },
    Signature {
        name: "transpose",
        function: Function::Transpose,
        positional: &["x"],
        required: 1,
        rest: Some(("axis", 0)),
        keyword: &[],
    },
    plain("dot", Function::Dot, &["a", "b"], 2),
    plain("matmul", Function::Matmul, &["a", "b"], 2),
    plain("cast", Function::Cast, &["x", "type"], 2),
    plain("number", Function::Number, &["text"], 1),
    text("stem", TextFunction::Stem, &["path"], 1),
    text("name", TextFunction::Name, &["path"], 1),
    text("dir", TextFunction::Dir, &["path"], 1),
    text("ext", TextFunction::Ext, &["path"], 1),
    text("replace", TextFunction::Replace, &["text", "old", "new"], 3),
    text("upper", TextFunction::Upper, &["text"], 1),
    text("lower", TextFunction::Lower, &["text"], 1),
    text("split", TextFunction::Split, &["text", "separator"], 1),
    Signature {
        name: "join",
        function: Function::Text(TextFunction::Join),
        positional: &["separator"],
        required: 1,
        rest: Some(("part", 1)),
        keyword: &[],
    },
    text("pad", TextFunction::Pad, &["text", "width", "fill"], 2),
    text("text", TextFunction::Text, &["x", "format"], 1),
];

impl Function {
    /// The entry of the function in the table of built-in functions.
    pub fn signature(self) -> &'static Signature {
        // Each variant has an entry, as a test checks, so the first entry is never returned by mistake.
        FUNCTIONS.iter().find(|signature| signature.function == self).unwrap_or(&FUNCTIONS[0])
    }
}

impl Signature {
    /// Finds the entry of the built-in function `name`; `None` if there is none.
    pub fn of(name: &str) -> Option<&'static Signature> {
        FUNCTIONS.iter().find(|signature| signature.name == name)
    }

    /// The number of named parameters: those that may be given by position, and those by keyword only.
    pub fn slots(&self) -> usize {
        self.positional.len() + self.keyword.len()
    }

    /// The index of the parameter `name` among the named ones; `None` if there is none.
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.positional.iter().chain(self.keyword).position(|parameter| *parameter == name)
    }

    /// Formats the function's parameters for messages, optional ones in brackets: `linspace(start, stop, [num])`.
    pub fn usage(&self) -> String {
        let mut parts: Vec<String> = self
            .positional
            .iter()
            .enumerate()
            .map(|(i, name)| if i < self.required { (*name).to_owned() } else { format!("[{name}]") })
            .collect();
        match self.rest {
            Some((name, 0)) => parts.push(format!("[{name}, ..]")),
            Some((name, _)) => parts.push(format!("{name}, ..")),
            None => {}
        }
        parts.extend(self.keyword.iter().map(|name| format!("[{name} = ..]")));
        format!("{}({})", self.name, parts.join(", "))
    }
}

/// The candidate with the smallest edit distance to a misspelt `name`; `None` if none is near enough to be meant. A
/// swap of neighbours counts as one edit.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Quadratic in the length, so a name of a megabyte is not compared at all.
    let length = name.chars().count();
    if length > 40 {
        return None;
    }
    let limit = (length / 3).max(1);
    let best = candidates.into_iter().map(|c| (strsim::osa_distance(name, c), c)).min_by_key(|(d, _)| *d)?;
    (best.0 <= limit).then_some(best.1)
}
