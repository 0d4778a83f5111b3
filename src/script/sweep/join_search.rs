//! The join rule by search, where it is more than arithmetic: rows left out or added, parameters zipped or derived,
//! instances chosen.
//!
//! For each axis of the other family, the positions are found at which its parameters have the wanted values, by binary
//! search in a sorted list. A cell of the product of these positions matches if it is an instance and has the wanted
//! derived values. Added rows are compared one by one. Start at [`Matching::instances`].

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::family::{Axis, Sweep};
use crate::script::sweep::expression::{Formula, NameInput};
use crate::script::sweep::param_values::ParamValues;
use crate::script::values::value::ScriptValue;

/// A parameter for which brackets in a reference, as `{sim[T = 2*i]}`, choose the value: its number among the
/// parameters of the task that is read, and the formula of the value.
pub(crate) type Pin = (usize, Formula);

/// The value that a parameter must have in an instance of the task that is read, for the instance to be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Wanted {
    /// The value that the reading instance's parameter of that number has.
    Same(usize),
    Chosen(Formula),
}

/// The search for matching positions along one axis (dimension of the parameters) of the task that is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Search {
    axis: Axis,
    /// The parameters on the axis that must have a certain value: their numbers and these values. If empty, all
    /// positions match.
    wanted: Vec<(usize, Wanted)>,
    /// All positions of the axis, sorted by the value of the first parameter in `wanted` for a binary search. Empty if
    /// the values of this parameter are no list, since positions are computed then.
    sorted: Vec<u64>,
    /// Whether several positions on the axis can match one reading instance.
    open: bool,
}

/// A join that searches: it finds the instances of the task `to` that an instance of the task `from` reads by the
/// values of their parameters. A join searches where their indices cannot be calculated, for example after `where`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Matching {
    from: Sweep,
    to: Sweep,
    axes: Vec<Search>,
    /// The values that derived parameters (computed by `let`) of the task that is read must have, with their numbers.
    derived: Vec<(usize, Wanted)>,
}

/// Finds the parameters of the task that is read whose values follow from those that brackets choose: they need not be
/// those of the reading instance. So are parameters of one `zip` and derived ones.
fn followers(to: &Sweep, pins: &[Pin]) -> HashSet<usize> {
    let chosen: HashSet<usize> = pins.iter().map(|(at, _)| *at).collect();
    let params = to.params();
    let axes: HashSet<usize> =
        chosen.iter().filter_map(|at| params.get(*at)).map(|param| param.axis).collect();
    let zipped = (0..params.len()).filter(|at| axes.contains(&params[*at].axis));
    let mut followers: HashSet<usize> = zipped.filter(|at| !chosen.contains(at)).collect();
    for (number, derived) in to.derived().iter().enumerate() {
        let follows = |input: &NameInput| match input {
            NameInput::Param(at) => chosen.contains(at) || followers.contains(at),
            NameInput::Derived(at) => followers.contains(&(params.len() + at)),
            NameInput::Var(_) => false,
        };
        let at = params.len() + number;
        if !chosen.contains(&at) && derived.formula.inputs().any(follows) {
            followers.insert(at);
        }
    }
    followers
}

impl Matching {
    pub(crate) fn new(from: &Sweep, to: &Sweep, mut pins: Vec<Pin>) -> Self {
        let followers = followers(to, &pins);
        let mut wanted = |at: usize, name: &str| match pins.iter().position(|(pin, _)| *pin == at) {
            Some(pin) => Some(Wanted::Chosen(pins.swap_remove(pin).1)),
            None if followers.contains(&at) => None,
            None => from.param(name).map(Wanted::Same),
        };
        let params: Vec<Option<Wanted>> = to
            .params()
            .iter()
            .enumerate()
            .map(|(at, param)| if param.column { None } else { wanted(at, &param.name) })
            .collect();
        let count = to.params().len();
        let derived = to.derived().iter().enumerate();
        let derived = derived
            .filter_map(|(at, derived)| Some((count + at, wanted(count + at, &derived.name)?)))
            .collect();
        let axes = to.axes().iter().enumerate().map(|(number, axis)| {
            let here = params.iter().enumerate().filter(|(at, _)| to.params()[*at].axis == number);
            let here = here.filter_map(|(at, wanted)| Some((at, wanted.clone()?)));
            Search::new(to, number, *axis, here.collect())
        });
        Matching { from: from.clone(), to: to.clone(), axes: axes.collect(), derived }
    }

    pub(crate) fn from(&self) -> &Sweep {
        &self.from
    }

    /// Whether one instance of the reading task can read several instances of the task that is read.
    pub(crate) fn is_gather(&self) -> bool {
        self.axes.iter().any(|search| search.open)
    }

    /// Whether brackets in the reference, as `{sim[T = 300]}`, choose the value of some parameter.
    pub(crate) fn is_chosen(&self) -> bool {
        let wanted = self.axes.iter().flat_map(|search| &search.wanted).chain(&self.derived);
        wanted.into_iter().any(|(_, wanted)| matches!(wanted, Wanted::Chosen(_)))
    }

