//! Texts with references in them, and how they are filled in at the rank that runs the task.

use crate::script::values::format::written;
use serde::{Deserialize, Serialize};

use crate::script::plan::runtime_vars::{RuntimeVar, RuntimeVars};
use crate::script::plan::shell_quote::{FilledScript, Quote};
use crate::script::values::format::FormatSpec;
use crate::script::values::value::{PathPart, ScriptValue};

/// What stands in a reference's place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fill {
    /// This text: the value of a variable of the script, where a shell must see it as data.
    Constant(String),
    /// The task's parameter of that number, or a part of its path.
    Param(usize, Option<PathPart>),
    /// The task's reference of that number: one path, or many for a gather.
    Input(usize),
    /// The task's own output of that number: the path to write to.
    Out(usize),
    /// What the rank knows.
    Fact(RuntimeVar),
    /// A variable of the rank's environment.
    Env(String),
    /// One of the two files that a step of a reduction merges, 0 for `{a}`; each step puts its own in their place.
    Merged(usize),
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TemplatePart {
    /// Text that is the same for all instances.
    Text(String),
    /// A reference.
    Fill {
        /// What it stands for.
        what: Fill,
        /// How it is written.
        format: Option<FormatSpec>,
        /// How it is protected.
        quote: Quote,
    },
}

/// A text with references.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Its pieces, in order.
    pub parts: Vec<TemplatePart>,
}

/// What references are filled with, for one run of one instance.
#[derive(Clone, Copy)]
pub struct RenderScope<'a> {
    /// The values of the instance's parameters, as [`crate::script::sweep::family::Sweep::bindings`] gives them.
    pub values: &'a [ScriptValue],
    /// The paths of the gathered inputs, in index order, by the number of the task's reference.
    pub inputs: &'a [Vec<String>],
    /// The paths of the task's own outputs, by their number.
    pub outs: &'a [String],
    /// What the rank knows.
    pub facts: &'a RuntimeVars,
    /// Looks up the rank's environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// Why a template could not be filled in.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RenderError {
    /// `{env:NAME}` of a variable that the rank's environment lacks.
    #[error("the environment variable `{0}` is not set")]
    Env(String),
    /// The scope does not have what the template needs.
    #[error("{0} number {1} is missing")]
    Missing(&'static str, usize),
    /// A value for a shell that no shell can hold.
    #[error("a value has a NUL character in it, which no shell can hold")]
    Nul,
    /// A value in a shell's arithmetic, which would evaluate it.
    #[error("`{}` stands in an arithmetic expression of the `shell` script and is no number", .0.escape_debug())]
    NoNumber(String),
    /// A value in the name of a shell's variable.
    #[error("`{}` stands in the name of a variable of the `shell` script and is no part of a name", .0.escape_debug())]
    NoName(String),
    /// A value that the format does not fit.
    #[error("a format does not fit: {0}")]
    Format(String),
}

/// A piece of a standard input.
#[derive(Clone, Debug, PartialEq)]
pub enum StdinPiece {
    /// These characters.
    Text(String),
    /// The bytes of every input of that reference, one after the other.
    Input(usize),
}

impl Template {
    /// A template without references.
    pub fn literal(text: impl Into<String>) -> Self {
        Self { parts: vec![TemplatePart::Text(text.into())] }
    }

    /// The text, where no reference is left in it.
    pub fn as_literal(&self) -> Option<String> {
        let text =
            |part: &TemplatePart| if let TemplatePart::Text(text) = part { Some(text.clone()) } else { None };
        self.parts.iter().map(text).collect()
    }

    /// One text; a gather is written as a list with spaces between.
    pub fn render(&self, scope: &RenderScope<'_>) -> Result<String, RenderError> {
        let mut text = String::new();
        for part in &self.parts {
            text.push_str(&part.texts(scope)?.join(" "));
        }
        Ok(text)
    }

    /// A script for a shell, in which every value is data.
    ///
    /// # Errors
    /// When a reference cannot be filled in, or its value cannot stand where it is.
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

    /// The arguments that one word of a command becomes: several for a gather, each with the rest of the word
    /// (`--in={x}` is `--in=a --in=b`), one otherwise.
    pub fn render_args(&self, scope: &RenderScope<'_>) -> Result<Vec<String>, RenderError> {
        let mut args = vec![String::new()];
        for part in &self.parts {
            let texts = part.texts(scope)?;
            args =
                args.iter().flat_map(|head| texts.iter().map(move |text| format!("{head}{text}"))).collect();
        }
        Ok(args)
    }

    /// A standard input: text, and the bytes of inputs between.
    pub fn render_stdin(&self, scope: &RenderScope<'_>) -> Result<Vec<StdinPiece>, RenderError> {
        let piece = |part: &TemplatePart| match part {
            TemplatePart::Fill { what: Fill::Input(at), .. } => Ok(StdinPiece::Input(*at)),
            part => Ok(StdinPiece::Text(part.texts(scope)?.concat())),
        };
        self.parts.iter().map(piece).collect()
    }
}

impl TemplatePart {
    /// Its texts, each as a word where a shell will see it.
    fn texts(&self, scope: &RenderScope<'_>) -> Result<Vec<String>, RenderError> {
        let values = self.values(scope)?;
        Ok(match self {
            TemplatePart::Fill { quote, .. } if *quote != Quote::None => {
                values.iter().map(|value| quote.word(value)).collect()
            }
            _ => values,
        })
    }

    /// Its texts as they are.
    fn values(&self, scope: &RenderScope<'_>) -> Result<Vec<String>, RenderError> {
        let (what, format) = match self {
            TemplatePart::Text(text) => return Ok(vec![text.clone()]),
            TemplatePart::Fill { what, format, .. } => (what, format),
        };
        let value = match what {
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
            // not in a step: what is the same for all of them
            Fill::Merged(at) => return Ok(vec![format!("{{{}}}", if *at == 0 { "a" } else { "b" })]),
        };
        Ok(vec![written(&value, format.as_ref()).map_err(RenderError::Format)?])
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
