//! The meaning of a reference: a parameter, a variable, another task's result, or a built-in name.
//!
//! The order of the search is: built-in names (`dtask`, `env`, `out`), parameters of the task, variables, tasks. Start
//! at `Resolver::meaning`.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::Diagnostic;
use crate::script::diagnostics::source::Span;
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::plan::runtime_vars::RuntimeVar;
use crate::script::plan::task::{Reference, Select};
use crate::script::resolve::resolver::{DependencyKey, ElsePlace, Resolver};
use crate::script::resolve::written::{ReferenceTarget, TextContext, Written};
use crate::script::resolve::{index_select, output_select};
use crate::script::sweep::family::{Param, Sweep};
use crate::script::sweep::join::Join;
use crate::script::sweep::param_values::ParamValues;
use crate::script::syntax::toml::is_identifier;
use crate::script::values::value::{PathPart, ScriptValue};

impl Resolver<'_> {
    /// Finds the meaning of a reference in a text of the task: a parameter, a variable, another task's result, or a
    /// built-in name. `place` is the kind of the text, since not every reference may stand in every text.
    pub(crate) fn meaning(
        &mut self,
        reference: &Written<'_>,
        place: TextContext,
    ) -> Result<ReferenceTarget, Box<Diagnostic>> {
        let raw = reference.raw;
        let name = raw.name();
        let params = self.sweeps.params.get(self.task).map_or(&[][..], Vec::as_slice);
        if ["dtask", "env", "out"].contains(&name) {
            return self.builtin(reference, place);
        }
        let merged = ["a", "b"].iter().position(|merged| *merged == name);
        if let Some(at) =
            merged.filter(|_| self.merges && !matches!(place, TextContext::File | TextContext::Array))
        {
            not_indexed(reference, &format!("`{name}`"))?;
            return match raw.path.get(1) {
                None => Ok(ReferenceTarget::Merged(at)),
                Some(part) => Err(no_part(reference, &format!("`{name}`"), part)),
            };
        }
        if let ([table], Some(column)) = (&raw.path[..], raw.index.as_deref().and_then(quoted))
            && params.iter().any(|param| param == table)
        {
            return match params.iter().position(|param| is_column(param, table, column)) {
                Some(at) => Ok(ReferenceTarget::Param(at, None)),
                None => {
                    let at = params.iter().position(|param| param == table).unwrap_or_default();
                    let no_part = || no_part(reference, &format!("the parameter `{table}`"), column);
                    Err(self.no_column(at, column, reference).unwrap_or_else(no_part))
                }
            };
        }
        if let [table, column] = &raw.path[..]
            && let Some(at) = params.iter().position(|param| is_column(param, table, column))
        {
            not_indexed(reference, "parameter")?;
            return Ok(ReferenceTarget::Param(at, None));
        }
        if let Some(at) = params.iter().position(|param| param == name) {
            return self.param(at, reference);
        }
        let full = raw.path.join(".");
        if let Some(value) = self.names.var(&full).filter(|_| raw.path.len() > 1) {
            not_indexed(reference, "variable")?;
            return Ok(ReferenceTarget::Var(value.clone()));
        }
        if let Some(diagnostic) = self.names.no_single_value(&full, &reference.span) {
            return Err(Box::new(diagnostic));
        }
        if let Some(value) = self.names.var(name) {
            not_indexed(reference, "variable")?;
            return match raw.path.get(1) {
                None => Ok(ReferenceTarget::Var(value.clone())),
                Some(part) => Err(no_part(reference, &format!("the variable `{name}`"), part)),
            };
        }
        match self.names.task(name) {
            Some(_) if place == TextContext::File => {
                Err(not_here(reference, "the result of a task cannot be part of a file's name"))
            }
            Some(task) => self.input(task, reference, place),
            None => Err(self.unknown(reference, place)),
        }
    }

    fn builtin(
        &self,
        reference: &Written<'_>,
        place: TextContext,
    ) -> Result<ReferenceTarget, Box<Diagnostic>> {
        let raw = reference.raw;
        let name = raw.name();
        not_indexed(reference, &format!("`{name}`"))?;
        match (name, &raw.path[1..]) {
            ("dtask", [fact]) => match RuntimeVar::named(fact) {
                Some(fact) if place == TextContext::File && !fact.is_fixed() => {
                    Err(not_here(reference, "a file's name must not depend on where the task runs"))
                }
                Some(RuntimeVar::Params) if place == TextContext::Array => {
                    Err(not_here(reference, "the file of parameters is for commands"))
                }
                Some(fact) => Ok(ReferenceTarget::Fact(fact)),
                None => {
                    let known = RuntimeVar::NAMED.map(|(name, _)| name);
                    let diagnostic = Diagnostic::new(
                        Code::UnknownName,
                        reference.span.clone(),
                        format!("dtask knows no `{fact}`"),
                    );
                    Err(Box::new(
                        diagnostic
                            .label(format!("there are: {}", known.join(", ")))
                            .maybe_help(did_you_mean(fact, known)),
                    ))
                }
            },
            ("env", []) => match &raw.format {
                Some(variable) if is_identifier(variable) => Ok(ReferenceTarget::Env(variable.clone())),
                Some(variable) => {
                    let message = format!("an environment variable cannot be named `{variable}`");
                    Err(Box::new(
                        Diagnostic::new(Code::EnvName, reference.span.clone(), message)
                            .label("letters, digits and `_`, and no digit first"),
                    ))
                }
                None => Err(Box::new(
                    Diagnostic::new(Code::UnknownName, reference.span.clone(), "`{env}` of which variable?")
                        .label("no name")
                        .help("write `{env:HOME}`"),
                )),
            },
            ("out", _) if place == TextContext::Array => {
                Err(not_here(reference, "an array task has no output files"))
            }
            ("out", _) if place == TextContext::File => {
                Err(not_here(reference, "an output cannot be part of a file's name"))
            }
            ("out", rest) if rest.len() < 2 => {
                let Some(task) = self.script.tasks.get(self.task) else {
                    return Err(self.unknown(reference, place));
                };
                output_select::own(task, rest.first().map(String::as_str), reference)
                    .map(ReferenceTarget::Out)
            }
            _ => {
                let part = raw.path.last().map_or("", String::as_str);
                Err(no_part(reference, &format!("`{name}`"), part))
            }
        }
    }

    fn param(&self, at: usize, reference: &Written<'_>) -> Result<ReferenceTarget, Box<Diagnostic>> {
        not_indexed(reference, "parameter")?;
        let part = match &reference.raw.path[1..] {
            [] => return Ok(ReferenceTarget::Param(at, None)),
            [part] => part,
            [part, ..] => return Err(no_part(reference, "a parameter", part)),
        };
        if let Some(error) = self.no_column(at, part, reference) {
            return Err(error);
        }
        // Without a family, some parameter of the task had wrong values, which have been reported. Whether this one has
        // the part is not known, so it is accepted.
        if self.sweeps.families.get(self.task).is_none_or(Option::is_none) {
            return Ok(ReferenceTarget::Param(at, None));
        }
        let Some(found) = PathPart::named(part) else {
            let known = PathPart::NAMES;
            let diagnostic = no_part(reference, &format!("the parameter `{}`", reference.raw.name()), part);
            return Err(Box::new(diagnostic.maybe_help(did_you_mean(part, known))));
        };
        match self.own_param(at).map(|param| &param.values) {
            Some(ParamValues::List(values)) if matches!(values.first(), Some(ScriptValue::Path(_))) => {
                Ok(ReferenceTarget::Param(at, Some(found)))
            }
            _ => {
                let diagnostic =
                    no_part(reference, &format!("the parameter `{}`", reference.raw.name()), part);
                Err(Box::new(diagnostic.help("parameters of `{ glob = .. }` have parts")))
            }
        }
    }

    /// Returns the error message for a reference `{table.part}` whose table has no column `part`. `None` where the
    /// parameter of number `at` is no table.
    fn no_column(&self, at: usize, part: &str, reference: &Written<'_>) -> Option<Box<Diagnostic>> {
        let family = self.sweeps.families.get(self.task)?.as_ref()?;
        let own = family.params().get(at)?;
        let prefix = format!("{}.", own.name);
        let columns: Vec<&str> =
            family.params().iter().filter_map(|param| param.name.strip_prefix(&prefix)).collect();
        if columns.is_empty() {
            return None;
        }
        let message = format!("the table `{}` has no column `{part}`", own.name);
        let diagnostic = Diagnostic::new(Code::UnknownOutput, reference.span.clone(), message)
            .label(format!("columns: {}", columns.join(", ")));
        Some(Box::new(diagnostic.maybe_help(did_you_mean(part, columns))))
    }

    /// Returns the task's parameter of that number. `None` for a derived parameter, which `let` computes, and where a
    /// mistake in the task's parameters has been reported.
    pub(crate) fn own_param(&self, at: usize) -> Option<&Param> {
        self.sweeps.families.get(self.task)?.as_ref()?.params().get(at)
    }

    /// Returns values that a parameter of the task can have. There are enough of them to check whether the format in a
    /// reference, as in `{T:04}`, fits all values.
    pub(crate) fn own_samples(&self, at: usize) -> Vec<ScriptValue> {
        match (self.own_param(at), self.sweeps.families.get(self.task)) {
            (Some(param), _) => param.values.samples(),
            (None, Some(Some(family))) => family.bindings(0).into_iter().nth(at).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The values of the task's parameter number `at` that are looked at one by one before a run: the first ten
    /// thousand of a list. The rank that runs an instance checks the instance's own value again.
    pub(crate) fn own_values(&self, at: usize) -> Vec<ScriptValue> {
        const LOOKED_AT: usize = 10_000;
        match self.own_param(at).map(|param| &param.values) {
            Some(ParamValues::List(list)) => list.iter().take(LOOKED_AT).cloned().collect(),
            _ => self.own_samples(at),
        }
    }

    /// Resolves a reference to the result of another task: finds the output that is read, and adds a dependency on that
    /// task.
    fn input(
        &mut self,
        task: usize,
        reference: &Written<'_>,
        place: TextContext,
    ) -> Result<ReferenceTarget, Box<Diagnostic>> {
        let Some(target) = self.script.tasks.get(task) else { return Err(self.unknown(reference, place)) };
        let select = output_select::select(target, reference, place)?;
        let list = output_select::is_list(reference);
        if list && place == TextContext::Array {
            let message = "a file of paths is for commands, and this is an array expression";
            let diagnostic =
                Diagnostic::new(Code::NotHere, reference.span.clone(), message).label("not here");
            return Err(Box::new(diagnostic.help("a gather is a list of arrays here")));
        }
        let index = reference.raw.index.as_ref();
        let known = self.known.contains_key(&(task, select, false, index.cloned(), self.beside.clone()));
        let chosen = if known { None } else { self.chosen(task, reference)? };
        let chosen = index.map(|index| (index.clone(), chosen));
        let at = self.depend(task, select, chosen, reference.span.clone());
        Ok(ReferenceTarget::Input(if list { self.listed(at, index.cloned()) } else { at }))
    }

    /// Returns the join of a reference to `task` with brackets, as `{sim[T = 300]}`: the rule that gives the instances
    /// of `task` that are read. `None` where the reference has no brackets.
    fn chosen(&self, task: usize, reference: &Written<'_>) -> Result<Option<(Join, bool)>, Box<Diagnostic>> {
        let family = |at: usize| self.sweeps.families.get(at).and_then(Option::as_ref);
        let (Some(text), Some(own), Some(target)) = (&reference.raw.index, family(self.task), family(task))
        else {
            return Ok(None);
        };
        let path = &reference.raw.path;
        let choice = index_select::read(text, path, target, own, self.names).map_err(|bad| {
            let diagnostic = Diagnostic::new(bad.code, reference.span.clone(), bad.message);
            Box::new(diagnostic.label("in these brackets").maybe_help(bad.help))
        })?;
        if let Some(param) = &choice.last {
            self.check_last(task, param, reference)?;
        }
        Ok(Some((Join::pinned(own, target, choice.pins), choice.last.is_some())))
    }

    /// Checks a choice of the last instance along `param`: the task must stop along this parameter by `until`.
    fn check_last(&self, task: usize, param: &str, reference: &Written<'_>) -> Result<(), Box<Diagnostic>> {
        let Some(target) = self.script.tasks.get(task) else { return Ok(()) };
        let name = &target.name.value;
        let (message, help) = match &target.until {
            _ if task == self.task => (
                format!("`last` within `{name}` itself: its last instance is known only when it has ended"),
                format!("the one before is `{{{name}[{param} = {param} - 1]}}`"),
            ),
            None => (
                format!("`{name}` has no `until`, and so no last instance that the run finds"),
                format!("name the value, or give `{name}` an `until = {{ {param} = \"..\" }}`"),
            ),
            Some(until) if until.along.value != param => (
                format!("`{name}` stops along `{}`, not along `{param}`", until.along.value),
                format!("write `{{{name}[{} = last]}}`", until.along.value),
            ),
            Some(_) => return Ok(()),
        };
        let diagnostic = Diagnostic::new(Code::BadLast, reference.span.clone(), message);
        Err(Box::new(diagnostic.label("no last one here").help(help)))
    }

    /// Adds a dependency on the task of index `task`, unless the resolved task has an equal one, and returns its
    /// number. `chosen` is the text of the brackets that choose instances, with their join. Without them instances read
    /// those of the other task with equal values of the shared parameters.
    pub(crate) fn depend(
        &mut self,
        task: usize,
        select: Select,
        chosen: Option<(String, Option<(Join, bool)>)>,
        span: Span,
    ) -> usize {
        let (index, chosen) = chosen.map_or((None, None), |(index, chosen)| (Some(index), chosen));
        let key = (task, select, false, index, self.beside.clone());
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let (join, last) = chosen.unwrap_or_else(|| (self.join(task), false));
        let ElsePlace { optional, instead_of } = self.beside.clone();
        self.add(Reference { optional, instead_of, last, ..Reference::new(task, select, join, span) }, key)
    }

    /// Returns the number of a dependency for `{x.list}`, one file with all paths of the dependency `at`. The
    /// dependency is added where the task has none.
    fn listed(&mut self, at: usize, index: Option<String>) -> usize {
        let Some(reference) = self.found.get(at).cloned() else { return at };
        let key = (reference.task, reference.select, true, index, self.beside.clone());
        match self.known.get(&key) {
            Some(known) => *known,
            None => self.add(Reference { list: true, ..reference }, key),
        }
    }

    /// Returns the join with another task without brackets. All references to the task have the same one.
    fn join(&mut self, task: usize) -> Join {
        let single = Sweep::single();
        let (own, families) = (self.task, &self.sweeps.families);
        let family = |at: usize| families.get(at).and_then(Option::as_ref).unwrap_or(&single);
        self.joins.entry(task).or_insert_with(|| Join::between(family(own), family(task))).clone()
    }

    fn add(&mut self, reference: Reference, key: DependencyKey) -> usize {
        let at = self.found.len();
        self.found.push(reference);
        self.known.insert(key, at);
        at
    }
}

/// The text between quotes that brackets have, as in `{case["Sample ID"]}`.
fn quoted(index: &str) -> Option<&str> {
    let index = index.trim();
    let inner = ['"', '\''].into_iter().find_map(|quote| index.strip_prefix(quote)?.strip_suffix(quote))?;
    (!inner.contains(['"', '\''])).then_some(inner)
}

fn is_column(param: &str, table: &str, column: &str) -> bool {
    param.strip_prefix(table).and_then(|rest| rest.strip_prefix('.')) == Some(column)
}

fn not_indexed(reference: &Written<'_>, what: &str) -> Result<(), Box<Diagnostic>> {
    if reference.raw.index.is_none() {
        return Ok(());
    }
    let diagnostic = Diagnostic::new(
        Code::NotHere,
        reference.span.clone(),
        format!("a {what} has no instances").replace("a `", "`"),
    );
    Err(Box::new(diagnostic.label("brackets choose one instance of a task")))
}

/// Returns the error message for a reference `{name.part}` to a part that `name` does not have; `what` says in the
/// message what `name` is.
pub(crate) fn no_part(reference: &Written<'_>, what: &str, part: &str) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::new(Code::UnknownOutput, reference.span.clone(), format!("{what} has no `{part}`"))
            .label("no such part"),
    )
}

fn not_here(reference: &Written<'_>, why: &str) -> Box<Diagnostic> {
    let message = format!("`{}` cannot stand here: {why}", reference.raw.path.join("."));
    Box::new(
        Diagnostic::new(Code::NotHere, reference.span.clone(), message)
            .label("not here")
            .help("parameters, variables, `{dtask.index}` and `{env:NAME}` can"),
    )
}
