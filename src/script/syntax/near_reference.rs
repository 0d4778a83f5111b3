//! Braces that look like a reference and are none, so that a command gets them as they are.
//!
//! Braces that other languages have are left alone: `${x}`, `{ print $1 }`, `{"a": 1}`, `{ cmd; }`, `{a,b}`, `{1..3}`,
//! a regular expression's `[0-9]{4}`, LaTeX's `\frac{1}{2}`, the `{}` of `find` and `xargs`.

use std::ops::Range;

use super::placeholder::{PieceKind, TextPiece};

/// Braces that look like a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NearReference {
    pub(crate) range: Range<usize>,
    /// The reason why the braces are no reference, for the warning.
    pub(crate) why: String,
    /// Advice on how to correct the text, for the warning.
    pub(crate) help: String,
}

/// Finds braces that look like a reference and are none, in a text with its tokens `pieces`. `is_known` tells whether
/// a name could be that of a reference.
pub(crate) fn find(text: &str, pieces: &[TextPiece], is_known: &dyn Fn(&str) -> bool) -> Vec<NearReference> {
    let mut found: Vec<NearReference> = Vec::new();
    let is_plain = |at: usize| {
        let next = pieces.partition_point(|piece| piece.range.end <= at);
        pieces.get(next).is_some_and(|piece| piece.kind == PieceKind::Plain)
    };
    for (open, _) in text.match_indices('{') {
        let (before, after) = (&text[..open], &text[open + 1..]);
        let is_inside = found.last().is_some_and(|near| near.range.end > open);
        if is_inside || !is_plain(open) || before.ends_with(['$', '{']) || after.starts_with('{') {
            continue;
        }
        let Some(length) = closing(after) else { continue };
        if let Some((why, help)) = meant(before, &after[..length], text, is_known) {
            found.push(NearReference { range: open..open + length + 2, why, help });
        }
    }
    found
}

/// The offset of the brace that closes an opening brace before `text`; `None` if it is not on the same line.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices().take(400) {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            '\n' => return None,
            _ => {}
        }
    }
    None
}

/// Explains why the inside of braces is no reference, and how to mend it.
fn meant(
    before: &str,
    inside: &str,
    text: &str,
    is_known: &dyn Fn(&str) -> bool,
) -> Option<(String, String)> {
    // behind these characters braces belong to LaTeX, to a regular expression, or to a longer word
    let is_joined = before.ends_with(|c: char| c.is_alphanumeric() || ")]}.*+?\\^".contains(c));
    let name = "a reference is `{name}`, `{task.output}`, `{task[T = 300]}` or `{name:format}`";
    if inside.is_empty() {
        let fills = ["find", "xargs", "parallel", "fd", "-exec", "rush"];
        let is_filled = text
            .split(|c: char| !(c.is_alphanumeric() || c == '-'))
            .any(|word| fills.contains(&word) || word.starts_with("-exec") || word.starts_with("-I"));
        let is_data = before.trim_end().ends_with([':', '[', ',', '(', '\'', '"', '=']) || is_joined;
        let help = format!("put a name between them: {name}");
        return (!is_filled && !is_data).then(|| ("empty braces name nothing".to_owned(), help));
    }
    if inside.chars().all(|c| c.is_ascii_digit()) {
        let is_number = is_joined || before.ends_with('"') || text.contains("parallel");
        let help = format!("arguments have no numbers here: {name}");
        return (!is_number).then(|| ("a name does not begin with a digit".to_owned(), help));
    }
    let trimmed = inside.trim().trim_matches('.');
    if trimmed != inside.trim_end_matches('.') && is_name(trimmed) && is_known(name_of(trimmed)) {
        let help = format!("write `{{{trimmed}}}`");
        return Some(("a name stands alone between the braces".to_owned(), help));
    }
    let (first, rest) = names(inside)?;
    let known = is_known(name_of(first));
    if rest.starts_with(".{") && !inside.contains(',') && !inside.contains("..") {
        let help = "write the output's name: `{task.output}`".to_owned();
        return Some(("a reference cannot stand inside another".to_owned(), help));
    }
    let found = match rest {
        "." => (
            "no name after the dot".to_owned(),
            format!("write `{{{first}}}`, or the output's name after the dot"),
        ),
        ":" => (
            "no format after the colon".to_owned(),
            format!("write `{{{first}}}`, or a format: `{{{first}:03}}`"),
        ),
        rest if known && rest.contains(" else ") => (
            "behind `else` stands another reference".to_owned(),
            "a number or a text gets a name: `[vars]`, `start = 0`, and `{step[i = i-1] else start}`"
                .to_owned(),
        ),
        rest if known && rest.starts_with('[') => (
            "brackets that are not closed before the brace".to_owned(),
            format!("write `{{{first}[i = 1]}}`"),
        ),
        rest if !is_joined && is_hyphened(rest) => {
            let meant = inside.replace('-', "_");
            (
                "a name has letters, digits and `_` only".to_owned(),
                format!("name it `{meant}`, and write `{{{meant}}}`"),
            )
        }
        rest if known && is_arithmetic(rest) => (
            "arithmetic is not done in a reference".to_owned(),
            format!("give it a name: `let = {{ x = \"{inside}\" }}`, and write `{{x}}`"),
        ),
        rest if known && is_strange(rest) => (
            format!("`{rest}` after the name is not understood"),
            format!("write `{{{first}}}`, or a format: `{{{first}:03}}`"),
        ),
        rest if !is_joined && is_words(rest) && !is_statement(first) => {
            ("a name has no spaces".to_owned(), name.to_owned())
        }
        _ => return None,
    };
    Some(found)
}

