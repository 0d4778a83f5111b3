//! Circles of tasks: tasks may read instances of themselves or of each other, as long as no instance needs itself.
//!
//! A *knot* is a set of tasks that all need each other, directly or not (a strongly connected component). A knot can
//! run if its instances can be started in the order of their indices. If all its references have constant distances,
//! such as `i - 1`, arithmetic shows that; otherwise the instances are gone through one by one. Start at [`untie`].

use std::collections::{BTreeSet, HashMap};

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::plan::task::{PlanTask, Reference};

/// The largest number of instances that are looked at in search of an order or a circle.
const LOOKED: u64 = 300_000;
/// The largest number of instances of a circle that an error message names.
const NAMED: usize = 12;

/// An instance: the index of its task, and its own index.
type Instance = (usize, u64);

/// A knot: the indices of its tasks, and all tasks of the script.
struct Knot<'t> {
    tasks: &'t [Option<PlanTask>],
    members: Vec<usize>,
}

/// The outcome of an attempt to start all instances of a knot in the order of their indices.
enum Walk {
    /// All instances can be started, or as many as are looked at.
    Through,
    /// No more can be started. The first instance left of each task that has any.
    Stuck(Vec<Instance>),
}

/// Finds the knots of a script, and changes `needs` (for each task, the tasks that it needs) so that a topological
/// order exists, in which the tasks of a knot follow each other. Reports knots whose instances cannot be started. Knots
/// without brackets that choose instances are left as they are: the sort reports them.
pub(crate) fn untie(
    tasks: &mut [Option<PlanTask>],
    needs: &mut [BTreeSet<usize>],
    cx: &mut DiagnosticCollector,
) {
    for (number, members) in (1u32..).zip(knots(needs)) {
        let knot = Knot { tasks, members };
        if !knot.references().any(|(_, reference)| reference.join.is_chosen()) {
            continue;
        }
        let order = knot.by_distances().unwrap_or_else(|| {
            if let Walk::Stuck(at) = knot.walk() {
                cx.push(knot.refusal(&at));
            }
            knot.members.clone()
        });
        for member in &order {
            needs[*member].retain(|need| !order.contains(need));
        }
        for pair in order.windows(2) {
            needs[pair[1]].insert(pair[0]);
        }
        // tasks that need one task of the knot come after all its tasks
        for (at, needs) in needs.iter_mut().enumerate() {
            if let (false, Some(last)) = (order.contains(&at), order.last())
                && needs.iter().any(|need| order.contains(need))
            {
                needs.insert(*last);
            }
        }
        for member in order {
            if let Some(Some(task)) = tasks.get_mut(member) {
                task.knot = number;
            }
        }
    }
}

/// Finds the strongly connected components of a graph, which has for each node its successors, by Tarjan's algorithm
/// without recursion. Single nodes count only if they are their own successors.
fn knots(graph: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    let (mut number, mut low) = (vec![NEW; graph.len()], vec![NEW; graph.len()]);
    let (mut stack, mut is_on, mut found, mut count) = (Vec::new(), vec![false; graph.len()], Vec::new(), 0);
    for start in 0..graph.len() {
        let mut path = vec![(start, 0)];
        while let Some((node, step)) = path.last_mut() {
            let node = *node;
            if *step == 0 && number[node] != NEW {
                path.pop();
                continue;
            }
            if *step == 0 {
                (number[node], low[node]) = (count, count);
                count += 1;
                stack.push(node);
                is_on[node] = true;
            }
            let next = graph[node].iter().nth(*step).copied();
            *step += 1;
            match next {
                Some(next) if number[next] == NEW => path.push((next, 0)),
                Some(next) if is_on[next] => low[node] = low[node].min(number[next]),
                Some(_) => {}
                None => {
                    path.pop();
                    if let Some((before, _)) = path.last() {
                        low[*before] = low[*before].min(low[node]);
                    }
                    if low[node] == number[node] {
                        let begin = stack.iter().rposition(|other| *other == node).unwrap_or(0);
                        let mut members = stack.split_off(begin);
                        members.iter().for_each(|member| is_on[*member] = false);
                        members.sort_unstable();
                        if members.len() > 1 || graph[node].contains(&node) {
                            found.push(members);
                        }
                    }
                }
            }
        }
    }
    found
}

