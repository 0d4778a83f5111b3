//! Tokenizes texts into plain text and references.
//!
//! `{x}` is a reference only if the inside is `name(.name)*`, an optional `[expr]` and an optional `:format`, and no
//! `$` comes before it. `{x else y}` and `{x?}` say what stands for an instance that is not there. `{{x}}` stands for a
//! literal `{x}`. Everything else (`${HOME}`, awk, JSON, `{a,b}`) is text. Start at [`parse`].

use std::ops::Range;

/// A token of a text with references (`{x}`), with its range of bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TextPiece {
    pub(crate) kind: PieceKind,
    pub(crate) range: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PieceKind {
    /// Plain text, with no meaning as a reference.
    Plain,
    /// Escaped braces, `{{x}}`, which stand for the text `{x}` and are no reference. The text is the range without its
    /// outer braces.
    Escaped,
    /// A reference, `{x}`, which stands for a value.
    Reference(RawReference),
}

/// A reference as it is written, before its names are looked up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RawReference {
    /// The names of the reference, as the dots separate them; never empty.
    pub(crate) path: Vec<String>,
    /// The text between the brackets of the reference, as `T=300` in `{sim[T=300]}`; `None` without brackets.
    pub(crate) index: Option<String>,
    /// The format after the colon of the reference, as `.2f` in `{x:.2f}`; `None` without a colon.
    pub(crate) format: Option<String>,
    /// What stands for the reference where the instance that it chooses is not there; `None` if it has to be there.
    pub(crate) otherwise: Option<RawOtherwise>,
}

/// What stands for a reference whose instance is not there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RawOtherwise {
    /// Nothing, as `{x?}` says.
    Nothing,
    /// Another reference, as `{x else y}` says.
    Else(Box<RawReference>),
}

impl RawReference {
    /// Makes a reference of names and the text of brackets, without a format.
    pub(crate) fn new(path: Vec<String>, index: Option<String>) -> Self {
        RawReference { path, index, format: None, otherwise: None }
    }

    /// The first name of the reference: that of a parameter, a variable or a task.
    pub(crate) fn name(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }
}

/// Splits a text into tokens: plain text and references. Their ranges cover the text without gaps.
pub(crate) fn parse(text: &str) -> Vec<TextPiece> {
    let mut pieces = Vec::new();
    let (mut plain, mut at) = (0, 0);
    while let Some(open) = text[at..].find('{').map(|found| at + found) {
        let found = if text[..open].ends_with('$') { after_dollar(text, open) } else { braces(text, open) };
        let Some((kind, end)) = found else {
            at = open + 1;
            continue;
        };
        at = end;
        if kind == PieceKind::Plain {
            continue;
        }
        if plain < open {
            pieces.push(TextPiece { kind: PieceKind::Plain, range: plain..open });
        }
        pieces.push(TextPiece { kind, range: open..end });
        plain = end;
    }
    if plain < text.len() {
        pieces.push(TextPiece { kind: PieceKind::Plain, range: plain..text.len() });
    }
    pieces
}

/// Reads the braces after a `$`, which belong to the shell and are no reference. Of `${{x}}`, whose inner braces look
/// like a reference, returns plain text with the byte after it. `None` for `${x}`, which is plain text anyway.
fn after_dollar(text: &str, open: usize) -> Option<(PieceKind, usize)> {
    if text[open + 1..].starts_with('{') {
        reference(text, open + 1).map(|(_, end)| (PieceKind::Plain, end))
    } else {
        None
    }
}

fn braces(text: &str, open: usize) -> Option<(PieceKind, usize)> {
    if text[open + 1..].starts_with('{') {
        let (_, end) = reference(text, open + 1)?;
        return text[end..].starts_with('}').then_some((PieceKind::Escaped, end + 1));
    }
    reference(text, open).map(|(reference, end)| (PieceKind::Reference(reference), end))
}

/// Reads a reference whose opening brace is at byte `open`. Returns the reference with the byte after its closing
/// brace; `None` if the braces hold something else.
fn reference(text: &str, open: usize) -> Option<(RawReference, usize)> {
    let mut at = open + 1;
    let reference = inside(text, &mut at, ALTERNATIVES)?;
    text[at..].starts_with('}').then_some((reference, at + 1))
}

/// The most alternatives in a row, `{a else b else c}`.
const ALTERNATIVES: usize = 32;

