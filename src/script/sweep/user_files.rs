//! Files of the user that values come from: their text, and the paths that a pattern matches.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Text;
use crate::script::values::value::ScriptValue;

/// Reads the text file `name` of the user in full; a byte order mark at its beginning is removed. A file that cannot be
/// read is reported at the place of `text` in the script.
pub(crate) fn read(name: &str, text: &Text, cx: &mut DiagnosticCollector) -> Option<String> {
    let found = std::fs::read(cx.source.dir().join(name));
    let found = found.map_err(|error| error.to_string());
    match found.and_then(|bytes| String::from_utf8(bytes).map_err(|error| format!("no UTF-8 text: {error}")))
    {
        Ok(content) => Some(content.strip_prefix('\u{feff}').map(String::from).unwrap_or(content)),
        Err(error) => {
            let diagnostic = Diagnostic::new(
                Code::Unreadable,
                text.span.clone(),
                format!("cannot read `{name}`: {error}"),
            );
            cx.push(diagnostic.label("this file").help("paths start from the script's folder"));
            None
        }
    }
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
    // The folder's own name may contain characters that have a meaning in a pattern.
    let absolute = pattern.starts_with('/');
    let full = if absolute {
        pattern.to_string()
    } else {
        format!("{}/{pattern}", glob::Pattern::escape(&dir.to_string_lossy()))
    };
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let found = match glob::glob_with(&full, options) {
        Ok(found) => found,
        Err(error) => {
            cx.push(
                Diagnostic::new(
                    Code::BadValue,
                    text.span.clone(),
                    format!("`{pattern}` is no pattern: {}", error.msg),
                )
                .label("see here"),
            );
            return None;
        }
    };
    let mut all = Vec::new();
    for path in found {
        let problem = match &path {
            Ok(path) => {
                let shown = if absolute { path.as_path() } else { path.strip_prefix(&dir).unwrap_or(path) };
                match shown.to_str() {
                    Some(shown) => {
                        all.push(shown.to_string());
                        continue;
                    }
                    None => format!("the name {} is no UTF-8", shown.display()),
                }
            }
            Err(error) => error.to_string(),
        };
        cx.push(Diagnostic::new(Code::Unreadable, text.span.clone(), problem).label("matched by this"));
        return None;
    }
    if all.is_empty() {
        let diagnostic = Diagnostic::new(none, text.span.clone(), format!("no file matches `{pattern}`"))
            .label("no match");
        cx.push(diagnostic.help(if absolute {
            "look at the path".to_string()
        } else {
            format!("patterns start from the script's folder, {}", dir.display())
        }));
        return None;
    }
    all.sort_unstable();
    all.dedup();
    Some(all.into_iter().map(ScriptValue::Path).collect())
}
