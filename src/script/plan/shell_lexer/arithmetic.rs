//! Arithmetic: `$((…))`, `((…))`, `$[…]`, subscripts of arrays, and the offsets in `${x:offset}`.

use super::{Ansi, Evaluation, Reading, ShellLexer, Symbol, is_name_char};
use crate::script::plan::shell_quote::Quote;

/// The number of symbols within which the end of an arithmetic expression is searched.
const LONGEST: usize = 4000;

impl ShellLexer {
    /// Whether the two parentheses after the next `ahead` symbols begin an arithmetic expression: the two that close
    /// them are adjacent too. Where they are not, shells differ, and the context of all further references is unknown.
    pub(super) fn is_arithmetic(&mut self, ahead: usize) -> bool {
        if self.lost.is_some() {
            return false;
        }
        let mut depth = 0usize;
        let mut quote = None;
        let mut at = ahead;
        while let Some(symbol) = self.symbol(at).filter(|_| at < ahead + LONGEST) {
            match (symbol, quote) {
                (Symbol::Char('\\'), None | Some('"')) => at += 1,
                (Symbol::Char(c), Some(open)) if c == open => quote = None,
                (_, Some(_)) => {}
                (Symbol::Char(c @ ('"' | '\'')), None) => quote = Some(c),
                (Symbol::Char('('), None) => depth += 1,
                (Symbol::Char(')'), None) => {
                    depth = depth.saturating_sub(1);
                    if depth == 1 && self.symbol(at + 1) == Some(Symbol::Char(')')) {
                        return true;
                    }
                    if depth == 1 {
                        break;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        if ahead > 0 || self.ansi != Ansi::Unknown {
            self.lose(
                "`((` before it, which some shells read as arithmetic and others as two groups",
                "write `( (`",
            );
        }
        false
    }

    /// Reads an arithmetic expression whose `((` has been read.
    pub(super) fn arithmetic(&mut self) {
        self.evaluated(|lexer| {
            let mut depth = 2usize;
            lexer.numbers(false, |c| {
                match c {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                depth == 0
            });
        });
    }

    /// Reads an arithmetic expression up to `]`; its `[` has been read.
    pub(super) fn bracket(&mut self) {
        let mut depth = 1usize;
        self.numbers(true, |c| {
            match c {
                '[' => depth += 1,
                ']' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
    }

    /// Reads `$[…]`, whose bracket has been read.
    pub(super) fn bracket_arithmetic(&mut self) {
        self.evaluated(Self::bracket);
    }

    /// Reads the subscript of an array, whose bracket has been read.
    pub(super) fn subscript(&mut self, array: &str) {
        let outer = std::mem::take(&mut self.reading);
        self.bracket();
        let inner = std::mem::replace(&mut self.reading, outer);
        self.evaluations.subscript(&self.function, array, &inner.pieces, &inner.variables);
    }

    /// Reads the offset and length of `${x:offset:length}`.
    pub(super) fn offsets(&mut self) {
        self.evaluated(|lexer| lexer.numbers(false, |c| c == '}'));
    }

    /// Reads arithmetic by `read`, and notes that the values in it are evaluated. The result is a number, so no value
    /// of it becomes a part of the word.
    fn evaluated(&mut self, read: impl FnOnce(&mut Self)) {
        let outer = std::mem::take(&mut self.reading);
        read(self);
        let Reading { pieces, variables, .. } = std::mem::replace(&mut self.reading, outer);
        self.evaluations.add(&pieces, &variables, Evaluation::Number, "arithmetic");
    }

    /// Reads symbols of an arithmetic expression up to the character for which `ends` returns true. `quotes` tells
    /// that single quotes are known to quote here; where they do not, shells differ.
    fn numbers(&mut self, quotes: bool, mut ends: impl FnMut(char) -> bool) {
        let mut quote = None;
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Char(c) if quote == Some(c) => {
                    quote = None;
                    self.take(1);
                }
                Symbol::Char(c @ ('"' | '\'')) if quote.is_none() => {
                    if c == '\'' && !quotes {
                        self.lose("a quote in arithmetic before it", "write the number without quotes");
                    }
                    quote = Some(c);
                    self.take(1);
                }
                Symbol::Char('$' | '`') if quote != Some('\'') => self.expansion(Quote::Arithmetic),
                Symbol::Char('\\') if matches!(self.symbol(1), Some(Symbol::Char(_))) => self.take(2),
                Symbol::Char(c) if is_name_char(c) => {
                    let name = self.take_name();
                    if !name.starts_with(|c: char| c.is_ascii_digit()) {
                        self.reading.variables.push(name);
                    }
                }
                Symbol::Char(c) => {
                    let is_end = quote.is_none() && ends(c);
                    self.take(1);
                    if is_end {
                        return;
                    }
                }
                Symbol::Reference(piece) => {
                    let context = match quote {
                        Some('\'') => Quote::Single,
                        Some(_) => Quote::Double,
                        None => Quote::Arithmetic,
                    };
                    self.reference(piece, context);
                }
            }
        }
    }
}
