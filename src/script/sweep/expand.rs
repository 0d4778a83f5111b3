//! Expansion: makes a family of each task's `for`, `zip`, `each`, `let`, `where`, `include` and `exclude`.
//!
//! A task with `each` takes over the parameters of another task, so tasks are expanded in the order of `each`. Start at
//! `Sweeps::collect`.

use std::collections::HashMap;

use super::family::{self, Bindings, Derived, Param, Sweep};
use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Text;
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::sweep::expression::{Formula, FormulaError, FormulaType, NameInput};
use crate::script::sweep::family_builder::{Added, CHECKED, FamilyBuilder, Problem, Row, WIDEST};
use crate::script::sweep::param_values::{LoadedValues, ParamValues};
use crate::script::sweep::range::NumRange;
use crate::script::sweep::{idle_rows, load_values};
use crate::script::syntax::script::{RawScript, RawTask};
use crate::script::syntax::sweep::{RawRow, RawSweep};
use crate::script::syntax::symbols::Symbols;
use crate::script::values::value::{Key, ScriptValue};

/// The parameters and the families of all tasks. A family is the set of a task's instances, one for each combination of
/// the values of its parameters.
#[derive(Debug)]
pub(crate) struct Sweeps {
    /// The family of each task, by the task's index in the script; `None` where a mistake in its parameters has been
    /// reported.
    pub(crate) families: Vec<Option<Sweep>>,
    /// The names of each task's parameters, in the order in which an instance lists their values. The names are known
    /// even where the script gives wrong values.
    pub(crate) params: Vec<Vec<String>>,
    /// Whether each task is switched off: its `where` is false whatever the parameters are. It has no family then.
    pub(crate) off: Vec<bool>,
}

/// The parameters of a task, and the family that they make, as far as they are known. `spec` (the parts from which the
/// family is built) and `family` are `None` where a mistake in the script was reported.
#[derive(Clone, Default)]
struct TaskParams {
    names: Vec<String>,
    spec: Option<FamilyBuilder>,
    family: Option<Sweep>,
    /// Whether the task, or the one whose parameters it takes over, is switched off.
    off: bool,
}

impl Sweeps {
    pub(crate) fn collect(script: &RawScript, names: &Symbols, cx: &mut DiagnosticCollector) -> Self {
        let mut done: Vec<Option<TaskParams>> = vec![None; script.tasks.len()];
        for start in 0..script.tasks.len() {
            let (path, mut base) = follow(start, script, names, &done, cx);
            for at in path.into_iter().rev() {
                let Some(task) = script.tasks.get(at) else { continue };
                base = extend(base, task, names, cx);
                done[at] = Some(base.clone());
            }
        }
        let all: Vec<TaskParams> = done.into_iter().map(Option::unwrap_or_default).collect();
        let off = all.iter().map(|known| known.off).collect();
        let (families, params) = all.into_iter().map(|known| (known.family, known.names)).unzip();
        Self { families, params, off }
    }
}

/// Follows the key `each`, with which a task takes over another task's parameters, from task to task. Returns the tasks
/// on the way from `start` whose parameters are not known yet (are not in `done`), and the parameters that the last of
/// them takes over.
fn follow(
    start: usize,
    script: &RawScript,
    names: &Symbols,
    done: &[Option<TaskParams>],
    cx: &mut DiagnosticCollector,
) -> (Vec<usize>, TaskParams) {
    let root = || TaskParams {
        spec: Some(FamilyBuilder::default()),
        family: Some(Sweep::single()),
        ..TaskParams::default()
    };
    let (mut path, mut places) = (Vec::new(), HashMap::new());
    let mut at = start;
    loop {
        if let Some(Some(known)) = done.get(at) {
            return (path, known.clone());
        }
        if let Some(begin) = places.insert(at, path.len()) {
            circle(&path[begin..], script, cx);
            return (path, TaskParams::default());
        }
        path.push(at);
        match script.tasks.get(at).and_then(|task| task.sweep.each.as_ref()) {
            None => return (path, root()),
            Some(each) => match names.want_task(each, "each", cx) {
                Some(next) => at = next,
                None => return (path, TaskParams::default()),
            },
        }
    }
}

