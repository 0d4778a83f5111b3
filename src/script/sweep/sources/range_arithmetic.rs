//! Arithmetic in the ends of a range: `"0..2*{n}"`, `"{first}..={first} + 10 by {step}/2"`.

use crate::script::diagnostics::source::Text;
use crate::script::sweep::expression::Formula;
use crate::script::syntax::placeholder::{self, PieceKind, RawReference};
use crate::script::syntax::symbols::Symbols;
use crate::script::values::value::{Scalar, ScriptValue, float};

/// Computes the ends and the step of a range that are expressions, with variables in braces. Returns the text of the
/// range with numbers in their place; `None` if a part cannot be computed, or gives no number.
pub(crate) fn computed(range: &Text, names: &Symbols) -> Option<String> {
    let mut text = String::new();
    for piece in placeholder::parse(&range.value) {
        let whole = range.value.get(piece.range)?;
        match &piece.kind {
            PieceKind::Plain => text.push_str(whole),
            PieceKind::Reference(RawReference { path, index: None, format: None, otherwise: None }) => {
                // in parentheses, so that `{n}**2` is the square of a negative number too
                match names.var(&path.join("."))?.scalar() {
                    Scalar::Int(number) => text.push_str(&format!("({number})")),
                    Scalar::Float(number) => text.push_str(&format!("({})", float(number))),
                    Scalar::Text(part) => text.push_str(part),
                    Scalar::Bool(_) => return None,
                }
            }
            _ => return None,
        }
    }
    let (start, rest) = text.split_once("..")?;
    let (sign, rest) = rest.strip_prefix('=').map_or(("..", rest), |rest| ("..=", rest));
    let (end, step) = rest.rsplit_once(" by ").map_or((rest, None), |(end, step)| (end, Some(step)));
    let step = step.map_or(Some(String::new()), |step| Some(format!(" by {}", number(step)?)))?;
    Some(format!("{}{sign}{}{step}", number(start)?, number(end)?))
}

fn number(text: &str) -> Option<String> {
    let plain = text.trim();
    if ScriptValue::read(plain).is_some() {
        return Some(plain.to_owned());
    }
    let value = Formula::new(plain, &|_| None).ok()?.try_at(&[], 0).ok()?;
    match value.scalar() {
        Scalar::Int(number) => Some(number.to_string()),
        Scalar::Float(number) if number.is_finite() => Some(float(number)),
        _ => None,
    }
}
