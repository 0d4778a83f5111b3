//! Reads `[resources]`, and the keys of a task for resources and placement: `threads`, `gpus`, `needs` and `on`.

use crate::config::SLOTS_MAX;
use crate::protocol::COUNTERS_MAX;
use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{At, Text};
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::syntax::toml::{Node, TomlEntry, check_name};
use crate::script::values::resources::{InstanceResources, JobCounter};

/// Resources of a task that have keys of their own. `[resources]` and `needs` may not use these names.
const BUILT_IN: [&str; 3] = ["threads", "memory", "gpus"];

/// The most processes of an MPI program.
const RANKS_MAX: i64 = 1 << 20;

/// The largest amount that a counter of the job (a line of `[resources]`) can have.
const MOST: i64 = 1 << 31;

/// The keys of a task for resources (`threads`, `needs`, ..) and place (`on`), as the script gives them.
#[derive(Debug, Default)]
pub(crate) struct RawNeeds {
    threads: Option<u32>,
    ranks: Option<At<u32>>,
    gpus: u32,
    needs: Vec<(Text, At<u32>)>,
    on: Option<PinnedPlace>,
}

/// The place where a task's instances are to run, as the key `on` names it.
#[derive(Debug)]
enum PinnedPlace {
    Rank(u32),
    /// The host where instances of the task of this name ran.
    HostOf(Text),
}

impl RawNeeds {
    /// The name of the task on whose host this task has to run (`on = "host of NAME"`); `None` without one.
    pub(crate) fn host_of(&self) -> Option<&Text> {
        match &self.on {
            Some(PinnedPlace::HostOf(name)) => Some(name),
            _ => None,
        }
    }

    /// The number of processes of the MPI program that the command is, with its place in the script; `None` if it is
    /// none.
    pub(crate) fn ranks(&self) -> Option<&At<u32>> {
        self.ranks.as_ref()
    }

    /// The number of devices that an instance takes.
    pub(crate) fn gpus(&self) -> u32 {
        self.gpus
    }

    /// Reads the keys for resources and place among the keys of a task.
    pub(crate) fn read<'n>(get: &impl Fn(&str) -> Option<&'n Node>, cx: &mut DiagnosticCollector) -> Self {
        let number = |key: &str, least: i64, most: i64, cx: &mut DiagnosticCollector| {
            get(key).and_then(|node| number(&format!("`{key}`"), node, (least, most), cx))
        };
        let threads = number("threads", 1, SLOTS_MAX.into(), cx).map(|threads| threads.value);
        let ranks = number("ranks", 1, RANKS_MAX, cx);
        let gpus = number("gpus", 0, 1024, cx).map_or(0, |gpus| gpus.value);
        let mut needs = Vec::new();
        for TomlEntry { key, value } in
            get("needs").and_then(|node| node.table("`needs`", cx)).unwrap_or_default()
        {
            let count = self::number(&format!("`{}`", key.value), value, (0, MOST), cx);
            needs.extend(count.map(|count| (key.clone(), count)));
        }
        let on = get("on").and_then(|node| node.text("`on`", cx)).and_then(|text| on(&text, cx));
        RawNeeds { threads, ranks, gpus, needs, on }
    }

    /// Resolves the names in a task's `needs` to counters of the job. Reports unknown names, and needs above the amount
    /// that the job has.
    pub(crate) fn compile(
        &self,
        resources: &[RawResource],
        cx: &mut DiagnosticCollector,
    ) -> InstanceResources {
        let mut counters = Vec::new();
        for (name, count) in &self.needs {
            let Some(at) = resources.iter().position(|known| known.name.value == name.value) else {
                cx.push(unknown(name, resources));
                continue;
            };
            let total = resources[at].total;
            if count.value > total {
                let message =
                    format!("this needs {} of `{}`, and `[resources]` has {total}", count.value, name.value);
                let diagnostic = Diagnostic::new(Code::NeedsTooMuch, count.span.clone(), message)
                    .label("it could never run");
                cx.push(diagnostic.also(resources[at].name.span.clone(), "all there is"));
            }
            if count.value > 0 {
                counters.push((at, count.value));
            }
        }
        let on = if let Some(PinnedPlace::Rank(rank)) = &self.on { Some(*rank) } else { None };
        let same_host_as = self.host_of().map(|name| name.value.clone());
        InstanceResources {
            threads: self.threads,
            ranks: self.ranks.as_ref().map(|ranks| ranks.value),
            gpus: self.gpus,
            counters,
            on,
            same_host_as,
            is_host_group: false,
        }
    }
}

