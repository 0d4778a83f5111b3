//! Files of the user that values come from: their text, and the paths that a pattern matches.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Text;
use crate::script::diagnostics::text_file::{self, TextFileError};
use crate::script::sweep::file_pattern::{self, FilePatternError};
use crate::script::values::value::ScriptValue;

/// The code of the error about a file that cannot be read.
pub(crate) fn code(error: &TextFileError) -> Code {
    match error {
        TextFileError::TooLarge(_) | TextFileError::TooLong(_) => Code::TooMuch,
        _ => Code::Unreadable,
    }
}

/// Reads a text file of the user in full; a byte order mark at its beginning is removed. A file that cannot be read is
/// reported at the place of `text` in the script.
pub(crate) fn read(name: &str, text: &Text, cx: &mut DiagnosticCollector) -> Option<String> {
    let error = match text_file::read(&cx.source.dir().join(name), text_file::VALUES_MOST) {
        Ok(content) if content.matches('\n').count() > text_file::LINES_MOST => {
            TextFileError::TooLong(text_file::LINES_MOST)
        }
        Ok(content) => return Some(content),
        Err(error) => error,
    };
    let message = format!("cannot read `{name}`: {error}");
    let diagnostic = Diagnostic::new(code(&error), text.span.clone(), message).label("this file");
    cx.push(match error {
        TextFileError::Io(_) => diagnostic.help("paths start from the script's folder"),
        TextFileError::TooLarge(_) | TextFileError::TooLong(_) => {
            diagnostic.help("make a parameter of the files' names, and let each instance read its own file")
        }
        TextFileError::NotAFile(_) | TextFileError::NotText(_) => diagnostic,
    });
    None
}

/// Finds the files whose paths match a pattern such as `data/*.h5`, sorted. If there are none, an error with the code
/// `none` is reported at the place of `text`.
pub(crate) fn paths(
    pattern: &str,
    text: &Text,
    none: Code,
    cx: &mut DiagnosticCollector,
) -> Option<Vec<ScriptValue>> {
    let dir = cx.source.dir().to_path_buf();
    let bad =
        |code, message: String, label: &str| Diagnostic::new(code, text.span.clone(), message).label(label);
    let found = match file_pattern::matches(&dir, pattern) {
        Ok(found) => found,
        Err(FilePatternError::NoPattern(why)) => {
            cx.push(bad(Code::BadValue, format!("`{pattern}` is no pattern: {why}"), "see here"));
            return None;
        }
        Err(FilePatternError::Unreadable(why)) => {
            cx.push(bad(Code::Unreadable, why, "matched by this"));
            return None;
        }
        Err(FilePatternError::TooMany(most)) => {
            let message = format!("`{pattern}` would look at more than {most} files and folders");
            cx.push(bad(Code::TooMuch, message, "too many").help("begin it with a folder that has fewer"));
            return None;
        }
    };
    if found.is_empty() {
        let diagnostic = bad(none, format!("no file matches `{pattern}`"), "no match");
        cx.push(diagnostic.help(if pattern.starts_with('/') {
            "look at the path".to_string()
        } else {
            format!("patterns start from the script's folder, {}", dir.display())
        }));
        return None;
    }
    Some(found.into_iter().map(ScriptValue::Path).collect())
}
