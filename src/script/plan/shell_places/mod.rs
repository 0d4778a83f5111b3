//! The place of every reference in a shell script, and the script's text as it is to be given to the shell.
//!
//! A lexer of what POSIX shells and bash have in common: quotes, expansions, here-documents, comments, `case`,
//! arithmetic. It reads over references as over a part of a word. Crates with a grammar of a shell read one dialect,
//! and no text with holes in it; so this is our own. Two dialects differ in `$'…'` alone ([`Ansi`]). Where a place
//! cannot be known, the reference is refused ([`RefusedReference`]).
//!
//! A value is data wherever it stands, unless something reads it once more: arithmetic, `eval`, `sh -c`. [`evaluation`]
//! collects these; [`builtins`] and [`inner_programs`] say which commands do so.
//!
//! The text is changed in two cases: a here-document between quotes that has references loses the quotes of its
//! delimiter, and what would be expanded in it is escaped; and a backslash before a reference is dropped or doubled.

mod arithmetic;
mod builtins;
mod code;
mod commands;
mod evaluation;
mod expansion;
mod here_document;
pub(crate) mod inner_programs;

pub(crate) use evaluation::{Evaluated, Evaluation};

use crate::script::plan::shell_quote::Quote;
use crate::script::syntax::placeholder::{PieceKind, TextPiece};
use evaluation::Evaluations;

/// How deep expansions may be nested.
const DEEPEST: usize = 100;

/// A part of a script.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ShellPart {
    /// Text for the shell.
    Text(String),
    /// A reference: its number among the pieces of the text, and the quoting of the place where it stands.
    Reference(usize, Quote),
}

/// A place where a value cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RefusedReference {
    /// The number of the piece.
    pub(crate) piece: usize,
    /// The reason.
    pub(crate) why: &'static str,
    /// A way to write it.
    pub(crate) instead: &'static str,
}

/// Whether `$'…'` is a quotation of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ansi {
    /// As in bash, ksh and zsh.
    Known,
    /// As in dash: a dollar, and `'…'`.
    Unknown,
    /// `sh` is either.
    Either,
}

impl Ansi {
    /// Returns the dialect of an interpreter, the last word of which is an option with `c` after a shell's name. `None`
    /// where no shell is known to read the text, or two of them.
    pub(crate) fn of(interpreter: &[String]) -> Option<Self> {
        let names: Vec<&str> = interpreter.iter().map(|word| inner_programs::program_name(word)).collect();
        let option = interpreter.iter().rev().find(|word| *word != "--")?;
        if !(option.starts_with('-') && option.contains('c'))
            || names.iter().any(|name| inner_programs::joins_its_words(name))
        {
            return None;
        }
        names.iter().rev().find_map(|name| match *name {
            "bash" | "ksh" | "mksh" | "oksh" | "loksh" | "zsh" => Some(Ansi::Known),
            "dash" | "posh" => Some(Ansi::Unknown),
            "sh" | "ash" | "yash" | "busybox" => Some(Ansi::Either),
            _ => None,
        })
    }
}

/// A script with the places of its references.
#[derive(Debug, Default)]
pub(crate) struct ShellText {
    /// The script in order.
    pub(crate) parts: Vec<ShellPart>,
    /// References that cannot stand where they are.
    pub(crate) refused: Vec<RefusedReference>,
    /// References whose values are read once more by something, in the order of the pieces.
    pub(crate) evaluated: Vec<Evaluated>,
}

