//! The join rule: which instances of one family an instance of another refers to.
//!
//! A reference matches on the parameters that both tasks share, by value, and gathers over the rest. What is kept is a map
//! from value to value for each shared parameter; which instances they are is arithmetic, done when it is asked for.

use std::collections::HashMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::family::{Axis, Family, Values};
use super::range::NumRange;
use super::value::{Key, Value};

/// Positions of one parameter's values in another's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum PositionMap {
    /// The same values in the same order.
    Same,
    /// Both are ranges: computed.
    Ranges { from: NumRange, to: NumRange },
    /// One of them is a list: the pairs of positions that match, sorted by the first.
    Pairs(Vec<(u64, u64)>),
}

impl PositionMap {
    fn between(from: &Values, to: &Values) -> Self {
        match (from, to) {
            _ if from == to => Self::Same,
            (Values::Range(from), Values::Range(to)) => Self::Ranges { from: *from, to: *to },
            (Values::List(from), Values::Range(to)) => {
                let pairs =
                    from.iter().enumerate().filter_map(|(at, value)| Some((at as u64, to.position(value)?)));
                Self::Pairs(pairs.collect())
            }
            (Values::Range(from), Values::List(to)) => {
                let pairs =
                    to.iter().enumerate().filter_map(|(at, value)| Some((from.position(value)?, at as u64)));
                let mut pairs: Vec<(u64, u64)> = pairs.collect();
                pairs.sort_unstable();
                Self::Pairs(pairs)
            }
            (Values::List(from), Values::List(to)) => {
                let places: HashMap<Key<'_>, u64> =
                    to.iter().enumerate().map(|(at, v)| (v.key(), at as u64)).collect();
                let pairs =
                    from.iter().enumerate().filter_map(|(at, v)| Some((at as u64, *places.get(&v.key())?)));
                Self::Pairs(pairs.collect())
            }
        }
    }

    fn get(&self, at: u64) -> Option<u64> {
        match self {
            Self::Same => Some(at),
            Self::Ranges { from, to } => to.position(&from.value(at)),
            Self::Pairs(pairs) => {
                pairs.binary_search_by_key(&at, |p| p.0).ok().and_then(|i| pairs.get(i)).map(|p| p.1)
            }
        }
    }

    /// The first of `len` positions, or nearly the first, that has no partner.
    fn unmatched(&self, len: u64) -> Option<u64> {
        match self {
            Self::Same => None,
            // A range lies in another one where its first two values and its last one do.
            Self::Ranges { .. } => {
                [0, 1, len.saturating_sub(1)].into_iter().find(|at| *at < len && self.get(*at).is_none())
            }
            Self::Pairs(pairs) => {
                let gap =
                    pairs.iter().enumerate().find(|(at, pair)| pair.0 != *at as u64).map(|(at, _)| at as u64);
                gap.or(((pairs.len() as u64) < len).then_some(pairs.len() as u64))
            }
        }
    }
}

/// A parameter that both tasks have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Shared {
    from: Axis,
    to: Axis,
    map: PositionMap,
}

/// How the instances of one family find those of another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Join {
    shared: Vec<Shared>,
    /// The axes that are gathered over, outermost first.
    free: Vec<Axis>,
    gathered: u64,
}

/// A value that has no partner, for the message about a join that matches nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Unmatched {
    /// The shared parameter.
    pub param: String,
    /// A value that only the referring task has.
    pub value: Value,
}

impl Join {
    /// The join by which instances of `from` refer to instances of `to`.
    pub fn between(from: &Family, to: &Family) -> Self {
        let mut taken = vec![false; to.axes().len()];
        let mut shared = Vec::new();
        for target in to.params() {
            let Some(param) = from.param(&target.name).and_then(|at| from.params().get(at)) else { continue };
            if let Some(axis) = taken.get_mut(target.axis) {
                *axis = true;
            }
            let map = PositionMap::between(&param.values, &target.values);
            shared.push(Shared { from: from.axis_of(param), to: to.axis_of(target), map });
        }
        let free: Vec<Axis> =
            to.axes().iter().zip(&taken).filter(|(_, taken)| !**taken).map(|(axis, _)| *axis).collect();
        // A product of part of the axes is at most the length of the family, which was counted.
        let gathered = free.iter().map(|axis| axis.len).product();
        Self { shared, free, gathered }
    }

    /// A parameter value of `from` for which there is no instance of `to`.
    pub fn unmatched(from: &Family, to: &Family) -> Option<Unmatched> {
        to.params().iter().find_map(|target| {
            let param = from.params().get(from.param(&target.name)?)?;
            let at = PositionMap::between(&param.values, &target.values).unmatched(param.values.len())?;
            Some(Unmatched { param: param.name.clone(), value: param.values.get(at) })
        })
    }

