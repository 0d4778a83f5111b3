//! What instances would do, for `dtask plan --commands`: each command as a person would type it, with its inputs,
//! outputs and saved files. Nothing is run, so inputs are named by the instances that make them.

use super::{DONE, USAGE};
use crate::batch::rank::logs::LabelPattern;
use crate::batch::task_def::{facts, name_of};
use crate::console::{self, Output};
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::plan::Plan;
use crate::script::plan::execution::Dir;
use crate::script::plan::runtime_vars::RuntimeVars;
use crate::script::plan::task::{PlanTask, Select, StreamTarget, TaskAction};
use crate::script::plan::template::{RenderError, RenderScope, Template};
use crate::script::values::json::Json;
use std::fmt::Write as _;
use std::io::Write;

/// The most instances that are looked at for those that the user means.
const LOOKED_AT: u64 = 1_000_000;
/// The most instances that are printed.
const PRINTED: usize = 100_000;
/// The most inputs of a reference that are named.
const NAMED: usize = 1_000;

/// The form in which commands are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum CommandFormat {
    /// For people
    Text,
    /// For programs: a list with an object for each instance
    Json,
}

/// What an instance would do.
struct InstancePreview {
    label: String,
    task: String,
    /// The words of the command; for an expression the expression alone.
    words: Vec<String>,
    /// What the words are: `run`, `array`, ..
    action: &'static str,
    ranks: Option<u32>,
    dir: String,
    env: Vec<(String, String)>,
    stdin: Option<String>,
    /// The file that standard output, or the printed array, goes to.
    stdout: Option<String>,
    when: Option<String>,
    /// What each reference reads: its name, and the inputs by the instances that make them.
    inputs: Vec<(String, Vec<String>)>,
    outs: Vec<(String, String)>,
    saves: Vec<String>,
}

/// Prints the commands of the instances that `wanted` names, such as `sim` or `sim[T=300]`; of all if it is empty. Returns
/// the exit code.
pub(super) fn print(plan: &Plan, wanted: &str, format: CommandFormat) -> u8 {
    let pattern = LabelPattern::new(wanted);
    let names: Vec<&str> = plan.tasks.iter().map(|task| task.name.as_str()).collect();
    if !wanted.is_empty() && !names.contains(&pattern.task()) {
        let help = did_you_mean(pattern.task(), names).map(|help| format!("; {help}")).unwrap_or_default();
        console::error(format_args!("error: there is no task `{}`{help}", pattern.task()));
        return USAGE;
    }
    let mut found = Vec::new();
    for (number, task) in plan.tasks.iter().enumerate() {
        if !wanted.is_empty() && task.name != pattern.task() {
            continue;
        }
        for index in 0..task.family.len().min(LOOKED_AT) {
            if wanted.is_empty() || pattern.fits(&task.label(index)) {
                found.push((number, index));
            }
            if found.len() > PRINTED {
                console::error(format_args!(
                    "error: these are more than {PRINTED} instances; name some of them: `--commands '{}'`",
                    task.label(0)
                ));
                return USAGE;
            }
        }
    }
    if found.is_empty() {
        let first = plan.tasks.iter().find(|task| task.name == pattern.task()).map(|task| task.label(0));
        let label = first.unwrap_or_default();
        console::error(format_args!(
            "error: no instance is `{wanted}`; the first one of its task is `{label}`"
        ));
        return USAGE;
    }
    let mut all = Vec::with_capacity(found.len());
    for (number, index) in found {
        match preview(plan, number, index) {
            Ok(preview) => all.push(preview),
            Err(error) => {
                let label = plan.tasks[number].label(index);
                console::error(format_args!("error: {label} cannot be shown: {error}"));
                return USAGE;
            }
        }
    }
    match format {
        CommandFormat::Json => {
            console::output(Json::List(all.iter().map(InstancePreview::json).collect()));
        }
        CommandFormat::Text => {
            let mut out = std::io::BufWriter::new(Output);
            for (at, preview) in all.iter().enumerate() {
                let gap = if at == 0 { "" } else { "\n" };
                let _ = write!(out, "{gap}{}", preview.text());
            }
            let _ = out.flush();
        }
    }
    DONE
}

