//! Tables of cases: `for = { case = { csv = "cases.csv" } }`.

use std::collections::HashMap;

use crate::arrays::exact::float_of;
use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Text;
use crate::script::sweep::param_values::{LoadedValues, ParamValues};
use crate::script::sweep::user_files;
use crate::script::values::value::{Scalar, ScriptValue};

/// Reads a table of parameter values from the file `name` of the user, one case in each row. Columns are separated by
/// `separator`; without one by commas, in `.tsv` files by tabs. Mistakes are reported at the place of `text` in the
/// script.
pub(crate) fn read(
    name: &str,
    separator: Option<u8>,
    text: &Text,
    cx: &mut DiagnosticCollector,
) -> Option<LoadedValues> {
    let content = user_files::read(name, text, cx)?;
    let separator = separator.unwrap_or(if name.ends_with(".tsv") { b'\t' } else { b',' });
    match parse(name, separator, &content) {
        Ok((rows, columns)) => {
            if let Some((column, _)) = columns.iter().find(|(column, _)| ScriptValue::read(column).is_some())
            {
                let message = format!("the first line of `{name}` names the columns, and one is `{column}`");
                let diagnostic = Diagnostic::new(Code::HeaderOfNumbers, text.span.clone(), message);
                cx.push(diagnostic.label("this table").help("if that line is a row, put a header above it"));
            }
            if let [(column, _)] = &columns[..]
                && let Some(other) = [';', '\t', '|'].into_iter().find(|c| column.contains(*c))
            {
                let message = format!("`{name}` has one column, `{column}`");
                let diagnostic = Diagnostic::new(Code::HeaderOfNumbers, text.span.clone(), message);
                let help = format!("add `sep = {:?}` beside `csv`", other.to_string());
                cx.push(diagnostic.label("this table").help(help));
            }
            if let Some(warning) = blanks(name, &columns) {
                let diagnostic = Diagnostic::new(Code::Blanks, text.span.clone(), warning);
                let help =
                    "blanks beside a comma belong to the cell, and come with it into commands: remove them";
                cx.push(diagnostic.label("this table").help(help));
            }
            Some(LoadedValues::Table(rows, columns))
        }
        Err((code, message, help)) => {
            cx.push(Diagnostic::new(code, text.span.clone(), message).label("this table").help(help));
            None
        }
    }
}

type Wrong = (Code, String, String);

fn parse(name: &str, separator: u8, content: &str) -> Result<(u64, Vec<(String, ParamValues)>), Wrong> {
    let mut reader =
        ReaderBuilder::new().delimiter(separator).trim(Trim::Headers).from_reader(content.as_bytes());
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => return Err(wrong(name, &error)),
    };
    if let Some(first) = header.get(0).filter(|_| header.iter().all(|name| ScriptValue::read(name).is_some()))
    {
        let help = "the first line names the columns".to_string();
        let message = format!("`{name}` has no header: `{first}` is no name of a column");
        return Err((Code::CsvHeader, message, help));
    }
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (at, column) in header.iter().enumerate() {
        if seen.insert(column, at).is_some() {
            return Err((
                Code::CsvHeader,
                format!("`{name}` has two columns `{column}`"),
                "rename one".to_string(),
            ));
        }
    }
    let mut cells: Vec<Vec<ScriptValue>> = vec![Vec::new(); header.len()];
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| wrong(name, &error))? {
        cells.iter_mut().zip(record.iter()).for_each(|(column, cell)| column.push(read_cell(cell)));
    }
    let rows = cells.first().map_or(0, Vec::len) as u64;
    if rows == 0 {
        let help = "the first line names the columns, and each line after it is a row".to_string();
        return Err((Code::EmptySweep, format!("`{name}` has no rows"), help));
    }
    let columns = header.iter().zip(cells).map(|(name, cells)| (name.to_string(), alike(cells).into()));
    Ok((rows, columns.collect()))
}

fn read_cell(cell: &str) -> ScriptValue {
    ScriptValue::read(cell).unwrap_or_else(|| ScriptValue::Text(cell.to_owned()))
}

/// Makes the values of a column, or the lines of a file, texts unless all of them are numbers, or all are booleans. A
/// value keeps its spelling either way.
pub(super) fn alike(mut cells: Vec<ScriptValue>) -> Vec<ScriptValue> {
    let are = |is: fn(Scalar<'_>) -> bool| cells.iter().all(|cell| is(cell.scalar()));
    let is_float = |cell: Scalar<'_>| match cell {
        Scalar::Int(number) => float_of(number).is_some(),
        other => matches!(other, Scalar::Float(_)),
    };
    let one_type = are(|cell| matches!(cell, Scalar::Int(_)))
        || are(is_float)
        || are(|cell| matches!(cell, Scalar::Bool(_)));
    if !one_type {
        for cell in &mut cells {
            if !matches!(cell, ScriptValue::Text(_)) {
                *cell = ScriptValue::Text(cell.to_string());
            }
        }
    }
    cells
}

