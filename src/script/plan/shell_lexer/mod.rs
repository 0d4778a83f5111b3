//! A lexer for shell scripts with references in them: finds the quoting context of each reference, and how the
//! script's text has to change so that values are data.
//!
//! It reads what POSIX shells and bash have in common: quotes, expansions, here-documents, comments, `case`,
//! arithmetic. A reference counts as a part of a word. It is written by hand since crates with a shell's grammar read
//! one dialect each, and no text with holes in it. Dialects differ in `$'…'` alone ([`Ansi`]). Where the context of a
//! reference cannot be known, the reference is refused ([`RefusedReference`]).
//!
//! A value in the right quotes is data, unless the shell or a program evaluates it again: in arithmetic, by `eval`, by
//! `sh -c`. [`evaluation`] collects these cases; [`builtins`] and [`inner_programs`] know the commands that evaluate.
//!
//! The text changes in two cases. A here-document with a quoted delimiter that has references loses the quotes of the
//! delimiter, and characters that would then be expanded are escaped. A backslash before a reference is dropped or
//! doubled.
//!
//! Start at [`lex`]; `code` has the main loop.

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

/// The largest depth of nested expansions that is read.
const DEEPEST: usize = 100;

/// A part of a script, after lexing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ShellPart {
    /// Text for the shell.
    Text(String),
    /// A reference: its index among the pieces of the text, and its quoting context.
    Reference(usize, Quote),
}

/// A reference at a place where no value can be given safely, as an error to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RefusedReference {
    /// The index of the reference among the pieces of the text.
    pub(crate) piece: usize,
    /// The reason why the reference is refused, for the message.
    pub(crate) why: &'static str,
    /// Advice on how to write the script instead, for the message.
    pub(crate) instead: &'static str,
}

/// The dialect of a shell as far as it matters: whether the shell knows `$'…'`, quotes with escapes as in C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ansi {
    /// The shell knows `$'…'`, as bash, ksh and zsh do.
    Known,
    /// The shell does not know `$'…'` and reads a dollar followed by `'…'`, as dash does.
    Unknown,
    /// The shell may be of either kind, as `sh` is on different systems.
    Either,
}

impl Ansi {
    /// Returns the dialect of an interpreter, given as command words that end in an option with `c` after a shell's
    /// name. `None` where no known shell reads the text, or two shells do (`ssh host sh -c`).
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

/// A script after lexing, with the quoting context of each reference.
#[derive(Debug, Default)]
pub(crate) struct ShellText {
    /// The parts of the script in order.
    pub(crate) parts: Vec<ShellPart>,
    /// References at places where no value can be given safely.
    pub(crate) refused: Vec<RefusedReference>,
    /// References whose values the shell or a program evaluates again, in the order of the pieces.
    pub(crate) evaluated: Vec<Evaluated>,
}

/// Finds the quoting context of every reference in a script. `pieces` are the references and plain texts of `text`.
pub(crate) fn lex(text: &str, pieces: &[TextPiece], ansi: Ansi) -> ShellText {
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
        output: Vec::new(),
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

/// A piece of the lexer's output. Texts stay in pieces, since an earlier one may have to change later.
#[derive(Clone, Debug, PartialEq)]
enum OutputPiece {
    Char(char),
    Text(String),
    Reference(usize, Quote),
}

/// The sources of a word's value: references and variables in the word that is being read.
#[derive(Clone, Debug, Default)]
struct Reading {
    /// The references whose values are a part of the word.
    pieces: Vec<usize>,
    /// The variables whose values are a part of the word.
    variables: Vec<String>,
    /// The references whose values are in a file that the word names by `<(…)`.
    files: Vec<usize>,
    /// The references that a command substitution in it prints.
    printed: Vec<usize>,
}

struct ShellLexer {
    symbols: Vec<Symbol>,
    at: usize,
    /// The index of the symbol at which reading ends: that of a closing backquote or of a here-document's end, else
    /// the number of symbols.
    limit: usize,
    output: Vec<OutputPiece>,
    refused: Vec<RefusedReference>,
    ansi: Ansi,
    depth: usize,
    /// The number of here-documents whose `<<` has been read and whose text has not, in the commands around the
    /// current one.
    pending: usize,
    reading: Reading,
    evaluations: Evaluations,
    /// The shell function whose body is being read; empty outside of functions.
    function: String,
    /// The program that runs what is written into the current `>(…)`; `None` if no program does.
    swallows: Option<inner_programs::ProgramReader>,
    /// Whether the commands of a `>(…)` are being read.
    in_target: bool,
    /// The reason why the context of all further references is unknown, with advice on how to write the script
    /// instead; `None` while it is known.
    lost: Option<(&'static str, &'static str)>,
}

impl ShellLexer {
    fn symbol(&self, ahead: usize) -> Option<Symbol> {
        let at = self.at + ahead;
        if at < self.limit { self.symbols.get(at).copied() } else { None }
    }

    /// The character `ahead` symbols after the current one; `None` at the end and for a reference.
    fn peek(&self, ahead: usize) -> Option<char> {
        if let Some(Symbol::Char(c)) = self.symbol(ahead) { Some(c) } else { None }
    }

    fn is_next(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, c)| self.peek(ahead) == Some(c))
    }

