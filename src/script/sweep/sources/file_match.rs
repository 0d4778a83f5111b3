//! Parameters from the names of files: `for = { match = "data/{sample}_R{read}.fastq.gz" }`.
//!
//! The files are found by the pattern with `*` in place of each name. A search with backtracking then finds the text
//! that each name has in a path: at least one character, as many as possible, and no slash. A name that occurs twice
//! has the same text at both places.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Text;
use crate::script::sweep::csv_table::alike;
use crate::script::sweep::file_pattern;
use crate::script::sweep::param_values::{LoadedValues, ParamValues};
use crate::script::sweep::user_files;
use crate::script::syntax::placeholder::{self, PieceKind};
use crate::script::syntax::symbols::Symbols;
use crate::script::values::value::ScriptValue;
use std::collections::HashMap;

/// The largest number of steps of the search in one path.
const STEPS: usize = 100_000;

/// A piece of a pattern.
enum PatternPiece {
    Text(String),
    /// A name in braces that is a parameter, by its number among the parameters of the pattern.
    Hole(usize),
    /// Any text: `*` without slashes, or `**` with them.
    Any {
        slashes: bool,
    },
    /// One character: `?`, or a class such as `[a-z]`.
    One(glob::Pattern),
}

/// Finds the files that a `match` pattern fits, and the values that its parameters have in their paths. `holes` are the
/// names in the pattern that are parameters; the others are variables. Reports mistakes and returns `None` then.
pub(crate) fn load(
    text: &Text,
    holes: &[Text],
    names: &Symbols,
    cx: &mut DiagnosticCollector,
) -> Option<LoadedValues> {
    let is_hole = |name: &str| holes.iter().position(|hole| hole.value == name);
    if holes.is_empty() {
        let message = "`match` takes parameters from the names of files, and this names none";
        let diagnostic =
            Diagnostic::new(Code::BadMatch, text.span.clone(), message).label("no name in braces");
        cx.push(
            diagnostic.help("write `match = \"data/{sample}.txt\"`; without names, `f = { glob = \"..\" }`"),
        );
        return None;
    }
    let (mut filled, mut pattern) = (String::new(), String::new());
    for piece in placeholder::parse(&text.value) {
        let whole = text.value.get(piece.range.clone()).unwrap_or_default();
        match &piece.kind {
            PieceKind::Reference(raw) if raw.path.len() == 1 && is_hole(raw.name()).is_some() => {
                filled.push_str(whole);
                pattern.push('*');
            }
            PieceKind::Reference(_) => {
                let at = Text { value: whole.to_owned(), span: cx.source.inside(text, piece.range.clone()) };
                let value = names.fill(&at, cx)?;
                filled.push_str(&value);
                pattern.push_str(&value);
            }
            _ => {
                filled.push_str(whole);
                pattern.push_str(whole);
            }
        }
    }
    let paths = user_files::paths(&pattern, text, Code::EmptySweep, cx)?;
    let patterns: Vec<Vec<PatternPiece>> = file_pattern::alternatives(&filled)
        .unwrap_or_default()
        .iter()
        .map(|one| pieces(one, &is_hole))
        .collect();
    let mut columns: Vec<Vec<ScriptValue>> = vec![Vec::new(); holes.len()];
    let mut seen: HashMap<Vec<String>, String> = HashMap::new();
    let mut kept = Vec::new();
    for path in paths {
        let shown = path.to_string();
        let mut steps = STEPS;
        let found = patterns.iter().find_map(|pattern| {
            let mut values = vec![None; holes.len()];
            fits(pattern, &shown, &mut values, &mut steps).then(|| values.into_iter().flatten().collect())
        });
        if steps == 0 {
            let message = format!("`{}` fits `{shown}` in too many ways to try them all", text.value);
            let diagnostic = Diagnostic::new(Code::TooMuch, text.span.clone(), message).label("too many");
            cx.push(diagnostic.help("write what stands between the names"));
            return None;
        }
        // a name that occurs twice may have two texts in this path; then the pattern does not fit
        let Some(values): Option<Vec<String>> =
            found.filter(|values: &Vec<String>| values.len() == holes.len())
        else {
            continue;
        };
        columns.iter_mut().zip(&values).for_each(|(column, value)| column.push(read(value)));
        if let Some(other) = seen.insert(values, shown.clone()) {
            let message = format!("`{other}` and `{shown}` have the same parameters");
            let diagnostic = Diagnostic::new(Code::RepeatedValue, text.span.clone(), message);
            cx.push(diagnostic.label("in this pattern").help("give a name in braces to what differs"));
            return None;
        }
        kept.push(path);
    }
    if kept.is_empty() {
        let message = format!("no file matches `{}` with one text for each name", text.value);
        cx.push(Diagnostic::new(Code::EmptySweep, text.span.clone(), message).label("no match"));
        return None;
    }
    let columns = columns.into_iter().map(alike).map(ParamValues::from);
    let named = holes.iter().map(|hole| hole.value.clone()).zip(columns);
    Some(LoadedValues::Matched(kept.into(), named.collect()))
}

fn read(value: &str) -> ScriptValue {
    ScriptValue::read(value).unwrap_or_else(|| ScriptValue::Text(value.to_owned()))
}

