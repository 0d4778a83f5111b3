//! The main loop of the lexer: commands, words, redirections, `case`, comments.

use super::commands::{CommandState, NextWord, OpenGroup};
use super::{Ansi, DEEPEST, ShellLexer, Symbol, VALUE, is_name, is_name_char};
use crate::script::plan::shell_quote::Quote;

/// The number of symbols within which the end of a variable's name is searched.
const LONGEST_NAME: usize = 200;

/// The symbol that ends a list of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodeEnd {
    /// The end of the text, or the closing backquote.
    Text,
    /// The `)` of a substitution.
    Paren,
}

impl ShellLexer {
    /// Reads commands up to and including `end`, such as the end of the script or the `)` of a command substitution.
    /// Values that the commands of a substitution print become a part of the word around it.
    pub(super) fn code(&mut self, end: CodeEnd) {
        self.depth += 1;
        if self.depth > DEEPEST {
            self.lose(
                "expansions nested too deeply before it",
                "put the inner ones into variables of the shell",
            );
            // the rest is copied; its references are refused
            while let Some(symbol) = self.symbol(0) {
                match symbol {
                    Symbol::Char(_) => self.take(1),
                    Symbol::Reference(piece) => self.reference(piece, Quote::Word),
                }
            }
            self.depth -= 1;
            return;
        }
        let outer = std::mem::take(&mut self.reading);
        let function = self.function.clone();
        let mut state = CommandState::new();
        let mut is_ended = end == CodeEnd::Text;
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Reference(piece) => {
                    let context = self.context_in_word(&state);
                    state.grow(&VALUE.to_string(), false);
                    self.reference(piece, context);
                }
                Symbol::Char(')') if end == CodeEnd::Paren && state.open.is_empty() => {
                    self.end_command(&mut state, false);
                    self.take(1);
                    is_ended = true;
                    break;
                }
                Symbol::Char(c) => self.command_char(c, &mut state),
            }
        }
        self.end_command(&mut state, false);
        self.pending -= state.documents.len().min(self.pending);
        let is_inside = end == CodeEnd::Paren || self.limit < self.symbols.len();
        if is_inside && !state.documents.is_empty() {
            self.lose(
                "a here-document whose text comes after the `$(…)` that begins it",
                "end its line inside",
            );
        }
        if !is_ended {
            self.lose("a parenthesis that is never closed before it", "close it");
        }
        (self.reading, self.function) = (outer, function);
        self.reading.printed.extend(&state.printed.pieces);
        self.reading.pieces.extend(state.printed.pieces);
        self.reading.variables.extend(state.printed.variables);
        self.depth -= 1;
    }

    fn command_char(&mut self, c: char, state: &mut CommandState) {
        match c {
            '\\' if self.is_continued(0) => self.take(2),
            '\\' => {
                let next = self.peek(1).map_or(VALUE, |next| next);
                self.backslash(Quote::Bare);
                state.grow(next.encode_utf8(&mut [0; 4]), false);
            }
            '\'' => self.quoted(state, Self::single),
            '"' => self.quoted(state, Self::double),
            '$' if self.is_next("$'") => self.quoted(state, Self::ansi),
            '$' if self.is_next("$\"") => self.take(1),
            '$' | '`' => {
                self.expansion(Quote::Bare);
                state.grow(&VALUE.to_string(), false);
                state.split_word();
            }
            '#' if state.word.is_none() => self.comment(),
            '[' if self.begins_subscript(state) => {
                let array = match state.open.last() {
                    Some(OpenGroup::Array(name)) => name.clone(),
                    _ => state.text().to_owned(),
                };
                self.take(1);
                self.subscript(&array);
                state.grow("[]", false);
            }
            c if c.is_whitespace() || ";&|()<>".contains(c) => self.between_words(c, state),
            c => {
                state.grow(c.encode_utf8(&mut [0; 4]), true);
                self.take(1);
            }
        }
    }

    /// Reads a quoted part of a word, by the function for its kind of quotes.
    fn quoted(&mut self, state: &mut CommandState, read: fn(&mut Self)) {
        let begin = self.output.len();
        read(self);
        let text = self.output_since(begin);
        let inside = text.trim_start_matches('$');
        let inside = inside.get(1..inside.len().saturating_sub(1)).unwrap_or_default();
        // the result of an expansion is unknown
        let inside: String = inside.split('$').collect::<Vec<_>>().join(&VALUE.to_string());
        state.grow(&inside, false);
    }

    /// Whether the `[` that comes next begins an array's subscript.
    fn begins_subscript(&self, state: &CommandState) -> bool {
        let text = state.text();
        match state.open.last() {
            _ if self.ansi == Ansi::Unknown => false,
            Some(OpenGroup::Array(_)) => state.word.is_none(),
            Some(OpenGroup::Case | OpenGroup::Pattern) => false,
            _ => state.is_command && !state.in_test && state.next == NextWord::Command && is_name(text),
        }
    }

    fn between_words(&mut self, c: char, state: &mut CommandState) {
        if matches!(c, '<' | '>') && self.peek(1) == Some('(') && !state.in_test && self.ansi != Ansi::Unknown
        {
            return self.process_substitution(state);
        }
        if let Some(OpenGroup::Array(_)) = state.open.last() {
            self.end_word(state);
            if c == ')' {
                state.open.pop();
            }
            return self.take(1);
        }
        match c {
            '\n' => self.line_end(state),
            '&' if self.is_next("&>") && !state.in_test => self.redirection(state, 2),
            ';' | '&' | '|' => self.separator(c, state),
            '(' => self.open_paren(state),
            ')' => {
                if state.in_test {
                    self.end_word(state);
                    state.push_operator(")");
                    if state.open.last() == Some(&OpenGroup::Paren) {
                        state.open.pop();
                    }
                    return self.take(1);
                }
                let is_pattern = state.open.last() == Some(&OpenGroup::Pattern);
                self.end_command(state, false);
                match state.open.last_mut() {
                    Some(open @ OpenGroup::Pattern) => *open = OpenGroup::Branch,
                    Some(OpenGroup::Paren) => drop(state.open.pop()),
                    _ => {}
                }
                state.follow_group(!is_pattern);
                self.take(1);
            }
            '<' | '>' if state.in_test => {
                self.end_word(state);
                self.take(1);
            }
            '<' if self.is_next("<<<") => {
                self.redirection(state, 3);
                state.next = NextWord::HereString;
            }
            '<' if self.is_next("<<") => {
                self.end_number(state);
                if let Some(document) = self.here_delimiter() {
                    state.documents.push(document);
                    self.pending += 1;
                }
            }
            '<' | '>' => {
                self.check_operator();
                let two = [">>", ">&", "<&", ">|", "<>"].iter().any(|operator| self.is_next(operator));
                self.redirection(state, if two { 2 } else { 1 });
            }
            _ => {
                self.end_word(state);
                self.take(1);
            }
        }
    }

    /// Reads the operator of a redirection, which has `length` characters.
    fn redirection(&mut self, state: &mut CommandState, length: usize) {
        self.end_number(state);
        self.take(length);
        state.next = NextWord::Redirection;
    }

    /// Ends the word before a redirection. A number directly before it, as in `2>`, is a part of the redirection and
    /// no word.
    fn end_number(&mut self, state: &mut CommandState) {
        let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        if state.word.as_ref().is_some_and(|word| word.is_plain && is_number(&word.text)) {
            state.word = None;
        }
        self.end_word(state);
    }

    /// Reads a process substitution, `<(…)` or `>(…)`, as a part of a word.
    fn process_substitution(&mut self, state: &mut CommandState) {
        let is_target = self.is_next(">");
        let in_target = std::mem::replace(&mut self.in_target, is_target);
        self.take(2);
        let known = self.reading.pieces.len();
        self.code(CodeEnd::Paren);
        self.in_target = in_target;
        state.swallows = self.swallows.take().or(state.swallows.take());
        let inner = self.reading.pieces.split_off(known.min(self.reading.pieces.len()));
        self.reading.files.extend(inner);
        state.grow(&VALUE.to_string(), false);
    }

    fn line_end(&mut self, state: &mut CommandState) {
        self.end_word(state);
        let is_within =
            matches!(state.open.last(), Some(OpenGroup::Case | OpenGroup::Pattern)) || state.in_test;
        if !is_within && !Self::is_after_pipe(state) {
            self.end_command(state, false);
        }
        self.take(1);
        if self.pending > state.documents.len() {
            self.lose(
                "a line that ends between the `<<` of a here-document and its text",
                "begin the text on the next line",
            );
        }
        self.here_documents(state);
    }

    fn separator(&mut self, c: char, state: &mut CommandState) {
        if state.in_test {
            self.end_word(state);
            let operator = format!("{c}{c}");
            if self.is_next(&operator) {
                state.push_operator(&operator);
                self.take(1);
            }
            return self.take(1);
        }
        if matches!(state.open.last(), Some(OpenGroup::Pattern)) && c == '|' {
            self.end_word(state);
            return self.take(1);
        }
        let is_pipe = c == '|' && !self.is_next("||");
        // a command in the background runs in a process of its own
        state.is_conditional |= c == '&' && !self.is_next("&&");
        self.end_command(state, is_pipe);
        if self.is_next(";;") || self.is_next(";&") {
            if let Some(open @ OpenGroup::Branch) = state.open.last_mut() {
                *open = OpenGroup::Pattern;
            }
            self.take(2);
            if self.is_next("&") {
                self.take(1);
            }
        } else if self.is_next("|&") || self.is_next("||") || self.is_next("&&") {
            state.is_conditional = true;
            self.take(2);
        } else {
            self.take(1);
        }
    }

    fn open_paren(&mut self, state: &mut CommandState) {
        self.check_operator();
        let before = state.word.as_ref().map(|word| word.text.clone());
        if self.begins_pattern(state) {
            return self.extended_pattern(state);
        }
        if state.in_test {
            self.end_word(state);
            state.push_operator("(");
            state.open.push(OpenGroup::Paren);
            return self.take(1);
        }
        if before.is_none() && self.is_next("((") && self.is_arithmetic(0) {
            self.take(2);
            self.arithmetic();
            self.reading = super::Reading::default();
            state.follow_group(true);
            return;
        }
        let name = before.as_deref().and_then(|text| text.strip_suffix('='));
        let name = name.map(|name| name.trim_end_matches('+')).filter(|name| is_name(name));
        if let Some(name) = name.filter(|_| self.ansi != Ansi::Unknown) {
            self.evaluations.array(name);
            let is_command = state.is_command;
            let group = OpenGroup::Array(name.to_owned());
            self.end_word(state);
            state.is_command = is_command;
            state.open.push(group);
            return self.take(1);
        }
        let is_case = state.open.last() == Some(&OpenGroup::Pattern);
        if is_case {
            // the optional parenthesis before a pattern of `case` begins no group
            self.end_word(state);
            return self.take(1);
        }
        if let Some(name) = before.filter(|_| self.is_next("()")) {
            self.evaluations.function(&name);
            state.named = Some(name);
        }
        if Self::is_after_pipe(state) {
            state.open_group();
        } else {
            self.end_command(state, false);
        }
        state.open.push(OpenGroup::Paren);
        self.take(1);
    }

    /// Whether the `(` that comes next belongs to an extended pattern, `@(a|b)`.
    fn begins_pattern(&self, state: &CommandState) -> bool {
        let text = state.text();
        let is_negation = text == "!" && (state.is_command || state.in_test);
        text.ends_with(['?', '*', '+', '@', '!']) && !is_negation && !self.is_next("()")
    }

    /// Reads the parentheses of an extended pattern as a part of the word.
    fn extended_pattern(&mut self, state: &mut CommandState) {
        state.grow("(", false);
        let mut depth = 0usize;
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Char('\'') => self.single(),
                Symbol::Char('"') => self.double(),
                Symbol::Char('$') if self.is_next("$'") => self.ansi(),
                Symbol::Char(c @ ('(' | ')')) => {
                    depth = if c == '(' { depth + 1 } else { depth - 1 };
                    self.take(1);
                    if depth == 0 {
                        break;
                    }
                }
                symbol => self.expanded(symbol, Quote::Word),
            }
        }
        state.grow(&VALUE.to_string(), false);
    }

    /// The quoting context of the reference that comes next, outside of quotes.
    fn context_in_word(&self, state: &CommandState) -> Quote {
        let word = state.text();
        let mut ahead = 1;
        let is_part = |symbol: Option<Symbol>| match symbol {
            Some(Symbol::Reference(_)) => true,
            Some(Symbol::Char(c)) => is_name_char(c),
            None => false,
        };
        while ahead < LONGEST_NAME && is_part(self.symbol(ahead)) {
            ahead += 1;
        }
        let next = self.peek(ahead);
        let is_number_so_far = word.chars().all(|c| c.is_ascii_digit());
        if is_number_so_far && matches!(next, Some('<' | '>')) {
            return Quote::Word;
        }
        let is_name_so_far = word.chars().all(|c| is_name_char(c) || c == VALUE);
        let is_named = is_name_so_far
            && (matches!(next, Some('=' | '['))
                || [('+', '='), ('(', ')')]
                    .iter()
                    .any(|(one, two)| next == Some(*one) && self.peek(ahead + 1) == Some(*two)));
        // at these places a value could be mistaken for a keyword or an operator: `esac`, `in`, `-n`
        let is_special =
            state.in_test || matches!(state.open.last(), Some(OpenGroup::Pattern | OpenGroup::Case));
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
