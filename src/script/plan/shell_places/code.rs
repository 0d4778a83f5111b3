//! Commands: words, quotes, `case`, comments.

use super::here_document::HereDocument;
use super::{Ansi, DEEPEST, ShellLexer, Symbol};
use crate::script::plan::shell_quote::Quote;

/// What ends commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodeEnd {
    /// The end of the script.
    Text,
    /// `)`.
    Paren,
    /// A backquote.
    Backquote,
    /// A backquote with a backslash before it.
    NestedBackquote,
}

/// What is open in commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenGroup {
    Paren,
    /// `case`, before its first `in`.
    Case,
    /// Before the `)` of a pattern.
    Pattern,
    /// The commands of a pattern.
    Branch,
}

/// Where in a command the lexer is.
struct CommandState {
    open: Vec<OpenGroup>,
    documents: Vec<HereDocument>,
    /// The literal text of the word that is being read; `None` between words.
    word: Option<String>,
    /// Whether all of the word is literal.
    is_literal: bool,
    /// Whether the word stands where a command would.
    is_command: bool,
}

impl CommandState {
    fn grow(&mut self, text: &str, is_literal: bool) {
        let is_first = self.word.is_none();
        self.word.get_or_insert_default().push_str(text);
        self.is_literal = is_literal && (is_first || self.is_literal);
    }
}

