//! Reading of numbers from files and outputs of commands: text with or without a header, and raw memory.
//!
//! Numbers of a text are `f64`. Where one is an integer that no `f64` is, all must be integers, and are `i64`.

use super::ArrayValue;
use super::types::ElementType;
use crate::arrays::exact::{float_of, no_float};
use crate::arrays::shapes::shape;
use crate::task::allocation;
use ndarray::ArrayD;

/// Reads the printed form of an array: a single number is a scalar, one number a line a vector, several a line a
/// matrix.
pub(crate) fn numbers(bytes: &[u8]) -> Result<ArrayValue, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "this is no text of numbers".to_owned())?;
    exactly(|| printed(text, float), || printed(text, integer))
}

/// A number that is read from a text, or why it is none.
enum Word<T> {
    Number(T),
    /// An integer of 64 bits that no `f64` is.
    Wide(i64),
    Wrong,
}

fn float(word: &str) -> Word<f64> {
    if let Ok(integer) = word.parse::<i64>() {
        return float_of(integer).map_or(Word::Wide(integer), Word::Number);
    }
    word.parse().map_or(Word::Wrong, Word::Number)
}

fn integer(word: &str) -> Word<i64> {
    word.parse().map_or(Word::Wrong, Word::Number)
}

/// Why a text is no array of some type.
enum Unread {
    /// It has an integer that is no float: this message.
    Wide(String),
    Wrong(String),
}

impl From<String> for Unread {
    fn from(message: String) -> Self {
        Unread::Wrong(message)
    }
}

impl<T> Word<T> {
    fn at(self, line: u64, text: &str) -> Result<T, Unread> {
        match self {
            Word::Number(number) => Ok(number),
            Word::Wide(integer) => Err(Unread::Wide(format!("line {line}: {}", no_float(integer)))),
            Word::Wrong => {
                let text: String = text.chars().take(40).collect();
                Err(Unread::Wrong(format!("line {line}: `{text}` is no number")))
            }
        }
    }
}

/// Reads floats; if an integer is none, reads integers alone.
fn exactly(
    floats: impl FnOnce() -> Result<ArrayD<f64>, Unread>,
    integers: impl FnOnce() -> Result<ArrayD<i64>, Unread>,
) -> Result<ArrayValue, String> {
    match floats() {
        Ok(array) => Ok(array.into()),
        Err(Unread::Wrong(message)) => Err(message),
        Err(Unread::Wide(message)) => integers().map(ArrayValue::from).map_err(|_| message),
    }
}

fn printed<T>(text: &str, read: fn(&str) -> Word<T>) -> Result<ArrayD<T>, Unread> {
    let mut elements = Vec::new();
    let (mut rows, mut width) = (0, None);
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let before = elements.len();
        for word in line.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()) {
            let number = read(word).at(at as u64 + 1, word)?;
            allocation::push(&mut elements, number).map_err(|error| error.to_string())?;
        }
        let columns = elements.len() - before;
        if *width.get_or_insert(columns) != columns {
            let first = width.unwrap_or(0);
            return Err(format!("line {}: {columns} numbers where others have {first}", at + 1).into());
        }
        rows += 1;
    }
    let shape = match (rows, width.unwrap_or(0)) {
        (1, 1) => vec![],
        (rows, 0 | 1) => vec![rows],
        (rows, columns) => vec![rows, columns],
    };
    ArrayD::from_shape_vec(shape, elements).map_err(|error| error.to_string().into())
}

/// A column of a table, chosen by name or by position.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Column {
    /// The name of the column in the header.
    Named(String),
    /// The position of the column, counted from 0, or from the last column if negative.
    At(f64),
}

/// Reads a table of comma-separated values: a matrix of rows by columns, or a vector if the table has one column or
/// `column` chooses one.
///
/// The first line is a header if any of its fields is not a number. Empty fields become `nan`. Fields may be quoted,
/// and separated by `;` or a tab if the first line has no comma.
pub(crate) fn table(bytes: &[u8], column: Option<&Column>) -> Result<ArrayValue, String> {
    let missing = |field: &str| if field.is_empty() { Word::Number(f64::NAN) } else { float(field) };
    exactly(|| cells(bytes, column, missing), || cells(bytes, column, integer))
}

fn cells<T>(
    bytes: &[u8],
    column: Option<&Column>,
    read: impl Fn(&str) -> Word<T>,
) -> Result<ArrayD<T>, Unread> {
    let first = bytes.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or(&[]);
    let delimiter = [b',', b';', b'\t'].into_iter().find(|c| first.contains(c)).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let mut elements = Vec::new();
    let (mut rows, mut columns, mut chosen) = (0, 0, None);
    for (at, record) in reader.byte_records().enumerate() {
        let record = record.map_err(|error| error.to_string())?;
        if at == 0 {
            columns = record.len();
            chosen = column.map(|column| place(column, &record)).transpose()?;
            let is_number = |field: &[u8]| {
                field.is_empty() || !matches!(float(&String::from_utf8_lossy(field)), Word::Wrong)
            };
            if !record.iter().all(is_number) {
                continue;
            }
        }
        for field in record.iter().enumerate().filter(|(i, _)| chosen.is_none_or(|chosen| chosen == *i)) {
            let line = record.position().map_or(0, csv::Position::line);
            let text = String::from_utf8_lossy(field.1);
            let element = read(&text).at(line, &text)?;
            allocation::push(&mut elements, element).map_err(|error| error.to_string())?;
        }
        rows += 1;
    }
    let shape = if columns <= 1 || chosen.is_some() { vec![rows] } else { vec![rows, columns] };
    ArrayD::from_shape_vec(shape, elements).map_err(|error| error.to_string().into())
}

