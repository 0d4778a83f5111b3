//! Lowers a task: its action and keys, with every reference resolved.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{Span, Text};
use crate::script::lower::execution::execution;
use crate::script::lower::{params_use, ranks};
use crate::script::options::LoadOptions;
use crate::script::plan::task::{OutputFile, PlanTask, Save, Select, StreamTarget, TaskAction};
use crate::script::plan::template::Template;
use crate::script::resolve::resolver::{ElsePlace, Resolver};
use crate::script::resolve::written::TextContext;
use crate::script::sweep::expand::Sweeps;
use crate::script::sweep::family::Sweep;
use crate::script::sweep::join::Unmatched;
use crate::script::syntax::script::{RawAction, RawSave, RawScript, RawTask};
use crate::script::syntax::symbols::Symbols;
use crate::script::values::resources::InstanceResources;
use std::collections::{HashMap, HashSet};

/// The most instances of another task that one instance reads. Rank 0 holds some 200 bytes for each of them.
const HELD: u64 = 100_000_000;
/// The most instances of another task that are looked at to find those that one instance reads, where their indices do
/// not follow from each other.
const SEARCHED: u64 = 1 << 24;

/// The compiler of a script's tasks. `Compiler` holds the parsed script, its names, and the family of each task, which
/// is the set of its instances (one for each combination of parameter values).
pub(crate) struct Compiler<'a> {
    pub(crate) script: &'a RawScript,
    pub(crate) names: &'a Symbols,
    pub(crate) sweeps: &'a Sweeps,
    pub(crate) options: LoadOptions,
    /// The names of all tasks that other tasks name in `on = "host of NAME"`, to run on the host where that task ran.
    pub(crate) host_groups: HashSet<String>,
}