/// The names with dots that a text begins with, and what comes after them.
fn names(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return None;
    }
    let mut end = text.find(|c: char| !(c.is_alphanumeric() || "_.".contains(c))).unwrap_or(text.len());
    while text[..end].ends_with('.') {
        end -= 1;
    }
    Some(text.split_at(end))
}

fn name_of(path: &str) -> &str {
    path.split('.').next().unwrap_or_default()
}

/// Whether what follows a name belongs neither to a reference nor to code.
fn is_strange(rest: &str) -> bool {
    rest.starts_with(['?', '!', '|', '/', '@', '#', '%', '^', '~', ':', '\\'])
        && !rest.contains(|c: char| c.is_whitespace() || "\"';,=({".contains(c))
}

fn is_hyphened(rest: &str) -> bool {
    rest.len() > 1 && rest.starts_with('-') && rest[1..].split('-').all(is_name)
}

fn is_words(rest: &str) -> bool {
    rest.starts_with(' ') && rest.split(' ').skip(1).all(is_name)
}

fn is_name(text: &str) -> bool {
    names(text).is_some_and(|(_, rest)| rest.is_empty())
}

fn is_arithmetic(rest: &str) -> bool {
    let operator = |c: char| "+-*/%".contains(c);
    let is_operand =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c));
    let mut operands = rest.split(operator).map(str::trim);
    operands.next() == Some("") && rest.contains(operator) && operands.all(is_operand)
}

/// Whether awk or C has a statement of that name.
fn is_statement(word: &str) -> bool {
    let statements = ["print", "printf", "next", "exit", "return", "delete", "getline", "break", "continue"];
    statements.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::super::placeholder;
    use super::*;

    fn ranges(text: &str) -> Vec<&str> {
        let is_known = |name: &str| ["i", "a", "sim"].contains(&name);
        find(text, &placeholder::parse(text), &is_known).into_iter().map(|near| &text[near.range]).collect()
    }

    #[test]
    fn near_references_are_found() {
        for near in [
            "{a.{i}}",
            "{}",
            "{1}",
            "{a b}",
            "{a.}",
            "{a:}",
            "{a-b}",
            "{i+1}",
            "{i * 2}",
            "{sim[1}",
            "{a.b c}",
            "{ i }",
            "{i }",
            "{.i}",
            "{i!r}",
            "{sim[i = i-1] else 0}",
            "{i else 3.5}",
            "{i|upper}",
            "{i/x}",
        ] {
            assert_eq!(ranges(&format!("echo {near}")), [near]);
            assert_eq!(ranges(&format!("echo x/{near}.txt {{i}}")), [near]);
        }
        assert_eq!(ranges("echo {1} {2} {i} {a b}"), ["{1}", "{2}", "{a b}"]);
    }

    #[test]
    fn braces_of_other_languages_are_left_alone() {
        for text in [
            "echo ${x} ${x:-y} ${1} ${#x} ${{a b}}",
            "awk '{ print $1 }' f; awk '{print x}'; awk '{print NF}'; awk '{ s += $1 * {i} } END { print s }'",
            "echo '{\"a\": 1, \"b\": {}}' '{}' [{}]",
            "{ cmd; } && { echo a b; }; f() { echo {i}; }",
            "echo {a,b} {1..3} {a..z} {{i},b} x{,.bak}",
            "find . -exec rm {} \\;",
            "ls | xargs -I{} echo {}",
            "seq 3 | parallel echo {} {1}",
            "grep -E '[0-9]{4}-x{2}' f",
            "printf '\\\\frac{1}{2} \\\\textbf{hello world}'",
            "echo {{a b}} {{1}} {{i}}",
            "python3 -c 'd = {x: 1}; e = {1, 2}'",
            "{i}",
        ] {
            assert_eq!(ranges(text), Vec::<&str>::new(), "{text}");
        }
    }
}