fn preview(plan: &Plan, number: usize, index: u64) -> Result<InstancePreview, RenderError> {
    let task = &plan.tasks[number];
    let here = plan.dir.display().to_string();
    let facts = RuntimeVars {
        host: "HOST".into(),
        scratch: "$DTASK_SCRATCH".into(),
        params: "$DTASK_PARAMS".into(),
        ranks: 1,
        ..facts(task, index, &here)
    };
    let env = |name: &str| std::env::var(name).ok().or_else(|| Some(format!("${name}")));
    let values = task.family.bindings(index);
    let mut inputs = Vec::with_capacity(task.references.len());
    let mut named = Vec::new();
    for reference in &task.references {
        let read = if task.reads(reference, index) { inputs_of(plan, reference, index)? } else { Vec::new() };
        if !read.is_empty() && !reference.is_order() {
            named.push((name_of(plan, reference), read.clone()));
        }
        let list = || vec![format!("{}.list", plan.tasks[reference.task].name)];
        inputs.push(if reference.list { list() } else { read });
    }
    let mut scope = RenderScope { values: &values, inputs: &inputs, outs: &[], facts: &facts, env: &env };
    let mut outs = Vec::with_capacity(task.outs.len());
    for out in &task.outs {
        outs.push(out.file.render(&scope)?);
    }
    // a command gets the path of a folder without the slash that makes it one
    let paths: Vec<String> = outs.iter().map(|out| out.trim_end_matches('/').to_owned()).collect();
    scope.outs = &paths;
    let render = |template: &Template| template.render(&scope);
    let (action, words) = match &task.action {
        TaskAction::Array { text, .. } => ("array", vec![text.clone()]),
        TaskAction::Call { .. } => ("call", vec![task.name.clone()]),
        TaskAction::Reduce { .. } => ("reduce", vec![task.name.clone()]),
        TaskAction::Merge { command, .. } => ("merge", command.command(&scope)?.unwrap_or_default()),
        TaskAction::MapReduce(_) => ("mapreduce", vec![task.name.clone()]),
        TaskAction::Run { .. } | TaskAction::Shell { .. } => {
            ("command", task.action.command(&scope)?.unwrap_or_default())
        }
    };
    let dir = match &task.execution.dir {
        Dir::Here => here.clone(),
        Dir::Scratch => "$DTASK_SCRATCH".to_owned(),
        Dir::Path(path) => plan.dir.join(render(path)?).display().to_string(),
    };
    let variables: Result<Vec<_>, RenderError> =
        task.env.iter().map(|(name, value)| Ok((name.clone(), render(value)?))).collect();
    let saves: Result<Vec<String>, RenderError> = task.saves.iter().map(|save| render(&save.path)).collect();
    let shown = task.outs.iter().zip(&outs);
    let outs = shown.map(|(out, file)| (out.name.clone().unwrap_or_else(|| "out".into()), file.clone()));
    Ok(InstancePreview {
        label: task.label(index),
        task: task.name.clone(),
        words,
        action,
        ranks: task.needs.ranks,
        dir,
        env: variables?,
        stdin: task.stdin.as_ref().map(render).transpose()?,
        stdout: match &task.stdout {
            StreamTarget::Path(path) => Some(render(path)?),
            StreamTarget::Log | StreamTarget::Null => None,
        },
        when: task.when.as_ref().map(|when| when.text.clone()),
        inputs: named,
        outs: outs.collect(),
        saves: saves?,
    })
}

/// The label of an instance as if it were a folder, so that a shell needs no quotes: `sim/T=300,p=1` of `sim[T=300, p=1]`.
fn folder(label: &str) -> String {
    label.replacen('[', "/", 1).trim_end_matches(']').replace(", ", ",")
}

