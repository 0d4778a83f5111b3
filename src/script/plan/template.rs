//! Templates: texts with references in them, which the rank that runs an instance renders.
//!
//! A [`Template`] is rendered with the values of a [`RenderScope`]: to one text, to the arguments of a command, or to
//! the pieces of a standard input.

use crate::script::values::format::written;
use serde::{Deserialize, Serialize};

use crate::script::plan::runtime_vars::{RuntimeVar, RuntimeVars};
use crate::script::plan::shell_quote::{FilledScript, Quote};
use crate::script::values::format::FormatSpec;
use crate::script::values::value::{PathPart, ScriptValue};

/// The source of the text that replaces a `{reference}` of a template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fill {
    /// A fixed text: the value of a variable of the script, where a shell must see it as data.
    Constant(String),
    /// The value of the task's parameter of that number or, if a part is given, that part of its path, such as the
    /// folder.
    Param(usize, Option<PathPart>),
    /// The file that the task's dependency of that number reads: its path, or several paths if it reads several
    /// instances.
    Input(usize),
    /// The path of the task's own output file of that number, to which the command writes.
    Out(usize),
    /// A runtime variable, such as `{dtask.rank}`, which only the rank that runs the instance knows.
    Fact(RuntimeVar),
    /// The value of an environment variable of the rank, `{env:NAME}`.
    Env(String),
    /// The first (0, `{a}`) or second (1, `{b}`) file that a command merges in a step of a reduction. Each step fills
    /// in the paths of its own two files.
    Merged(usize),
    /// The first of these sources that exists for the instance, as in `{a else b}`. An input does not exist if the
    /// task's dependency of that number reads no instance. If none exists, the reference is replaced by nothing, as in
    /// `{a?}`.
    First(Vec<Fill>),
}

impl Fill {
    /// The numbers of the task's dependencies whose files can replace the reference.
    pub(crate) fn inputs(&self) -> Vec<usize> {
        match self {
            Fill::Input(at) => vec![*at],
            Fill::First(all) => all.iter().flat_map(Fill::inputs).collect(),
            _ => Vec::new(),
        }
    }
}

/// A piece of a template: fixed text, or a reference that a value of the instance replaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TemplatePart {
    /// Text that is the same for all instances.
    Text(String),
    /// A reference, such as `{T}`, which a value of the instance replaces.
    Fill {
        /// The source of the text that replaces the reference, such as a parameter.
        what: Fill,
        /// The format of the value, as in `{T:04}`; `None` for the value's usual spelling.
        format: Option<FormatSpec>,
        /// The way in which the text is quoted, so that a shell does not interpret it.
        quote: Quote,
    },
}

/// A text with `{references}`, which are replaced for each instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// The pieces of the text in order: fixed texts and references.
    pub parts: Vec<TemplatePart>,
}

/// The values by which the references of a template are replaced, for one run of one instance.
#[derive(Clone, Copy)]
pub struct RenderScope<'a> {
    /// The values of the instance's parameters, as [`crate::script::sweep::family::Sweep::bindings`] gives them.
    pub values: &'a [ScriptValue],
    /// The paths of the input files: for each of the task's dependencies a list, in the index order of the instances
    /// read.
    pub inputs: &'a [Vec<String>],
    /// The paths of the output files of the instance, in the order of the task's outputs.
    pub outs: &'a [String],
    /// The values of the runtime variables, such as the rank's number.
    pub facts: &'a RuntimeVars,
    /// A function that looks up an environment variable of the rank; `None` where it is not set.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// The reason why a template could not be rendered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RenderError {
    /// A reference `{env:NAME}` to an environment variable that is not set on the rank.
    #[error("the environment variable `{0}` is not set")]
    Env(String),
    /// A value that the template needs but the scope does not have: the value's kind, such as parameter, and its
    /// number.
    #[error("{0} number {1} is missing")]
    Missing(&'static str, usize),
    /// A value for a shell with a NUL character, which no shell can hold.
    #[error("a value has a NUL character in it, which no shell can hold")]
    Nul,
    /// A value in a shell's arithmetic that is no number; the shell would evaluate it.
    #[error("`{}` stands in an arithmetic expression of the `shell` script and is no number", .0.escape_debug())]
    NoNumber(String),
    /// A value that a shell evaluates again and that is more than a plain word.
    #[error(
        "`{}` stands where a shell reads it once more, and only letters, digits and `_-./:` can",
        .0.escape_debug()
    )]
    Reread(String),
    /// A value in the name of a shell's variable that is no part of a name.
    #[error("`{}` stands in the name of a variable of the `shell` script and is no part of a name", .0.escape_debug())]
    NoName(String),
    /// A format in the template that does not fit the value, with the reason.
    #[error("a format does not fit: {0}")]
    Format(String),
}

/// A piece of the standard input that a command gets.
#[derive(Clone, Debug, PartialEq)]
pub enum StdinPiece {
    /// Text, which is written to the standard input as it is.
    Text(String),
    /// The bytes of all input files of the task's dependency of that number, one after the other.
    Input(usize),
    /// The first of these that is there; text is always there.
    First(Vec<StdinPiece>),
}