    /// Copies the next `count` symbols, which must be characters, to the output.
    fn take(&mut self, count: usize) {
        for _ in 0..count {
            if let Some(c) = self.peek(0) {
                self.output.push(OutputPiece::Char(c));
                self.at += 1;
            }
        }
    }

    /// Copies the name (letters, digits and `_`) that comes next to the output, and returns it.
    fn take_name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek(0).filter(|c| is_name_char(*c)) {
            name.push(c);
            self.take(1);
        }
        name
    }

    /// Copies a reference to the output, with its quoting context. Refuses it if the context is not known.
    fn reference(&mut self, piece: usize, context: Quote) {
        self.at += 1;
        if let Some((why, instead)) = self.lost {
            self.refuse(piece, why, instead);
        }
        let context = match context {
            Quote::Bare if self.follows_variable() => Quote::Word,
            Quote::Double if self.follows_variable() => Quote::Verbatim,
            context => context,
        };
        self.output.push(OutputPiece::Reference(piece, context));
        if context != Quote::Comment {
            self.reading.pieces.push(piece);
        }
    }

    fn refuse(&mut self, piece: usize, why: &'static str, instead: &'static str) {
        self.refused.push(RefusedReference { piece, why, instead });
    }

    fn lose(&mut self, why: &'static str, instead: &'static str) {
        self.lost.get_or_insert((why, instead));
    }

    /// Reads a backslash and the symbol after it. Before a reference, whose value is data in any case, the backslash
    /// must not escape: outside of quotes it is dropped; within quotes it is doubled, so that the shell takes it
    /// literally.
    fn backslash(&mut self, context: Quote) {
        let Some(Symbol::Reference(piece)) = self.symbol(1) else { return self.take(2) };
        self.at += 1;
        match context {
            // outside of quotes a backslash makes the next character literal, and a value is literal anyway
            Quote::Bare => self.reference(piece, Quote::Word),
            _ => {
                self.output.extend([OutputPiece::Char('\\'), OutputPiece::Char('\\')]);
                self.reference(piece, if context == Quote::Double { Quote::Verbatim } else { context });
            }
        }
    }

    /// Whether the symbols after the next `ahead` ones are a backslash and a line end (a line continuation), which a
    /// shell skips.
    fn is_continued(&self, ahead: usize) -> bool {
        self.peek(ahead) == Some('\\') && self.peek(ahead + 1) == Some('\n')
    }

    /// Marks the context as unknown if a line continuation comes in the middle of an operator that begins with the
    /// next character.
    fn check_operator(&mut self) {
        if self.is_continued(1) && self.peek(3).is_some_and(|c| !c.is_whitespace()) {
            self.lose(
                "a line that is continued in the middle of an operator before it",
                "write it on one line",
            );
        }
    }

    /// Whether the output ends in `$name`, so that a letter or digit behind it would become a part of the name.
    fn follows_variable(&self) -> bool {
        let mut length = 0;
        let mut before = self.output.iter().rev().peekable();
        while let Some(piece) = before.next() {
            match piece {
                OutputPiece::Char('\n') if before.peek() == Some(&&OutputPiece::Char('\\')) => {
                    let _ = before.next();
                }
                OutputPiece::Char(c) if is_name_char(*c) => length += 1,
                OutputPiece::Char('$') => return length > 0,
                _ => return false,
            }
        }
        false
    }

    /// The text of the output from index `begin` on, with [`VALUE`] in the place of each reference.
    fn output_since(&self, begin: usize) -> String {
        let mut text = String::new();
        for piece in self.output.get(begin..).unwrap_or_default() {
            match piece {
                OutputPiece::Char(c) => text.push(*c),
                OutputPiece::Text(part) => text.push_str(part),
                OutputPiece::Reference(..) => text.push(VALUE),
            }
        }
        text
    }

    fn finish(self) -> ShellText {
        let evaluated = self.evaluations.finish();
        let mut parts: Vec<ShellPart> = Vec::new();
        for piece in self.output {
            let text = match piece {
                OutputPiece::Reference(piece, context) => {
                    let context = evaluated.get(&piece).map_or(context, |found| found.context(context));
                    parts.push(ShellPart::Reference(piece, context));
                    continue;
                }
                OutputPiece::Char(c) => c.to_string(),
                OutputPiece::Text(text) => text,
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

/// A character that stands for an unknown text (a reference's value, or the result of an expansion) in the text of a
/// word.
pub(crate) const VALUE: char = '\u{fffc}';

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a text is the name of a variable, or may be one once its unknown parts ([`VALUE`]) are filled in.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == VALUE)
        && text.chars().all(|c| is_name_char(c) || c == VALUE)
}