/// Makes the error of a resource in `needs` that `[resources]` does not have.
fn unknown(name: &Text, resources: &[RawResource]) -> Diagnostic {
    if BUILT_IN.contains(&name.value.as_str()) {
        let example = if name.value == "memory" { "\"2 GiB\"" } else { "2" };
        let message = format!("`{}` is no counter, but a key of its own", name.value);
        return Diagnostic::new(Code::UnknownResource, name.span.clone(), message)
            .label("not here")
            .help(format!("write `{} = {example}` beside `needs`", name.value));
    }
    let message = format!("there is no resource `{}`", name.value);
    let known: Vec<&str> = resources.iter().map(|known| known.name.value.as_str()).collect();
    let diagnostic = Diagnostic::new(Code::UnknownResource, name.span.clone(), message);
    let diagnostic = match known.is_empty() {
        true => diagnostic.label("the script has no `[resources]`"),
        false => diagnostic.label(format!("resources: {}", known.join(", "))),
    };
    let help = || format!("`[resources]` says how many there are in the whole job: `{} = 4`", name.value);
    diagnostic.help(did_you_mean(&name.value, known).unwrap_or_else(help))
}

/// Parses the value of `on`: the place `rank 3` or `host of NAME`. Reports any other text and returns `None`.
fn on(text: &Text, cx: &mut DiagnosticCollector) -> Option<PinnedPlace> {
    let words: Vec<&str> = text.value.split_whitespace().collect();
    match words[..] {
        ["rank", number] if let Ok(rank) = number.parse() => return Some(PinnedPlace::Rank(rank)),
        ["host", "of", name] => {
            return Some(PinnedPlace::HostOf(Text { value: name.to_owned(), span: text.span.clone() }));
        }
        _ => {
            let message = format!("`on` names no place: \"{}\"", text.value);
            cx.push(
                Diagnostic::new(Code::BadValue, text.span.clone(), message)
                    .label("\"rank 3\" or \"host of NAME\"")
                    .help("without `on`, an instance runs where what it reads is"),
            );
        }
    }
    None
}

fn number(
    what: &str,
    node: &Node,
    (least, most): (i64, i64),
    cx: &mut DiagnosticCollector,
) -> Option<At<u32>> {
    let number = node.int(what, cx)?;
    match u32::try_from(number.value).ok().filter(|_| (least..=most).contains(&number.value)) {
        Some(value) => Some(At { value, span: number.span }),
        None => {
            let message = format!("{what} is a number from {least} to {most}");
            cx.push(Diagnostic::new(Code::BadValue, number.span, message).label("out of range"));
            None
        }
    }
}

/// A resource that the whole job has an amount of, such as licences: a line of `[resources]`.
#[derive(Debug)]
pub(crate) struct RawResource {
    name: Text,
    total: u32,
}

impl RawResource {
    /// The counter (an amount that the whole job has), without its place in the script.
    pub(crate) fn counter(&self) -> JobCounter {
        JobCounter { name: self.name.value.clone(), total: self.total }
    }
}

/// Reads the `[resources]` table, which gives the amounts that the whole job has.
pub(crate) fn resources(node: &Node, cx: &mut DiagnosticCollector) -> Vec<RawResource> {
    let mut found = Vec::new();
    for TomlEntry { key, value } in node.table("`resources`", cx).unwrap_or_default() {
        check_name("resource", &key.value, &key.span, cx);
        if BUILT_IN.contains(&key.value.as_str()) {
            let message = format!("`{}` is counted for each rank, not here", key.value);
            cx.push(
                Diagnostic::new(Code::BadName, key.span.clone(), message)
                    .label("built in")
                    .help("`[resources]` is for what the whole job has, such as licences"),
            );
            continue;
        }
        // A counter with a wrong total is known nevertheless, or its uses would be errors too.
        let total = number(&format!("`{}`", key.value), value, (1, MOST), cx);
        let total = total.map_or(u32::MAX, |total| total.value);
        if found.len() == COUNTERS_MAX {
            let message = format!("`[resources]` may have up to {COUNTERS_MAX} names");
            cx.push(Diagnostic::new(Code::BadValue, key.span.clone(), message).label("one too many"));
            break;
        }
        found.push(RawResource { name: key.clone(), total });
    }
    found
}
