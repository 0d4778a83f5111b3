//! Position maps: from the positions of a parameter's values in one task to those of the equal values in another.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::join::SEARCHED;
use super::range::NumRange;
use crate::script::sweep::param_values::ParamValues;
use crate::script::values::value::Key;

/// A map for a parameter that two tasks share: from a value's position in the reading task to the position of the equal
/// value in the task that is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum PositionMap {
    /// Both tasks have the same values in the same order.
    Same,
    /// Both tasks give the parameter a range of numbers; positions are computed.
    Ranges { from: NumRange, to: NumRange },
    /// Both tasks give computed values, at least one of them by `linspace` or `logspace`; positions are computed.
    Computed { from: ParamValues, to: ParamValues },
    /// At least one task gives a list of values. The pairs are the positions (reading task, task that is read) of equal
    /// values, sorted by the first.
    Pairs(Vec<(u64, u64)>),
}

impl PositionMap {
    pub(super) fn between(from: &ParamValues, to: &ParamValues) -> Self {
        match (from, to) {
            _ if from == to => Self::Same,
            (ParamValues::Range(from), ParamValues::Range(to)) => Self::Ranges { from: *from, to: *to },
            (ParamValues::List(from), to) if !matches!(to, ParamValues::List(_)) => {
                let pairs =
                    from.iter().enumerate().filter_map(|(at, value)| Some((at as u64, to.position(value)?)));
                Self::Pairs(pairs.collect())
            }
            (from, ParamValues::List(to)) if !matches!(from, ParamValues::List(_)) => {
                let pairs =
                    to.iter().enumerate().filter_map(|(at, value)| Some((from.position(value)?, at as u64)));
                let mut pairs: Vec<(u64, u64)> = pairs.collect();
                pairs.sort_unstable();
                Self::Pairs(pairs)
            }
            (ParamValues::List(from), ParamValues::List(to)) => {
                let places: HashMap<Key<'_>, u64> =
                    to.iter().enumerate().map(|(at, v)| (v.key(), at as u64)).collect();
                let pairs =
                    from.iter().enumerate().filter_map(|(at, v)| Some((at as u64, *places.get(&v.key())?)));
                Self::Pairs(pairs.collect())
            }
            (from, to) => Self::Computed { from: from.clone(), to: to.clone() },
        }
    }

    pub(super) fn get(&self, at: u64) -> Option<u64> {
        match self {
            Self::Same => Some(at),
            Self::Ranges { from, to } => to.position(&from.value(at)),
            Self::Computed { from, to } => to.position(&from.get(at)),
            Self::Pairs(pairs) => {
                pairs.binary_search_by_key(&at, |p| p.0).ok().and_then(|i| pairs.get(i)).map(|p| p.1)
            }
        }
    }

    /// Returns a position in the reading task, one of `len`, whose value the task that is read does not have. Lists
    /// give the first such position. For ranges a look at the first, second and last value is enough. `None`: no such
    /// position was found.
    pub(super) fn unmatched(&self, len: u64) -> Option<u64> {
        match self {
            Self::Same => None,
            // A range lies in another range if its first two values and its last one do.
            Self::Ranges { .. } => {
                [0, 1, len.saturating_sub(1)].into_iter().find(|at| *at < len && self.get(*at).is_none())
            }
            Self::Computed { .. } => (0..len.min(SEARCHED)).find(|at| self.get(*at).is_none()),
            Self::Pairs(pairs) => {
                let gap =
                    pairs.iter().enumerate().find(|(at, pair)| pair.0 != *at as u64).map(|(at, _)| at as u64);
                gap.or(((pairs.len() as u64) < len).then_some(pairs.len() as u64))
            }
        }
    }
}
