//! Loops that stop: the key `until` in the plan, and the chains into which it divides a family.
//!
//! A *chain* is the instances that differ only in the parameter along which the loop goes, in the order of its values.
//! Chains are numbered; an instance has a chain and a position on it, both computed from its index.

use crate::script::plan::condition::Condition;
use crate::script::plan::task::NameSource;
use crate::script::sweep::family::{Axis, Sweep};
use serde::{Deserialize, Serialize};

/// The condition under which the loops of a family stop, and the parameter along which they go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Until {
    /// The condition over an instance's own results, which stand in it as [`NameSource::Own`].
    pub condition: Condition,
    /// The name of the parameter along which the loops go.
    pub along: String,
    /// The axis of that parameter.
    pub axis: Axis,
    /// Whether a chain in which the condition never holds has failed.
    pub required: bool,
}

impl Until {
    /// The number of chains of a family, with those of which `where` and `exclude` leave nothing.
    pub(crate) fn chains(&self, family: &Sweep) -> u64 {
        family.axes().iter().map(|axis| axis.len).product::<u64>() / self.axis.len.max(1)
    }

    /// The least number of instances of the family that run: one of each chain.
    pub(crate) fn least(&self, family: &Sweep) -> u64 {
        match family.inner().kept {
            None => self.chains(family),
            Some(_) => {
                (0..self.chains(family)).filter(|at| self.instance(family, *at, 0).is_some()).count() as u64
            }
        }
    }

    /// Returns the number of an instance's chain, and its position on the chain. `None` for an index that the family
    /// does not have.
    pub(crate) fn place(&self, family: &Sweep, instance: u64) -> Option<(u64, u64)> {
        let cell = family.cell(instance).filter(|_| instance < family.len())?;
        let Axis { len, stride } = self.axis;
        Some((cell / (len * stride) * stride + cell % stride, self.axis.position(cell)))
    }

    /// Returns the instance at a position of a chain. `None` behind the end of the chain.
    pub(crate) fn instance(&self, family: &Sweep, chain: u64, position: u64) -> Option<u64> {
        let Axis { len, stride } = self.axis;
        if position >= len {
            return None;
        }
        let instance = family.index(chain / stride * (len * stride) + position * stride + chain % stride)?;
        (instance < family.len()).then_some(instance)
    }

    /// The number of instances of a chain.
    pub(crate) fn length(&self, family: &Sweep, chain: u64) -> u64 {
        if family.is_plain() {
            return self.axis.len;
        }
        (0..self.axis.len).take_while(|at| self.instance(family, chain, *at).is_some()).count() as u64
    }

    /// The outputs of the instance itself that the condition reads.
    pub(crate) fn own(&self) -> impl Iterator<Item = crate::script::plan::task::Select> + '_ {
        self.condition.names.iter().filter_map(|name| match &name.binding {
            NameSource::Own(select) => Some(*select),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrays::Expr;
    use crate::script::sweep::range::NumRange;

    #[test]
    fn instances_and_places_on_chains_are_the_same_thing() {
        let range =
            |text: &str| NumRange::parse(text).map(crate::script::sweep::param_values::ParamValues::Range);
        let params = [("a", "0..3"), ("n", "0..5"), ("b", "0..2")];
        let params = params.map(|(name, text)| (name.to_owned(), range(text).expect("a range")));
        let family = Sweep::product(params.to_vec()).expect("a family");
        let condition =
            Condition { text: "1".into(), expr: Expr::parse("1").expect("a number"), names: vec![] };
        for (along, axis) in ["a", "n", "b"].into_iter().zip(family.axes()) {
            let until =
                Until { condition: condition.clone(), along: along.into(), axis: *axis, required: false };
            assert_eq!(until.chains(&family), 30 / axis.len);
            let mut seen: Vec<u64> = Vec::new();
            for chain in 0..until.chains(&family) {
                assert_eq!(until.length(&family, chain), axis.len);
                for position in 0..axis.len {
                    let instance = until.instance(&family, chain, position).expect("an instance");
                    assert_eq!(until.place(&family, instance), Some((chain, position)));
                    seen.push(instance);
                }
                assert_eq!(until.instance(&family, chain, axis.len), None);
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..30).collect::<Vec<_>>());
            assert_eq!(until.place(&family, 30), None);
        }
    }
}
