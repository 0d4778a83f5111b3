//! Splits a `run` string into words by the quoting rules of a shell, without starting one.
//!
//! References are tokenized before, and each counts as one character of a word. So the text that replaces a reference
//! is never split, and `{sim[T = 300]}` may contain spaces. Start at [`split`].

use std::ops::Range;

use crate::script::syntax::placeholder::{PieceKind, TextPiece};

/// A part of a word of a command line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum WordPart {
    /// Plain characters, with quotes and backslashes removed.
    Text(String),
    /// The reference (`{x}`) that is the token of this index among those of the text.
    Piece(usize),
}

/// The reason why a text cannot be split into the words of a command, with the place in the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum WordError {
    /// A character that only a shell interprets, such as `|`, with its range of bytes.
    Shell(char, Range<usize>),
    /// A quote that is never closed, with its range of bytes.
    Quote(char, Range<usize>),
}

#[derive(Clone, Copy, PartialEq)]
enum WordState {
    Bare,
    Single,
    Double,
}

/// Splits `text`, a command line, into words as a shell would; `pieces` are the text and references that it consists
/// of.
pub(crate) fn split(text: &str, pieces: &[TextPiece]) -> Result<Vec<Vec<WordPart>>, WordError> {
    let mut words = Words::default();
    let (mut state, mut opened) = (WordState::Bare, 0);
    for (number, piece) in pieces.iter().enumerate() {
        let range = match piece.kind {
            PieceKind::Reference(_) => {
                words.add(WordPart::Piece(number));
                continue;
            }
            PieceKind::Escaped => piece.range.start + 1..piece.range.end - 1,
            PieceKind::Plain => piece.range.clone(),
        };
        let mut chars = text[range.clone()].char_indices().map(|(at, c)| (range.start + at, c)).peekable();
        while let Some((at, c)) = chars.next() {
            let here = at..at + c.len_utf8();
            match (state, c) {
                (WordState::Bare, '\'') => (state, opened) = (WordState::Single, at),
                (WordState::Bare, '"') => (state, opened) = (WordState::Double, at),
                (WordState::Single, '\'') | (WordState::Double, '"') => {
                    state = WordState::Bare;
                    // `''` is a word, though an empty one.
                    words.text("");
                }
                (WordState::Bare, '\\') => match chars.next() {
                    Some((_, '\n')) => {}
                    Some((_, c)) => words.char(c),
                    None => words.char('\\'),
                },
                (WordState::Double, '\\') => match chars.peek().copied() {
                    Some((_, c @ ('$' | '`' | '"' | '\\'))) => {
                        chars.next();
                        words.char(c);
                    }
                    _ => words.char('\\'),
                },
                // A shell expands these characters in double quotes too.
                (WordState::Bare | WordState::Double, '$' | '`') => return Err(WordError::Shell(c, here)),
                (WordState::Bare, '|' | '&' | ';' | '<' | '>' | '*') => {
                    return Err(WordError::Shell(c, here));
                }
                (WordState::Bare, c) if c.is_whitespace() => words.end(),
                (_, c) => words.char(c),
            }
        }
    }
    match state {
        WordState::Bare => Ok(words.finish()),
        WordState::Single => Err(WordError::Quote('\'', opened..opened + 1)),
        WordState::Double => Err(WordError::Quote('"', opened..opened + 1)),
    }
}

#[derive(Default)]
struct Words {
    done: Vec<Vec<WordPart>>,
    open: Option<Vec<WordPart>>,
}

impl Words {
    fn add(&mut self, part: WordPart) {
        self.open.get_or_insert_default().push(part);
    }

    fn text(&mut self, text: &str) {
        let word = self.open.get_or_insert_default();
        match word.last_mut() {
            Some(WordPart::Text(last)) => last.push_str(text),
            _ => word.push(WordPart::Text(text.to_string())),
        }
    }

    fn char(&mut self, c: char) {
        self.text(c.encode_utf8(&mut [0; 4]));
    }

    fn end(&mut self) {
        self.done.extend(self.open.take());
    }

    fn finish(mut self) -> Vec<Vec<WordPart>> {
        self.end();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::syntax::placeholder;

    fn words(text: &str) -> Vec<String> {
        let pieces = placeholder::parse(text);
        let show = |part: &WordPart| match part {
            WordPart::Text(text) => text.clone(),
            WordPart::Piece(at) => format!("<{}>", &text[pieces[*at].range.clone()]),
        };
        split(text, &pieces).unwrap().iter().map(|word| word.iter().map(show).collect()).collect()
    }

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        assert_eq!(words("a  b\tc\n d "), ["a", "b", "c", "d"]);
        assert_eq!(words(r#"a 'b c' "d e" f' 'g"#), ["a", "b c", "d e", "f g"]);
        assert_eq!(words(r#"a\ b \' "\"\n\\" '\'"#), ["a b", "'", "\"\\n\\", "\\"]);
        assert_eq!(words("a '' b"), ["a", "", "b"]);
        assert_eq!(words(r"'a|b*$c' \* \$x"), ["a|b*$c", "*", "$x"]);
        assert_eq!(words("a \\\n b \\"), ["a", "b", "\\"]);
        assert!(words("  ").is_empty());
    }

    #[test]
    fn references_are_never_split() {
        assert_eq!(words("cp {x} pre{y:03}post 'a {z} b'"), ["cp", "<{x}>", "pre<{y:03}>post", "a <{z}> b"]);
        assert_eq!(words("cat {sim[T = 300]} {{x}}"), ["cat", "<{sim[T = 300]}>", "{x}"]);
        assert_eq!(words("awk '{print}' {a,b}"), ["awk", "<{print}>", "{a,b}"]);
    }

    #[test]
    fn what_needs_a_shell() {
        let bad = |text: &str| split(text, &placeholder::parse(text)).unwrap_err();
        for c in "|&;<>$*`".chars() {
            assert_eq!(bad(&format!("é a{c}b")), WordError::Shell(c, 4..5));
        }
        assert_eq!(bad("echo \"$HOME\""), WordError::Shell('$', 6..7));
        assert_eq!(bad("echo 'a"), WordError::Quote('\'', 5..6));
        assert_eq!(bad("echo \"a 'b'"), WordError::Quote('"', 5..6));
    }
}
