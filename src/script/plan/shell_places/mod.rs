//! The place of every reference in a shell script, and the script's text as it is to be given to the shell.
//!
//! A lexer of what POSIX shells and bash have in common: quotes, expansions, here-documents, comments, `case`, arithmetic.
//! It reads over references as over a part of a word. Crates with a grammar of a shell read one dialect, and no text with
//! holes in it; so this is our own. Two dialects differ in `$'…'` alone ([`Ansi`]). Where a place cannot be known, the
//! reference is refused ([`Refusal`]).
//!
//! The text is changed in two cases: a here-document between quotes that has references loses the quotes of its delimiter,
//! and what would be expanded in it is escaped; and a backslash before a reference is dropped or doubled.

mod code;
mod expansion;
mod here_document;

use crate::script::plan::shell_quote::Quote;
use crate::script::syntax::placeholder::{PieceKind, TextPiece};

/// How deep expansions may be nested.
const DEEPEST: usize = 100;

/// A part of a script.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ShellPart {
    /// Text for the shell.
    Text(String),
    /// The piece of that number, a reference.
    Reference(usize, Quote),
}

/// A place where a value cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
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
    /// The dialect of an interpreter: of the last word that names a shell. `None` where none does.
    pub(crate) fn of(interpreter: &[String]) -> Option<Self> {
        interpreter.iter().rev().find_map(|word| {
            let name = word.rsplit('/').next().unwrap_or_default();
            match name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-') {
                "bash" | "ksh" | "mksh" | "oksh" | "loksh" | "zsh" => Some(Ansi::Known),
                "dash" | "posh" => Some(Ansi::Unknown),
                "sh" | "ash" | "yash" | "busybox" => Some(Ansi::Either),
                _ => None,
            }
        })
    }
}

/// A script with the places of its references.
#[derive(Debug, Default)]
pub(crate) struct ShellText {
    /// The script in order.
    pub(crate) parts: Vec<ShellPart>,
    /// References that cannot stand where they are.
    pub(crate) refused: Vec<Refusal>,
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
        backquotes: 0,
        depth: 0,
        in_test: false,
        in_let: false,
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

struct ShellLexer {
    symbols: Vec<Symbol>,
    at: usize,
    /// The end of what is read, at most the number of symbols.
    limit: usize,
    made: Vec<Made>,
    refused: Vec<Refusal>,
    ansi: Ansi,
    /// The number of backquotes that are open.
    backquotes: usize,
    depth: usize,
    /// Between `[[` and `]]`.
    in_test: bool,
    /// In the arguments of `let`.
    in_let: bool,
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

    /// Takes a reference.
    fn reference(&mut self, piece: usize, place: Quote) {
        self.at += 1;
        if let Some((why, instead)) = self.lost {
            self.refuse(piece, why, instead);
        }
        let is_evaluated = self.in_let || (self.in_test && self.is_compared());
        let place = match place {
            _ if is_evaluated && place != Quote::Comment => Quote::Arithmetic,
            Quote::Bare if self.follows_variable() => Quote::Word,
            Quote::Double if self.follows_variable() => Quote::Verbatim,
            place => place,
        };
        self.made.push(Made::Reference(piece, place));
    }

    fn refuse(&mut self, piece: usize, why: &'static str, instead: &'static str) {
        self.refused.push(Refusal { piece, why, instead });
    }

    fn lose(&mut self, why: &'static str, instead: &'static str) {
        self.lost.get_or_insert((why, instead));
    }

    /// Takes a backslash, and what stands after it: a character, or a reference before which it says nothing.
    fn backslash(&mut self, place: Quote) {
        let Some(Symbol::Reference(piece)) = self.symbol(1) else { return self.take(2) };
        if self.backquotes > 0 {
            self.refuse(
                piece,
                "a backslash before a reference, inside backquotes",
                "write `$(…)` instead of backquotes",
            );
        }
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

    /// Whether what was made last is `$name`, which a letter would make longer.
    fn follows_variable(&self) -> bool {
        let mut before = self.made.iter().rev();
        let is_name = |made: &&Made| matches!(made, Made::Char(c) if c.is_ascii_alphanumeric() || *c == '_');
        let mut length = 0;
        loop {
            match before.next() {
                Some(made) if is_name(&made) => length += 1,
                Some(Made::Char('$')) => return length > 0,
                _ => return false,
            }
        }
    }

    /// Whether the word that was just read into stands beside `-eq` or the like.
    fn is_compared(&self) -> bool {
        let char_at = |at: usize| match self.symbols.get(at) {
            Some(Symbol::Char(c)) => Some(*c),
            _ => None,
        };
        let is_space = |at: &usize| char_at(*at).is_some_and(char::is_whitespace);
        let is_operator = |word: &str| ["-eq", "-ne", "-lt", "-le", "-gt", "-ge"].contains(&word);
        let text = |range: std::ops::Range<usize>| range.filter_map(char_at).collect::<String>();
        let here = self.at.saturating_sub(1);
        let begin = (0..here).rev().find(is_space).map_or(0, |at| at + 1);
        let end = (here..self.limit).find(is_space).unwrap_or(self.limit);
        let before_end = (0..begin).rev().find(|at| !is_space(at)).map_or(0, |at| at + 1);
        let before = (0..before_end).rev().find(is_space).map_or(0, |at| at + 1);
        let after = (end..self.limit).find(|at| !is_space(at)).unwrap_or(self.limit);
        let after_end = (after..self.limit).find(is_space).unwrap_or(self.limit);
        is_operator(&text(before..before_end)) || is_operator(&text(after..after_end))
    }

    fn finish(self) -> ShellText {
        let mut parts: Vec<ShellPart> = Vec::new();
        for made in self.made {
            let text = match made {
                Made::Reference(piece, place) => {
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
        ShellText { parts, refused }
    }
}
