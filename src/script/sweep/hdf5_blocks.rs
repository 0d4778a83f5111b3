//! Blocks of an HDF5 dataset as the values of a parameter: `{ blocks = "in.h5:/t", size = [365] }`.

use crate::arrays::dataset;
use crate::arrays::slab::{Slab, split};
use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{At, Text};
use crate::script::values::value::ScriptValue;

/// The largest number of blocks into which a dataset may be divided. A larger number is refused, since nobody means so
/// many instances.
const MOST: u64 = 10_000_000;

/// Returns the blocks of `size` into which the HDF5 dataset `filled` (`in.h5:/t`) is divided, as values of a parameter,
/// in row-major order. The last block along an axis is shorter where the block size does not divide the length.
/// Mistakes are reported at the place of `text` in the script.
pub(crate) fn values(
    filled: &str,
    text: &Text,
    size: &At<Vec<At<i64>>>,
    cx: &mut DiagnosticCollector,
) -> Option<Vec<ScriptValue>> {
    let Some((file, name)) = split(filled) else {
        let diagnostic =
            Diagnostic::new(Code::BadValue, text.span.clone(), format!("`{filled}` names no dataset"));
        cx.push(diagnostic.label("expected a file and a dataset").help("write `\"in.h5:/dataset\"`"));
        return None;
    };
    if std::fs::metadata(cx.source.dir().join(file)).is_ok_and(|meta| !meta.is_file()) {
        // opening a pipe would wait for its writer
        let message = format!("`{file}` is no file");
        cx.push(Diagnostic::new(Code::NoDataset, text.span.clone(), message).label("cannot be read"));
        return None;
    }
    let shape = match dataset::shape(&cx.source.dir().join(file), name) {
        Ok((shape, _)) => shape,
        Err(why) => {
            cx.push(Diagnostic::new(Code::NoDataset, text.span.clone(), why).label("cannot be read"));
            return None;
        }
    };
    let shown: Vec<String> = shape.iter().map(usize::to_string).collect();
    let shown = shown.join(", ");
    if size.value.is_empty() || size.value.len() > shape.len() {
        let message = format!("`{filled}` has {} axes, and `size` cuts {}", shape.len(), size.value.len());
        let diagnostic = Diagnostic::new(Code::BadValue, size.span.clone(), message);
        cx.push(diagnostic.label(format!("the shape is ({shown})")));
        return None;
    }
    if let Some(bad) = size.value.iter().find(|length| length.value < 1) {
        let diagnostic = Diagnostic::new(Code::BadValue, bad.span.clone(), "a block is at least 1 long");
        cx.push(diagnostic.label("too short"));
        return None;
    }
    if shape.contains(&0) {
        let diagnostic = Diagnostic::new(Code::EmptySweep, text.span.clone(), format!("`{filled}` is empty"));
        cx.push(diagnostic.label(format!("the shape is ({shown})")));
        return None;
    }
    let sizes: Vec<usize> = (0..shape.len())
        .map(|axis| size.value.get(axis).and_then(|n| usize::try_from(n.value).ok()).unwrap_or(shape[axis]))
        .collect();
    let counts: Vec<u64> = shape.iter().zip(&sizes).map(|(n, size)| n.div_ceil(*size) as u64).collect();
    let count = counts.iter().try_fold(1u64, |product, n| product.checked_mul(*n)).filter(|n| *n <= MOST);
    let Some(count) = count else {
        let message = format!("`{filled}` has more blocks of this size than {MOST}");
        cx.push(Diagnostic::new(Code::TooLarge, size.span.clone(), message).label("too small"));
        return None;
    };
    let block = |mut number: u64| {
        let mut part = vec![0..0; shape.len()];
        for axis in (0..shape.len()).rev() {
            let start = (number % counts[axis]) as usize * sizes[axis];
            part[axis] = start..(start + sizes[axis]).min(shape[axis]);
            number /= counts[axis];
        }
        ScriptValue::Path(Slab { file: file.to_owned(), dataset: name.to_owned(), part }.to_string())
    };
    Some((0..count).map(block).collect())
}
