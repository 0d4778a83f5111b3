//! Quotes and expansions.

use super::code::CodeEnd;
use super::{Ansi, DEEPEST, Made, ShellLexer, Symbol};
use crate::script::plan::shell_quote::Quote;

impl ShellLexer {
    /// Reads `'…'`.
    pub(super) fn single(&mut self) {
        self.take(1);
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Char('\'') => return self.take(1),
                Symbol::Char('`') if self.backquotes > 0 => return,
                Symbol::Char('\\') if self.backquotes > 0 => {
                    self.lose(
                        "a backslash between quotes inside backquotes before it",
                        "write `$(…)` instead of backquotes",
                    );
                    self.take(1);
                }
                Symbol::Char(_) => self.take(1),
                Symbol::Reference(piece) => self.reference(piece, Quote::Single),
            }
        }
    }

    /// Reads `$'…'`.
    pub(super) fn ansi(&mut self) {
        self.take(1);
        if self.ansi == Ansi::Unknown {
            return self.single();
        }
        self.take(1);
        let sure = "whether `sh` knows `$'…'` differs between systems";
        let instead = "name the shell, `interpreter = [\"bash\", \"-eu\", \"-c\"]`, or write `printf`";
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Char('\'') => return self.take(1),
                Symbol::Char('`') if self.backquotes > 0 => return,
                Symbol::Char('\\') => {
                    if self.ansi == Ansi::Either && self.peek(1) == Some('\'') {
                        self.lose(sure, instead);
                    }
                    if self.backquotes > 0 {
                        self.lose("`$'…'` inside backquotes before it", "write `$(…)` instead of backquotes");
                    }
                    self.backslash(Quote::Ansi);
                }
                Symbol::Char(_) => self.take(1),
                Symbol::Reference(piece) => {
                    if self.ansi == Ansi::Either {
                        self.refuse(piece, sure, instead);
                    }
                    self.reference(piece, Quote::Ansi);
                }
            }
        }
    }

    /// Reads `"…"`.
    pub(super) fn double(&mut self) {
        self.take(1);
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Char('"') => return self.take(1),
                Symbol::Char('`') if self.backquotes > 0 => return,
                symbol => self.expanded(symbol, Quote::Double),
            }
        }
    }

    /// Reads a symbol of a text in which expansions are expanded and quotes mean nothing.
    pub(super) fn expanded(&mut self, symbol: Symbol, place: Quote) {
        match symbol {
            Symbol::Char('\\') if self.backquotes > 0 => {
                self.lose(
                    "a backslash between quotes inside backquotes before it",
                    "write `$(…)` instead of backquotes",
                );
                self.backslash(place);
            }
            Symbol::Char('\\') => self.backslash(place),
            Symbol::Char('$' | '`') => self.expansion(place),
            Symbol::Char(_) => self.take(1),
            Symbol::Reference(piece) => self.reference(piece, place),
        }
    }

    /// Reads what begins with `$` or a backquote; `place` is that of the text around it.
    pub(super) fn expansion(&mut self, place: Quote) {
        if self.depth > DEEPEST {
            return self.take(1);
        }
        if self.is_next("`") {
            self.take(1);
            self.backquotes += 1;
            self.code(CodeEnd::Backquote);
            self.backquotes -= 1;
        } else if self.is_next("$((") && self.is_arithmetic(1) {
            self.take(3);
            self.arithmetic();
        } else if self.is_next("$(") {
            self.take(2);
            self.code(CodeEnd::Paren);
        } else if self.is_next("${") {
            self.take(2);
            self.depth += 1;
            self.parameter(place);
            self.depth -= 1;
        } else if self.is_next("$[") && self.ansi != Ansi::Unknown {
            self.take(2);
            self.bracket();
        } else if self.is_next("$#") || self.is_next("$$") {
            self.take(2);
        } else {
            self.take(1);
        }
    }

    /// Reads commands between backquotes with backslashes, inside others.
    pub(super) fn nested_backquote(&mut self) {
        if self.backquotes > 1 {
            self.lose("backquotes nested twice before it", "write `$(…)` instead of backquotes");
        }
        self.backquotes += 1;
        self.code(CodeEnd::NestedBackquote);
        self.backquotes -= 1;
    }

    /// Whether two parentheses so many symbols ahead are those of an arithmetic expression: the two that close them stand
    /// side by side.
    pub(super) fn is_arithmetic(&self, ahead: usize) -> bool {
        let mut depth = 0usize;
        let mut at = ahead;
        while let Some(symbol) = self.symbol(at) {
            match symbol {
                Symbol::Char('(') => depth += 1,
                Symbol::Char(')') => {
                    depth = depth.saturating_sub(1);
                    if depth == 1 {
                        // of the second parenthesis, or of an inner one
                        if self.symbol(at + 1) == Some(Symbol::Char(')')) {
                            return true;
                        }
                        return false;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        false
    }

    /// Reads an arithmetic expression after its two parentheses.
    pub(super) fn arithmetic(&mut self) {
        let mut depth = 2usize;
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Char('(') => depth += 1,
                Symbol::Char(')') => depth -= 1,
                _ => {}
            }
            self.number(symbol);
            if depth == 0 {
                return;
            }
        }
    }

    /// Reads an arithmetic expression up to `]`.
    fn bracket(&mut self) {
        let mut depth = 1usize;
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Char('[') => depth += 1,
                Symbol::Char(']') => depth -= 1,
                Symbol::Char('}' | '\n') => return,
                _ => {}
            }
            self.number(symbol);
            if depth == 0 {
                return;
            }
        }
    }

    /// Reads a symbol of an arithmetic expression.
    fn number(&mut self, symbol: Symbol) {
        match symbol {
            Symbol::Char('$' | '`') => self.expansion(Quote::Arithmetic),
            Symbol::Char('\\') if matches!(self.symbol(1), Some(Symbol::Char(_))) => self.take(2),
            Symbol::Char(_) => self.take(1),
            Symbol::Reference(piece) => self.reference(piece, Quote::Arithmetic),
        }
    }

    /// Reads `${…}` after its brace.
    fn parameter(&mut self, place: Quote) {
        if matches!(self.peek(0), Some('#' | '!')) && self.peek(1) != Some('}') {
            self.take(1);
        }
        let mut length = 0;
        loop {
            match self.symbol(0) {
                Some(Symbol::Reference(piece)) => self.reference(piece, Quote::Name),
                Some(Symbol::Char(c)) if c.is_ascii_alphanumeric() || c == '_' => self.take(1),
                Some(Symbol::Char(c)) if length == 0 && "@*?-$!#".contains(c) => {
                    self.take(1);
                    break;
                }
                _ => break,
            }
            length += 1;
        }
        if self.is_next("[") {
            self.take(1);
            self.bracket();
        }
        let is_pattern = match (self.peek(0), self.peek(1)) {
            (Some(':'), Some(next)) if !"-=?+}".contains(next) => return self.offsets(),
            (Some(':'), None) => return self.offsets(),
            (Some('%' | '#' | '/' | '^' | ','), _) => true,
            _ => false,
        };
        let place = match place {
            Quote::Bare => Quote::Bare,
            Quote::Arithmetic => Quote::Arithmetic,
            // what a pattern has in it is meant as it is
            Quote::Double if is_pattern => Quote::Word,
            place => place,
        };
        let quotes = is_pattern || place == Quote::Bare;
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Char('}') => return self.take(1),
                Symbol::Char('`') if self.backquotes > 0 => return,
                Symbol::Char('\'') if quotes => self.single(),
                Symbol::Char('"') if place != Quote::Verbatim => self.double(),
                Symbol::Char('$') if quotes && self.is_next("$'") => self.ansi(),
                symbol => self.expanded(symbol, place),
            }
        }
    }

    /// Reads the offsets of `${x:offset:length}`.
    fn offsets(&mut self) {
        while let Some(symbol) = self.symbol(0) {
            self.number(symbol);
            if symbol == Symbol::Char('}') {
                return;
            }
        }
    }

    /// Replaces what was made between two places.
    pub(super) fn replace(&mut self, range: std::ops::Range<usize>, text: &str) {
        let mut text = Some(text.to_string());
        for made in self.made.get_mut(range).into_iter().flatten() {
            *made = Made::Text(text.take().unwrap_or_default());
        }
    }
}