impl Compiler<'_> {
    /// Compiles the task of index `at` in the script. The references of the compiled task name other tasks by their
    /// index in the script; [`toposort`](super::toposort) converts them to indices in the plan. Mistakes are reported,
    /// and the rest of the task is compiled nevertheless, to find further mistakes.
    pub(crate) fn task(&self, at: usize, cx: &mut DiagnosticCollector) -> Option<PlanTask> {
        let raw = self.script.tasks.get(at)?;
        let mut resolver = Resolver {
            script: self.script,
            names: self.names,
            sweeps: self.sweeps,
            task: at,
            found: Vec::new(),
            options: self.options.clone(),
            known: HashMap::new(),
            beside: ElsePlace::default(),
            joins: HashMap::new(),
            places: (0..0, Vec::new()),
            quiet: false,
            merges: matches!(&raw.action, Some(RawAction::Reduce(reduce)) if reduce.command.is_some()),
        };
        let action = raw.action.as_ref().and_then(|action| self.action(raw, action, &mut resolver, cx));
        let stdin = raw.stdin.as_ref().map(|text| resolver.template(text, TextContext::Stdin, cx));
        let env = raw
            .env
            .iter()
            .map(|(name, text)| (name.value.clone(), resolver.template(text, TextContext::Command, cx)))
            .collect();
        let out = |out: &crate::script::syntax::script::RawOut,
                   resolver: &mut Resolver<'_>,
                   cx: &mut DiagnosticCollector| OutputFile {
            name: out.name.as_ref().map(|name| name.value.clone()),
            file: resolver.template(&out.file, TextContext::File, cx),
        };
        let outs = raw.outs.iter().map(|raw| out(raw, &mut resolver, cx)).collect();
        let stdout = stream(raw.stdout.as_ref(), &mut resolver, cx);
        let stderr = stream(raw.stderr.as_ref(), &mut resolver, cx);
        let saves = raw.saves.iter().map(|save| self.save(raw, save, &mut resolver, cx)).collect();
        let targets = raw.targets.iter().map(|path| resolver.template(path, TextContext::File, cx)).collect();
        for name in &raw.after {
            if let Some(task) = self.names.want_task(name, "after", cx)
                && !self.is_off(task)
            {
                resolver.depend(task, Select::Order, None, name.span.clone());
            }
        }
        if let Some(name) = raw.needs.host_of()
            && let Some(task) = self.names.want_task(name, "on", cx)
            && !self.is_off(task)
            && resolver.found.iter().all(|known| known.task != task)
        {
            resolver.depend(task, Select::Order, None, name.span.clone());
        }
        let execution = execution(&raw.execution, &mut resolver, cx);
        let when = raw.when.as_ref().and_then(|text| self.condition("when", text, &mut resolver, cx));
        let until = raw.until.as_ref().and_then(|until| self.until(at, until, &mut resolver, cx));
        let (line, _) = cx.source.position(raw.name.span.start);
        let needs = raw.needs.compile(&self.script.resources, cx);
        ranks::check(raw, cx);
        let mut task = PlanTask {
            name: raw.name.value.clone(),
            line,
            origin: format!("{}:{line}", cx.source.shown()),
            // A wrong action was reported and the script will be refused, so nothing sees this replacement.
            action: action.unwrap_or(TaskAction::Run { argv: Vec::new() }),
            family: self.sweeps.families.get(at).cloned().flatten().unwrap_or_else(Sweep::single),
            references: resolver.found,
            knot: 0,
            when,
            until,
            skippable: false,
            outs,
            stdin,
            stdout,
            stderr,
            saves,
            env,
            ok_exit: raw.ok_exit.clone(),
            optional: raw.optional,
            priority: raw.priority,
            keep: raw.keep,
            targets,
            execution,
            needs: InstanceResources { is_host_group: self.host_groups.contains(&raw.name.value), ..needs },
            time: raw.time.as_ref().map(|time| time.value),
            wants_params: matches!(raw.action, Some(RawAction::Script(..))) || !raw.wrap.is_empty(),
        };
        task.wants_params |= params_use::names_params(&task);
        Some(task)
    }

    fn save(
        &self,
        raw: &RawTask,
        save: &RawSave,
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Save {
        let path = resolver.template(&save.path, TextContext::File, cx);
        let outs = &raw.outs;
        let makes_array = raw.action.as_ref().is_some_and(|action| !action.is_command());
        self.check_save(makes_array, save, cx);
        let select = match &save.output {
            None if makes_array => Some(Select::Value),
            None if outs.is_empty() => Some(Select::Stdout),
            None if outs.len() == 1 => Some(Select::File(0)),
            None => {
                let names = crate::script::resolve::output_select::names(raw);
                let message = format!(
                    "`{}` has several outputs, and `save` does not say which to save",
                    raw.name.value
                );
                let help = format!("write `save = {{ {} = \"path\" }}`", names.first().unwrap_or(&"name"));
                cx.push(
                    Diagnostic::new(Code::NoFile, save.path.span.clone(), message)
                        .label("which one?")
                        .help(help),
                );
                None
            }
            Some(name) if name.value == "stdout" => Some(Select::Stdout),
            Some(name) => {
                let at = outs.iter().position(|out| out.name.as_ref().is_some_and(|n| n.value == name.value));
                if at.is_none() {
                    let mut names = crate::script::resolve::output_select::names(raw);
                    names.push("stdout");
                    let message = format!("`{}` has no output `{}` to save", raw.name.value, name.value);
                    let diagnostic = Diagnostic::new(Code::UnknownOutput, name.span.clone(), message)
                        .label(format!("outputs: {}", names.join(", ")));
                    cx.push(
                        diagnostic.maybe_help(crate::script::diagnostics::suggest::did_you_mean(
                            &name.value,
                            names,
                        )),
                    );
                }
                at.map(Select::File)
            }
        };
        if let Some(Select::File(at)) = select {
            check_kind(raw, at, save, &path, cx);
        }
        // A `Save` for every `save` of the script, right or wrong: `save_paths::check` walks through both in step.
        Save { select: select.unwrap_or(Select::Order), path }
    }

    /// Checks the path of a `save` key, which copies an output of the task to the shared file system. An array can be
    /// saved to a file or to an HDF5 dataset, a file of a command only to a file.
    fn check_save(&self, makes_array: bool, save: &RawSave, cx: &mut DiagnosticCollector) {
        let path = &save.path.value;
        let is_dataset = path.contains(":/");
        let (message, help) = match makes_array {
            true if save.output.is_some() => {
                ("this task makes one array, which has no name", "write `save = \"path\"`".to_owned())
            }
            true if !is_dataset && [".h5", ".hdf5", ".he5"].iter().any(|end| path.ends_with(end)) => {
                ("an HDF5 file holds datasets, and this does not say which", format!("write `{path}:/name`"))
            }
            false if is_dataset => (
                "a command's file cannot become a dataset",
                "read it with an `array` task, `load(x, \"/name\")` or `from_csv(x)`, and save that"
                    .to_owned(),
            ),
            _ => return,
        };
        let diagnostic = Diagnostic::new(Code::BadValue, save.path.span.clone(), message);
        cx.push(diagnostic.label("cannot be saved so").help(help));
    }

    /// Whether a task, by its index in the script, is switched off by its `where`. Nothing waits for it.
    pub(crate) fn is_off(&self, task: usize) -> bool {
        self.sweeps.off.get(task) == Some(&true)
    }

    /// Reports references to another task for which at least one instance of the reading task finds no instance to
    /// read.
    pub(crate) fn check_joins(&self, tasks: &[Option<PlanTask>], cx: &mut DiagnosticCollector) {
        for (at, task) in tasks.iter().enumerate() {
            let Some(task) = task else { continue };
            let family = |at: usize| self.sweeps.families.get(at).and_then(Option::as_ref);
            for reference in &task.references {
                if self.is_off(reference.task) && !self.is_off(at) {
                    let other = self.script.tasks.get(reference.task).map_or("", |t| t.name.value.as_str());
                    let message =
                        format!("a join that matches nothing: `{other}` is switched off by its `where`");
                    let diagnostic = Diagnostic::new(Code::EmptyJoin, reference.span.clone(), message);
                    let help = format!("give `{}` the same condition", task.name);
                    cx.push(diagnostic.label("nothing to read").help(help));
                    continue;
                }
                let (Some(from), Some(to)) = (family(at), family(reference.task)) else { continue };
                let other = || self.script.tasks.get(reference.task).map_or("", |t| t.name.value.as_str());
                let count = reference.join.gathered();
                let (most, what) = match reference.join.is_arithmetic() {
                    true => (HELD, "reads"),
                    false => (SEARCHED, "looks among"),
                };
                if count > most {
                    let message = format!(
                        "an instance of `{}` {what} {count} instances of `{}`, and at most {most} are possible",
                        task.name,
                        other()
                    );
                    let diagnostic = Diagnostic::new(Code::TooMuch, reference.span.clone(), message);
                    let help = "give both tasks the same parameters, or read a task with fewer instances";
                    cx.push(diagnostic.label("too many").help(help));
                    continue;
                }
                if reference.optional {
                    continue;
                }
                let Some(mut unmatched) = reference.join.unmatched(from, to) else { continue };
                if !reference.instead_of.is_empty() {
                    // only instances count for which the reference before `else` reads nothing
                    let lacks =
                        |at: &u64| task.reads(reference, *at) && reference.instances(*at).remaining() == 0;
                    match (0..from.len().min(SEARCHED)).find(lacks) {
                        Some(instance) => unmatched = Unmatched::Instance(instance),
                        None => continue,
                    }
                }
                cx.push(empty_join(&unmatched, task, other(), &reference.span, reference.join.is_chosen()));
            }
        }
    }
}

