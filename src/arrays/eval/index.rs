//! Indexing and slicing, as in numpy. A borrowed operand gives a view; elements are never copied.

use crate::arrays::error::{ExprError, Fault, PutPosition};
use crate::arrays::eval::operand::Intermediate;
use crate::arrays::numeric::{Computed, Cows, Numeric};
use crate::arrays::shapes::shape;
use crate::arrays::syntax::ast::Span;
use crate::arrays::typed_numbers::{Numbers, TypedNumbers};
use ndarray::SliceInfoElem;

/// A subscript between brackets after evaluation, with its position in the text.
#[derive(Debug, Clone)]
pub(crate) enum EvaluatedSubscript {
    Index(i64, Span),
    Slice { start: Option<i64>, end: Option<i64>, step: i64, span: Span },
    Ellipsis(Span),
}

impl EvaluatedSubscript {
    fn span(&self) -> &Span {
        match self {
            EvaluatedSubscript::Index(_, span)
            | EvaluatedSubscript::Slice { span, .. }
            | EvaluatedSubscript::Ellipsis(span) => span,
        }
    }
}

/// Converts the value of an index, or of the bound of a slice, to an integer.
pub(crate) fn whole(value: f64) -> Result<i64, Fault> {
    if value.is_nan() || value.fract() != 0.0 {
        return Err(Fault::new(format!("an index is a whole number, not {value}")));
    }
    // Saturates: an infinite or huge bound of a slice means "to the end", a huge index is out of range.
    Ok(value as i64)
}

/// Evaluates `item[entries]`, an array or list with subscripts, by numpy's rules. `whole` is its position in the text.
pub(crate) fn index<'s>(
    item: Intermediate<'s>,
    entries: &[EvaluatedSubscript],
    whole: &Span,
) -> Result<Intermediate<'s>, ExprError> {
    match item {
        Intermediate::List(items) => index_list(items, entries, whole),
        Intermediate::Text(_) => Err(Fault::new("a text has no elements").at(whole)),
        Intermediate::Bytes(_) => index(item.into_typed().at(whole)?.into(), entries, whole),
        Intermediate::Numeric(TypedNumbers { numbers, kind }) => {
            let numbers = match numbers {
                Numbers::Floats(Numeric::Array(array)) => index_array(array, entries)?.into(),
                Numbers::Integers(Numeric::Array(array)) => index_array(array, entries)?.into(),
                _ => return Err(Fault::new("a single number has no elements").at(whole)),
            };
            Ok(TypedNumbers { numbers, kind }.into())
        }
    }
}

/// Indexes a gather (the results of several instances): the first subscript selects instances without stacking them,
/// the others index the result. `whole` is the position of all in the text.
fn index_list<'s>(
    mut items: Vec<Intermediate<'s>>,
    entries: &[EvaluatedSubscript],
    whole: &Span,
) -> Result<Intermediate<'s>, ExprError> {
    match entries {
        [EvaluatedSubscript::Index(at, span), rest @ ..] => {
            let at = element(*at, items.len(), "the gather").at(span)?;
            let item = items.swap_remove(at);
            if rest.is_empty() { Ok(item) } else { index(item, rest, whole) }
        }
        [EvaluatedSubscript::Slice { start, end, step, span }] => {
            let (first, count) = resolve(*start, *end, *step, items.len()).at(span)?;
            let mut places: Vec<Option<Intermediate<'s>>> = items.into_iter().map(Some).collect();
            let chosen = (0..count).filter_map(|i| {
                let at = first as i64 + i as i64 * *step;
                usize::try_from(at).ok().and_then(|at| places.get_mut(at)).and_then(Option::take)
            });
            Ok(Intermediate::List(chosen.collect()))
        }
        _ => index(Intermediate::List(items).into_typed().at(whole)?.into(), entries, whole),
    }
}

fn index_array<'s, T: Computed>(
    array: Cows<'s, T>,
    entries: &[EvaluatedSubscript],
) -> Result<Numeric<'s, T>, ExprError> {
    let axes = array.ndim();
    let given = entries.iter().filter(|entry| !matches!(entry, EvaluatedSubscript::Ellipsis(_))).count();
    let mut infos: Vec<SliceInfoElem> = Vec::with_capacity(axes);
    let mut ellipsis = false;
    for entry in entries {
        let axis = infos.len();
        let length = match array.shape().get(axis) {
            Some(length) if given <= axes => *length,
            None if matches!(entry, EvaluatedSubscript::Ellipsis(_)) && given <= axes => 0,
            _ => {
                let message =
                    format!("{given} indexes for an array of shape {}", shape::display(array.shape()));
                return Err(Fault::new(message).at(entry.span()));
            }
        };
        match entry {
            EvaluatedSubscript::Ellipsis(span) => {
                if std::mem::replace(&mut ellipsis, true) {
                    return Err(Fault::new("`...` can stand only once in an index").at(span));
                }
                infos.extend((given..axes).map(|_| all()));
            }
            EvaluatedSubscript::Index(at, span) => {
                let at = element(*at, length, &format!("axis {axis}")).at(span)?;
                infos.push(SliceInfoElem::Index(at as isize));
            }
            EvaluatedSubscript::Slice { start, end, step, span } => {
                let (first, count) = resolve(*start, *end, *step, length).at(span)?;
                infos.push(strided(first, count, *step));
            }
        }
    }
    infos.resize_with(axes, all);
    Ok(array.slice_move(infos.as_slice()).into())
}

fn all() -> SliceInfoElem {
    SliceInfoElem::Slice { start: 0, end: None, step: 1 }
}

/// Makes an ndarray slice of the `count` elements `first`, `first + step`, .. For a negative step, ndarray takes the
/// range from the least to the greatest of these positions, and walks it from the end.
fn strided(first: usize, count: usize, step: i64) -> SliceInfoElem {
    if count == 0 {
        return SliceInfoElem::Slice { start: 0, end: Some(0), step: 1 };
    }
    // with one element the step is never taken; a huge one would overflow below
    let step = if count == 1 { step.signum() } else { step };
    let reach = (count - 1) * step.unsigned_abs() as usize;
    let (low, high) = if step > 0 { (first, first + reach) } else { (first - reach, first) };
    SliceInfoElem::Slice { start: low as isize, end: Some(high as isize + 1), step: step as isize }
}

/// The position in an axis of `length` elements that the index `at` denotes. Negative indexes count from the end. `of`
/// names what is indexed in the message.
fn element(at: i64, length: usize, of: &str) -> Result<usize, Fault> {
    let from_start = if at < 0 { at.saturating_add_unsigned(length as u64) } else { at };
    match usize::try_from(from_start) {
        Ok(place) if place < length => Ok(place),
        _ => Err(Fault::new(format!("index {at} is out of range for {of} of length {length}"))),
    }
}

/// The first element and the number of elements of a slice, by Python's rules: bounds beyond the ends are clipped.
fn resolve(start: Option<i64>, end: Option<i64>, step: i64, length: usize) -> Result<(usize, usize), Fault> {
    if step == 0 {
        return Err(Fault::new("the step of a slice cannot be 0"));
    }
    let n = length as i64;
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let place = |bound: i64| (if bound < 0 { bound.saturating_add(n) } else { bound }).clamp(low, high);
    let first = start.map_or(if step > 0 { low } else { high }, place);
    let last = end.map_or(if step > 0 { high } else { low }, place);
    let distance = if step > 0 { last - first } else { first - last };
    let count = if distance <= 0 { 0 } else { (distance as u64).div_ceil(step.unsigned_abs()) };
    Ok((first.max(0) as usize, count as usize))
}
