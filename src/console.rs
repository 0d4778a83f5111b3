//! Output for the user.
//!
//! Only this module writes to standard output and standard error. A failed write (a closed pipe, a full disk) neither
//! stops a job nor panics: results are in files, and the exit code tells the rest.

use std::fmt::Display;
use std::io::Write;

/// Formats a count with its noun, in the plural unless the count is 1: `1 task`, `2 tasks`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Formats a call of this program as a line that the user may paste into a shell: its name as it was called, and the
/// arguments, each quoted where that is needed.
pub(crate) fn line_to_type(args: &[&str]) -> String {
    let name = std::env::args_os().next().filter(|name| !name.is_empty());
    let name = name.map_or_else(|| "dtask".to_owned(), |name| name.to_string_lossy().into_owned());
    let words: Vec<String> = std::iter::once(name.as_str()).chain(args.iter().copied()).map(quoted).collect();
    words.join(" ")
}

/// Quotes a word of a line for a shell, if it has a character that a shell interprets.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Prints a line to standard output.
pub(crate) fn output(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Prints a line to standard error.
pub(crate) fn error(line: impl Display) {
    // one write per line, since several ranks write to one file
    let _ = std::io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_line_are_quoted_where_a_shell_would_look_at_them() {
        for (word, shown) in [
            ("s.toml", "s.toml"),
            ("", "''"),
            ("a b", "'a b'"),
            ("t[i=1]", "'t[i=1]'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
            ("~", "'~'"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }
}
