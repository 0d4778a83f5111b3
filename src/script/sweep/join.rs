//! The join rule: the instances of one family that an instance of another refers to, a natural join of the two.
//!
//! A reference matches on the parameters that both tasks share, by value. Over the rest it is a *gather*, a reference
//! to several instances. Between products a [`Join`] holds a map from position to position for each shared parameter,
//! and instances are computed by arithmetic when they are asked for. [`Matching`] searches instead where rows are left
//! out or added, parameters derived or zipped, or instances chosen; [`Neighbour`] finds those that a family chooses of
//! itself at constant distances. Start at [`Join::between`].

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::family::{Axis, Sweep};
use super::position_map::PositionMap;
use crate::script::sweep::join_search::{Matching, Pin};
use crate::script::sweep::neighbour::Neighbour;
use crate::script::values::value::ScriptValue;

/// The largest number of values of a parameter that are compared, to find one that the task that is read does not have.
pub(super) const SEARCHED: u64 = 1_000_000;

/// A parameter that both tasks of a join have: the axis (dimension) on which it varies in each, and the map between its
/// values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SharedParam {
    from: Axis,
    to: Axis,
    map: PositionMap,
}

/// The rule that gives, for each instance of a task, the instances of another task that it reads: those with equal
/// values of all shared parameters. A join takes a few bytes for any number of instances, unless values are lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Join {
    rule: Rule,
    gather: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Rule {
    /// Both tasks have the same parameters and values: each instance reads the one with its own index.
    Same,
    /// The tasks share no parameter: each instance reads all instances of the task that is read; the number of these.
    All(u64),
    /// Both tasks have all combinations of their parameters as instances, so that the indices to read are calculated.
    Product {
        shared: Vec<SharedParam>,
        free: Vec<Axis>,
        gathered: u64,
        /// Whether a later instance never reads an instance with a smaller index than the first one that an earlier
        /// instance reads.
        ascends: bool,
    },
    Match(Box<Matching>),
    /// The tasks have the same instances, and each instance reads one at a constant distance from its own.
    Neighbour(Box<Neighbour>),
}

/// The reason why an instance of the reading task finds nothing in the task that is read, for the error message.
#[derive(Clone, Debug, PartialEq)]
pub enum Unmatched {
    /// A value of a shared parameter that the reading task has and the task that is read has not.
    Value {
        /// The name of the parameter that both tasks have.
        param: String,
        /// The value that the task that is read does not have.
        value: ScriptValue,
    },
    /// An instance of the reading task, by its index, that finds no instance to read.
    Instance(u64),
}

impl Join {
    /// Returns the join by which instances of `from`, the reading task, find the instances of `to` that they read:
    /// those with equal values of the shared parameters.
    pub fn between(from: &Sweep, to: &Sweep) -> Self {
        Self::pinned(from, to, Vec::new())
    }

    /// Returns the join for a reference with brackets, as `{sim[T = 300]}`: `pins` are the parameters of `to`, the task
    /// that is read, for which the brackets choose a value. The other shared parameters have equal values.
    pub(crate) fn pinned(from: &Sweep, to: &Sweep, pins: Vec<Pin>) -> Self {
        let named = to.params().iter().map(|param| &param.name);
        let mut named = named.chain(to.derived().iter().map(|derived| &derived.name));
        if pins.is_empty() && from == to {
            return Join { rule: Rule::Same, gather: false };
        }
        if pins.is_empty() && !named.any(|name| from.param(name).is_some()) {
            return Join { rule: Rule::All(to.len()), gather: !to.is_single() };
        }
        let in_step = |family: &Sweep| family.params().len() != family.axes().len();
        if pins.is_empty() && from.is_plain() && to.is_plain() && !in_step(to) {
            return Self::product(from, to);
        }
        if !pins.is_empty()
            && from == to
            && let Some(neighbour) = Neighbour::new(from, &pins)
        {
            return Join { gather: false, rule: Rule::Neighbour(Box::new(neighbour)) };
        }
        let matching = Matching::new(from, to, pins);
        Join { gather: matching.is_gather(), rule: Rule::Match(Box::new(matching)) }
    }

