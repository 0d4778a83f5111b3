//! Tables of cases: `for = { case = { csv = "cases.csv" } }`.

use std::collections::HashMap;

use csv::{ErrorKind, ReaderBuilder, Trim};

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Text;
use crate::script::sweep::param_values::{LoadedValues, ParamValues};
use crate::script::sweep::user_files;
use crate::script::syntax::toml::is_identifier;
use crate::script::values::value::ScriptValue;

/// Reads a table of parameter values from the file `name` of the user, one case in each row. Columns are separated by
/// commas, in `.tsv` files by tabs. Mistakes are reported at the place of `text` in the script.
pub(crate) fn read(name: &str, text: &Text, cx: &mut DiagnosticCollector) -> Option<LoadedValues> {
    let content = user_files::read(name, text, cx)?;
    match parse(name, &content) {
        Ok((rows, columns)) => Some(LoadedValues::Table(rows, columns)),
        Err((code, message, help)) => {
            cx.push(Diagnostic::new(code, text.span.clone(), message).label("this table").help(help));
            None
        }
    }
}

type Wrong = (Code, String, String);

fn parse(name: &str, content: &str) -> Result<(u64, Vec<(String, ParamValues)>), Wrong> {
    let separator = if name.ends_with(".tsv") { b'\t' } else { b',' };
    let mut reader =
        ReaderBuilder::new().delimiter(separator).trim(Trim::All).from_reader(content.as_bytes());
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => return Err(wrong(name, &error)),
    };
    let help = "the first line names the columns: letters, digits and `_`, and no digit first".to_string();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (at, column) in header.iter().enumerate() {
        if !is_identifier(column) {
            return Err((
                Code::CsvHeader,
                format!("`{name}` has no header: `{column}` is no name of a column"),
                help,
            ));
        }
        if seen.insert(column, at).is_some() {
            return Err((
                Code::CsvHeader,
                format!("`{name}` has two columns `{column}`"),
                "rename one".to_string(),
            ));
        }
    }
    let mut cells: Vec<Vec<String>> = vec![Vec::new(); header.len()];
    for record in reader.records() {
        let record = record.map_err(|error| wrong(name, &error))?;
        cells.iter_mut().zip(record.iter()).for_each(|(column, cell)| column.push(cell.to_string()));
    }
    let rows = cells.first().map_or(0, Vec::len) as u64;
    if rows == 0 {
        let help = "the first line names the columns, and each line after it is a row".to_string();
        return Err((Code::EmptySweep, format!("`{name}` has no rows"), help));
    }
    let columns =
        header.iter().zip(cells).map(|(name, cells)| (name.to_string(), ParamValues::List(typed(cells))));
    Ok((rows, columns.collect()))
}

fn wrong(name: &str, error: &csv::Error) -> Wrong {
    let line = error.position().map_or(0, csv::Position::line);
    match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let message =
                format!("line {line} of `{name}` has {len} values, and the header has {expected_len}");
            let help = "every row has a value for each column; values with commas stand in double quotes";
            (Code::CsvRagged, message, help.to_string())
        }
        _ => (Code::Unreadable, format!("`{name}` is no table: {error}"), "look at that line".to_string()),
    }
}

/// Converts the cells of a table's column to values of one type: to integers, floats or booleans if all cells can be
/// read so, otherwise to texts.
fn typed(cells: Vec<String>) -> Vec<ScriptValue> {
    fn all<T>(
        cells: &[String],
        read: impl Fn(&str) -> Option<T>,
        make: fn(T) -> ScriptValue,
    ) -> Option<Vec<ScriptValue>> {
        cells.iter().map(|cell| read(cell).map(make)).collect()
    }
    all(&cells, |cell| cell.parse().ok(), ScriptValue::Int)
        .or_else(|| all(&cells, |cell| cell.parse().ok(), ScriptValue::Float))
        .or_else(|| all(&cells, |cell| cell.parse().ok(), ScriptValue::Bool))
        .unwrap_or_else(|| cells.into_iter().map(ScriptValue::Text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_types() {
        let (rows, columns) =
            parse("c.csv", "T, p,name ,ok\n250,1.5,\"a, b\",true\n300, 2,c,false\n").unwrap();
        assert_eq!(
            (rows, columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>()),
            (2, vec!["T", "p", "name", "ok"])
        );
        let first: Vec<ScriptValue> = columns.iter().map(|(_, values)| values.get(0)).collect();
        assert!(
            matches!(&first[..], [ScriptValue::Int(250), ScriptValue::Float(_), ScriptValue::Text(text), ScriptValue::Bool(true)] if text == "a, b")
        );
        assert_eq!(parse("c.tsv", "a\tb\n1\t2,3\n").unwrap().1[1].1.get(0), ScriptValue::Text("2,3".into()));
    }

    #[test]
    fn what_is_no_table() {
        let error = |content: &str| parse("c.csv", content).unwrap_err().1;
        assert_eq!(error("1,2\n3,4\n"), "`c.csv` has no header: `1` is no name of a column");
        assert_eq!(error("a,a\n3,4\n"), "`c.csv` has two columns `a`");
        assert_eq!(error("a,b\n3,4\n5\n"), "line 3 of `c.csv` has 1 values, and the header has 2");
        assert_eq!(error("a,b\n"), "`c.csv` has no rows");
        assert_eq!(error(""), "`c.csv` has no rows");
    }
}