fn empty_join(unmatched: &Unmatched, task: &PlanTask, other: &str, span: &Span, chosen: bool) -> Diagnostic {
    if let (Unmatched::Instance(instance), true) = (unmatched, chosen) {
        let label = task.label(*instance);
        let message = format!("there is no such instance of `{other}` for {label}");
        let help = if other == task.name {
            format!(
                "say what stands for it there: `{{{other}[..] else start}}`, or nothing: `{{{other}[..]?}}`"
            )
        } else {
            format!(
                "the brackets must choose an instance that `{other}` has, for every instance of `{}`",
                task.name
            )
        };
        return Diagnostic::new(Code::IndexRange, span.clone(), message).label("out of range").help(help);
    }
    let (what, label, help) = match unmatched {
        Unmatched::Value { param, value } => (
            format!("no instance of `{other}` has {param} = {value}"),
            format!("nothing for {param} = {value}"),
            format!(
                "`{0}` and `{other}` share the parameter `{param}`: give both the same values, or rename it in one",
                task.name
            ),
        ),
        Unmatched::Instance(instance) => {
            let label = task.label(*instance);
            (
                format!("no instance of `{other}` fits {label}"),
                format!("nothing for {label}"),
                "instances meet where the parameters that both have are equal; look at `where`, `exclude` and `let` \
                 of both"
                    .to_string(),
            )
        }
    };
    Diagnostic::new(Code::EmptyJoin, span.clone(), format!("a join that matches nothing: {what}"))
        .label(label)
        .help(help)
}

/// Reports a folder that is saved under the path of a file, or a file under that of a folder.
fn check_kind(raw: &RawTask, at: usize, save: &RawSave, path: &Template, cx: &mut DiagnosticCollector) {
    let Some(out) = raw.outs.get(at) else { return };
    let is_folder = out.file.value.ends_with('/');
    if path.ends_with_slash() == is_folder {
        return;
    }
    let shown = &save.path.value;
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let (message, help) = match is_folder {
        true => (
            format!("the folder `{}` is saved as a file", out.file.value),
            format!("write `{shown}/`: a folder has a slash at its end"),
        ),
        false => (
            format!("the file `{}` is saved as a folder", out.file.value),
            format!("write `{shown}{}`, or give `out` a slash at its end", name(&out.file.value)),
        ),
    };
    let diagnostic = Diagnostic::new(Code::FolderAsFile, save.path.span.clone(), message);
    let diagnostic = diagnostic.label(if is_folder { "no slash at its end" } else { "names no file" });
    cx.push(diagnostic.also(out.file.span.clone(), "the output").help(help));
}

fn stream(text: Option<&Text>, resolver: &mut Resolver<'_>, cx: &mut DiagnosticCollector) -> StreamTarget {
    match text {
        None => StreamTarget::Log,
        Some(text) if text.value == "log" => StreamTarget::Log,
        Some(text) if ["null", "/dev/null"].contains(&text.value.as_str()) => StreamTarget::Null,
        Some(text) => {
            if text.value.trim().is_empty() || text.value.ends_with('/') {
                let diagnostic = Diagnostic::new(Code::BadValue, text.span.clone(), "this names no file")
                    .label("expected a file");
                cx.push(diagnostic.help("write \"log\", \"null\" or a path"));
            }
            StreamTarget::Path(resolver.template(text, TextContext::File, cx))
        }
    }
}