/// Reads what stands between the braces of a reference, from byte `at` on, which is moved behind it. At most `most`
/// alternatives may follow.
fn inside(text: &str, at: &mut usize, most: usize) -> Option<RawReference> {
    let mut path = vec![name(text, at)?];
    while text[*at..].starts_with('.') {
        *at += 1;
        path.push(name(text, at)?);
    }
    let mut reference = RawReference::new(path, None);
    if text[*at..].starts_with('[') {
        let end = *at + closing(&text[*at..])?;
        reference.index = Some(text[*at + 1..end].to_string());
        *at = end + 1;
    }
    if text[*at..].starts_with(':') {
        // `{name: value}` is YAML or a dictionary; a brace or quote is no part of a format either.
        let ends = |c: char| c.is_whitespace() || "}{\"'".contains(c);
        let end = *at + text[*at..].find(ends).filter(|end| text[*at + end..].starts_with('}'))?;
        let inside = &text[*at + 1..end];
        if inside.is_empty() {
            return None;
        }
        reference.format = Some(inside.to_string());
        *at = end;
    }
    if text[*at..].starts_with('?') {
        *at += 1;
        reference.otherwise = Some(RawOtherwise::Nothing);
    } else if let Some(rest) = after_else(&text[*at..]) {
        *at = text.len() - rest.len();
        let other = inside(text, at, most.checked_sub(1)?)?;
        reference.otherwise = Some(RawOtherwise::Else(Box::new(other)));
    }
    Some(reference)
}

/// The text after ` else ` that begins the given one.
fn after_else(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(' ')?.trim_start_matches(' ').strip_prefix("else ")?;
    Some(rest.trim_start_matches(' '))
}

fn name(text: &str, at: &mut usize) -> Option<String> {
    let rest = &text[*at..];
    let len = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    if len == 0 || rest.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    *at += len;
    Some(rest[..len].to_string())
}

/// Returns the byte of the bracket that closes the first one of `text`. `None` if a brace or the end of the line comes
/// before it.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth == 1 => return Some(at),
            ']' => depth -= 1,
            '{' | '}' | '\n' => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> Vec<String> {
        let pieces = parse(text);
        let covered: String = pieces.iter().map(|p| &text[p.range.clone()]).collect();
        assert_eq!(covered, text);
        let show = |p: &TextPiece| match &p.kind {
            PieceKind::Plain => text[p.range.clone()].to_string(),
            PieceKind::Escaped => format!("E({})", &text[p.range.clone()]),
            PieceKind::Reference(r) => {
                format!("R({} {:?} {:?})", r.path.join("/"), r.index.as_deref(), r.format.as_deref())
            }
        };
        pieces.iter().map(show).collect()
    }

    #[test]
    fn references() {
        assert_eq!(show("a{x}b"), ["a", "R(x None None)", "b"]);
        assert_eq!(show("{a.b.c}{i:03}"), ["R(a/b/c None None)", "R(i None Some(\"03\"))"]);
        assert_eq!(show("{sim[T = 300]}"), ["R(sim Some(\"T = 300\") None)"]);
        assert_eq!(show("{x[y[2*i]].o:>3}").len(), 1);
        assert_eq!(show("{x[y[2*i]]:>3}"), ["R(x Some(\"y[2*i]\") Some(\">3\"))"]);
        assert_eq!(show("{env:HOME}"), ["R(env None Some(\"HOME\"))"]);
        assert_eq!(show("{x[i = i-1] else y else z:03}").len(), 1);
        assert_eq!(show("{x[i-1]?}/{a.b?}").len(), 3);
        assert_eq!(show("{lr:.2e}ä{_}"), ["R(lr None Some(\".2e\"))", "ä", "R(_ None None)"]);
    }

    #[test]
    fn what_is_left_alone() {
        for text in [
            "${HOME}",
            "awk '{print $1}'",
            "{a,b}",
            "{}",
            "{\"a\": 1}",
            "{ x }",
            "{1}",
            "{a",
            "{a.}",
            "{a[}",
            "{a[1}",
            "{x:}",
            "{name: v}",
            "{a-b}",
            "${{x}}",
            "{a:\"b\"}",
            "",
            "{{",
            "}}",
            "{é}",
            "{x[\n]}",
            "{{a b}}",
            "{a else }",
            "{aelse b}",
            "{a elseb}",
            "{a ?}",
            "{a?b}",
            "{if a else b}",
        ] {
            assert_eq!(show(text).concat(), text);
        }
    }

    #[test]
    fn doubled_braces_are_literal() {
        assert_eq!(show("a{{x}}b"), ["a", "E({{x}})", "b"]);
        assert_eq!(show("{{x:03}}{y}"), ["E({{x:03}})", "R(y None None)"]);
        assert_eq!(show("{{x}"), ["{", "R(x None None)"]);
    }
}