    fn product(from: &Sweep, to: &Sweep) -> Self {
        let mut taken = vec![false; to.axes().len()];
        let mut shared = Vec::new();
        for target in to.params() {
            let Some(param) = from.param(&target.name).and_then(|at| from.params().get(at)) else { continue };
            if let Some(axis) = taken.get_mut(target.axis) {
                *axis = true;
            }
            let map = PositionMap::between(&param.values, &target.values);
            shared.push(SharedParam { from: from.axis_of(param), to: to.axis_of(target), map });
        }
        let free: Vec<Axis> =
            to.axes().iter().zip(&taken).filter(|(_, taken)| !**taken).map(|(axis, _)| *axis).collect();
        // This cannot overflow: the product of all axes of `to` is its number of instances, which fits into 64 bits.
        let gathered = free.iter().map(|axis| axis.len).product();
        let ascends = ascends(&shared, from.len());
        Join { gather: !free.is_empty(), rule: Rule::Product { shared, free, gathered, ascends } }
    }

    /// Finds an instance of the reading task `from`, or a parameter value, for which the task `to` has no instance to
    /// read. If that cannot be calculated, and the tasks have very many instances, only some instances are tried.
    /// `None`: none was found.
    pub fn unmatched(&self, from: &Sweep, to: &Sweep) -> Option<Unmatched> {
        match &self.rule {
            Rule::Same | Rule::All(_) => None,
            Rule::Product { .. } => to.params().iter().find_map(|target| {
                let param = from.params().get(from.param(&target.name)?)?;
                let at = PositionMap::between(&param.values, &target.values).unmatched(param.values.len())?;
                Some(Unmatched::Value { param: param.name.clone(), value: param.values.get(at) })
            }),
            Rule::Match(matching) => {
                let looked = (SEARCHED / matching.candidates().max(1)).clamp(1, from.len());
                let step = (from.len() / looked).max(1);
                let some = (0..from.len()).step_by(step as usize).chain(from.len().checked_sub(1));
                let mut some = some.map(|instance| (instance, matching.instances(from, instance)));
                some.find(|(_, found)| found.is_empty()).map(|(instance, _)| Unmatched::Instance(instance))
            }
            Rule::Neighbour(neighbour) => {
                let all = (0..from.len().min(SEARCHED)).chain(from.len().checked_sub(1));
                all.into_iter().find(|at| neighbour.of(*at).is_none()).map(Unmatched::Instance)
            }
        }
    }

    /// The number of instances that one instance of the reading task reads. If the number cannot be calculated from the
    /// lengths of the axes, an upper bound.
    pub fn gathered(&self) -> u64 {
        match &self.rule {
            Rule::Same | Rule::Neighbour(_) => 1,
            Rule::All(len) => *len,
            Rule::Product { gathered, .. } => *gathered,
            Rule::Match(matching) => matching.candidates(),
        }
    }

    /// Whether the instances to read are calculated by index arithmetic. Otherwise they are searched by the values of
    /// their parameters.
    pub(crate) fn is_arithmetic(&self) -> bool {
        !matches!(self.rule, Rule::Match(_))
    }

    /// Whether the reference has brackets, as `{sim[T = 300]}`, which choose the instances to read.
    pub(crate) fn is_chosen(&self) -> bool {
        match &self.rule {
            Rule::Match(matching) => matching.is_chosen(),
            Rule::Neighbour(_) => true,
            Rule::Same | Rule::All(_) | Rule::Product { .. } => false,
        }
    }

    /// The constant difference between the number of the instance that is read, among all combinations of the
    /// parameters, and that of the reading one, where both tasks have the same instances. `None` where it varies.
    pub(crate) fn distance(&self) -> Option<i64> {
        match &self.rule {
            Rule::Same => Some(0),
            Rule::Neighbour(neighbour) => Some(neighbour.distance()),
            Rule::All(_) | Rule::Product { .. } | Rule::Match(_) => None,
        }
    }

    /// Whether one instance of the reading task can read several instances of the task that is read. The result is true
    /// even where there happens to be only one.
    pub fn is_gather(&self) -> bool {
        self.gather
    }

    /// Returns the largest index among the instances that `instance` of the reading task reads; `None` where it reads
    /// none.
    pub fn last(&self, instance: u64) -> Option<u64> {
        match &self.rule {
            Rule::Same => Some(instance),
            Rule::All(len) => len.checked_sub(1),
            Rule::Product { shared, free, .. } => {
                let last = free.iter().map(|axis| (axis.len - 1) * axis.stride).sum::<u64>();
                Some(base(shared, instance)? + last)
            }
            Rule::Match(matching) => matching.instances(matching.from(), instance).last().copied(),
            Rule::Neighbour(neighbour) => neighbour.of(instance),
        }
    }