fn circle(path: &[usize], script: &RawScript, cx: &mut DiagnosticCollector) {
    let first = (0..path.len()).min_by_key(|place| path[*place]).unwrap_or(0);
    let tasks = path.iter().cycle().skip(first).take(path.len() + 1).filter_map(|at| script.tasks.get(*at));
    let circle: Vec<&str> = tasks.map(|task| task.name.value.as_str()).collect();
    let span = path
        .get(first)
        .and_then(|at| script.tasks.get(*at)?.sweep.each.as_ref())
        .map(|each| each.span.clone());
    let message = format!("`each` goes in a circle: {}", circle.join(" -> "));
    cx.push(Diagnostic::new(Code::Cycle, span.unwrap_or(0..0), message).label("the parameters are nowhere"));
}

/// Adds a task's own parameters to `base`, the parameters of the other task that it takes over by the key `each`.
fn extend(mut base: TaskParams, task: &RawTask, names: &Symbols, cx: &mut DiagnosticCollector) -> TaskParams {
    if task.sweep.is_bare() {
        return base;
    }
    let own = task.sweep.names().map(|name| name.value.clone());
    let fresh: Vec<String> = own.filter(|name| !base.names.contains(name)).collect();
    let before = cx.errors();
    for name in task.sweep.names().filter(|name| base.names.contains(&name.value)) {
        let each = task.sweep.each.as_ref().map_or("", |each| each.value.as_str());
        let message =
            format!("`{}` is a parameter of `{each}` already, and `each` takes it over", name.value);
        cx.push(
            Diagnostic::new(Code::NameClash, name.span.clone(), message)
                .label("a second one")
                .help("rename one"),
        );
    }
    let spec = base.spec.and_then(|spec| Builder { spec, task: &task.sweep, names }.build(cx));
    base.names.extend(fresh);
    let Some(spec) = spec.filter(|_| cx.errors() == before) else {
        return TaskParams { spec: None, family: None, ..base };
    };
    let all =
        spec.params.iter().map(|param| &param.name).chain(spec.derived.iter().map(|derived| &derived.name));
    let names = all.cloned().collect();
    let built = spec.build().and_then(|family| spec.check_derived(&family).map(|()| family));
    match built {
        Ok(family) => {
            idle_rows::check(&spec, &family, task, cx);
            TaskParams { names, spec: Some(spec), family: Some(family), off: false }
        }
        Err(problem) => {
            let diagnostic = told(&problem, task, cx);
            cx.push(diagnostic);
            TaskParams { names, spec: None, family: None, off: problem == Problem::Off }
        }
    }
}

fn told(problem: &Problem, task: &RawTask, cx: &DiagnosticCollector) -> Diagnostic {
    let (name, sweep) = (&task.name.value, &task.sweep);
    let filter = sweep.filter.as_ref().map(|filter| &filter.span);
    let row = |rows: &[RawRow]| rows.first().map(|row| row.span.clone());
    let culprit = filter.cloned().or_else(|| row(&sweep.exclude)).unwrap_or_else(|| task.name.span.clone());
    match problem {
        Problem::TooMany => {
            let message = format!("`{name}` has more instances than can be counted");
            Diagnostic::new(Code::TooLarge, task.name.span.clone(), message)
                .label("too many")
                .help("make its ranges shorter")
        }
        Problem::TooWide(cells) => {
            let message =
                format!("a condition about {cells} combinations, and at most {WIDEST} are looked at");
            Diagnostic::new(Code::TooLarge, culprit, message).label("too many").help(
                "write the parameters that the condition is about side by side in `for`: those before and after do not count",
            )
        }
        Problem::Off => {
            let message =
                format!("`{name}` has no instances: its `where` is false whatever the parameters are");
            Diagnostic::new(Code::SwitchedOff, culprit, message)
                .label("switches it off")
                .help("nothing is done for this task")
        }
        Problem::Fault { derived, label, error } => {
            let lets = sweep.lets.iter().find(|(name, _)| Some(&name.value) == derived.as_ref());
            let text = lets.map(|(_, text)| text).or(sweep.filter.as_ref());
            let span = text.map_or(culprit, |text| cx.source.inside(text, error.range.clone()));
            let message = format!("{}, in `{name}{label}`", error.message);
            let help = "integers have 64 bits; with a point, as in `2.0 * i`, numbers are floats".to_owned();
            Diagnostic::new(Code::BadExpression, span, message)
                .label("has no value")
                .help(error.help.clone().unwrap_or(help))
        }
        Problem::Unchecked { derived, count } => {
            let lets = sweep.lets.iter().find(|(name, _)| name.value == *derived);
            let span = lets.map_or(culprit, |(_, text)| text.span.clone());
            let message = format!(
                "`{derived}` may have no value in some of {count} instances, and at most {CHECKED} are looked at"
            );
            Diagnostic::new(Code::TooMuch, span, message)
                .label("may leave 64 bits, or take a part of a text that is not there")
                .help("compute with floats, as in `2.0 * i`, or with shorter ranges")
        }
        Problem::Empty => {
            let message = format!("`{name}` has no instances: every combination is left out");
            Diagnostic::new(Code::EmptySweep, culprit, message)
                .label("leaves nothing")
                .help("`where` says which combinations stay")
        }
        Problem::Twice(row) => {
            let span = row_span(&sweep.include, row).or_else(|| self::first(&sweep.include));
            let message = format!("the row {row} of `include` is there already");
            Diagnostic::new(Code::RepeatedValue, span.unwrap_or(culprit), message)
                .label("added twice")
                .help("instances are told apart by their values")
        }
    }
}

