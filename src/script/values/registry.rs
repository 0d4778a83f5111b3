//! Functions of the embedding program that scripts call by name: `call = "power_spectrum"`.

use super::value::{Scalar, ScriptValue};
use crate::arrays;
use crate::arrays::exact::{float_of, no_float};
use crate::error::Failure;
use crate::task::shared::Shared;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// A registered function, which scripts can call by its name: turns arguments into an array.
type Function = Box<dyn Fn(&CallArgs<'_>) -> Result<arrays::ArrayValue, Failure> + Send + Sync>;

/// The functions that a program offers to scripts. Every rank must register the same functions.
///
/// ```no_run
/// use dtask::Failure;
/// use dtask::script::{CallArgs, Registry};
///
/// fn energy(args: &CallArgs<'_>) -> Result<f64, Failure> {
///     let field = args.numbers("field")?;
///     Ok(field.iter().map(|x| x * x).sum())
/// }
///
/// fn main() -> std::process::ExitCode {
///     dtask::script::main(Registry::new().task("energy", energy))
/// }
/// ```
#[derive(Default)]
pub struct Registry {
    functions: BTreeMap<String, Function>,
}

/// The registry of this process. A static, because `dtask check` needs the functions where there is no rank.
static REGISTRY: OnceLock<Registry> = OnceLock::new();

impl Registry {
    /// Creates a registry without functions.
    pub fn new() -> Registry {
        Registry::default()
    }

    /// Registers a function under a name. A later function of the same name replaces an earlier one.
    pub fn task<O, F>(mut self, name: &str, function: F) -> Registry
    where
        O: Into<arrays::ArrayValue>,
        F: Fn(&CallArgs<'_>) -> Result<O, Failure> + Send + Sync + 'static,
    {
        let function: Function = Box::new(move |args| function(args).map(Into::into));
        self.functions.insert(name.to_owned(), function);
        self
    }

    /// Makes this the registry of the process, in which scripts find functions. Only the first call has an effect.
    pub(crate) fn install(self) {
        let _ = REGISTRY.set(self);
    }
}

/// The names of the registered functions, sorted.
pub(crate) fn names() -> Vec<&'static str> {
    REGISTRY.get().map(|registry| registry.functions.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// Calls the function registered under a name.
///
/// # Errors
/// When the function fails, or when there is none of that name.
pub(crate) fn call(name: &str, args: &CallArgs<'_>) -> Result<arrays::ArrayValue, Failure> {
    match REGISTRY.get().and_then(|registry| registry.functions.get(name)) {
        Some(function) => function(args),
        None => Err(Failure::new(format!("the function `{name}` is not registered on this rank"))),
    }
}

/// An argument of a function that a script calls.
#[derive(Debug, Clone)]
pub enum Argument<'a> {
    /// A value of a parameter or variable, or a value written in the script.
    Value(ScriptValue),
    /// The array that an instance of another task made.
    Array(Shared<arrays::ArrayValue>),
    /// The arrays that several instances of another task made, in the order of their indices.
    Arrays(Vec<Shared<arrays::ArrayValue>>),
    /// The bytes that a command wrote: its output file or its standard output.
    Bytes(Cow<'a, [u8]>),
    /// The bytes that several instances of a command wrote, in the order of their indices.
    Files(Vec<Cow<'a, [u8]>>),
}

/// The arguments of a function that a script calls, by the names that the script's `args` give them.
#[derive(Debug, Default)]
pub struct CallArgs<'a> {
    pub(crate) all: Vec<(&'a str, Argument<'a>)>,
}

impl CallArgs<'_> {
    /// Returns the argument of that name in the script's `args`.
    ///
    /// # Errors
    /// When the script does not give it.
    pub fn get(&self, name: &str) -> Result<&Argument<'_>, Failure> {
        let found = self.all.iter().find(|(known, _)| *known == name);
        found.map(|(_, argument)| argument).ok_or_else(|| {
            let names: Vec<&str> = self.all.iter().map(|(known, _)| *known).collect();
            Failure::new(format!("`args` has no `{name}`; there are: {}", names.join(", ")))
        })
    }

    /// Returns an argument as an array. A number is an array without axes, and the output of a command is read as a
    /// table of numbers.
    ///
    /// # Errors
    /// When the argument is missing, or is no array.
    pub fn array(&self, name: &str) -> Result<Cow<'_, arrays::ArrayValue>, Failure> {
        match self.get(name)? {
            Argument::Array(array) => Ok(Cow::Borrowed(array)),
            Argument::Arrays(all) if all.len() == 1 => Ok(Cow::Borrowed(&all[0])),
            Argument::Bytes(bytes) => match arrays::read_table(bytes) {
                Ok(table) => Ok(Cow::Owned(table)),
                Err(error) => Err(Failure::new(format!("the argument `{name}`: {error}"))),
            },
            Argument::Value(_) => {
                let number = ndarray::arr0(self.number(name)?).into_dyn();
                Ok(Cow::Owned(number.into()))
            }
            Argument::Arrays(_) | Argument::Files(_) => Err(wrong(name, "one array")),
        }
    }

    /// Returns the numbers of an array argument as `f64`, whatever their type.
    ///
    /// # Errors
    /// As [`CallArgs::array`].
    pub fn numbers(&self, name: &str) -> Result<ndarray::ArrayD<f64>, Failure> {
        Ok(self.array(name)?.to_f64().into_owned())
    }

    /// Returns the arrays of an argument that is a gather (the results of several instances), in the order of the
    /// instances' indices. A single array is a list of one.
    ///
    /// # Errors
    /// When the argument is missing, or is no array.
    pub fn arrays(&self, name: &str) -> Result<Vec<&arrays::ArrayValue>, Failure> {
        match self.get(name)? {
            Argument::Array(array) => Ok(vec![array]),
            Argument::Arrays(all) => Ok(all.iter().map(|array| &**array).collect()),
            _ => Err(wrong(name, "an array or several")),
        }
    }

    /// Returns the bytes that a command wrote and that are this argument.
    ///
    /// # Errors
    /// When the argument is missing, or is something else.
    pub fn bytes(&self, name: &str) -> Result<&[u8], Failure> {
        match self.get(name)? {
            Argument::Bytes(bytes) => Ok(bytes),
            _ => Err(wrong(name, "what one command has written")),
        }
    }

    /// Returns an argument as a number: a value of the script, or an array without axes.
    ///
    /// # Errors
    /// When the argument is missing, or is something else.
    pub fn number(&self, name: &str) -> Result<f64, Failure> {
        match self.get(name)? {
            Argument::Value(value) => match value.scalar() {
                Scalar::Int(number) => float_of(number)
                    .ok_or_else(|| Failure::new(format!("the argument `{name}`: {}", no_float(number)))),
                Scalar::Float(number) => Ok(number),
                _ => Err(wrong(name, "a number")),
            },
            Argument::Array(array) if array.shape().is_empty() => Ok(array.to_f64().sum()),
            _ => Err(wrong(name, "a number")),
        }
    }

    /// Returns an argument that is an integer of the script.
    ///
    /// # Errors
    /// When the argument is missing, or is something else.
    pub fn integer(&self, name: &str) -> Result<i64, Failure> {
        match self.get(name)? {
            Argument::Value(value) => match value.scalar() {
                Scalar::Int(number) => Ok(number),
                _ => Err(wrong(name, "an integer")),
            },
            _ => Err(wrong(name, "an integer")),
        }
    }

    /// Returns an argument that is a text or a path of the script, or a cell of a table that reads as a number.
    ///
    /// # Errors
    /// When the argument is missing, or is something else.
    pub fn text(&self, name: &str) -> Result<&str, Failure> {
        match self.get(name)? {
            Argument::Value(ScriptValue::Text(text) | ScriptValue::Path(text)) => Ok(text),
            Argument::Value(ScriptValue::Spelled(spelled)) => Ok(spelled.text()),
            _ => Err(wrong(name, "a text")),
        }
    }
}

fn wrong(name: &str, wanted: &str) -> Failure {
    Failure::new(format!("the argument `{name}` is not {wanted}"))
}
