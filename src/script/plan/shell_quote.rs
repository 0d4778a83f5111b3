//! Shell quoting: values in a `shell` script are escaped for the place where they stand, against shell injection.
//!
//! Quotes around a value that already stands inside quotes of the script would close those, and the shell would
//! interpret the value. So the quoting of every reference is determined first, by [`contexts`].

use serde::{Deserialize, Serialize};

use crate::script::syntax::placeholder::{PieceKind, TextPiece};

/// The way in which a value that replaces a `{reference}` in a script is quoted, so that the shell cannot interpret it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Quote {
    /// No quoting, because no shell sees the value.
    #[default]
    None,
    /// For a reference that stands outside of quotes: the value gets quotes of its own if it has special characters.
    Bare,
    /// For a reference that stands inside single quotes of the script, `'…'`: single quotes in the value are escaped.
    Single,
    /// For a reference that stands inside double quotes of the script, `"…"`: characters special there are escaped.
    Double,
}

impl Quote {
    /// Returns the value, quoted in this way, as it is written into the shell script.
    pub fn apply(self, value: &str) -> String {
        let harmless = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
        match self {
            Quote::None => value.to_string(),
            Quote::Bare if !value.is_empty() && value.chars().all(harmless) => value.to_string(),
            Quote::Bare => format!("'{}'", Quote::Single.apply(value)),
            Quote::Single => value.replace('\'', r"'\''"),
            Quote::Double => value.chars().fold(String::with_capacity(value.len()), |mut text, c| {
                if "$`\"\\".contains(c) {
                    text.push('\\');
                }
                text.push(c);
                text
            }),
        }
    }
}

/// The innermost construct of the shell language, such as a quotation, that is open at a point of the scan of a script.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    /// Commands, outside of quotes. A `)` closes this level if `$(` or `(` opened it.
    Code,
    Single,
    Double,
}

/// Returns the quoting that each piece of a shell script needs, one entry for each of `pieces`. Only the entries of
/// pieces that are references have a meaning.
pub(crate) fn contexts(text: &str, pieces: &[TextPiece]) -> Vec<Quote> {
    let mut levels = vec![Level::Code];
    let (mut escaped, mut comment) = (false, false);
    let mut before = '\n';
    let mut found = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let level = levels.last().copied().unwrap_or(Level::Code);
        found.push(match level {
            Level::Code => Quote::Bare,
            Level::Single => Quote::Single,
            Level::Double => Quote::Double,
        });
        if let PieceKind::Reference(_) = piece.kind {
            (escaped, before) = (false, 'x');
            continue;
        }
        for c in text[piece.range.clone()].chars() {
            let level = levels.last().copied().unwrap_or(Level::Code);
            let last = std::mem::replace(&mut before, c);
            if comment {
                comment = c != '\n';
            } else if std::mem::take(&mut escaped) {
                // The character after a backslash is literal: a `(` after `\$` begins no command substitution.
                before = 'x';
            } else {
                match (level, c) {
                    (Level::Single, '\'') | (Level::Double, '"') => drop(levels.pop()),
                    (Level::Code | Level::Double, '\\') => escaped = true,
                    (Level::Code, '\'') => levels.push(Level::Single),
                    (Level::Code, '"') => levels.push(Level::Double),
                    (Level::Code, '#') if last.is_whitespace() || "(;&|".contains(last) => comment = true,
                    (Level::Double, '(') if last == '$' => levels.push(Level::Code),
                    (Level::Code, '(') => levels.push(Level::Code),
                    (Level::Code, ')') if levels.len() > 1 => drop(levels.pop()),
                    _ => {}
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::syntax::placeholder;

    fn fill(script: &str, value: &str) -> String {
        let pieces = placeholder::parse(script);
        let quotes = contexts(script, &pieces);
        let show = |(piece, quote): (&TextPiece, &Quote)| match piece.kind {
            PieceKind::Reference(_) => quote.apply(value),
            _ => script[piece.range.clone()].to_string(),
        };
        pieces.iter().zip(&quotes).map(show).collect()
    }

    #[test]
    fn values_are_quoted_for_their_place() {
        let value = "it's $a `b` \"c\"";
        assert_eq!(fill("echo {x}", value), r#"echo 'it'\''s $a `b` "c"'"#);
        assert_eq!(fill("echo '{x}'", value), r#"echo 'it'\''s $a `b` "c"'"#);
        assert_eq!(fill("echo \"{x}\"", value), r#"echo "it's \$a \`b\` \"c\"""#);
        assert_eq!(fill("# it's\necho {x}", "a b"), "# it's\necho 'a b'");
        assert_eq!(fill("echo \"$(cat {x})\" {x}", "a b"), "echo \"$(cat 'a b')\" 'a b'");
        assert_eq!(fill(r#"echo \" {x} \"{x}"#, "a b"), r#"echo \" 'a b' \"'a b'"#);
        assert_eq!(fill("a {x}", "data/x-1.h5"), "a data/x-1.h5");
        assert_eq!(fill("a {x}", ""), "a ''");
        assert_eq!(fill("case y in y) echo {x};; esac", "a b"), "case y in y) echo 'a b';; esac");
    }

    #[test]
    fn a_shell_reads_the_value_back() {
        for value in ["a b", "it's", "$HOME `x` \"q\" \\", "*", "a\nb", "", "ä;rm -rf"] {
            for script in
                ["printf %s {x}", "printf %s '{x}'", "printf %s \"{x}\"", "printf %s \"$(printf %s {x})\""]
            {
                let output = std::process::Command::new("/bin/sh")
                    .arg("-eu")
                    .arg("-c")
                    .arg(fill(script, value))
                    .output()
                    .unwrap();
                assert_eq!(String::from_utf8(output.stdout).unwrap(), value, "{script}");
            }
        }
    }
}
