//! Reads the keys that make a task a family: `for`, `zip`, `each`, `let`, `where`, `include`, `exclude`.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{At, Span, Text};
use crate::script::syntax::key_table::PARAMETER;
use crate::script::syntax::placeholder::{self, PieceKind};
use crate::script::syntax::toml::{Node, TomlEntry, TomlKind, check_name, wrong_type};
use crate::script::values::value::ScriptValue;

#[derive(Debug, Default)]
pub(crate) struct RawSweep {
    /// The parameters of the tables `for` and `zip`, in the order of the script.
    pub(crate) params: Vec<RawParam>,
    pub(crate) each: Option<Text>,
    /// The names and expressions of `let`, values that are computed from the parameters of an instance.
    pub(crate) lets: Vec<(Text, Text)>,
    pub(crate) filter: Option<Text>,
    pub(crate) include: Vec<RawRow>,
    pub(crate) exclude: Vec<RawRow>,
}

#[derive(Debug)]
pub(crate) struct RawParam {
    pub(crate) name: Text,
    /// Whether the parameter belongs to `zip` (values of such parameters are taken together) and not to `for` (all
    /// combinations).
    pub(crate) zipped: bool,
    /// The values of the parameter; `None` where they are wrong, which has been reported.
    pub(crate) values: Option<RawValues>,
    /// The names in a `match` pattern that are parameters, since no variable has that name. Empty until
    /// `find_holes` has been called.
    pub(crate) holes: Vec<Text>,
}

#[derive(Debug)]
pub(crate) enum RawValues {
    List(Vec<At<ScriptValue>>, Span),
    Range(Text),
    Glob(Text),
    Lines(Text),
    /// A csv file, and the byte that separates its columns, if the script gives one.
    Csv(Text, Option<u8>),
    /// A `match` pattern: names of files, in which the values of parameters stand.
    Match(Text),
    /// The array of first, last and number of values (`linspace` or `logspace`); the flag is set for `logspace`.
    Spaced(Vec<At<ScriptValue>>, Span, bool),
    /// A dataset of an HDF5 file, and the lengths of the blocks into which it is cut along each axis.
    Blocks(Text, At<Vec<At<i64>>>),
}

/// A row of `include` or `exclude`: values of parameters, by which instances are added or removed. Also a row of a
/// variable that is a list of tables.
#[derive(Clone, Debug)]
pub(crate) struct RawRow {
    pub(crate) cells: Vec<(Text, At<ScriptValue>)>,
    pub(crate) span: Span,
}

impl RawSweep {
    /// The names of parameters and of `let` that the task itself defines, without those that it takes over by `each`.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Text> {
        let params = self.params.iter().flat_map(|param| param.holes.iter().chain([&param.name]));
        params.chain(self.lets.iter().map(|(name, _)| name))
    }

    /// Finds the parameters in `match` patterns: the names in braces that are no variables.
    pub(crate) fn find_holes(&mut self, is_variable: &dyn Fn(&str) -> bool, cx: &mut DiagnosticCollector) {
        for at in 0..self.params.len() {
            let Some(RawValues::Match(text)) = &self.params[at].values else { continue };
            let mut holes: Vec<Text> = Vec::new();
            for piece in placeholder::parse(&text.value) {
                let PieceKind::Reference(raw) = piece.kind else { continue };
                let is_plain = raw.path.len() == 1 && raw.index.is_none() && raw.format.is_none();
                if is_variable(raw.name()) || !is_plain || holes.iter().any(|hole| hole.value == raw.name()) {
                    continue;
                }
                holes.push(At { value: raw.name().to_owned(), span: cx.source.inside(text, piece.range) });
            }
            for hole in &holes {
                check_name("parameter", &hole.value, &hole.span, cx);
                again(hole, self, cx);
            }
            self.params[at].holes = holes;
        }
    }

    /// Whether the task has no keys of its own that define or restrict instances; `each`, which takes over those of
    /// another task, is allowed.
    pub(crate) fn is_bare(&self) -> bool {
        self.params.is_empty()
            && self.lets.is_empty()
            && self.filter.is_none()
            && self.include.is_empty()
            && self.exclude.is_empty()
    }
}

/// Reads the keys of a task that define its instances (`for`, `zip`, `each`, ..).
pub(crate) fn read(known: &[&TomlEntry], cx: &mut DiagnosticCollector) -> RawSweep {
    let mut sweep = RawSweep::default();
    for entry in known {
        let node = &entry.value;
        match entry.key.value.as_str() {
            "for" => params("`for`", node, false, &mut sweep, cx),
            "zip" => params("`zip`", node, true, &mut sweep, cx),
            "each" => sweep.each = node.text("`each`", cx),
            "let" => lets(node, &mut sweep, cx),
            "where" => sweep.filter = node.text("`where`", cx),
            "include" => sweep.include = rows("include", node, cx),
            "exclude" => sweep.exclude = rows("exclude", node, cx),
            _ => {}
        }
    }
    sweep
}

