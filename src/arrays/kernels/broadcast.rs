//! The loop of all element-wise operations: broadcasts operands, cuts them into pieces, and distributes the pieces to
//! threads with rayon.
//!
//! An operation is a [`Kernel`] on slices. This loop is compiled once for `f64` and once for `i64`, not once for each
//! operation: when it was generic over some twenty closures, the crate took minutes to build. A call through a pointer for each sixteen thousand
//! elements costs nothing.

use crate::arrays::error::Fault;
use crate::arrays::numeric::{Computed, Cows, Numeric};
use crate::arrays::shapes::shape;
use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Axis, Ix1, Ix2, Zip};

/// The number of elements below which one thread is faster than several, since starting the others takes time.
pub(crate) const PARALLEL: usize = 1 << 16;

/// The number of elements that a thread computes at a time. The operands of such a piece fit into a core's cache even
/// if they are copied.
const PIECE: usize = 1 << 14;

/// An operand of a kernel (a loop over elements): a slice, a number, or the memory of the result.
#[derive(Clone, Copy)]
pub(crate) enum KernelInput<'a, T = f64> {
    /// A slice with an element for each element of the result.
    Slice(&'a [T]),
    /// A number that is the operand of every element.
    Scalar(T),
    /// The memory of the result, which holds the operand's elements until they are overwritten.
    Out,
}

/// A function that writes `out[i] = f(a[i], b[i])` for all i.
pub(crate) type Kernel<'k, T = f64> = &'k (dyn Fn(&mut [T], KernelInput<'_, T>, KernelInput<'_, T>) + Sync);

/// Makes a kernel of a function of two numbers. Each combination of inputs is a loop that the compiler can vectorise.
pub(crate) fn kernel<T: Computed>(
    f: impl Fn(T, T) -> T + Sync,
) -> impl Fn(&mut [T], KernelInput<'_, T>, KernelInput<'_, T>) + Sync {
    move |out, a, b| match (a, b) {
        (KernelInput::Slice(a), KernelInput::Slice(b)) => {
            out.iter_mut().zip(a).zip(b).for_each(|((out, x), y)| *out = f(*x, *y));
        }
        (KernelInput::Slice(a), KernelInput::Scalar(y)) => {
            out.iter_mut().zip(a).for_each(|(out, x)| *out = f(*x, y))
        }
        (KernelInput::Slice(a), KernelInput::Out) => {
            out.iter_mut().zip(a).for_each(|(out, x)| *out = f(*x, *out))
        }
        (KernelInput::Scalar(x), KernelInput::Slice(b)) => {
            out.iter_mut().zip(b).for_each(|(out, y)| *out = f(x, *y))
        }
        (KernelInput::Scalar(x), KernelInput::Scalar(y)) => out.fill(f(x, y)),
        (KernelInput::Scalar(x), KernelInput::Out) => out.iter_mut().for_each(|out| *out = f(x, *out)),
        (KernelInput::Out, KernelInput::Slice(b)) => {
            out.iter_mut().zip(b).for_each(|(out, y)| *out = f(*out, *y))
        }
        (KernelInput::Out, KernelInput::Scalar(y)) => out.iter_mut().for_each(|out| *out = f(*out, y)),
        (KernelInput::Out, KernelInput::Out) => out.iter_mut().for_each(|out| *out = f(*out, *out)),
    }
}

/// An operand, broadcast to the shape of the result as in numpy: axes of length 1 are repeated.
#[derive(Clone)]
enum Operand<'a, T> {
    View(ArrayViewD<'a, T>),
    Scalar(T),
    Out,
}

