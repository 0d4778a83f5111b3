//! Values from a variable that is a list, `temps = [250, 300]`, or a list of rows, `[{ id = 1, T = 250 }]`.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Text;
use crate::script::sweep::param_values::{LoadedValues, ParamValues};
use crate::script::syntax::placeholder::{self, PieceKind, RawReference};
use crate::script::syntax::script::ListItems;
use crate::script::syntax::sweep::RawRow;
use crate::script::syntax::symbols::Symbols;
use crate::script::values::value::ScriptValue;

/// Looks up the list variable of a text that is nothing but its reference, `{name}`; `None` for any other text.
pub(crate) fn named<'n>(text: &Text, names: &'n Symbols) -> Option<&'n ListItems> {
    match &placeholder::parse(&text.value)[..] {
        [piece] => match &piece.kind {
            PieceKind::Reference(RawReference { path, index: None, format: None, otherwise: None }) => {
                names.list(&path.join("."))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Makes a table of the rows of a list variable. If the columns of the rows differ, reports that and returns `None`.
pub(crate) fn table(
    rows: &[RawRow],
    text: &Text,
    names: &Symbols,
    cx: &mut DiagnosticCollector,
) -> Option<LoadedValues> {
    let first = rows.first()?;
    let mut columns: Vec<(String, Vec<ScriptValue>)> =
        first.cells.iter().map(|(name, _)| (name.value.clone(), Vec::new())).collect();
    for row in rows {
        for (name, values) in &mut columns {
            let Some((_, cell)) = row.cells.iter().find(|(known, _)| known.value == *name) else {
                let message = format!("a row of this list has no `{name}`, and the first one has");
                let diagnostic = Diagnostic::new(Code::ListVariable, row.span.clone(), message);
                cx.push(
                    diagnostic
                        .label("incomplete")
                        .also(first.span.clone(), "the first row")
                        .help(format!("add `{name} = ..`")),
                );
                return None;
            };
            values.push(names.fill_value(cell, cx)?);
        }
        let is_known = |name: &str| columns.iter().any(|(known, _)| known == name);
        if let Some((name, _)) = row.cells.iter().find(|(name, _)| !is_known(&name.value)) {
            let message = format!("a row of this list has `{}`, and the first one has not", name.value);
            let diagnostic = Diagnostic::new(Code::ListVariable, name.span.clone(), message);
            cx.push(
                diagnostic
                    .label("only here")
                    .also(text.span.clone(), "read for this")
                    .help("all rows have the same columns, as in a csv file"),
            );
            return None;
        }
    }
    let columns = columns.into_iter().map(|(name, values)| (name, ParamValues::from(values)));
    Some(LoadedValues::Table(rows.len() as u64, columns.collect()))
}