impl Template {
    /// Creates a template that is a fixed text without references.
    pub fn literal(text: impl Into<String>) -> Self {
        Self { parts: vec![TemplatePart::Text(text.into())] }
    }

    /// Whether the text ends with a slash that stands in the script.
    pub(crate) fn ends_with_slash(&self) -> bool {
        matches!(self.parts.last(), Some(TemplatePart::Text(text)) if text.ends_with('/'))
    }

    /// Returns the text of the template if it has no references; `None` if it has some.
    pub fn as_literal(&self) -> Option<String> {
        let text =
            |part: &TemplatePart| if let TemplatePart::Text(text) = part { Some(text.clone()) } else { None };
        self.parts.iter().map(text).collect()
    }

    /// Renders the template to one text: replaces its references by values. If a reference stands for several paths,
    /// they are separated by spaces.
    pub fn render(&self, scope: &RenderScope<'_>) -> Result<String, RenderError> {
        let mut text = String::new();
        for part in &self.parts {
            text.push_str(&part.texts(scope)?.join(" "));
        }
        Ok(text)
    }

    /// Renders a script for a shell, in which every value is data.
    ///
    /// # Errors
    /// When a reference has no value, or its value cannot be inserted in its quoting context.
    pub fn render_shell(&self, scope: &RenderScope<'_>) -> Result<String, RenderError> {
        let mut script = FilledScript::default();
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => script.text(text),
                TemplatePart::Fill { quote, .. } => script.values(&part.values(scope)?, *quote)?,
            }
        }
        Ok(script.finish())
    }

    /// Renders one word of a command to arguments. A reference to several instances gives one argument for each path,
    /// each with the rest of the word (`--in={x}` becomes `--in=a --in=b`); otherwise there is one argument.
    pub fn render_args(&self, scope: &RenderScope<'_>) -> Result<Vec<String>, RenderError> {
        let mut args = vec![String::new()];
        for part in &self.parts {
            let texts = part.arguments(scope)?;
            args =
                args.iter().flat_map(|head| texts.iter().map(move |text| format!("{head}{text}"))).collect();
        }
        Ok(args)
    }

    /// Renders the template as the standard input of a command: pieces of text and, between them, the numbers of the
    /// dependencies whose files are inserted.
    pub fn render_stdin(&self, scope: &RenderScope<'_>) -> Result<Vec<StdinPiece>, RenderError> {
        self.parts.iter().map(|part| part.stdin_piece(scope)).collect()
    }

    /// The numbers of the task's dependencies whose files the template can name.
    pub(crate) fn inputs(&self) -> Vec<usize> {
        let of = |part: &TemplatePart| match part {
            TemplatePart::Text(_) => Vec::new(),
            TemplatePart::Fill { what, .. } => what.inputs(),
        };
        self.parts.iter().flat_map(of).collect()
    }
}

impl TemplatePart {
    fn stdin_piece(&self, scope: &RenderScope<'_>) -> Result<StdinPiece, RenderError> {
        Ok(match self {
            TemplatePart::Fill { what: Fill::Input(at), .. } => StdinPiece::Input(*at),
            TemplatePart::Fill { what: Fill::First(all), format, quote } => {
                let part = |what: &Fill| TemplatePart::Fill {
                    what: what.clone(),
                    format: format.clone(),
                    quote: *quote,
                };
                let pieces: Result<_, _> = all.iter().map(|what| part(what).stdin_piece(scope)).collect();
                StdinPiece::First(pieces?)
            }
            part => StdinPiece::Text(part.texts(scope)?.concat()),
        })
    }

    /// Returns the texts that replace the part, each quoted as one shell word if a shell will read it.
    fn texts(&self, scope: &RenderScope<'_>) -> Result<Vec<String>, RenderError> {
        let values = self.values(scope)?;
        Ok(match self {
            TemplatePart::Fill { quote, .. } if *quote != Quote::None => {
                values.iter().map(|value| quote.word(value)).collect()
            }
            _ => values,
        })
    }

    /// Returns the texts that replace the part in a command's argument.
    ///
    /// # Errors
    /// When the command evaluates the argument again, as `sh -c` does, and a text could be more than a plain word
    /// there.
    fn arguments(&self, scope: &RenderScope<'_>) -> Result<Vec<String>, RenderError> {
        let texts = self.texts(scope)?;
        if let TemplatePart::Fill { quote, .. } = self {
            texts.iter().try_for_each(|text| quote.read_again(text))?;
        }
        Ok(texts)
    }

    /// Returns the texts that replace the part, unquoted.
    fn values(&self, scope: &RenderScope<'_>) -> Result<Vec<String>, RenderError> {
        match self {
            TemplatePart::Text(text) => Ok(vec![text.clone()]),
            TemplatePart::Fill { what, format, .. } => what.values(format.as_ref(), scope),
        }
    }
}