/// Finds the place of every reference.
pub(crate) fn find(text: &str, pieces: &[TextPiece], ansi: Ansi) -> ShellText {
    let mut symbols = Vec::with_capacity(text.len());
    for (at, piece) in pieces.iter().enumerate() {
        let whole = text.get(piece.range.clone()).unwrap_or_default();
        match piece.kind {
            PieceKind::Reference(_) => symbols.push(Symbol::Reference(at)),
            PieceKind::Plain => symbols.extend(whole.chars().map(Symbol::Char)),
            PieceKind::Escaped => {
                let inside = whole.get(1..whole.len().saturating_sub(1)).unwrap_or_default();
                symbols.extend(inside.chars().map(Symbol::Char));
            }
        }
    }
    let limit = symbols.len();
    let mut lexer = ShellLexer {
        symbols,
        at: 0,
        limit,
        made: Vec::new(),
        refused: Vec::new(),
        ansi,
        depth: 0,
        pending: 0,
        reading: Reading::default(),
        evaluations: Evaluations::default(),
        function: String::new(),
        swallows: None,
        in_target: false,
        lost: None,
    };
    lexer.code(code::CodeEnd::Text);
    lexer.finish()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Symbol {
    Char(char),
    Reference(usize),
}

/// A piece of what is made; a text is changed where that is found to be necessary later.
#[derive(Clone, Debug, PartialEq)]
enum Made {
    Char(char),
    Text(String),
    Reference(usize, Quote),
}

/// The parts of the word that is being read.
#[derive(Clone, Debug, Default)]
struct Reading {
    /// The references whose values are a part of it.
    pieces: Vec<usize>,
    /// The variables whose values are a part of it.
    variables: Vec<String>,
    /// The references whose values are in a file that it names, `<(…)`.
    files: Vec<usize>,
    /// The references that a command substitution in it prints.
    printed: Vec<usize>,
}

struct ShellLexer {
    symbols: Vec<Symbol>,
    at: usize,
    /// The end of what is read, at most the number of symbols.
    limit: usize,
    made: Vec<Made>,
    refused: Vec<RefusedReference>,
    ansi: Ansi,
    depth: usize,
    /// The number of here-documents whose texts have not come yet, around the commands that are being read.
    pending: usize,
    reading: Reading,
    evaluations: Evaluations,
    /// The function whose body is read; empty outside of functions.
    function: String,
    /// The program that reads what is written into `>(…)`, as a program.
    swallows: Option<inner_programs::ProgramReader>,
    /// Whether the commands that are read are those of `>(…)`.
    in_target: bool,
    /// The reason why nothing is known of what follows, with a way to write it.
    lost: Option<(&'static str, &'static str)>,
}

impl ShellLexer {
    fn symbol(&self, ahead: usize) -> Option<Symbol> {
        let at = self.at + ahead;
        if at < self.limit { self.symbols.get(at).copied() } else { None }
    }

    /// The character so many symbols ahead, if one stands there.
    fn peek(&self, ahead: usize) -> Option<char> {
        if let Some(Symbol::Char(c)) = self.symbol(ahead) { Some(c) } else { None }
    }

    fn is_next(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, c)| self.peek(ahead) == Some(c))
    }

    /// Copies so many symbols, which are characters.
    fn take(&mut self, count: usize) {
        for _ in 0..count {
            if let Some(c) = self.peek(0) {
                self.made.push(Made::Char(c));
                self.at += 1;
            }
        }
    }

    /// Copies the name that comes next, letters, digits and `_`.
    fn take_name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek(0).filter(|c| is_name_char(*c)) {
            name.push(c);
            self.take(1);
        }
        name
    }

    /// Takes a reference.
    fn reference(&mut self, piece: usize, place: Quote) {
        self.at += 1;
        if let Some((why, instead)) = self.lost {
            self.refuse(piece, why, instead);
        }
        let place = match place {
            Quote::Bare if self.follows_variable() => Quote::Word,
            Quote::Double if self.follows_variable() => Quote::Verbatim,
            place => place,
        };
        self.made.push(Made::Reference(piece, place));
        if place != Quote::Comment {
            self.reading.pieces.push(piece);
        }
    }

    fn refuse(&mut self, piece: usize, why: &'static str, instead: &'static str) {
        self.refused.push(RefusedReference { piece, why, instead });
    }

    fn lose(&mut self, why: &'static str, instead: &'static str) {
        self.lost.get_or_insert((why, instead));
    }

    /// Takes a backslash with what stands after it: a character; or a reference, which it does not escape, since its
    /// value is data in any case. Outside of quotes the backslash is left out then, within quotes it is written
    /// doubled, so that the shell takes it for itself. `place` is the quoting of the place.
    fn backslash(&mut self, place: Quote) {
        let Some(Symbol::Reference(piece)) = self.symbol(1) else { return self.take(2) };
        self.at += 1;
        match place {
            // it means the next character as it is, which a value always is
            Quote::Bare => self.reference(piece, Quote::Word),
            _ => {
                self.made.extend([Made::Char('\\'), Made::Char('\\')]);
                self.reference(piece, if place == Quote::Double { Quote::Verbatim } else { place });
            }
        }
    }

    /// Whether a backslash and a line end come next so many symbols ahead, which a shell reads as nothing.
    fn is_continued(&self, ahead: usize) -> bool {
        self.peek(ahead) == Some('\\') && self.peek(ahead + 1) == Some('\n')
    }

    /// Gives up where a line ends in the middle of an operator that begins with the next character.
    fn check_operator(&mut self) {
        if self.is_continued(1) && self.peek(3).is_some_and(|c| !c.is_whitespace()) {
            self.lose(
                "a line that is continued in the middle of an operator before it",
                "write it on one line",
            );
        }
    }

    /// Whether what was made last is `$name`, which a letter would make longer.
    fn follows_variable(&self) -> bool {
        let mut length = 0;
        let mut before = self.made.iter().rev().peekable();
        while let Some(made) = before.next() {
            match made {
                Made::Char('\n') if before.peek() == Some(&&Made::Char('\\')) => drop(before.next()),
                Made::Char(c) if is_name_char(*c) => length += 1,
                Made::Char('$') => return length > 0,
                _ => return false,
            }
        }
        false
    }

    /// The text that was made since then, with a mark in the place of each reference.
    fn made_since(&self, begin: usize) -> String {
        let mut text = String::new();
        for made in self.made.get(begin..).unwrap_or_default() {
            match made {
                Made::Char(c) => text.push(*c),
                Made::Text(part) => text.push_str(part),
                Made::Reference(..) => text.push(VALUE),
            }
        }
        text
    }

    fn finish(self) -> ShellText {
        let evaluated = self.evaluations.finish();
        let mut parts: Vec<ShellPart> = Vec::new();
        for made in self.made {
            let text = match made {
                Made::Reference(piece, place) => {
                    let place = evaluated.get(&piece).map_or(place, |found| found.place(place));
                    parts.push(ShellPart::Reference(piece, place));
                    continue;
                }
                Made::Char(c) => c.to_string(),
                Made::Text(text) => text,
            };
            match parts.last_mut() {
                Some(ShellPart::Text(last)) => last.push_str(&text),
                _ => parts.push(ShellPart::Text(text)),
            }
        }
        let mut refused = self.refused;
        refused.sort_by_key(|refusal| refusal.piece);
        refused.dedup_by_key(|refusal| refusal.piece);
        ShellText { parts, refused, evaluated: evaluated.into_values().collect() }
    }
}

/// Stands for a value, or for what an expansion gives, in the text of a word.
pub(crate) const VALUE: char = '\u{fffc}';

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a text is the name of a variable, or may become one when its values are known.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == VALUE)
        && text.chars().all(|c| is_name_char(c) || c == VALUE)
}