    /// The largest number of instances that are compared to find those that one instance of the reading task reads.
    pub(crate) fn candidates(&self) -> u64 {
        let open = self.axes.iter().filter(|search| search.open);
        open.map(|search| search.axis.len).product::<u64>() + self.to.inner().rows.len() as u64
    }

    /// Returns the indices of the instances that `instance` of the reading task `from` reads, in ascending order.
    pub(crate) fn instances(&self, from: &Sweep, instance: u64) -> Vec<u64> {
        let values = from.bindings(instance);
        let plain = from.params().len();
        let value = |wanted: &Wanted| match wanted {
            Wanted::Same(at) => values.get(*at).cloned().unwrap_or(ScriptValue::Int(0)),
            Wanted::Chosen(formula) => formula.at(&values, plain),
        };
        let wanted: Vec<Vec<(usize, ScriptValue)>> = self
            .axes
            .iter()
            .map(|search| search.wanted.iter().map(|(at, wanted)| (*at, value(wanted))).collect())
            .collect();
        let derived: Vec<(usize, ScriptValue)> =
            self.derived.iter().map(|(at, wanted)| (*at, value(wanted))).collect();
        let positions: Vec<Option<Vec<u64>>> = self
            .axes
            .iter()
            .zip(&wanted)
            .map(|(search, wanted)| search.positions(&self.to, wanted))
            .collect();
        let lengths: Vec<u64> = positions
            .iter()
            .zip(&self.axes)
            .map(|(found, search)| found.as_ref().map_or(search.axis.len, |found| found.len() as u64))
            .collect();
        let mut found = Vec::new();
        for mut number in 0..lengths.iter().product::<u64>() {
            let mut cell = 0;
            for ((positions, len), search) in positions.iter().zip(&lengths).zip(&self.axes).rev() {
                let place = number % len;
                number /= len;
                let position =
                    positions.as_ref().map_or(Some(place), |list| list.get(place as usize).copied());
                cell += position.unwrap_or(0) * search.axis.stride;
            }
            found.extend(self.to.index(cell).filter(|index| self.fits(*index, &derived)));
        }
        let inner = self.to.inner();
        let rows = (0..inner.rows.len() as u64).map(|row| inner.cells + row);
        let wanted: Vec<(usize, ScriptValue)> = wanted.into_iter().flatten().chain(derived).collect();
        found.extend(rows.filter(|index| self.fits(*index, &wanted)));
        found
    }

    fn fits(&self, instance: u64, wanted: &[(usize, ScriptValue)]) -> bool {
        wanted.is_empty() || {
            let values = self.to.bindings(instance);
            wanted.iter().all(|(at, value)| values.get(*at) == Some(value))
        }
    }
}

impl Search {
    fn new(to: &Sweep, number: usize, axis: Axis, wanted: Vec<(usize, Wanted)>) -> Self {
        let first = wanted.first().and_then(|(at, _)| to.params().get(*at)).map(|param| &param.values);
        let mut search = Search { axis, wanted, sorted: Vec::new(), open: first.is_none() };
        match first {
            Some(ParamValues::List(list)) => {
                search.sorted = (0..list.len() as u64).collect();
                search.sorted.sort_by_key(|at| list[*at as usize].key());
                // Zipped parameters may repeat values, though not all of them at once. Where those in `wanted` do, one
                // combination of their values is found at several positions.
                let row = |position: &u64| -> Vec<ScriptValue> {
                    let param = |(at, _): &(usize, Wanted)| Some(to.params().get(*at)?.values.get(*position));
                    search.wanted.iter().filter_map(param).collect()
                };
                let mut seen = HashSet::new();
                let mut all = (0..list.len() as u64).map(|position| row(&position));
                let zipped =
                    to.params().iter().filter(|param| !param.column && param.axis == number).count() > 1;
                search.open = zipped && !all.all(|row| seen.insert(row));
            }
            Some(_) => {}
            None => {}
        }
        search
    }

    /// Returns the positions on this axis at which its parameters have the `wanted` values, in ascending order. `None`
    /// means that no value is wanted and all positions match.
    fn positions(&self, to: &Sweep, wanted: &[(usize, ScriptValue)]) -> Option<Vec<u64>> {
        let ((first, value), rest) = wanted.split_first()?;
        let values = &to.params().get(*first)?.values;
        let fits = |position: &u64| {
            let has = |at: &usize| to.params().get(*at).map(|param| param.values.get(*position));
            rest.iter().all(|(at, value)| has(at).as_ref() == Some(value))
        };
        Some(match values {
            ParamValues::List(list) => {
                let key = |at: &u64| list[*at as usize].key();
                let begin = self.sorted.partition_point(|at| key(at) < value.key());
                let same = self.sorted[begin..].iter().take_while(|at| key(at) == value.key());
                let mut found: Vec<u64> = same.copied().filter(fits).collect();
                found.sort_unstable();
                found
            }
            computed => computed.position(value).into_iter().filter(fits).collect(),
        })
    }
}