/// Applies a kernel to the elements of `a` and `b`, at least one of which is an array. The result overwrites an operand
/// if the expression owns its memory, so that none has to be allocated.
pub(crate) fn apply<'s, T: Computed>(
    a: Numeric<'s, T>,
    b: Numeric<'s, T>,
    kernel: Kernel<'_, T>,
) -> Result<Numeric<'s, T>, Fault> {
    let shape = shape::broadcast(a.shape(), b.shape())?;
    let (a, mut out) = take(a, &shape);
    let (b, out_of_b) = if out.is_none() { take(b, &shape) } else { (Some(b), None) };
    out = out.or(out_of_b);
    let mut out = match out {
        Some(out) => out,
        None => shape::zeros(&shape)?,
    };
    run(out.view_mut(), operand(a.as_ref(), &shape)?, operand(b.as_ref(), &shape)?, kernel);
    Ok(out.into())
}

/// Copies the elements of `x` to `out`, which has the same shape.
pub(crate) fn copy<T: Computed>(out: ArrayViewMutD<'_, T>, x: &ArrayViewD<'_, T>) {
    let parallel = out.len() > PARALLEL;
    let zip = Zip::from(out).and(x);
    if parallel { zip.par_for_each(|out, x| *out = *x) } else { zip.for_each(|out, x| *out = *x) }
}

/// Takes the memory of `x` for the result if the expression owns it and it has the right shape; otherwise returns `x`
/// unchanged.
fn take<'s, T: Computed>(x: Numeric<'s, T>, shape: &[usize]) -> (Option<Numeric<'s, T>>, Option<ArrayD<T>>) {
    match x {
        Numeric::Array(x) if !x.is_view() && x.shape() == shape && x.is_standard_layout() => {
            (None, Some(x.into_owned()))
        }
        x => (Some(x), None),
    }
}

fn operand<'a, T: Computed>(x: Option<&'a Numeric<'_, T>>, shape: &[usize]) -> Result<Operand<'a, T>, Fault> {
    match x {
        None => Ok(Operand::Out),
        Some(Numeric::Scalar(x)) => Ok(Operand::Scalar(*x)),
        Some(Numeric::Array(x)) => spread(x, shape).map(Operand::View),
    }
}

/// A view of `x` broadcast to a shape; an error if the shapes do not match.
fn spread<'a, T: Computed>(x: &'a Cows<'_, T>, shape: &[usize]) -> Result<ArrayViewD<'a, T>, Fault> {
    x.broadcast(shape).ok_or_else(|| {
        Fault::new(format!(
            "shape {} does not spread to {}",
            shape::display(x.shape()),
            shape::display(shape)
        ))
    })
}

/// Applies a kernel recursively: halves the first axis that can be cut, so that the pieces of `out`, which is in C
/// order, are contiguous.
fn run<T: Computed>(out: ArrayViewMutD<'_, T>, a: Operand<'_, T>, b: Operand<'_, T>, kernel: Kernel<'_, T>) {
    let length = out.len();
    let axis = out.shape().iter().position(|n| *n > 1);
    let Some(axis) = axis.filter(|_| length > PIECE) else {
        return piece(out, a, b, kernel);
    };
    let (axis, middle) = (Axis(axis), out.shape()[axis] / 2);
    let (left, right) = out.split_at(axis, middle);
    let ((a_left, a_right), (b_left, b_right)) = (a.split(axis, middle), b.split(axis, middle));
    let left = || run(left, a_left, b_left, kernel);
    let right = || run(right, a_right, b_right, kernel);
    if length > PARALLEL {
        rayon::join(left, right);
    } else {
        left();
        right();
    }
}

impl<T: Computed> Operand<'_, T> {
    fn split(self, axis: Axis, middle: usize) -> (Self, Self) {
        match self {
            Operand::View(view) => {
                let (left, right) = view.split_at(axis, middle);
                (Operand::View(left), Operand::View(right))
            }
            other => (other.clone(), other),
        }
    }

    /// A copy of the operand's elements in C order; `None` if they are contiguous already.
    fn copied(&self) -> Option<Vec<T>> {
        match self {
            Operand::View(view) if !view.is_standard_layout() => {
                let mut copy = Vec::with_capacity(view.len());
                append(view.view(), &mut copy);
                Some(copy)
            }
            _ => None,
        }
    }

    fn source<'a>(&'a self, copied: &'a Option<Vec<T>>) -> KernelInput<'a, T> {
        let elements = match (self, copied) {
            (Operand::Scalar(x), _) => return KernelInput::Scalar(*x),
            (Operand::Out, _) => return KernelInput::Out,
            (Operand::View(_), Some(copied)) => return KernelInput::Slice(copied),
            (Operand::View(view), None) => view.as_slice(),
        };
        KernelInput::Slice(elements.unwrap_or_else(|| unreachable!("in C order, or copied into it")))
    }
}

