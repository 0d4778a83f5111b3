//! Neighbours: references of a family to itself at constant distances, `{step[i = i-1]}`, by arithmetic.
//!
//! The instance that is read is found from the cell of the product that the reading instance is, without a search.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::family::{Axis, Sweep};
use crate::script::sweep::join_search::Pin;
use crate::script::sweep::param_values::ParamValues;

/// The instance of a family that stands at a constant distance from another one of the same family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Neighbour {
    /// The axes along which the distance is not 0, with the number of positions.
    moves: Vec<(Axis, i64)>,
    /// The difference between the numbers of the two cells.
    distance: i64,
    /// The number of instances.
    count: u64,
    /// The family, if some cells of its product are no instances.
    thinned: Option<Sweep>,
}

/// The most cells after a missing one that are looked at for an instance.
const LOOKED: u64 = 4_096;

impl Neighbour {
    /// Finds the rule for a reference of a family to itself whose brackets choose the values `pins`. `None` if the
    /// distances are not constant.
    pub(crate) fn new(family: &Sweep, pins: &[Pin]) -> Option<Neighbour> {
        if !family.inner().rows.is_empty() {
            return None;
        }
        let mut moves = Vec::new();
        let (mut distance, mut zipped) = (0i64, HashMap::new());
        for (at, formula) in pins {
            let param = family.params().get(*at)?;
            let (of, difference) = formula.offset()?;
            if of != *at {
                return None;
            }
            let positions = match &param.values {
                _ if difference == 0 => 0,
                ParamValues::Range(range) => range.positions_apart(difference)?,
                _ => return None,
            };
            // parameters of one `zip` go together
            match zipped.insert(param.axis, positions) {
                Some(other) if other == positions => continue,
                Some(_) => return None,
                None => {}
            }
            if positions != 0 {
                let axis = family.axis_of(param);
                moves.push((axis, positions));
                distance = distance
                    .checked_add(positions.checked_mul(i64::try_from(axis.stride).ok()?)?)
                    .filter(|distance| distance.unsigned_abs() < 1 << 62)?;
            }
        }
        let thinned = family.inner().kept.is_some().then(|| family.clone());
        Some(Neighbour { moves, distance, count: family.len(), thinned })
    }

    /// The difference between the number of the cell that is read and that of the reading instance.
    pub(crate) fn distance(&self) -> i64 {
        self.distance
    }

    /// Returns the instance that `instance` reads; `None` where there is none.
    pub(crate) fn of(&self, instance: u64) -> Option<u64> {
        if instance >= self.count {
            return None;
        }
        let cell = self.thinned.as_ref().map_or(Some(instance), |family| family.cell(instance))?;
        for (axis, positions) in &self.moves {
            axis.position(cell).checked_add_signed(*positions).filter(|position| *position < axis.len)?;
        }
        let other = cell.checked_add_signed(self.distance)?;
        self.thinned.as_ref().map_or(Some(other), |family| family.index(other))
    }

    /// Returns an index below which neither `instance` nor a later one reads any.
    pub(crate) fn first_from(&self, instance: u64) -> u64 {
        if instance >= self.count {
            return self.count;
        }
        let Some(family) = &self.thinned else { return instance.saturating_add_signed(self.distance) };
        let from = family.cell(instance).map(|cell| cell.saturating_add_signed(self.distance));
        let Some(from) = from else { return 0 };
        (from..from.saturating_add(LOOKED)).find_map(|cell| family.index(cell)).unwrap_or(0)
    }
}