fn params(what: &str, node: &Node, zipped: bool, sweep: &mut RawSweep, cx: &mut DiagnosticCollector) {
    for TomlEntry { key, value } in node.table(what, cx).unwrap_or_default() {
        check_name("parameter", &key.value, &key.span, cx);
        again(key, sweep, cx);
        let is_match = |text: &str| !zipped && key.value == "match" && !text.contains("..");
        let values = match &value.value {
            TomlKind::Text(text) if is_match(text) => value.text("`match`", cx).map(RawValues::Match),
            _ => values(&key.value, value, cx),
        };
        sweep.params.push(RawParam { name: key.clone(), zipped, values, holes: Vec::new() });
    }
}

/// Reports a name that stands in several of `for`, `zip` and `let`, which TOML does not forbid.
fn again(name: &Text, sweep: &RawSweep, cx: &mut DiagnosticCollector) {
    let Some(first) = sweep.names().find(|known| known.value == name.value) else { return };
    let message = format!("the parameter `{}` is given twice", name.value);
    let diagnostic = Diagnostic::new(Code::NameClash, name.span.clone(), message).label("again");
    cx.push(diagnostic.also(first.span.clone(), "first here").help("rename one"));
}

fn lets(node: &Node, sweep: &mut RawSweep, cx: &mut DiagnosticCollector) {
    for TomlEntry { key, value } in node.table("`let`", cx).unwrap_or_default() {
        check_name("parameter", &key.value, &key.span, cx);
        again(key, sweep, cx);
        let text = match &value.value {
            TomlKind::Int(number) => number.to_string(),
            TomlKind::Float(number) => ScriptValue::Float(*number).to_string(),
            TomlKind::Bool(truth) => truth.to_string(),
            TomlKind::Text(text) => text.clone(),
            _ => {
                let what = format!("the derived parameter `{}`", key.value);
                cx.push(
                    wrong_type(&what, "an expression in a string", value)
                        .help("write `let = { j = \"2*i + 1\" }`"),
                );
                continue;
            }
        };
        sweep.lets.push((key.clone(), At { value: text, span: value.span.clone() }));
    }
}

/// Reads the rows of `include` or `exclude` (`key`), or of a variable that is a list of tables.
pub(super) fn rows(key: &str, node: &Node, cx: &mut DiagnosticCollector) -> Vec<RawRow> {
    let Some(items) = node.list(&format!("`{key}`"), "an array of tables", cx) else { return Vec::new() };
    let mut rows = Vec::new();
    for item in items {
        let Some(entries) = item.table(&format!("a row of `{key}`"), cx) else { continue };
        if entries.is_empty() {
            let diagnostic = Diagnostic::new(
                Code::BadValue,
                item.span.clone(),
                format!("a row of `{key}` without values"),
            );
            cx.push(diagnostic.label("empty").help(format!("write `{key} = [{{ T = 250, p = 1 }}]`")));
            continue;
        }
        let mut cells = Vec::new();
        for TomlEntry { key, value } in entries {
            match value.scalar(&cx.source) {
                Some(scalar) => cells.push((key.clone(), At { value: scalar, span: value.span.clone() })),
                None => {
                    cx.push(wrong_type(&format!("`{}`", key.value), "a number, string or boolean", value))
                }
            }
        }
        if cells.len() == entries.len() {
            rows.push(RawRow { cells, span: item.span.clone() });
        }
    }
    rows
}

fn values(name: &str, node: &Node, cx: &mut DiagnosticCollector) -> Option<RawValues> {
    match &node.value {
        TomlKind::Text(value) => Some(RawValues::Range(At { value: value.clone(), span: node.span.clone() })),
        TomlKind::List(items) => Some(RawValues::List(scalars(name, items, cx)?, node.span.clone())),
        TomlKind::Table(entries) => table(name, node, entries, cx),
        _ => {
            let shown = node.scalar(&cx.source).map_or_else(String::new, |value| value.to_string());
            cx.push(
                wrong_type(&format!("the parameter `{name}`"), "a list, a range or a table", node)
                    .help(format!("write `[{shown}]` for one value, or a range like `\"0..10\"`")),
            );
            None
        }
    }
}

/// Reads a list of single values. `name` is the name of the list in error messages.
pub(super) fn scalars(
    name: &str,
    items: &[Node],
    cx: &mut DiagnosticCollector,
) -> Option<Vec<At<ScriptValue>>> {
    let scalar = |item: &Node, cx: &mut DiagnosticCollector| match item.scalar(&cx.source) {
        Some(value) => Some(At { value, span: item.span.clone() }),
        None => {
            cx.push(wrong_type(&format!("a value of `{name}`"), "a number, string or boolean", item));
            None
        }
    };
    let all: Vec<Option<_>> = items.iter().map(|item| scalar(item, cx)).collect();
    all.into_iter().collect()
}

