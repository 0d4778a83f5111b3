//! Lanes: the values of an expression for many instances at once.
//!
//! A lane has one value for each cell of a product, or one for all. Operators run over whole lanes, which makes a
//! condition on a hundred million cells a matter of seconds, and an expression for a single instance is the same code.

use std::borrow::Cow;

/// A value for each of many cells, or one value for all of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Lane<T> {
    One(T),
    Many(Vec<T>),
}

/// The value of a subexpression: integers, floats or texts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values<'a> {
    Ints(Lane<i64>),
    Floats(Lane<f64>),
    Texts(Lane<Cow<'a, str>>),
}

impl<T> Lane<T> {
    /// Applies `f` to each value.
    pub(crate) fn map<U>(self, f: impl Fn(T) -> U) -> Lane<U> {
        match self {
            Lane::One(one) => Lane::One(f(one)),
            Lane::Many(many) => Lane::Many(many.into_iter().map(f).collect()),
        }
    }

    /// Applies `f` to each value; `None` where it has no result for some value.
    pub(crate) fn try_map<U>(self, f: impl Fn(T) -> Option<U>) -> Option<Lane<U>> {
        Some(match self {
            Lane::One(one) => Lane::One(f(one)?),
            Lane::Many(many) => Lane::Many(many.into_iter().map(f).collect::<Option<_>>()?),
        })
    }

    /// Whether `is` holds for some value.
    pub(crate) fn any(&self, is: impl Fn(&T) -> bool) -> bool {
        match self {
            Lane::One(one) => is(one),
            Lane::Many(many) => many.iter().any(is),
        }
    }

    /// The value where it is one for all cells.
    pub(crate) fn one(&self) -> Option<&T> {
        match self {
            Lane::One(one) => Some(one),
            Lane::Many(_) => None,
        }
    }

    /// The first value; `None` for a lane of no cells.
    pub(crate) fn first(&self) -> Option<&T> {
        match self {
            Lane::One(one) => Some(one),
            Lane::Many(many) => many.first(),
        }
    }
}

impl<T: Clone> Lane<T> {
    /// Applies `f` to each pair of values of two lanes.
    pub(crate) fn zip<U: Clone, V>(self, other: Lane<U>, f: impl Fn(T, U) -> V) -> Lane<V> {
        match (self, other) {
            (Lane::One(a), Lane::One(b)) => Lane::One(f(a, b)),
            (Lane::One(a), many) => many.map(|b| f(a.clone(), b)),
            (many, Lane::One(b)) => many.map(|a| f(a, b.clone())),
            (Lane::Many(a), Lane::Many(b)) => {
                Lane::Many(a.into_iter().zip(b).map(|(a, b)| f(a, b)).collect())
            }
        }
    }

    /// Applies `f` to each pair of values of two lanes; `None` where it has no result for some pair.
    pub(crate) fn try_zip<U: Clone, V>(
        self,
        other: Lane<U>,
        f: impl Fn(T, U) -> Option<V>,
    ) -> Option<Lane<V>> {
        match (self, other) {
            (Lane::One(a), Lane::One(b)) => Some(Lane::One(f(a, b)?)),
            (Lane::One(a), many) => many.try_map(|b| f(a.clone(), b)),
            (many, Lane::One(b)) => many.try_map(|a| f(a, b.clone())),
            (Lane::Many(a), Lane::Many(b)) => {
                Some(Lane::Many(a.into_iter().zip(b).map(|(a, b)| f(a, b)).collect::<Option<_>>()?))
            }
        }
    }
}

impl Values<'_> {
    /// Whether the value counts as true, for each cell: whether it is a number other than zero. What is no number
    /// (`nan`) is true, as in the array language.
    pub(crate) fn truth(&self) -> Lane<bool> {
        fn each<T>(lane: &Lane<T>, is: impl Fn(&T) -> bool) -> Lane<bool> {
            match lane {
                Lane::One(one) => Lane::One(is(one)),
                Lane::Many(many) => Lane::Many(many.iter().map(is).collect()),
            }
        }
        match self {
            Values::Ints(lane) => each(lane, |x| *x != 0),
            Values::Floats(lane) => each(lane, |x| *x != 0.0),
            Values::Texts(lane) => each(lane, |_| false),
        }
    }
}
