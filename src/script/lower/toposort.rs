//! Topological sort: an order in which tasks can run, or the cycle that prevents it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::lower::circles;
use crate::script::plan::task::PlanTask;
use crate::script::syntax::script::RawScript;

/// The most tasks of a circle that a message names.
const LONGEST: usize = 20;

/// Returns the indices of the tasks in an order in which each task stands after the tasks that it needs. Where that
/// leaves a choice, the order of the script decides. Reports tasks that need each other in a cycle, unless their
/// instances do not ([`circles`]): such tasks stand in a row.
pub(crate) fn sort(
    script: &RawScript,
    tasks: &mut [Option<PlanTask>],
    cx: &mut DiagnosticCollector,
) -> Vec<usize> {
    let mut needs: Vec<BTreeSet<usize>> = tasks
        .iter()
        .map(|task| {
            task.iter()
                .flat_map(|task| task.references.iter().map(|r| r.task))
                .filter(|at| *at < tasks.len())
                .collect()
        })
        .collect();
    circles::untie(tasks, &mut needs, cx);
    let mut missing: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    for (at, needs) in needs.iter().enumerate() {
        needs.iter().for_each(|need| users[*need].push(at));
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..needs.len()).filter(|at| missing[*at] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(at);
        for user in &users[at] {
            missing[*user] -= 1;
            if missing[*user] == 0 {
                ready.push(Reverse(*user));
            }
        }
    }
    let mut stuck: BTreeSet<usize> = (0..needs.len()).filter(|at| missing[*at] > 0).collect();
    while let Some(circle) = circle(&stuck, &needs).filter(|_| !cx.is_full()) {
        report(&circle, script, tasks, cx);
        stuck.retain(|at| !circle.contains(at));
    }
    order
}

/// Finds a cycle among the tasks `left`, which could not be sorted. `needs` has for each task those that it needs. The
/// cycle is given as indices of tasks, the task that is first in the script first; `None` where there is no cycle.
fn circle(left: &BTreeSet<usize>, needs: &[BTreeSet<usize>]) -> Option<Vec<usize>> {
    let mut done: BTreeSet<usize> = BTreeSet::new();
    for start in left {
        // A walk that goes deeper until it meets itself or can go no further.
        let mut path: Vec<usize> = vec![*start];
        let mut places: BTreeMap<usize, usize> = BTreeMap::from([(*start, 0)]);
        while let Some(at) = path.last().copied() {
            let next = needs.get(at)?.iter().find(|need| left.contains(need) && !done.contains(need));
            match next {
                Some(next) => match places.get(next) {
                    Some(begin) => {
                        let mut found = path.split_off(*begin);
                        let first =
                            found.iter().enumerate().min_by_key(|(_, at)| **at).map_or(0, |(place, _)| place);
                        found.rotate_left(first);
                        return Some(found);
                    }
                    None => {
                        places.insert(*next, path.len());
                        path.push(*next);
                    }
                },
                None => {
                    done.insert(at);
                    places.remove(&at);
                    path.pop();
                }
            }
        }
    }
    None
}

fn report(circle: &[usize], script: &RawScript, tasks: &[Option<PlanTask>], cx: &mut DiagnosticCollector) {
    let name = |at: &usize| script.tasks.get(*at).map_or("", |task| task.name.value.as_str());
    let all: Vec<&str> = circle.iter().chain(circle.first()).map(name).collect();
    let spans: Vec<_> =
        circle.iter().zip(circle.iter().cycle().skip(1)).map(|(at, need)| span(tasks, *at, *need)).collect();
    let Some((Some(first), rest)) = spans.split_first() else { return };
    let message = match circle {
        [only] => format!("`{}` waits for itself", name(only)),
        _ if circle.len() > LONGEST => {
            let first = all[..LONGEST].join(" -> ");
            format!("{} tasks that wait for each other: {first} -> … -> {}", circle.len(), all[0])
        }
        _ => format!("tasks that wait for each other: {}", all.join(" -> ")),
    };
    let label = |at: usize| format!("`{}` needs `{}`", all[at], all[at + 1]);
    let mut diagnostic = Diagnostic::new(Code::Cycle, first.clone(), message).label(label(0));
    for (at, span) in rest.iter().enumerate().take(LONGEST) {
        if let Some(span) = span {
            diagnostic = diagnostic.also(span.clone(), label(at + 1));
        }
    }
    cx.push(diagnostic);
}

fn span(
    tasks: &[Option<PlanTask>],
    from: usize,
    to: usize,
) -> Option<crate::script::diagnostics::source::Span> {
    let mut references = tasks.get(from)?.as_ref()?.references.iter();
    references.find(|reference| reference.task == to).map(|reference| reference.span.clone())
}

/// Puts the tasks in `order`, a list of their indices in the script, and renumbers the references between tasks: they
/// name a task by its place in `order` then.
pub(crate) fn arrange(mut tasks: Vec<Option<PlanTask>>, order: &[usize]) -> Vec<PlanTask> {
    let mut places = vec![usize::MAX; tasks.len()];
    for (place, at) in order.iter().enumerate() {
        places[*at] = place;
    }
    for task in tasks.iter_mut().flatten() {
        for reference in &mut task.references {
            reference.task = places.get(reference.task).copied().unwrap_or(usize::MAX);
        }
    }
    order.iter().filter_map(|at| tasks.get_mut(*at)?.take()).collect()
}