impl Knot<'_> {
    fn task(&self, at: usize) -> Option<&PlanTask> {
        self.tasks.get(at)?.as_ref()
    }

    fn len(&self, at: usize) -> u64 {
        self.task(at).map_or(0, |task| task.family.len())
    }

    /// The references from tasks of the knot to tasks of the knot, each with the index of the task that reads.
    fn references(&self) -> impl Iterator<Item = (usize, &Reference)> {
        let of = |at: &usize| {
            let at = *at;
            let references = self.task(at).into_iter().flat_map(|task| &task.references);
            references.filter(|reference| self.members.contains(&reference.task)).map(move |r| (at, r))
        };
        self.members.iter().flat_map(of)
    }

    /// The instances of the knot that an instance needs.
    fn inputs(&self, (at, instance): Instance) -> Vec<Instance> {
        let Some(task) = self.task(at) else { return Vec::new() };
        let own = task.references.iter().filter(|reference| self.members.contains(&reference.task));
        own.flat_map(|reference| task.inputs(reference, instance).map(|other| (reference.task, other)))
            .collect()
    }

    /// Finds an order of the tasks such that their instances can be started index by index: no reference leads to a
    /// later instance. `None` if a reference has no constant distance, or there is no such order.
    fn by_distances(&self) -> Option<Vec<usize>> {
        let mut beside: HashMap<usize, BTreeSet<usize>> = HashMap::new();
        for (at, reference) in self.references() {
            match reference.join.distance()? {
                ..0 => {}
                0 => {
                    beside.entry(at).or_default().insert(reference.task);
                }
                _ => return None,
            }
        }
        let mut order: Vec<usize> = Vec::with_capacity(self.members.len());
        while order.len() < self.members.len() {
            let is_next = |at: &&usize| {
                !order.contains(at)
                    && beside.get(at).is_none_or(|needs| needs.iter().all(|need| order.contains(need)))
            };
            order.push(*self.members.iter().find(is_next)?);
        }
        Some(order)
    }

    /// Goes through the instances of the knot in the order in which they would be started.
    fn walk(&self) -> Walk {
        let mut next: HashMap<usize, u64> = self.members.iter().map(|at| (*at, 0)).collect();
        let mut looked = 0;
        loop {
            let before = looked;
            for at in &self.members {
                let mut own = next[at];
                while own < self.len(*at) {
                    let inputs = self.inputs((*at, own));
                    let is_there = |(task, index): &Instance| match task == at {
                        true => *index < own,
                        false => *index < next[task],
                    };
                    if looked > LOOKED {
                        return Walk::Through;
                    }
                    if !inputs.iter().all(is_there) {
                        break;
                    }
                    looked += 1 + inputs.len() as u64;
                    own += 1;
                }
                next.insert(*at, own);
            }
            let left: Vec<Instance> = self
                .members
                .iter()
                .map(|at| (*at, next[at]))
                .filter(|(at, next)| *next < self.len(*at))
                .collect();
            if left.is_empty() {
                return Walk::Through;
            }
            if looked == before {
                return Walk::Stuck(left);
            }
        }
    }

    /// Finds instances that need each other in a circle, by a search that begins at `starts`.
    fn circle(&self, starts: &[Instance]) -> Option<Vec<Instance>> {
        // true for an instance on the present path; false once everything that it needs has been searched
        let mut seen: HashMap<Instance, bool> = HashMap::new();
        for start in starts {
            let mut path = vec![(*start, self.inputs(*start))];
            seen.entry(*start).or_insert(true);
            while let Some((at, left)) = path.last_mut() {
                let Some(next) = left.pop() else {
                    seen.insert(*at, false);
                    path.pop();
                    continue;
                };
                match seen.get(&next) {
                    Some(true) => {
                        let begin = path.iter().position(|(at, _)| *at == next)?;
                        return Some(path[begin..].iter().map(|(at, _)| *at).collect());
                    }
                    Some(false) => {}
                    None if seen.len() as u64 > LOOKED => return None,
                    None => {
                        seen.insert(next, true);
                        path.push((next, self.inputs(next)));
                    }
                }
            }
        }
        None
    }

    fn label(&self, (at, instance): Instance) -> String {
        self.task(at).map_or_else(String::new, |task| task.label(instance))
    }

    /// Makes the error message for a knot whose instances cannot all be started.
    fn refusal(&self, stuck: &[Instance]) -> Diagnostic {
        let place = |(at, _): &Instance| {
            let chosen =
                self.references().filter(|(from, reference)| from == at && reference.join.is_chosen());
            let mut all = self.references().filter(|(from, _)| from == at);
            chosen
                .map(|(_, reference)| reference)
                .next()
                .or_else(|| all.next().map(|(_, reference)| reference))
        };
        let Some(circle) = self.circle(stuck) else {
            let first = stuck.first().copied().unwrap_or_default();
            let waits = self.inputs(first).last().map_or_else(String::new, |other| self.label(*other));
            let message = format!(
                "instances are started in the order of their indices, and {} needs {waits}, which comes later",
                self.label(first)
            );
            let span = place(&first).map_or(0..0, |reference| reference.span.clone());
            return Diagnostic::new(Code::NoOrder, span, message).label("leads to a later instance").help(
                "turn a range round, as in `\"99..=0 by -1\"`, or write the parameters in another order",
            );
        };
        let first = circle.iter().copied().min().unwrap_or_default();
        let begin = circle.iter().position(|at| *at == first).unwrap_or(0);
        let mut names: Vec<String> =
            circle[begin..].iter().chain(&circle[..begin]).map(|at| self.label(*at)).collect();
        let span = place(&first).map_or(0..0, |reference| reference.span.clone());
        let message = match names.len() {
            1 => format!("{} needs itself", names[0]),
            count => {
                names.push(names[0].clone());
                if count > NAMED {
                    names.splice(NAMED - 1..count - 1, ["…".to_owned()]);
                }
                format!("instances that need each other: {}", names.join(" -> "))
            }
        };
        Diagnostic::new(Code::InstanceCircle, span, message).label("closes the circle").help(
            "an instance can read others of its own task that do not need it: `{step[i = i-1] else start}`",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knots_are_what_reach_each_other() {
        let graph = |edges: &[(usize, usize)], count: usize| {
            let mut graph = vec![BTreeSet::new(); count];
            edges.iter().for_each(|(from, to)| {
                graph[*from].insert(*to);
            });
            knots(&graph)
        };
        assert_eq!(graph(&[(0, 1), (1, 2), (0, 2)], 3), Vec::<Vec<usize>>::new());
        assert_eq!(graph(&[(0, 0), (1, 0)], 2), [vec![0]]);
        assert_eq!(graph(&[(0, 1), (1, 2), (2, 0), (3, 1), (4, 5), (5, 4)], 6), [vec![0, 1, 2], vec![4, 5]]);
        let long: Vec<(usize, usize)> = (0..100_000).map(|at| (at, (at + 1) % 100_000)).collect();
        assert_eq!(graph(&long, 100_000)[0].len(), 100_000);
    }
}
