//! Insertion of values into shell scripts, so that each value is data: it is assigned to a shell variable in front of
//! the script, and the script refers to the variable.
//!
//! The assignment is written in single quotes in front of the script, where no value can end it. A reference becomes
//! an expansion of the variable, quoted for its context ([`Quote`], found by [`super::shell_lexer`]), and a shell
//! never runs the result of an expansion as a command. So a context that was found wrongly may change characters, but
//! runs nothing. Where it makes no difference, a value of letters, digits and `_-./:` is inserted as it is, which is
//! easier to read.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::script::plan::template::RenderError;

/// The quoting context of a reference in a script, which decides how its value is inserted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Quote {
    /// No quoting, because no shell sees the value.
    #[default]
    None,
    /// A part of a word, outside of quotes.
    Bare,
    /// A part of a word that must never be inserted literally, since the shell could take it for a keyword, or for a
    /// number before `>`.
    Word,
    /// Inside `'…'`.
    Single,
    /// For a reference that stands inside double quotes of the script, `"…"`: characters special there are escaped.
    Double,
    /// Inside a here-document, or directly after a variable's name in double quotes: as an expansion without quotes of
    /// its own, never literally.
    Verbatim,
    /// Inside `$'…'`.
    Ansi,
    /// Inside an arithmetic expression, which shells evaluate again: numbers only.
    Arithmetic,
    /// A text that a shell evaluates again, as by `eval` and `sh -c`: letters, digits and `_-./:` only.
    Reread,
    /// A part of a variable's name in `${…}`.
    Name,
    /// Inside a comment.
    Comment,
}

/// Whether a value consists of letters, digits and `_-./:` only, so that it can be inserted literally.
pub(crate) fn is_harmless(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:".contains(c))
}

/// Whether a value is a number in a shell's arithmetic, without a variable's name that the shell would evaluate.
pub(crate) fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '#')
}

impl Quote {
    /// Quotes a value as a shell word of its own, for the hash by which an instance is recognized (its key): different
    /// values give different words.
    pub(crate) fn word(self, value: &str) -> String {
        let harmless = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
        if self == Quote::None || (!value.is_empty() && value.chars().all(harmless)) {
            return value.to_string();
        }
        quoted(value)
    }

    /// Checks that a value can be inserted where a shell evaluates it again.
    ///
    /// # Errors
    /// When the shell could take the value for more than a plain word or a number.
    pub(crate) fn read_again(self, value: &str) -> Result<(), RenderError> {
        match self {
            Quote::Arithmetic if !is_number(value) => Err(RenderError::NoNumber(value.to_string())),
            Quote::Reread if !is_harmless(value) => Err(RenderError::Reread(value.to_string())),
            _ => Ok(()),
        }
    }
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// A script into which values are being inserted, with the assignments that will stand in front of it.
#[derive(Debug, Default)]
pub(crate) struct FilledScript {
    body: String,
    assignments: String,
    variables: HashMap<String, usize>,
}

impl FilledScript {
    /// Appends text of the script itself.
    pub(crate) fn text(&mut self, text: &str) {
        self.body.push_str(text);
    }

    /// Appends the values of a reference, separated by spaces, as the quoting context `quote` demands.
    ///
    /// # Errors
    /// When a value cannot be inserted in this context.
    pub(crate) fn values(&mut self, values: &[String], quote: Quote) -> Result<(), RenderError> {
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.body.push(' ');
            }
            self.value(value, quote)?;
        }
        Ok(())
    }

    fn value(&mut self, value: &str, quote: Quote) -> Result<(), RenderError> {
        if value.contains('\0') {
            return Err(RenderError::Nul);
        }
        let is_written = match quote {
            Quote::None => true,
            Quote::Bare | Quote::Single | Quote::Double | Quote::Comment => is_harmless(value),
            Quote::Word | Quote::Verbatim | Quote::Ansi => false,
            Quote::Arithmetic | Quote::Reread => quote.read_again(value).map(|()| true)?,
            Quote::Name if value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => true,
            Quote::Name => return Err(RenderError::NoName(value.to_string())),
        };
        if is_written {
            self.body.push_str(value);
            return Ok(());
        }
        if quote == Quote::Comment {
            // a line end in the value would end the comment; no program reads the comment, so the value is left out
            return Ok(());
        }
        let variable = self.variable(value);
        let text = match quote {
            Quote::Single => format!("'\"${{{variable}}}\"'"),
            Quote::Ansi => format!("'\"${{{variable}}}\"$'"),
            Quote::Double | Quote::Verbatim => format!("${{{variable}}}"),
            _ => format!("\"${{{variable}}}\""),
        };
        self.body.push_str(&text);
        Ok(())
    }

    /// Assigns a value to a shell variable in front of the script, and returns the variable's name. Equal values share
    /// one.
    fn variable(&mut self, value: &str) -> String {
        let next = self.variables.len() + 1;
        let number = *self.variables.entry(value.to_string()).or_insert(next);
        let name = format!("__dtask{number}");
        if number == next {
            self.assignments.push_str(&format!("{name}={} ", quoted(value)));
        }
        name
    }

    /// Returns the whole script, assignments included. They stand on the first line, so that line numbers stay right
    /// unless values have line ends. They are exported if the script exports functions, which other shells then run.
    pub(crate) fn finish(self) -> String {
        if self.assignments.is_empty() {
            return self.body;
        }
        let exports = ["export -f", "declare -fx", "declare -xf", "typeset -fx", "typeset -xf"];
        let export = if exports.iter().any(|export| self.body.contains(export)) { "export " } else { "" };
        format!("{export}{}; {}", self.assignments.trim_end_matches(' '), self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(value: &str, quote: Quote) -> Result<String, RenderError> {
        let mut script = FilledScript::default();
        script.values(&[value.to_string()], quote)?;
        Ok(script.finish())
    }

    #[test]
    fn values_are_data_in_front_of_the_script() {
        assert_eq!(filled("data/x-1.h5", Quote::Bare).unwrap(), "data/x-1.h5");
        assert_eq!(filled("", Quote::Bare).unwrap(), "__dtask1=''; \"${__dtask1}\"");
        assert_eq!(filled("it's", Quote::Double).unwrap(), r"__dtask1='it'\''s'; ${__dtask1}");
        assert_eq!(filled("a b", Quote::Single).unwrap(), "__dtask1='a b'; '\"${__dtask1}\"'");
        assert_eq!(filled("7", Quote::Word).unwrap(), "__dtask1='7'; \"${__dtask1}\"");
        assert_eq!(filled("a\nb", Quote::Comment).unwrap(), "");
        assert_eq!(filled("-7", Quote::Arithmetic).unwrap(), "-7");
        assert_eq!(filled("a[$(id)]", Quote::Arithmetic), Err(RenderError::NoNumber("a[$(id)]".into())));
        assert_eq!(filled("a/b.c", Quote::Reread).unwrap(), "a/b.c");
        assert_eq!(filled("a b", Quote::Reread), Err(RenderError::Reread("a b".into())));
        assert_eq!(filled("a:-$(id)", Quote::Name), Err(RenderError::NoName("a:-$(id)".into())));
        assert_eq!(filled("a\0b", Quote::Bare), Err(RenderError::Nul));
        let mut script = FilledScript::default();
        script.values(&["a b".into(), "c".into(), "a b".into()], Quote::Bare).unwrap();
        assert_eq!(script.finish(), "__dtask1='a b'; \"${__dtask1}\" c \"${__dtask1}\"");
    }
}