impl Fill {
    fn values(
        &self,
        format: Option<&FormatSpec>,
        scope: &RenderScope<'_>,
    ) -> Result<Vec<String>, RenderError> {
        let value = match self {
            Fill::Constant(text) => return Ok(vec![text.clone()]),
            Fill::Param(at, path_part) => {
                let value = scope.values.get(*at).ok_or(RenderError::Missing("parameter", *at))?;
                path_part.map_or_else(|| value.clone(), |part| ScriptValue::Text(part.of(&value.to_string())))
            }
            Fill::Input(at) => {
                return scope.inputs.get(*at).cloned().ok_or(RenderError::Missing("input", *at));
            }
            Fill::Out(at) => {
                ScriptValue::Text(scope.outs.get(*at).ok_or(RenderError::Missing("output", *at))?.clone())
            }
            Fill::Fact(fact) => scope.facts.get(*fact),
            Fill::Env(name) => {
                ScriptValue::Text((scope.env)(name).ok_or_else(|| RenderError::Env(name.clone()))?)
            }
            // A rank replaces this reference by a file before it renders a merge step. Only a fingerprint renders it as
            // it is, and then the text must be the same for all steps.
            Fill::Merged(at) => return Ok(vec![format!("{{{}}}", if *at == 0 { "a" } else { "b" })]),
            Fill::First(all) => {
                for option in all {
                    let values = option.values(format, scope)?;
                    if !values.is_empty() {
                        return Ok(values);
                    }
                }
                return Ok(Vec::new());
            }
        };
        Ok(vec![written(&value, format).map_err(RenderError::Format)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(what: Fill, quote: Quote) -> TemplatePart {
        TemplatePart::Fill { what, format: None, quote }
    }

    fn with_scope<T>(check: impl Fn(&RenderScope<'_>) -> T) -> T {
        let facts = RuntimeVars { rank: 3, host: "n1".into(), ..RuntimeVars::default() };
        let inputs = [vec!["a b".to_string(), "c".to_string()], vec!["d".to_string()]];
        let (values, outs) =
            ([ScriptValue::Path("data/x.h5".into()), ScriptValue::Int(7)], ["/tmp/o".to_string()]);
        let env = |name: &str| (name == "HOME").then(|| "/root".to_string());
        check(&RenderScope { values: &values, inputs: &inputs, outs: &outs, facts: &facts, env: &env })
    }

    #[test]
    fn gathers_become_arguments_and_quoted_lists() {
        with_scope(|scope| {
            let args = |parts: Vec<TemplatePart>| Template { parts }.render_args(scope).unwrap();
            assert_eq!(args(vec![fill(Fill::Input(0), Quote::None)]), ["a b", "c"]);
            assert_eq!(
                args(vec![TemplatePart::Text("--in=".into()), fill(Fill::Input(0), Quote::None)]),
                ["--in=a b", "--in=c"]
            );
            assert_eq!(args(vec![TemplatePart::Text(String::new())]), [""]);
            let shell = |quote| {
                Template { parts: vec![TemplatePart::Text("cat ".into()), fill(Fill::Input(0), quote)] }
                    .render_shell(scope)
                    .unwrap()
            };
            assert_eq!(shell(Quote::Bare), "__dtask1='a b'; cat \"${__dtask1}\" c");
            assert_eq!(shell(Quote::Double), "__dtask1='a b'; cat ${__dtask1} c");
        });
    }

    #[test]
    fn everything_else_is_one_value() {
        with_scope(|scope| {
            let one = |what| Template { parts: vec![fill(what, Quote::None)] }.render(scope);
            assert_eq!(one(Fill::Param(0, Some(PathPart::Stem))).unwrap(), "x");
            assert_eq!(one(Fill::Out(0)).unwrap(), "/tmp/o");
            assert_eq!(one(Fill::Fact(RuntimeVar::Rank)).unwrap(), "3");
            assert_eq!(one(Fill::Env("HOME".into())).unwrap(), "/root");
            assert_eq!(
                one(Fill::Env("NO".into())).unwrap_err().to_string(),
                "the environment variable `NO` is not set"
            );
            assert_eq!(one(Fill::Param(9, None)).unwrap_err().to_string(), "parameter number 9 is missing");
            let padded = TemplatePart::Fill {
                what: Fill::Param(1, None),
                format: FormatSpec::parse("03"),
                quote: Quote::None,
            };
            let stdin = Template { parts: vec![padded, fill(Fill::Input(1), Quote::None)] };
            assert_eq!(
                stdin.render_stdin(scope).unwrap(),
                [StdinPiece::Text("007".into()), StdinPiece::Input(1)]
            );
        });
    }

    #[test]
    fn templates_travel() {
        let template = Template {
            parts: vec![TemplatePart::Text("a".into()), fill(Fill::Fact(RuntimeVar::Host), Quote::Bare)],
        };
        let bytes = bincode::serde::encode_to_vec(&template, bincode::config::standard()).unwrap();
        let (back, _): (Template, usize) =
            bincode::serde::decode_from_slice(&bytes, bincode::config::standard()).unwrap();
        assert_eq!(back, template);
    }
}