fn place(column: &Column, header: &csv::ByteRecord) -> Result<usize, String> {
    match column {
        Column::At(at) => shape::axis(*at, header.len())
            .map_err(|_| format!("there is no column {at}: the table has {}", header.len())),
        Column::Named(name) => header.iter().position(|field| field == name.as_bytes()).ok_or_else(|| {
            let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
            format!("there is no column `{name}`: the first line has {}", names.join(", "))
        }),
    }
}

/// Reads a vector from raw memory of elements, in little-endian byte order.
pub(crate) fn memory(bytes: &[u8], element: ElementType) -> Result<ArrayValue, String> {
    fn read<const N: usize, T>(bytes: &[u8], of: fn([u8; N]) -> T) -> Result<ArrayD<T>, String> {
        let (chunks, rest) = bytes.as_chunks::<N>();
        if !rest.is_empty() {
            return Err(format!("{} bytes are no whole number of elements of {N} bytes", bytes.len()));
        }
        allocation::check::<T>(chunks.len()).map_err(|error| error.to_string())?;
        Ok(chunks.iter().map(|chunk| of(*chunk)).collect::<ndarray::Array1<T>>().into_dyn())
    }
    Ok(match element {
        ElementType::F64 => ArrayValue::F64(read(bytes, f64::from_le_bytes)?),
        ElementType::F32 => ArrayValue::F32(read(bytes, f32::from_le_bytes)?),
        ElementType::I64 => ArrayValue::I64(read(bytes, i64::from_le_bytes)?),
        ElementType::I32 => ArrayValue::I32(read(bytes, i32::from_le_bytes)?),
        ElementType::U8 => ArrayValue::U8(read(bytes, u8::from_le_bytes)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_print_is_read_as_numbers() {
        let shape = |text: &str| numbers(text.as_bytes()).map(|array| array.shape().to_vec());
        assert_eq!(shape("3\n").unwrap(), Vec::<usize>::new());
        assert_eq!(shape("3\n4\n").unwrap(), [2]);
        assert_eq!(shape("3 4\n5,6\n\n").unwrap(), [2, 2]);
        assert_eq!(shape("").unwrap(), [0]);
        assert_eq!(shape("3 4\n5\n").unwrap_err(), "line 2: 1 numbers where others have 2");
        assert_eq!(shape("3\nfour\n").unwrap_err(), "line 2: `four` is no number");
        assert!(numbers(&[255]).is_err());
    }

    #[test]
    fn integers_that_are_no_floats_stay_integers() {
        let wide = (1i64 << 53) + 1;
        assert_eq!(
            numbers(format!("{wide}\n-1\n").as_bytes()).unwrap(),
            ndarray::array![wide, -1].into_dyn().into()
        );
        assert_eq!(
            numbers(format!("{wide} 1.5\n").as_bytes()).unwrap_err(),
            format!("line 1: {}", no_float(wide))
        );
        let text = format!("id,x\n{wide},1\n1,0.5\n");
        assert!(
            table(text.as_bytes(), None).unwrap_err().contains("line 2: 9007199254740993 is beyond 2**53")
        );
        let ids = table(text.as_bytes(), Some(&Column::Named("id".into()))).unwrap();
        assert_eq!(ids, ndarray::array![wide, 1].into_dyn().into());
        // beyond 64 bits there is no integer: it is a float as any other
        assert!(matches!(numbers(b"18446744073709551616\n").unwrap(), ArrayValue::F64(_)));
    }

    #[test]
    fn tables_with_and_without_header() {
        let read = |text: &str, column: Option<Column>| {
            table(text.as_bytes(), column.as_ref())
                .map(|a| (a.shape().to_vec(), a.into_f64().into_iter().collect::<Vec<_>>()))
        };
        let text = "t, p\n0,1.5\n# a comment\n1,2.5\n";
        assert_eq!(read(text, None).unwrap(), (vec![2, 2], vec![0.0, 1.5, 1.0, 2.5]));
        assert_eq!(read(text, Some(Column::Named("p".into()))).unwrap(), (vec![2], vec![1.5, 2.5]));
        assert_eq!(read(text, Some(Column::At(-2.0))).unwrap(), (vec![2], vec![0.0, 1.0]));
        assert_eq!(read("1;2\n3;\"4\"\n", None).unwrap(), (vec![2, 2], vec![1.0, 2.0, 3.0, 4.0]));
        assert_eq!(read("p\n7\n8\n", None).unwrap(), (vec![2], vec![7.0, 8.0]));
        assert_eq!(read("", None).unwrap(), (vec![0], vec![]));
        let (_, missing) = read("1\t\n2\t3\n", None).unwrap();
        assert!(missing[1].is_nan() && missing[3] == 3.0);
        let error = |text: &str, column| read(text, column).unwrap_err();
        assert_eq!(error("a,b\n1,x\n", None), "line 2: `x` is no number");
        assert!(error("a,b\n1\n", None).contains("1 fields"), "{}", error("a,b\n1\n", None));
        assert_eq!(
            error(text, Some(Column::Named("q".into()))),
            "there is no column `q`: the first line has t, p"
        );
        assert_eq!(error(text, Some(Column::At(2.0))), "there is no column 2: the table has 2");
    }

    #[test]
    fn memory_is_read_least_significant_byte_first() {
        assert_eq!(memory(&[1, 0, 0, 0, 255, 255, 255, 255], ElementType::I32).unwrap().shape(), [2]);
        assert_eq!(memory(&1.5f32.to_le_bytes(), ElementType::F32).unwrap().to_f64().sum(), 1.5);
        assert!(memory(&[0; 9], ElementType::F64).unwrap_err().contains("9 bytes"));
    }
}