    /// How many instances each instance finds.
    pub fn gathered(&self) -> u64 {
        self.gathered
    }

    /// Whether the reference is to several instances, even where their number happens to be one.
    pub fn is_gather(&self) -> bool {
        !self.free.is_empty()
    }

    /// The instances that `instance` refers to, in the order of their indices.
    pub fn instances(&self, instance: u64) -> Gather<'_> {
        let mut base = Some(0u64);
        let mut fixed: SmallVec<[(u64, u64); 4]> = SmallVec::new();
        for shared in &self.shared {
            let position = shared.map.get(shared.from.position(instance));
            let Some(position) = position else {
                base = None;
                break;
            };
            if shared.to.len == 1 {
                // It has the stride of its neighbour, and would be taken for it below.
                continue;
            }
            match fixed.iter().find(|(stride, _)| *stride == shared.to.stride) {
                // Zipped parameters share an axis: they must name the same place on it.
                Some((_, other)) if *other != position => base = None,
                Some(_) => {}
                None => {
                    fixed.push((shared.to.stride, position));
                    base = base.map(|base| base + position * shared.to.stride);
                }
            }
        }
        Gather { free: &self.free, base: base.unwrap_or(0), todo: 0..base.map_or(0, |_| self.gathered) }
    }
}

/// Instances found by a join; computed one by one.
#[derive(Clone, Debug)]
pub struct Gather<'j> {
    free: &'j [Axis],
    base: u64,
    todo: Range<u64>,
}

impl Gather<'_> {
    /// How many are left.
    pub fn remaining(&self) -> u64 {
        self.todo.end - self.todo.start
    }

    /// The instances as one range of indices, where they lie side by side.
    pub fn as_range(&self) -> Option<Range<u64>> {
        let mut expected = 1;
        for axis in self.free.iter().rev().filter(|axis| axis.len > 1) {
            if axis.stride != expected {
                return None;
            }
            expected *= axis.len;
        }
        Some(self.base + self.todo.start..self.base + self.todo.end)
    }

    fn at(&self, mut number: u64) -> u64 {
        let mut index = self.base;
        for axis in self.free.iter().rev() {
            index += number % axis.len * axis.stride;
            number /= axis.len;
        }
        index
    }
}

impl Iterator for Gather<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.todo.next().map(|number| self.at(number))
    }

    fn nth(&mut self, n: usize) -> Option<u64> {
        self.todo.nth(n).map(|number| self.at(number))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.todo.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[i64]) -> Values {
        Values::List(values.iter().map(|v| Value::Int(*v)).collect())
    }

    fn range(text: &str) -> Values {
        Values::Range(NumRange::parse(text).unwrap())
    }

    fn family(params: &[(&str, Values)]) -> Family {
        Family::product(params.iter().map(|(n, v)| (n.to_string(), v.clone())).collect()).unwrap()
    }

    /// What the rule says, by comparing every pair.
    fn by_hand(from: &Family, to: &Family, instance: u64) -> Vec<u64> {
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
            Family::single(),
            family(&[("T", list(&[250, 300, 350])), ("p", range("1..=101 by 25"))]),
            family(&[("p", list(&[101, 1, 51])), ("T", list(&[350, 250]))]),
            family(&[("rep", range("0..3")), ("T", list(&[300])), ("p", range("1..=101 by 50"))]),
            family(&[("T", range("200..=400 by 50"))]),
            family(&[("T", range("350..=250 by -50")), ("q", list(&[1, 2]))]),
            family(&[("q", Values::List(vec![Value::Float(2.0), Value::Text("1".into())]))]),
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
                    if let Some(whole) = join.instances(instance).as_range() {
                        assert_eq!(whole.collect::<Vec<_>>(), found);
                    }
                    complete &= !found.is_empty();
                }
                assert_eq!(Join::unmatched(from, to).is_none(), complete);
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
        let mut all = Join::between(&Family::single(), &x);
        assert_eq!((all.gathered(), all.instances(0).nth(9_999_999)), (10_000_000, Some(9_999_999)));
        assert_eq!(all.instances(0).as_range(), Some(0..10_000_000));
        let few = family(&[("i", list(&[9_999_999, 5]))]);
        assert_eq!(Join::unmatched(&few, &x), None);
        assert_eq!(Join::unmatched(&x, &few).unwrap().value, Value::Int(0));
        all = Join::between(&few, &x);
        assert_eq!((all.instances(0).next(), all.instances(1).next()), (Some(9_999_999), Some(5)));
        // Everything that is kept travels as a few bytes.
        let size =
            |join: &Join| bincode::serde::encode_to_vec(join, bincode::config::standard()).unwrap().len();
        assert!(size(&join) < 100 && size(&all) < 100);
    }
}
