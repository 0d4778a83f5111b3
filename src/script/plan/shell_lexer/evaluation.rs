//! Values that are evaluated again after the shell has inserted them: in arithmetic, as a part of a program (`eval`,
//! `sh -c`, awk), or by way of variables that are used there.

use std::collections::{BTreeMap, BTreeSet};

use super::builtins::positional;
use super::commands::ShellWord;
use crate::script::plan::shell_quote::Quote;

/// The way in which a value is evaluated again; later variants are the stricter ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Evaluation {
    /// As the key of an associative array. Any text is data there.
    Key,
    /// As the words of a command: the shell splits what a variable or a command gives, and runs it.
    Command,
    /// As a part of a program in a language other than a shell's.
    Language,
    /// As a part of a shell script, or of a variable's name (in which shells expand subscripts).
    Shell,
    /// As an arithmetic expression.
    Number,
}

/// A reference whose value is evaluated again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Evaluated {
    /// The index of the reference among the pieces of the text.
    pub(crate) piece: usize,
    pub(crate) evaluation: Evaluation,
    /// The command or construct of the shell that evaluates the value, as messages name it.
    pub(crate) reader: String,
}

impl Evaluated {
    /// The quoting context of the reference, given `context`, the context by the quotes around it alone.
    pub(super) fn context(&self, context: Quote) -> Quote {
        match (self.evaluation, context) {
            (_, Quote::Comment) | (Evaluation::Command | Evaluation::Language, _) => context,
            (Evaluation::Key, Quote::Arithmetic) => Quote::Word,
            (Evaluation::Key, _) => context,
            (Evaluation::Number, _) => Quote::Arithmetic,
            (Evaluation::Shell, _) => Quote::Reread,
        }
    }
}

/// The evaluations found so far, and the assignments by which values reach variables that are evaluated.
#[derive(Debug, Default)]
pub(super) struct Evaluations {
    found: BTreeMap<usize, Evaluated>,
    /// Variables whose values the shell or a program evaluates: the variable's name, the way, and the evaluating
    /// command as messages name it.
    variables: Vec<(String, Evaluation, String)>,
    /// Assignments: the variable, with the references (by their numbers in the text) and the other variables whose
    /// values it gets.
    assigned: Vec<(String, Vec<usize>, Vec<String>)>,
    /// Subscripts of arrays: the array, the number of the command in the script, and the references and variables
    /// inside the brackets. They are judged at the end, when it is known which arrays are associative: the subscripts
    /// of all others are arithmetic, which a shell evaluates.
    subscripts: Vec<(ShellArray, usize, Vec<usize>, Vec<String>)>,
    /// Variables to which `declare` assigns values. If a variable is an array, `declare` parses its value as a list.
    declared: Vec<(String, Vec<usize>, Vec<String>)>,
    /// Commands with their arguments, which become `$1`, `$2`, .. if the script defines a function of that name.
    calls: Vec<(String, Vec<ShellWord>)>,
    functions: BTreeSet<String>,
    arrays: BTreeSet<String>,
    /// Associative arrays, with the number of the command that is certain to declare them.
    associative: BTreeMap<ShellArray, usize>,
    /// Arrays of which it is not certain that they are associative, for instance since a branch declares them.
    doubtful: BTreeSet<ShellArray>,
    /// The number of commands read so far.
    commands: usize,
}

/// The sources of a value: references, by their indices among the pieces of the text, and variables.
type ValueSource = (Vec<usize>, Vec<String>);

/// A shell's array: the shell function in which it is named (empty outside of functions), and its name.
type ShellArray = (String, String);

impl Evaluations {
    /// Notes that `reader` evaluates the values of these references and variables again.
    pub(super) fn add(&mut self, pieces: &[usize], variables: &[String], how: Evaluation, reader: &str) {
        for piece in pieces {
            let known = self.found.get(piece).is_some_and(|known| known.evaluation >= how);
            if !known {
                let evaluated = Evaluated { piece: *piece, evaluation: how, reader: reader.to_owned() };
                self.found.insert(*piece, evaluated);
            }
        }
        self.variables.extend(variables.iter().map(|name| (name.clone(), how, reader.to_owned())));
    }