fn piece<T: Computed>(
    mut out: ArrayViewMutD<'_, T>,
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    kernel: Kernel<'_, T>,
) {
    let (a_copied, b_copied) = (a.copied(), b.copied());
    if let Some(out) = out.as_slice_mut() {
        kernel(out, a.source(&a_copied), b.source(&b_copied));
    } else {
        unreachable!("a piece of an array in C order, cut along its first axes");
    }
}

/// Appends the elements of a view in C order. ndarray's own iteration over a dynamic number of axes takes ten times as
/// long if the last axis is short.
fn append<T: Computed>(view: ArrayViewD<'_, T>, to: &mut Vec<T>) {
    if let Some(elements) = view.as_slice() {
        to.extend_from_slice(elements);
    } else if view.strides().first() == Some(&0) {
        let start = to.len();
        append(view.index_axis(Axis(0), 0), to);
        let period = start..to.len();
        for _ in 1..view.len_of(Axis(0)) {
            to.extend_from_within(period.clone());
        }
    } else if let Ok(row) = view.view().into_dimensionality::<Ix1>() {
        to.extend(row.iter());
    } else if let Ok(table) = view.view().into_dimensionality::<Ix2>() {
        to.extend(table.iter());
    } else {
        for part in view.outer_iter() {
            append(part, to);
        }
    }
}

/// Evaluates `where`: selects elements of `a` where the condition is not zero, else of `b`.
pub(crate) fn choose<'s, T: Computed>(
    condition: Numeric<'s, T>,
    a: Numeric<'s, T>,
    b: Numeric<'s, T>,
) -> Result<Numeric<'s, T>, Fault> {
    let shape = shape::broadcast(condition.shape(), &shape::broadcast(a.shape(), b.shape())?)?;
    let mut out = match take(condition, &shape) {
        (_, Some(condition)) => condition,
        (condition, None) => {
            let mut out = shape::zeros(&shape)?;
            let condition = operand(condition.as_ref(), &shape)?;
            run(out.view_mut(), condition, Operand::Scalar(T::ZERO), &kernel(|x, _| x));
            out
        }
    };
    run(out.view_mut(), operand(Some(&a), &shape)?, operand(Some(&b), &shape)?, &pick);
    Ok(out.into())
}

/// The kernel of [`choose`], which reads the condition from `out` before it overwrites that with the result.
fn pick<T: Computed>(out: &mut [T], a: KernelInput<'_, T>, b: KernelInput<'_, T>) {
    let pick = |out: &mut T, x: T, y: T| *out = if *out != T::ZERO { x } else { y };
    match (a, b) {
        (KernelInput::Slice(a), KernelInput::Slice(b)) => {
            out.iter_mut().zip(a).zip(b).for_each(|((out, x), y)| pick(out, *x, *y));
        }
        (KernelInput::Slice(a), KernelInput::Scalar(y)) => {
            out.iter_mut().zip(a).for_each(|(out, x)| pick(out, *x, y))
        }
        (KernelInput::Scalar(x), KernelInput::Slice(b)) => {
            out.iter_mut().zip(b).for_each(|(out, y)| pick(out, x, *y))
        }
        (KernelInput::Scalar(x), KernelInput::Scalar(y)) => out.iter_mut().for_each(|out| pick(out, x, y)),
        (KernelInput::Out, _) | (_, KernelInput::Out) => unreachable!("the condition is neither of the two"),
    }
}