fn first(rows: &[RawRow]) -> Option<crate::script::diagnostics::source::Span> {
    rows.first().map(|row| row.span.clone())
}

/// Finds the place in the script of a row of `include` or `exclude`, of which a family's builder knows only the form in
/// messages, `shown`, such as `[T=300, p=1]`. `None` if no row has this form.
fn row_span(rows: &[RawRow], shown: &str) -> Option<crate::script::diagnostics::source::Span> {
    let fits = |row: &&RawRow| {
        row.cells.iter().all(|(name, value)| {
            let cell = format!("{}={}", name.value, value.value);
            shown.trim_matches(['[', ']']).split(", ").any(|known| known == cell)
        })
    };
    rows.iter().rev().find(fits).map(|row| row.span.clone())
}

struct Builder<'a> {
    spec: FamilyBuilder,
    task: &'a RawSweep,
    names: &'a Symbols,
}

impl Builder<'_> {
    fn build(mut self, cx: &mut DiagnosticCollector) -> Option<FamilyBuilder> {
        let before = cx.errors();
        // Some mistakes, such as unequal lengths in `zip`, are reported although every parameter has values.
        if !self.params(cx) || cx.errors() > before {
            return None;
        }
        for (name, text) in &self.task.lets {
            if let Some(formula) = self.formula(text, cx) {
                self.spec.derived.push(Derived { name: name.value.clone(), formula: formula.into() });
            }
        }
        if let Some(formula) = self.task.filter.as_ref().and_then(|text| self.formula(text, cx)) {
            self.spec.filters.push(formula);
        }
        for row in &self.task.exclude {
            let row = self.row("exclude", row, cx);
            self.spec.exclude.extend(row);
        }
        for row in &self.task.include {
            if let Some(row) = self.row("include", row, cx) {
                let (filters, excluded) = (self.spec.filters.len(), self.spec.exclude.len());
                self.spec.include.push(Added { row, filters, excluded });
            }
        }
        (cx.errors() == before).then_some(self.spec)
    }

    /// Loads the values of the parameters that the task itself declares in `for` and `zip`. Returns whether all of them
    /// have values; mistakes are reported.
    fn params(&mut self, cx: &mut DiagnosticCollector) -> bool {
        let (mut zip, mut complete): (Option<(usize, &Text)>, bool) = (None, true);
        for param in &self.task.params {
            let Some(loaded) = load_values::load(param, self.names, cx) else {
                complete = false;
                continue;
            };
            let len = match &loaded {
                LoadedValues::One(values) => values.len(),
                LoadedValues::Table(rows, _) => *rows,
                LoadedValues::Matched(paths, _) => paths.len(),
            };
            let axis = match zip {
                Some((axis, _)) if param.zipped => axis,
                _ => {
                    self.spec.lengths.push(len);
                    self.spec.lengths.len() - 1
                }
            };
            if let (Some((axis, first)), true) = (zip, param.zipped && self.spec.lengths[axis] != len) {
                let others = self.spec.lengths[axis];
                let message = format!(
                    "`zip` goes through its parameters in step, and `{}` has {others} values where `{}` has {len}",
                    first.value, param.name.value
                );
                let diagnostic = Diagnostic::new(Code::ZipLengths, param.name.span.clone(), message);
                cx.push(
                    diagnostic
                        .label(format!("{len} values"))
                        .also(first.span.clone(), format!("{others} values"))
                        .help("`for` makes every combination"),
                );
            }
            if param.zipped {
                zip = zip.or(Some((axis, &param.name)));
            }
            self.add(&param.name.value, loaded, axis);
        }
        self.repeated_rows(zip, cx);
        complete
    }

    fn add(&mut self, name: &str, loaded: LoadedValues, axis: usize) {
        let param = |name: String, values, column, shown| Param { name, values, axis, column, shown };
        match loaded {
            LoadedValues::One(values) => self.spec.params.push(param(name.to_string(), values, false, true)),
            LoadedValues::Matched(paths, named) => {
                // the path follows from the parameters, and has no part in joins, as columns have none
                let named = named.into_iter().map(|(name, values)| param(name, values, false, true));
                self.spec.params.extend(named);
                self.spec.params.push(param(name.to_string(), paths, true, false));
            }
            LoadedValues::Table(rows, columns) => {
                // A row of a table is told apart by its number, since its cells may be equal to those of another row.
                let numbers = ParamValues::Range(NumRange::counting(rows));
                let is_named = columns.first().is_some_and(|(_, values)| !values.repeats());
                self.spec.params.push(param(name.to_string(), numbers, false, !is_named));
                let columns = columns.into_iter().enumerate();
                self.spec.params.extend(
                    columns.map(|(at, (column, values))| {
                        param(format!("{name}.{column}"), values, true, at == 0)
                    }),
                );
            }
        }
    }

    /// Reports two positions of `zip` at which all zipped parameters have equal values, since these would be equal
    /// instances. A single zipped parameter is allowed to repeat a value as long as another one differs.
    fn repeated_rows(&self, zip: Option<(usize, &Text)>, cx: &mut DiagnosticCollector) {
        let Some((axis, first)) = zip else { return };
        let on_it: Vec<&Param> = self.spec.params.iter().filter(|param| param.axis == axis).collect();
        let lists: Vec<&[ScriptValue]> = on_it
            .iter()
            .filter_map(|param| match &param.values {
                ParamValues::List(list) => Some(&**list),
                _ => None,
            })
            .collect();
        // Computed values, of a range or space, never repeat.
        if lists.len() < on_it.len() {
            return;
        }
        let mut seen = HashMap::new();
        for at in 0..lists.iter().map(|list| list.len()).min().unwrap_or(0) {
            let row: Vec<Key<'_>> = lists.iter().map(|list| list[at].key()).collect();
            if let Some(other) = seen.insert(row, at) {
                let row =
                    on_it.iter().zip(&lists).map(|(param, list)| format!("{}={}", param.name, list[at]));
                let row = row.collect::<Vec<_>>().join(", ");
                let message = format!("numbers {other} and {at} of `zip` are the same: {row}");
                let diagnostic = Diagnostic::new(Code::RepeatedValue, first.span.clone(), message);
                return cx.push(
                    diagnostic.label("in these lists").help("instances are told apart by their values"),
                );
            }
        }
    }

    fn formula(&self, text: &Text, cx: &mut DiagnosticCollector) -> Option<Formula> {
        let found = Formula::new(&text.value, &|name| lookup(&self.spec, self.names, name));
        found
            .map_err(|error| cx.push(wrong_formula(error, text, 0, &names_of(&self.spec), self.names, cx)))
            .ok()
    }

    /// Resolves a row of `include` or `exclude` (`key`), which gives values to parameters: replaces their names by
    /// their numbers. Reports a wrong row and returns `None`.
    fn row(&self, key: &str, raw: &RawRow, cx: &mut DiagnosticCollector) -> Option<Row> {
        let mut row = Row::new();
        let params = || self.spec.params.iter().enumerate().filter(|(_, param)| !param.column);
        for (name, value) in &raw.cells {
            let Some((at, param)) = params().find(|(_, param)| param.name == name.value) else {
                let all: Vec<&str> = params().map(|(_, param)| param.name.as_str()).collect();
                let message = format!("`{key}` of an unknown parameter `{}`", name.value);
                let derived = self.spec.derived.iter().any(|derived| derived.name == name.value);
                let listed = match all[..] {
                    _ if derived => "derived parameters follow from others: use `where`".to_string(),
                    [] => "the task has no parameters".to_string(),
                    _ => format!("the parameters are: {}", all.join(", ")),
                };
                let diagnostic = Diagnostic::new(Code::UnknownParam, name.span.clone(), message)
                    .label("no such parameter");
                cx.push(diagnostic.help(did_you_mean(&name.value, all).unwrap_or(listed)));
                return None;
            };
            let beside = self.spec.params.iter().find(|column| column.column && column.axis == param.axis);
            let table = beside.is_some();
            if key == "include" && beside.is_some_and(|beside| beside.name == "match") {
                let message =
                    format!("`{}` comes from the names of files, and a row cannot add one", param.name);
                let diagnostic = Diagnostic::new(Code::BadMatch, name.span.clone(), message);
                cx.push(diagnostic.label("of `match`").help("make the file, or take the pattern wider"));
                return None;
            }
            let value_at = self.names.fill_value(value, cx)?;
            if key == "include" && table && param.values.position(&value_at).is_none() {
                let message =
                    format!("`{}` is the number of a row, and there are {}", param.name, param.values.len());
                cx.push(Diagnostic::new(Code::IndexRange, value.span.clone(), message).label("no such row"));
                return None;
            }
            row.push((at, value_at));
        }
        let own = self.task.params.iter().filter(|param| param.holes.is_empty());
        let own = own.map(|param| param.name.value.as_str());
        let mut missing = own.filter(|name| raw.cells.iter().all(|(known, _)| known.value != *name));
        if let (Some(missing), "include") = (missing.next(), key) {
            let message =
                format!("a row of `include` has a value for every parameter, and `{missing}` is missing");
            let diagnostic = Diagnostic::new(Code::BadValue, raw.span.clone(), message).label("incomplete");
            cx.push(diagnostic.help(format!("add `{missing} = ..`")));
            return None;
        }
        Some(row)
    }
}