/// What a reference reads, each input by the label of the instance that makes it and the name of the file.
fn inputs_of(
    plan: &Plan,
    reference: &crate::script::plan::task::Reference,
    index: u64,
) -> Result<Vec<String>, RenderError> {
    let Some(other) = plan.tasks.get(reference.task) else { return Ok(Vec::new()) };
    let (mut all, mut gather) = (Vec::new(), reference.instances(index));
    for at in gather.by_ref().take(NAMED) {
        all.push(format!("{}/{}", folder(&other.label(at)), file_of(plan, other, reference.select, at)?));
    }
    let more = gather.count();
    if more > 0 {
        all.push(format!("(and {more} more)"));
    }
    Ok(all)
}

fn file_of(plan: &Plan, task: &PlanTask, select: Select, index: u64) -> Result<String, RenderError> {
    Ok(match select {
        Select::Stdout => "stdout".to_owned(),
        Select::Value => "array".to_owned(),
        Select::Order => "done".to_owned(),
        Select::File(number) => {
            let facts = facts(task, index, &plan.dir.display().to_string());
            let (values, env) = (task.family.bindings(index), |name: &str| std::env::var(name).ok());
            let scope = RenderScope { values: &values, inputs: &[], outs: &[], facts: &facts, env: &env };
            let file = task.outs.get(number).map(|out| out.file.render(&scope)).transpose()?;
            file.unwrap_or_default().trim_end_matches('/').to_owned()
        }
    })
}

impl InstancePreview {
    fn text(&self) -> String {
        let mut text = format!("{}\n", self.label);
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "  {name:9}  {}", value.trim_end().replace('\n', "\n             "));
        };
        if let Some(when) = &self.when {
            line("when", when);
        }
        if let Some(ranks) = self.ranks {
            line("ranks", &ranks.to_string());
        }
        match self.action {
            "command" | "merge" => {
                let words: Vec<String> = self.words.iter().map(|word| console::quoted(word)).collect();
                line("command", &words.join(" "));
                line("in", &self.dir);
            }
            action => line(action, &self.words.concat()),
        }
        for (name, value) in &self.env {
            line("env", &format!("{name}={}", console::quoted(value)));
        }
        if let Some(stdin) = &self.stdin {
            line("stdin", stdin);
        }
        for (name, inputs) in &self.inputs {
            line("reads", &format!("{name}: {}", inputs.join(" ")));
        }
        for (name, file) in &self.outs {
            line("writes", &if name == "out" { file.clone() } else { format!("{name}: {file}") });
        }
        if let Some(stdout) = &self.stdout {
            line("stdout", stdout);
        }
        self.saves.iter().for_each(|path| line("saves", path));
        text
    }

    fn json(&self) -> Json {
        let text = |text: &str| Json::Text(text.to_owned());
        let object = |pairs: &[(String, String)]| {
            Json::Object(pairs.iter().map(|(name, value)| (name.clone(), text(value))).collect())
        };
        let inputs = self.inputs.iter().map(|(name, all)| (name.clone(), Json::texts(all.iter().cloned())));
        let mut members = vec![
            ("instance".to_owned(), text(&self.label)),
            ("task".to_owned(), text(&self.task)),
            (self.action.to_owned(), Json::texts(self.words.iter().cloned())),
            ("dir".to_owned(), text(&self.dir)),
            ("env".to_owned(), object(&self.env)),
            ("inputs".to_owned(), Json::Object(inputs.collect())),
            ("outs".to_owned(), object(&self.outs)),
            ("saves".to_owned(), Json::texts(self.saves.iter().cloned())),
        ];
        members.extend(self.ranks.map(|ranks| ("ranks".to_owned(), Json::Int(ranks.into()))));
        members.extend(self.stdin.as_ref().map(|stdin| ("stdin".to_owned(), text(stdin))));
        members.extend(self.stdout.as_ref().map(|stdout| ("stdout".to_owned(), text(stdout))));
        members.extend(self.when.as_ref().map(|when| ("when".to_owned(), text(when))));
        Json::Object(members)
    }
}