    /// Returns an index in the task that is read: neither `instance` of the reading task nor a later one reads an
    /// instance below it, so results below can be dropped. 0 where no such index is known.
    pub fn first_from(&self, instance: u64) -> u64 {
        match &self.rule {
            Rule::Same => instance,
            Rule::Product { shared, ascends: true, .. } => base(shared, instance).unwrap_or(0),
            Rule::Neighbour(neighbour) => neighbour.first_from(instance),
            Rule::All(_) | Rule::Product { .. } | Rule::Match(_) => 0,
        }
    }

    /// Returns the instances of the task that is read which `instance` of the reading task reads, in the order of their
    /// indices.
    pub fn instances(&self, instance: u64) -> Gather<'_> {
        match &self.rule {
            Rule::Same => Gather::range(instance..instance + 1),
            Rule::All(len) => Gather::range(0..*len),
            Rule::Product { shared, free, gathered, .. } => {
                let base = base(shared, instance);
                let todo = 0..base.map_or(0, |_| *gathered);
                Gather { source: GatherCells::Product { free, base: base.unwrap_or(0) }, todo }
            }
            Rule::Match(matching) => {
                let found = matching.instances(matching.from(), instance);
                let todo = 0..found.len() as u64;
                Gather { source: GatherCells::Listed(found), todo }
            }
            Rule::Neighbour(neighbour) => {
                Gather::range(neighbour.of(instance).map_or(0..0, |other| other..other + 1))
            }
        }
    }
}

/// Whether the shared parameters vary slowest in the reading task, which has `instances` instances, and have the same
/// order and values in the task that is read. Then later instances never read smaller indices than earlier ones.
fn ascends(shared: &[SharedParam], instances: u64) -> bool {
    let mut outer: Vec<&SharedParam> = shared.iter().filter(|shared| shared.from.len > 1).collect();
    outer.sort_unstable_by_key(|shared| std::cmp::Reverse(shared.from.stride));
    let mut around = instances;
    let outermost = outer.iter().all(|shared| {
        let inside = std::mem::replace(&mut around, shared.from.stride);
        shared.from.stride * shared.from.len == inside && shared.map == PositionMap::Same
    });
    outermost && outer.is_sorted_by(|one, next| one.to.stride > next.to.stride)
}

/// Returns the smallest index among the instances that `instance` of the reading task reads; `None` where it reads
/// none.
fn base(shared: &[SharedParam], instance: u64) -> Option<u64> {
    let place =
        |shared: &SharedParam| Some(shared.map.get(shared.from.position(instance))? * shared.to.stride);
    shared.iter().map(place).sum()
}

/// An iterator over the indices of the instances that one instance of the reading task reads. Indices are computed one
/// by one if possible; otherwise the iterator holds a list.
#[derive(Clone, Debug)]
pub struct Gather<'j> {
    source: GatherCells<'j>,
    todo: Range<u64>,
}

#[derive(Clone, Debug)]
enum GatherCells<'j> {
    Product { free: &'j [Axis], base: u64 },
    Listed(Vec<u64>),
}

impl Gather<'_> {
    fn range(todo: Range<u64>) -> Self {
        let axis: &[Axis] = &[Axis { len: u64::MAX, stride: 1 }];
        Gather { source: GatherCells::Product { free: axis, base: 0 }, todo }
    }

    /// The number of instances that the iterator has not returned yet.
    pub fn remaining(&self) -> u64 {
        self.todo.end - self.todo.start
    }

    /// Returns the instances that the iterator has not returned yet as a range of indices; `None` where their indices
    /// are not consecutive.
    pub fn as_range(&self) -> Option<Range<u64>> {
        match &self.source {
            GatherCells::Product { free, base } => {
                let mut expected = 1u64;
                for axis in free.iter().rev().filter(|axis| axis.len > 1) {
                    if axis.stride != expected {
                        return None;
                    }
                    expected = expected.saturating_mul(axis.len);
                }
                Some(base + self.todo.start..base + self.todo.end)
            }
            GatherCells::Listed(list) => {
                let left = list.get(self.todo.start as usize..)?;
                let (first, last) = (*left.first()?, *left.last()?);
                (last - first + 1 == left.len() as u64).then_some(first..last + 1)
            }
        }
    }

    fn at(&self, mut number: u64) -> u64 {
        match &self.source {
            GatherCells::Product { free, base } => {
                let mut index = *base;
                for axis in free.iter().rev() {
                    index += number % axis.len * axis.stride;
                    number /= axis.len;
                }
                index
            }
            GatherCells::Listed(list) => list.get(number as usize).copied().unwrap_or(0),
        }
    }
}