fn table(name: &str, node: &Node, entries: &[TomlEntry], cx: &mut DiagnosticCollector) -> Option<RawValues> {
    let before = cx.errors();
    let known: Vec<&TomlEntry> = entries.iter().filter(|entry| PARAMETER.check(entry, cx)).collect();
    if let Some(entry) = known.iter().find(|entry| entry.key.value == "blocks") {
        return blocks(entry, &known, node, cx);
    }
    let is_csv = known.iter().any(|entry| entry.key.value == "csv");
    if is_csv && known.iter().all(|entry| ["csv", "sep"].contains(&entry.key.value.as_str())) {
        return csv(&known, cx);
    }
    if let [first, second, ..] = known[..] {
        let message = format!(
            "the parameter `{name}` has two sources, `{}` and `{}`",
            first.key.value, second.key.value
        );
        let diagnostic =
            Diagnostic::new(Code::BadValue, second.key.span.clone(), message).label("the second one");
        cx.push(diagnostic.also(first.key.span.clone(), "the first one").help("make two parameters of them"));
        return None;
    }
    let Some(TomlEntry { key, value }) = known.first() else {
        if cx.errors() == before {
            let message = format!("the parameter `{name}` has no values");
            let diagnostic = Diagnostic::new(Code::EmptySweep, node.span.clone(), message).label("empty");
            cx.push(diagnostic.help("write `{ glob = \"data/*\" }`"));
        }
        return None;
    };
    let what = format!("`{}`", key.value);
    match key.value.as_str() {
        "size" => {
            let message = format!("the parameter `{name}` has a size, and no dataset");
            let diagnostic = Diagnostic::new(Code::MisplacedKey, key.span.clone(), message);
            cx.push(diagnostic.label("of what?").help("write `{ blocks = \"in.h5:/t\", size = [365] }`"));
            None
        }
        "glob" => value.text(&what, cx).map(RawValues::Glob),
        "lines" => value.text(&what, cx).map(RawValues::Lines),
        "sep" => {
            let message = format!("the parameter `{name}` has a separator, and no table");
            let diagnostic = Diagnostic::new(Code::MisplacedKey, key.span.clone(), message);
            cx.push(diagnostic.label("of what?").help("write `{ csv = \"cases.csv\", sep = \";\" }`"));
            None
        }
        kind => {
            let items = value.list(&what, "an array of first, last and how many", cx)?;
            Some(RawValues::Spaced(scalars(name, items, cx)?, value.span.clone(), kind == "logspace"))
        }
    }
}

/// Reads a parameter whose values are the rows of a table: `{ csv = "cases.csv", sep = ";" }`.
fn csv(known: &[&TomlEntry], cx: &mut DiagnosticCollector) -> Option<RawValues> {
    let named = |name: &str| known.iter().find(|entry| entry.key.value == name);
    let file = named("csv")?.value.text("`csv`", cx)?;
    let Some(separator) = named("sep") else { return Some(RawValues::Csv(file, None)) };
    let text = separator.value.text("`sep`", cx)?;
    match text.value.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => {
            Some(RawValues::Csv(file, Some(*byte)))
        }
        _ => {
            let message = format!("`{}` is no separator of columns", text.value.escape_debug());
            let diagnostic =
                Diagnostic::new(Code::BadValue, text.span, message).label("one character is wanted");
            cx.push(diagnostic.help("write `sep = \";\"`, `sep = \"|\"` or `sep = \"\\t\"`"));
            None
        }
    }
}

/// Reads the values `{ blocks = "in.h5:/t", size = [365] }` of a parameter: the blocks of a dataset.
fn blocks(
    entry: &TomlEntry,
    known: &[&TomlEntry],
    node: &Node,
    cx: &mut DiagnosticCollector,
) -> Option<RawValues> {
    if let Some(other) = known.iter().find(|entry| !["blocks", "size"].contains(&entry.key.value.as_str())) {
        let message = format!("`{}` means nothing beside `blocks`", other.key.value);
        cx.push(Diagnostic::new(Code::MisplacedKey, other.key.span.clone(), message).label("remove this"));
        return None;
    }
    let dataset = entry.value.text("`blocks`", cx)?;
    let Some(size) = known.iter().find(|entry| entry.key.value == "size") else {
        let diagnostic = Diagnostic::new(Code::BadValue, node.span.clone(), "blocks of which size?")
            .label("`size` is missing");
        cx.push(
            diagnostic.help("write `size = [365]`: the length along each axis; axes left out are not cut"),
        );
        return None;
    };
    let items = size.value.list("`size`", "an array of integers", cx)?;
    let lengths: Vec<Option<At<i64>>> = items.iter().map(|item| item.int("a length", cx)).collect();
    let lengths = lengths.into_iter().collect::<Option<Vec<_>>>()?;
    Some(RawValues::Blocks(dataset, At { value: lengths, span: size.value.span.clone() }))
}
