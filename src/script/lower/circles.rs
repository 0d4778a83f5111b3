//! Circles of tasks: tasks that read instances of themselves or of each other, as long as no instance needs itself.
//!
//! Tasks that can all be reached from each other are a *knot* (a strongly connected component). A knot runs if its
//! instances can be started in the order of their indices. That is shown by the distances of its references where these
//! are constant, and else by going through the instances. Start at [`untie`].

use std::collections::{BTreeSet, HashMap};

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::plan::task::{PlanTask, Reference};

/// The most instances that are looked at to find an order, or a circle.
const LOOKED: u64 = 300_000;
/// The most instances of a circle that a message names.
const NAMED: usize = 12;

/// An instance, by the index of its task and its own.
type Instance = (usize, u64);

/// The tasks of a script, and those of them that need each other.
struct Knot<'t> {
    tasks: &'t [Option<PlanTask>],
    members: Vec<usize>,
}

/// How far instances can be started in the order of their indices.
enum Walk {
    /// To the end, or to the end of what is looked at.
    Through,
    /// Up to these instances, one of each task that has some left.
    Stuck(Vec<Instance>),
}

/// Finds the knots in `needs`, which has for each task those that it needs, and removes the needs in them that later
/// instances have of earlier ones, so that the tasks of a knot stand in a row. A knot that cannot run is reported, if
/// brackets choose instances in it; one without brackets is left as it is.
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
        // what reads one of them reads all of them in the end
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

/// Finds the sets of nodes that all reach each other, of a graph that has for each node those to which it leads;
/// without nodes that are alone and do not lead to themselves. (Tarjan's algorithm, with a stack of its own.)
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

    /// The references between the tasks of the knot, each with the task that has it.
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

    /// An order of the tasks in which their instances can be started, index after index, where all references have
    /// constant distances: none of them leads to a later instance.
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

    /// Goes through the instances as they would be started.
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

    /// Finds a circle of instances that is reached from one of `starts`.
    fn circle(&self, starts: &[Instance]) -> Option<Vec<Instance>> {
        // whether an instance is on the path, or all that it needs has been looked at
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

    /// The message about instances that cannot be started.
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