/// Splits a pattern into pieces. Empty folder names and `.` are left out, since the paths of files found lack them.
fn pieces(pattern: &str, is_hole: &dyn Fn(&str) -> Option<usize>) -> Vec<PatternPiece> {
    let root = if pattern.starts_with('/') { "/" } else { "" };
    let names: Vec<&str> = pattern.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    let pattern = format!("{root}{}", names.join("/"));
    let mut found = Vec::new();
    for piece in placeholder::parse(&pattern) {
        let whole = &pattern[piece.range.clone()];
        match &piece.kind {
            PieceKind::Reference(raw) if raw.path.len() == 1 => match is_hole(raw.name()) {
                Some(hole) => found.push(PatternPiece::Hole(hole)),
                None => found.push(PatternPiece::Text(whole.to_owned())),
            },
            _ => wildcards(whole, &mut found),
        }
    }
    found
}

fn wildcards(text: &str, found: &mut Vec<PatternPiece>) {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let class = || {
            let end = rest.get(2..)?.find(']')? + 3;
            Some((glob::Pattern::new(&rest[..end]).ok()?, end))
        };
        let (piece, length) = match c {
            // `**/` stands for any number of folders, or none
            '*' if rest.starts_with("**/") => (PatternPiece::Any { slashes: true }, 3),
            '*' if rest.starts_with("**") => (PatternPiece::Any { slashes: true }, 2),
            '*' => (PatternPiece::Any { slashes: false }, 1),
            '?' => (PatternPiece::One(glob::Pattern::new("?").unwrap_or_default()), 1),
            '[' => match class() {
                Some((pattern, end)) => (PatternPiece::One(pattern), end),
                None => (PatternPiece::Text("[".to_owned()), 1),
            },
            c => (PatternPiece::Text(c.to_string()), c.len_utf8()),
        };
        match (piece, found.last_mut()) {
            (PatternPiece::Text(more), Some(PatternPiece::Text(text))) => text.push_str(&more),
            (piece, _) => found.push(piece),
        }
        rest = &rest[length..];
    }
}

/// Whether a pattern fits a whole text. The values of its parameters are written into `values`. Each step of the search
/// takes one from `steps`; at 0 the answer is no.
fn fits(pattern: &[PatternPiece], text: &str, values: &mut [Option<String>], steps: &mut usize) -> bool {
    *steps = steps.saturating_sub(1);
    if *steps == 0 {
        return false;
    }
    let Some((first, rest)) = pattern.split_first() else { return text.is_empty() };
    match first {
        PatternPiece::Text(literal) => {
            text.strip_prefix(literal.as_str()).is_some_and(|text| fits(rest, text, values, steps))
        }
        PatternPiece::One(one) => {
            let mut chars = text.chars();
            chars.next().is_some_and(|c| c != '/' && one.matches(c.encode_utf8(&mut [0; 4])))
                && fits(rest, chars.as_str(), values, steps)
        }
        PatternPiece::Any { slashes } => {
            let most = if *slashes { text.len() } else { text.find('/').unwrap_or(text.len()) };
            // `**/` stands for whole folders, so its text ends with a slash
            let is_end = |at: &usize| {
                text.is_char_boundary(*at)
                    && (!slashes || *at == 0 || text[..*at].ends_with('/') || rest.is_empty())
            };
            (0..=most).rev().filter(is_end).any(|at| fits(rest, &text[at..], values, steps))
        }
        PatternPiece::Hole(hole) => {
            if let Some(known) = values.get(*hole).cloned().flatten() {
                return text.strip_prefix(known.as_str()).is_some_and(|text| fits(rest, text, values, steps));
            }
            let most = text.find('/').unwrap_or(text.len());
            (1..=most).rev().filter(|at| text.is_char_boundary(*at)).any(|at| {
                values[*hole] = Some(text[..at].to_owned());
                let found = fits(rest, &text[at..], values, steps);
                if !found {
                    values[*hole] = None;
                }
                found
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of `{a}` and `{b}` in a path; empty if the pattern does not fit.
    fn values(pattern: &str, path: &str) -> Vec<String> {
        let pattern = pieces(pattern, &|name| ["a", "b"].iter().position(|hole| *hole == name));
        let mut values = vec![None; 2];
        let mut steps = STEPS;
        let fits = fits(&pattern, path, &mut values, &mut steps);
        assert!(steps > 0, "{path}");
        if fits { values.into_iter().map(Option::unwrap_or_default).collect() } else { Vec::new() }
    }

    #[test]
    fn names_take_their_part_of_a_path() {
        for (pattern, path, expected) in [
            ("data/{a}_R{b}.fq.gz", "data/s1_R2.fq.gz", &["s1", "2"][..]),
            ("data/{a}_R{b}.fq.gz", "data/x_R1_R2.fq.gz", &["x_R1", "2"]),
            ("./data//{a}.txt", "data/é b.txt", &["é b", ""]),
            ("{a}/{b}.txt", "d/e.txt", &["d", "e"]),
            ("{a}/{b}.txt", "c/d/e.txt", &[]),
            ("{a}/{a}_{b}.txt", "s/s_1.txt", &["s", "1"]),
            ("{a}/{a}_{b}.txt", "s/t_1.txt", &[]),
            ("{a}_{a}.txt", "x_x_x_x.txt", &["x_x", ""]),
            ("**/{a}.txt", "c/d/e.txt", &["e", ""]),
            ("**/{a}.txt", "e.txt", &["e", ""]),
            ("c/**/{a}.txt", "c/e.txt", &["e", ""]),
            ("{a}.*.txt", "x.y.z.txt", &["x.y", ""]),
            ("r?[0-9]_{a}", "rx7_q", &["q", ""]),
            ("r?[0-9]_{a}", "rxx_q", &[]),
            ("/tmp/{a}", "/tmp/x", &["x", ""]),
            ("{a}{b}", "xyz", &["xy", "z"]),
        ] {
            assert_eq!(values(pattern, path), expected, "{pattern} {path}");
        }
    }
}
