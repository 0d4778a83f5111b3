//! Output for the user.
//!
//! Only this module writes to standard output and standard error. A failed write (a full disk) neither stops a job nor
//! panics: results are in files. It is noted, and [`failure`] tells the command, whose exit code then says so. A pipe
//! whose reader has gone is no failure.
//!
//! Names and values come from files of others, and a terminal obeys control characters. [`visible`] is the one function
//! that makes such text harmless. All lines that are printed here go through it, so nothing else has to think of it but
//! where a line break inside a value would look like a line of dtask's own.

use parking_lot::Mutex;
use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, Write};

/// The first failed write to standard output. A static, since standard output is one for the process, and is written
/// to before there is a rank.
static FAILED: Mutex<Option<String>> = Mutex::new(None);

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
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Replaces the characters of a foreign text, such as a name or a value, that a terminal would obey or that would hide
/// others: `\x1b`, `\n`, `\u{202e}`. The result is one line.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |_| true)
}

/// Replaces characters as [`visible`] does, in a text of several lines: line breaks and tabs stay.
fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| !matches!(c, '\n' | '\t'))
}

fn escaped(text: &str, wanted: impl Fn(char) -> bool) -> Cow<'_, str> {
    // bidirectional controls of Unicode show a text in another order than that of its bytes, so that it reads otherwise
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let acts = |c: char| (c.is_control() || turns(c)) && wanted(c);
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        let _ = match c {
            c if !acts(c) => shown.write_char(c),
            '\n' => shown.write_str("\\n"),
            '\r' => shown.write_str("\\r"),
            '\t' => shown.write_str("\\t"),
            c if c.is_ascii() => write!(shown, "\\x{:02x}", u32::from(c)),
            c => write!(shown, "\\u{{{:x}}}", u32::from(c)),
        };
    }
    Cow::Owned(shown)
}

/// Prints a line to standard output.
pub(crate) fn output(line: impl Display) {
    let _ = Output.write_all(visible_lines(&format!("{line}\n")).as_bytes());
}

/// Standard output for bytes as they are: a log, a picture. Failed writes are noted.
pub(crate) struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = io::stdout().lock();
        // flushed at once: otherwise a write could fail only at the exit, after the exit code is decided
        noted(out.write(bytes).and_then(|count| out.flush().map(|()| count)))
    }

    fn flush(&mut self) -> io::Result<()> {
        noted(io::stdout().lock().flush())
    }
}

fn noted<T>(result: io::Result<T>) -> io::Result<T> {
    if let Err(error) = &result {
        note(error);
    }
    result
}

/// Notes a failed write to standard output that was not made by this module.
pub(crate) fn note(error: &io::Error) {
    if !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::Interrupted) {
        FAILED.lock().get_or_insert_with(|| error.to_string());
    }
}

/// Returns the reason why something could not be written to standard output; `None` if everything was.
pub(crate) fn failure() -> Option<String> {
    FAILED.lock().clone()
}

/// Prints a line to standard error.
pub(crate) fn error(line: impl Display) {
    styled_error(visible_lines(&line.to_string()));
}

/// Prints a line to standard error that has colours of dtask's own, and in which foreign text is [`visible`] already.
pub(crate) fn styled_error(line: impl Display) {
    #[cfg(test)]
    if crate::clock::is_simulated() && std::env::var_os("DTASK_SEED").is_none() {
        return; // thousands of runs tell thousands of failures
    }
    // one write per line, since several ranks write to one file
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(visible("a\u{1b}[31mb\r\n\u{9b}c\u{7f}\u{202e}"), r"a\x1b[31mb\r\n\u{9b}c\x7f\u{202e}");
        assert_eq!(visible_lines("a\tb\n\u{1b}]0;title\u{7}"), "a\tb\n\\x1b]0;title\\x07");
        for text in ["", "plain", "ä ü 漢字 👩‍💻", r"C:\new"] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text), "{text}");
        }
        let all: String = (0..=0x11_0000).filter_map(char::from_u32).collect();
        assert!(!visible(&all).contains(char::is_control));
    }

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