    pub(super) fn assign(&mut self, name: &str, pieces: &[usize], variables: &[String]) {
        if !pieces.is_empty() || !variables.is_empty() {
            self.assigned.push((name.to_owned(), pieces.to_vec(), variables.to_vec()));
        }
    }

    pub(super) fn end_command(&mut self) {
        self.commands += 1;
    }

    pub(super) fn subscript(&mut self, function: &str, array: &str, pieces: &[usize], variables: &[String]) {
        let array = (function.to_owned(), array.to_owned());
        self.subscripts.push((array, self.commands, pieces.to_vec(), variables.to_vec()));
    }

    pub(super) fn declare(&mut self, name: &str, pieces: &[usize], variables: &[String]) {
        self.declared.push((name.to_owned(), pieces.to_vec(), variables.to_vec()));
    }

    pub(super) fn array(&mut self, name: &str) {
        self.arrays.insert(name.to_owned());
    }

    /// Notes that a command declares an associative array; or, without `is_certain`, that the name may be something
    /// else.
    pub(super) fn associative(&mut self, function: &str, name: &str, is_certain: bool) {
        let array = (function.to_owned(), name.to_owned());
        if is_certain {
            self.associative.entry(array).or_insert(self.commands);
        } else {
            self.doubtful.insert(array);
        }
    }

    pub(super) fn function(&mut self, name: &str) {
        self.functions.insert(name.to_owned());
    }

    pub(super) fn call(&mut self, name: &str, args: &[ShellWord]) {
        if args.iter().any(|word| !word.pieces.is_empty() || !word.variables.is_empty()) {
            self.calls.push((name.to_owned(), args.to_vec()));
        }
    }

    /// Notes that a function is called with these arguments, as assignments to its `$1`, `$2`, .. and `$@`.
    pub(super) fn arguments(&mut self, function: &str, args: &[ShellWord]) {
        for (at, word) in args.iter().enumerate() {
            for number in [(at + 1).to_string(), "@".to_owned()] {
                self.assign(&positional(function, &number), &word.pieces, &word.variables);
            }
        }
    }

    /// Follows assignments back from evaluated variables to references. Returns all references whose values are
    /// evaluated.
    pub(super) fn finish(mut self) -> BTreeMap<usize, Evaluated> {
        for (name, args) in std::mem::take(&mut self.calls) {
            if self.functions.contains(&name) {
                self.arguments(&name, &args);
            }
        }
        for (array, number, pieces, variables) in std::mem::take(&mut self.subscripts) {
            let made = self.associative.get(&array).filter(|_| !self.doubtful.contains(&array));
            if made.is_some_and(|made| *made <= number) {
                self.add(&pieces, &[], Evaluation::Key, &array.1);
            } else {
                self.add(&pieces, &variables, Evaluation::Number, "the subscript of an array");
            }
        }
        for (name, pieces, variables) in std::mem::take(&mut self.declared) {
            if self.arrays.contains(&name) {
                self.add(&pieces, &variables, Evaluation::Shell, "`declare`");
            }
        }
        let mut sources: BTreeMap<String, Vec<ValueSource>> = BTreeMap::new();
        for (name, pieces, variables) in std::mem::take(&mut self.assigned) {
            sources.entry(name).or_default().push((pieces, variables));
        }
        let mut known: BTreeSet<(String, Evaluation)> = BTreeSet::new();
        while let Some((name, how, reader)) = self.variables.pop() {
            if !known.insert((name.clone(), how)) {
                continue;
            }
            for (pieces, variables) in sources.get(&name).into_iter().flatten() {
                self.add(pieces, variables, how, &reader);
            }
        }
        self.found
    }
}