fn names_of(spec: &FamilyBuilder) -> Vec<String> {
    let derived = spec.derived.iter().map(|derived| &derived.name);
    spec.params.iter().map(|param| &param.name).chain(derived).cloned().collect()
}

fn lookup(
    spec: &FamilyBuilder,
    names: &Symbols,
    name: &str,
) -> Option<(NameInput, FormulaType, ScriptValue)> {
    if let Some(at) = spec.params.iter().position(|param| param.name == name) {
        let values = &spec.params[at].values;
        return Some((NameInput::Param(at), values.kind(), values.sample()));
    }
    if let Some(at) = spec.derived.iter().position(|derived| derived.name == name) {
        let mut values: Bindings = spec.params.iter().map(|param| param.values.get(0)).collect();
        family::derive(&spec.derived, &mut values, spec.params.len());
        let sample = values.into_iter().nth(spec.params.len() + at)?;
        return Some((NameInput::Derived(at), spec.derived[at].formula.kind(), sample));
    }
    names.var(name).map(|value| (NameInput::Var(value.clone()), FormulaType::of(value), value.clone()))
}

/// Returns the error message for a wrong expression, which begins at byte `begin` of `text`. The names that it could
/// use are `params` and the variables in `names`.
pub(crate) fn wrong_formula(
    error: FormulaError,
    text: &Text,
    begin: usize,
    params: &[String],
    names: &Symbols,
    cx: &DiagnosticCollector,
) -> Diagnostic {
    let span = cx.source.inside(text, begin + error.range.start..begin + error.range.end);
    let Some(name) = error.unknown else {
        return Diagnostic::new(Code::BadExpression, span, error.message)
            .label("in this expression")
            .maybe_help(error.help);
    };
    let listed = match params {
        [] => "there are no parameters here".to_string(),
        params => format!("parameters here: {}", params.join(", ")),
    };
    let help = match names.task(&name) {
        Some(_) => Some(format!("`{name}` is a task, and this is needed before any task runs")),
        None if cx.is_full() => None,
        None => {
            let candidates = params.iter().map(String::as_str).chain(names.all());
            did_you_mean(&name, candidates)
        }
    };
    Diagnostic::new(Code::UnknownName, span, error.message).label(listed).maybe_help(help)
}