impl Iterator for Gather<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let number = self.todo.next()?;
        Some(self.at(number))
    }

    fn nth(&mut self, n: usize) -> Option<u64> {
        let number = self.todo.nth(n)?;
        Some(self.at(number))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.todo.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::super::param_values::ParamValues;
    use super::super::range::NumRange;
    use super::*;

    fn list(values: &[i64]) -> ParamValues {
        ParamValues::List(values.iter().map(|v| ScriptValue::Int(*v)).collect())
    }

    fn range(text: &str) -> ParamValues {
        ParamValues::Range(NumRange::parse(text).unwrap())
    }

    fn family(params: &[(&str, ParamValues)]) -> Sweep {
        Sweep::product(params.iter().map(|(n, v)| (n.to_string(), v.clone())).collect()).unwrap()
    }

    /// Finds the instances of `to` that an instance of `from` reads by a comparison with every instance of `to`. The
    /// tests compare the result of a join with this list.
    fn by_hand(from: &Sweep, to: &Sweep, instance: u64) -> Vec<u64> {
        let mine = from.bindings(instance);
        let fits = |other: u64| {
            let theirs = to.bindings(other);
            to.params()
                .iter()
                .enumerate()
                .all(|(at, p)| from.param(&p.name).is_none_or(|mine_at| mine[mine_at] == theirs[at]))
        };
        (0..to.len()).filter(|other| fits(*other)).collect()
    }

    #[test]
    fn every_pair_of_families_joins_as_the_rule_says() {
        let families = [
            Sweep::single(),
            family(&[("T", list(&[250, 300, 350])), ("p", range("1..=101 by 25"))]),
            family(&[("p", list(&[101, 1, 51])), ("T", list(&[350, 250]))]),
            family(&[("rep", range("0..3")), ("T", list(&[300])), ("p", range("1..=101 by 50"))]),
            family(&[("T", range("200..=400 by 50"))]),
            family(&[("T", range("350..=250 by -50")), ("q", list(&[1, 2]))]),
            family(&[("q", vec![ScriptValue::Float(2.0), ScriptValue::Text("1".into())].into())]),
        ];
        for from in &families {
            for to in &families {
                let join = Join::between(from, to);
                let mut complete = true;
                for instance in 0..from.len() {
                    let found: Vec<u64> = join.instances(instance).collect();
                    assert_eq!(
                        found,
                        by_hand(from, to, instance),
                        "{} -> {}",
                        from.label("a", instance),
                        to.label("b", 0)
                    );
                    assert_eq!(join.instances(instance).remaining(), found.len() as u64);
                    assert_eq!(join.last(instance), found.last().copied());
                    let later = (instance..from.len()).flat_map(|later| join.instances(later));
                    assert!(later.min().is_none_or(|first| join.first_from(instance) <= first));
                    if let Some(whole) = join.instances(instance).as_range() {
                        assert_eq!(whole.collect::<Vec<_>>(), found);
                    }
                    complete &= !found.is_empty();
                }
                assert_eq!(join.unmatched(from, to).is_none(), complete);
            }
        }
    }

    #[test]
    fn ten_million_instances_cost_nothing() {
        let x = family(&[("i", range("0..10_000_000"))]);
        let pair = family(&[("i", range("0..10_000_000")), ("k", list(&[1, 2]))]);
        let join = Join::between(&pair, &x);
        assert_eq!(join.instances(19_999_999).collect::<Vec<_>>(), [9_999_999]);
        assert_eq!(Join::between(&x, &pair).instances(7).collect::<Vec<_>>(), [14, 15]);
        // Inputs before this instance have been read for the last time and can be freed.
        assert_eq!((join.first_from(20), Join::between(&x, &pair).first_from(7)), (10, 14));
        let mut all = Join::between(&Sweep::single(), &x);
        assert_eq!((all.gathered(), all.instances(0).nth(9_999_999)), (10_000_000, Some(9_999_999)));
        assert_eq!(all.instances(0).as_range(), Some(0..10_000_000));
        let few = family(&[("i", list(&[9_999_999, 5]))]);
        assert_eq!(Join::between(&few, &x).unmatched(&few, &x), None);
        let zero = Unmatched::Value { param: "i".into(), value: ScriptValue::Int(0) };
        assert_eq!(Join::between(&x, &few).unmatched(&x, &few), Some(zero));
        all = Join::between(&few, &x);
        assert_eq!((all.instances(0).next(), all.instances(1).next()), (Some(9_999_999), Some(5)));
        // Everything that is kept travels as a few bytes.
        let size =
            |join: &Join| bincode::serde::encode_to_vec(join, bincode::config::standard()).unwrap().len();
        assert!(size(&join) < 100 && size(&all) < 100);
    }
}