impl ShellLexer {
    /// Reads commands, and what ends them.
    pub(super) fn code(&mut self, end: CodeEnd) {
        self.depth += 1;
        if self.depth > DEEPEST {
            self.lose(
                "expansions nested too deeply before it",
                "put the inner ones into variables of the shell",
            );
        }
        if self.depth > DEEPEST {
            // what is left is copied
            while let Some(symbol) = self.symbol(0) {
                match symbol {
                    Symbol::Char(_) => self.take(1),
                    Symbol::Reference(piece) => self.reference(piece, Quote::Word),
                }
            }
            self.depth -= 1;
            return;
        }
        let outer = (std::mem::take(&mut self.in_test), std::mem::take(&mut self.in_let));
        let mut state = CommandState {
            open: Vec::new(),
            documents: Vec::new(),
            word: None,
            is_literal: true,
            is_command: true,
        };
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Reference(piece) => {
                    let place = self.place_in_word(&state);
                    state.grow("", false);
                    self.reference(piece, place);
                }
                Symbol::Char(c) => {
                    if self.ends(end, &state) {
                        break;
                    }
                    self.command_char(c, &mut state);
                }
            }
        }
        (self.in_test, self.in_let) = outer;
        self.depth -= 1;
    }

    /// Takes the end of these commands, if it comes next.
    fn ends(&mut self, end: CodeEnd, state: &CommandState) -> bool {
        let length = match end {
            CodeEnd::Paren if self.is_next(")") && state.open.is_empty() => 1,
            CodeEnd::Backquote if self.is_next("`") => 1,
            CodeEnd::NestedBackquote if self.is_next("\\`") => 2,
            // the outer one ends, and this one with it
            CodeEnd::NestedBackquote if self.is_next("`") => return true,
            _ => return false,
        };
        self.take(length);
        true
    }

    fn command_char(&mut self, c: char, state: &mut CommandState) {
        match c {
            '\\' if self.backquotes > 0 && self.is_next("\\`") => {
                state.grow("", false);
                self.take(2);
                self.nested_backquote();
            }
            '\\' if self.backquotes > 0 && (self.is_next("\\\\") || self.is_next("\\\"")) => {
                self.lose(
                    "escaped quotes or backslashes inside backquotes before it",
                    "write `$(…)` instead of backquotes",
                );
                state.grow("", false);
                self.take(2);
            }
            '\\' => {
                state.grow("", false);
                self.backslash(Quote::Bare);
            }
            '\'' => {
                state.grow("", false);
                self.single();
            }
            '"' => {
                state.grow("", false);
                self.double();
            }
            '$' if self.is_next("$'") => {
                state.grow("", false);
                self.ansi();
            }
            '$' | '`' => {
                state.grow("", false);
                self.expansion(Quote::Bare);
            }
            '#' if state.word.is_none() => self.comment(),
            c if c.is_whitespace() || ";&|()<>".contains(c) => self.between_words(c, state),
            c => {
                state.grow(c.encode_utf8(&mut [0; 4]), true);
                self.take(1);
            }
        }
    }

    fn between_words(&mut self, c: char, state: &mut CommandState) {
        let before_paren = state.word.clone();
        self.end_word(state);
        match c {
            '\n' => {
                self.take(1);
                self.new_command(state);
                for document in std::mem::take(&mut state.documents) {
                    self.here_document(&document);
                }
            }
            ';' | '&' | '|' => {
                if c == '&' && before_redirection(&self.made) {
                    return self.take(1); // `>&2` is no end of a command
                }
                if self.is_next(";;") || self.is_next(";&") {
                    if let Some(open @ OpenGroup::Branch) = state.open.last_mut() {
                        *open = OpenGroup::Pattern;
                    }
                    self.take(2);
                } else {
                    self.take(1);
                }
                if !self.in_test {
                    self.new_command(state);
                }
            }
            '(' => {
                let is_case = state.open.last() == Some(&OpenGroup::Pattern);
                let begins = before_paren.is_none() && state.is_command && self.ansi != Ansi::Unknown;
                if begins && self.is_next("((") && self.is_arithmetic(0) {
                    self.take(2);
                    return self.arithmetic();
                }
                self.take(1);
                if !is_case || before_paren.is_some() {
                    state.open.push(OpenGroup::Paren);
                }
                self.new_command(state);
            }
            ')' => {
                match state.open.last_mut() {
                    Some(open @ OpenGroup::Pattern) => *open = OpenGroup::Branch,
                    Some(OpenGroup::Paren) => drop(state.open.pop()),
                    _ => {}
                }
                self.take(1);
                self.new_command(state);
            }
            '<' if self.is_next("<<<") => self.take(3),
            '<' if self.is_next("<<") => {
                if let Some(document) = self.here_delimiter() {
                    state.documents.push(document);
                }
            }
            _ => self.take(1),
        }
    }

    fn new_command(&mut self, state: &mut CommandState) {
        (state.is_command, self.in_let) = (true, false);
    }

    /// Ends the word, which may be a keyword.
    fn end_word(&mut self, state: &mut CommandState) {
        let Some(word) = state.word.take() else { return };
        let top = state.open.last().copied();
        if state.is_literal {
            match (word.as_str(), top) {
                ("]]", _) => self.in_test = false,
                ("in", Some(OpenGroup::Case)) => {
                    state.open.pop();
                    state.open.push(OpenGroup::Pattern);
                    return;
                }
                ("esac", Some(OpenGroup::Pattern)) => {
                    state.open.pop();
                    state.is_command = true;
                    return;
                }
                _ => {}
            }
        }
        if !state.is_command {
            return;
        }
        let keywords =
            ["if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "fi", "done", "}"];
        state.is_command = match (word.as_str(), state.is_literal) {
            ("case", true) => {
                state.open.push(OpenGroup::Case);
                false
            }
            ("esac", true) if top == Some(OpenGroup::Branch) => {
                state.open.pop();
                true
            }
            ("[[", true) => {
                self.in_test = true;
                false
            }
            ("let", true) => {
                self.in_let = self.ansi != Ansi::Unknown;
                false
            }
            (word, true) if keywords.contains(&word) => true,
            // an assignment, and the command comes after it
            (word, _) => {
                word.contains('=') && word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            }
        };
    }

    /// The place of the reference that comes next, a part of a word.
    fn place_in_word(&self, state: &CommandState) -> Quote {
        let word = state.word.as_deref().unwrap_or_default();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let begins_name = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if state.is_command
            && begins_name
            && word
                .split_once('[')
                .is_some_and(|(name, index)| name.chars().all(is_name) && !index.contains(']'))
        {
            return Quote::Arithmetic;
        }
        let mut ahead = 1;
        while matches!(self.symbol(ahead), Some(Symbol::Reference(_)))
            || self.peek(ahead).is_some_and(is_name)
        {
            ahead += 1;
        }
        let next = self.peek(ahead);
        let is_number_so_far = word.chars().all(|c| c.is_ascii_digit());
        if is_number_so_far && matches!(next, Some('<' | '>')) {
            return Quote::Word;
        }
        let is_named = word.chars().all(is_name)
            && (matches!(next, Some('=' | '['))
                || [('+', '='), ('(', ')')]
                    .iter()
                    .any(|(one, two)| next == Some(*one) && self.peek(ahead + 1) == Some(*two)));
        // words that a value could be mistaken for: `esac`, `-n`
        let is_special = self.in_test || matches!(state.open.last(), Some(OpenGroup::Pattern));
        if is_special || (state.is_command && !is_named && !word.contains('=')) {
            Quote::Word
        } else {
            Quote::Bare
        }
    }

    /// Reads a comment up to the end of its line.
    fn comment(&mut self) {
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Char('\n') => return,
                Symbol::Char('`') if self.backquotes > 0 => return,
                Symbol::Char(_) => self.take(1),
                Symbol::Reference(piece) => {
                    let lost = self.lost.take();
                    self.reference(piece, Quote::Comment);
                    self.lost = lost;
                }
            }
        }
    }
}

fn before_redirection(made: &[super::Made]) -> bool {
    matches!(made.last(), Some(super::Made::Char('<' | '>')))
}
