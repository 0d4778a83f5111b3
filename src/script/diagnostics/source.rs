//! The text of a script, and places in it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::script::diagnostics::text_file::{self, TextFileError};

/// A range of bytes of the script's text.
pub(crate) type Span = Range<usize>;

/// A value of the script together with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct At<T> {
    /// The value that was read from the script.
    pub value: T,
    /// The place in the script where the value is written.
    pub span: Span,
}

/// A string of the script: its content with TOML's escapes resolved, and the span of the whole literal, quotes
/// included.
pub(crate) type Text = At<String>;

/// The text of a script with its name and folder.
#[derive(Clone, Debug)]
pub struct ScriptSource {
    shown: Box<str>,
    dir: PathBuf,
    text: String,
    /// The byte at which each line begins. Without it, finding the line of every task would take longer than all other
    /// work.
    lines: Vec<usize>,
}

impl ScriptSource {
    /// Reads a script from a file. Messages show the path exactly as `path` gives it.
    pub fn read(path: &Path) -> Result<Self, TextFileError> {
        let text = text_file::read(path, text_file::SCRIPT_MOST)?;
        let dir = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        Ok(Self::new(path.display().to_string(), std::path::absolute(dir)?, text))
    }

    /// Creates a script from a text in memory. `shown` is its name in messages, `dir` the folder of its relative paths.
    ///
    /// Line ends of Windows become plain ones, as TOML allows: a shell would take the other half for a part of a word.
    pub fn new(shown: impl Into<String>, dir: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.contains("\r\n") {
            text = text.replace("\r\n", "\n");
        }
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let shown: String = shown.into();
        Self { shown: shown.into(), dir: dir.into(), text, lines }
    }

    /// The name of the script in messages.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The folder that relative paths in the script start from.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The whole text of the script.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns line and column of a byte, both counted from 1, columns in characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = self.boundary(offset);
        let line = self.lines.partition_point(|begin| *begin <= offset);
        let begin = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        (line, self.text[begin..offset].chars().count() + 1)
    }

    /// Moves the byte offset `offset` back to the start of its character, and into the text if it lies behind the end.
    fn boundary(&self, offset: usize) -> usize {
        let mut at = offset.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    /// Returns the span nearest to `span` that lies in the text and splits no character.
    pub fn clamp(&self, span: &Span) -> Span {
        let start = self.boundary(span.start);
        start..self.boundary(span.end).max(start)
    }

    /// Returns the place in the script of `range`, a range of bytes of a string's content.
    ///
    /// Escapes make the content differ from the script's text, so both are scanned in step. No map is kept, because
    /// only errors need such a place.
    pub fn inside(&self, text: &Text, range: Range<usize>) -> Span {
        self.all_inside(text, &[range]).into_iter().next().unwrap_or(text.span.clone())
    }

    /// Returns the places of many ranges of a string's content, which are in ascending order and do not overlap.
    pub(crate) fn all_inside(&self, text: &Text, ranges: &[Range<usize>]) -> Vec<Span> {
        let ends: Vec<usize> = ranges.iter().flat_map(|range| [range.start, range.end]).collect();
        match self.text.get(text.span.clone()).and_then(|raw| walk(raw, &text.value, &ends)) {
            Some(found) => {
                found.chunks(2).map(|ends| text.span.start + ends[0]..text.span.start + ends[1]).collect()
            }
            None => vec![text.span.clone(); ranges.len()],
        }
    }
}

/// Finds the bytes of a TOML string, `raw`, at which bytes of its content, `value`, stand. `wanted` ascends.
fn walk(raw: &str, value: &str, wanted: &[usize]) -> Option<Vec<usize>> {
    let (open, basic) = match raw {
        r if r.starts_with("\"\"\"") => (3, true),
        r if r.starts_with("'''") => (3, false),
        r if r.starts_with('"') => (1, true),
        r if r.starts_with('\'') => (1, false),
        _ => return None,
    };
    let mut at = open;
    if open == 3 {
        // A newline right after the opening quotes is not part of the content.
        at += usize::from(raw[at..].starts_with('\n'));
    }
    if raw.len() == at + value.len() + open && raw.get(at..at + value.len()) == Some(value) {
        // without escapes: the usual case, which costs no search through a long text for each place
        return wanted
            .last()
            .is_none_or(|last| *last <= value.len())
            .then(|| wanted.iter().map(|w| at + w).collect());
    }
    let (mut done, mut found) = (0, Vec::with_capacity(wanted.len()));
    loop {
        let rest = raw.get(at..)?;
        let escape = basic && rest.starts_with('\\');
        if escape && rest[1..].starts_with(char::is_whitespace) {
            at += 1 + rest[1..].len() - rest[1..].trim_start().len();
            continue;
        }
        while wanted.get(found.len()).is_some_and(|wanted| done >= *wanted) {
            found.push(at);
        }
        if found.len() == wanted.len() {
            return Some(found);
        }
        let here = value.get(done..)?.chars().next()?;
        at += match (escape, rest.chars().nth(usize::from(escape))?) {
            (true, 'u') => 6,
            (true, 'U') => 10,
            (true, 'x') => 4,
            (true, c) => 1 + c.len_utf8(),
            (false, c) => c.len_utf8(),
        };
        done += here.len_utf8();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(script: &str, value: &str, part: &str) -> (String, (usize, usize)) {
        let source = ScriptSource::new("s.toml", ".", script);
        let start = script.find(['"', '\'']).unwrap();
        let text = Text { value: value.into(), span: start..script.trim_end().len() };
        let at = value.find(part).unwrap();
        let span = source.inside(&text, at..at + part.len());
        (script[span.clone()].to_string(), source.position(span.start))
    }

    #[test]
    fn places_inside_strings_survive_escapes() {
        assert_eq!(find(r#"a = "b {c}""#, "b {c}", "{c}"), ("{c}".into(), (1, 8)));
        assert_eq!(find(r#"a = "\t\u00e4\"{c}""#, "\tä\"{c}", "{c}"), ("{c}".into(), (1, 16)));
        assert_eq!(find(r#"a = '\t{c}'"#, "\\t{c}", "{c}"), ("{c}".into(), (1, 8)));
        assert_eq!(find("a = \"\"\"\nx\n {c}\"\"\"", "x\n {c}", "{c}"), ("{c}".into(), (3, 2)));
        assert_eq!(find("a = \"\"\"x \\\n   {c}\"\"\"", "x {c}", "{c}"), ("{c}".into(), (2, 4)));
        assert_eq!(find("a = '''\nx\n{c}'''", "x\n{c}", "{c}"), ("{c}".into(), (3, 1)));
    }

    #[test]
    fn line_ends_of_windows_are_line_ends() {
        let source = ScriptSource::new("s.toml", ".", "a = '''\r\nx\r\n'''\r\nb = \"\\r\\n\"");
        assert_eq!(source.text(), "a = '''\nx\n'''\nb = \"\\r\\n\"");
        assert_eq!(source.position(source.text().len()).0, 4);
    }

    #[test]
    fn a_string_that_does_not_fit_is_shown_whole() {
        let source = ScriptSource::new("s.toml", ".", "a = \"b\"");
        let text = Text { value: "b".into(), span: 4..7 };
        assert_eq!(source.inside(&text, 5..9), 4..7);
        assert_eq!(source.clamp(&(3..99)), 3..7);
    }
}