/// Returns a text about the first cell that begins or ends with blanks, for a warning; `None` if there is none.
fn blanks(name: &str, columns: &[(String, ParamValues)]) -> Option<String> {
    columns.iter().find_map(|(column, values)| {
        let ParamValues::List(cells) = values else { return None };
        let row = cells.iter().position(|cell| match cell {
            ScriptValue::Text(_) | ScriptValue::Spelled(_) => {
                let text = cell.to_string();
                text.trim_matches([' ', '\t']) != text
            }
            _ => false,
        })?;
        let cell = cells[row].to_string();
        Some(format!("row {} of `{name}` has blanks around its `{column}`: `{cell}`", row + 1))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_types() {
        let (rows, columns) =
            parse("c.csv", b',', "T, p,name ,ok\n250,1.5,\"a, b\",true\n300, 2,c,False\n").unwrap();
        assert_eq!(
            (rows, columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>()),
            (2, vec!["T", "p", "name", "ok"])
        );
        let first: Vec<ScriptValue> = columns.iter().map(|(_, values)| values.get(0)).collect();
        let [ScriptValue::Int(250), ScriptValue::Float(_), ScriptValue::Text(name), ScriptValue::Bool(true)] =
            &first[..]
        else {
            panic!("{first:?}")
        };
        assert_eq!(name, "a, b");
        assert_eq!(
            parse("c.tsv", b'\t', "a\tb\n1\t2,3\n").unwrap().1[1].1.get(0),
            ScriptValue::Text("2,3".into())
        );
        let warning = blanks("c.csv", &columns).unwrap();
        assert_eq!(warning, "row 2 of `c.csv` has blanks around its `p`: ` 2`");
    }

    #[test]
    fn a_cell_is_its_text_and_a_number_in_expressions() {
        let columns = |content: &str| parse("c.csv", b',', content).unwrap().1;
        let shown = |content: &str| -> Vec<String> {
            let values = columns(content).remove(0).1;
            (0..values.len()).map(|at| format!("{} {}", values.get(at).kind(), values.get(at))).collect()
        };
        assert_eq!(shown("id\r\n0101\r\n1.10\r\n"), ["an integer 0101", "a float 1.10"]);
        assert_eq!(shown("id\n0101\nx\n1\n"), ["a string 0101", "a string x", "a string 1"]);
        // a number that does not fit is a text, and so is its column
        assert_eq!(shown("id\n9223372036854775808\n1\n"), ["a string 9223372036854775808", "a string 1"]);
        assert_eq!(shown("id\n9223372036854775807\n-9223372036854775808\n").len(), 2);
        assert_eq!(shown("id\n9007199254740993\n1.5\n")[1], "a string 1.5");
        assert_eq!(columns("a\n9007199254740993\n")[0].1.get(0).scalar(), Scalar::Int((1 << 53) + 1));
    }

    proptest::proptest! {
        #[test]
        fn any_text_of_a_cell_comes_back_byte_for_byte(
            rows in proptest::collection::vec(("[^\0]{0,12}", "[-+ 0-9.eE_xinfaNTrue]{0,8}", "[\r\n\t\", ]{0,4}"), 1..8)
        ) {
            for always in [false, true] {
                let style = if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
                let mut writer = csv::WriterBuilder::new().quote_style(style).from_writer(Vec::new());
                writer.write_record(["a", "b", "c"]).unwrap();
                rows.iter().for_each(|(a, b, c)| writer.write_record([a, b, c]).unwrap());
                let content = String::from_utf8(writer.into_inner().unwrap()).unwrap();
                let (count, columns) = parse("c.csv", b',', &content).unwrap();
                assert_eq!(count, rows.len() as u64);
                for (at, (a, b, c)) in rows.iter().enumerate() {
                    let found: Vec<String> =
                        columns.iter().map(|(_, values)| values.get(at as u64).to_string()).collect();
                    assert_eq!(found, [a.clone(), b.clone(), c.clone()]);
                }
            }
        }
    }

    #[test]
    fn what_is_no_table() {
        let error = |content: &str| parse("c.csv", b',', content).unwrap_err().1;
        assert_eq!(error("1,2\n3,4\n"), "`c.csv` has no header: `1` is no name of a column");
        assert_eq!(error("a,a\n3,4\n"), "`c.csv` has two columns `a`");
        assert_eq!(error("a,b\n3,4\n5\n"), "line 3 of `c.csv` has 1 values, and the header has 2");
        assert_eq!(error("a,b\n"), "`c.csv` has no rows");
        assert_eq!(error(""), "`c.csv` has no rows");
    }
}
