//! The printed form of an array: the content of a task's `stdout` file, and of `{x}` where text is needed.
//!
//! * one number: a line;
//! * one axis: a number a line, so that `sort`, `awk` and `paste` take it;
//! * two axes: a row a line, numbers separated by a space;
//! * more: tables of the last two axes, in C order, an empty line between them.
//!
//! Integers are printed as such. Other numbers are the shortest that read back to the same bits, always with a point or
//! an exponent, as in numpy: `3.0`, `1e300`, `0.1`; `nan`, `inf` and `-inf` are spelt as Python and C read them. Every
//! line ends in a newline; an array without elements has none.

use super::ArrayValue;
use ndarray::{ArrayViewD, Axis};
use std::fmt;
use std::io::{self, Write};

/// A wrapper whose `Display` is the printed form of a number, from which the same bits can be read back.
#[derive(Debug, Clone, Copy)]
pub struct Printed<T>(pub T);

impl fmt::Display for Printed<f64> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_nan() { f.write_str("nan") } else { write!(f, "{:?}", self.0) }
    }
}

impl fmt::Display for Printed<f32> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_nan() { f.write_str("nan") } else { write!(f, "{:?}", self.0) }
    }
}

macro_rules! integers {
    ($($type:ty),*) => {
        $(impl fmt::Display for Printed<$type> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        })*
    };
}

integers!(i64, i32, u8);

/// Writes an array in its printed form, a row a line, with the numbers of a row separated by `separator`. `out` should
/// be buffered: it gets one number at a time.
pub fn write(array: &ArrayValue, separator: &str, out: &mut impl Write) -> io::Result<()> {
    match array {
        ArrayValue::F64(array) => table(array.view(), separator, out),
        ArrayValue::F32(array) => table(array.view(), separator, out),
        ArrayValue::I64(array) => table(array.view(), separator, out),
        ArrayValue::I32(array) => table(array.view(), separator, out),
        ArrayValue::U8(array) => table(array.view(), separator, out),
    }
}

/// Formats `array` in its printed form.
pub fn to_text(array: &ArrayValue) -> String {
    let mut bytes = Vec::new();
    // Writing to memory does not fail, and the bytes are ASCII.
    match write(array, " ", &mut bytes) {
        Ok(()) => String::from_utf8(bytes).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

fn table<T: Copy>(array: ArrayViewD<'_, T>, separator: &str, out: &mut impl Write) -> io::Result<()>
where
    Printed<T>: fmt::Display,
{
    if array.is_empty() {
        return Ok(());
    }
    match array.ndim() {
        0 | 1 => array.iter().try_for_each(|x| writeln!(out, "{}", Printed(*x))),
        2 => array.outer_iter().try_for_each(|row| {
            for (i, x) in row.iter().enumerate() {
                let separator = if i == 0 { "" } else { separator };
                write!(out, "{separator}{}", Printed(*x))?;
            }
            writeln!(out)
        }),
        _ => array.axis_iter(Axis(0)).enumerate().try_for_each(|(i, part)| {
            if i > 0 {
                writeln!(out)?;
            }
            table(part, separator, out)
        }),
    }
}
