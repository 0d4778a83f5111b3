//! Here-documents.

use super::{Made, ShellLexer, Symbol};
use crate::script::plan::shell_quote::Quote;
use std::ops::Range;

/// A here-document whose text is still to come.
#[derive(Clone, Debug)]
pub(super) struct HereDocument {
    /// The line that ends it.
    delimiter: String,
    /// Whether tabs before a line mean nothing, as after `<<-`.
    strips: bool,
    is_quoted: bool,
    /// The delimiter in what was made.
    made: Range<usize>,
}

impl ShellLexer {
    /// Reads `<<` and the delimiter.
    pub(super) fn here_delimiter(&mut self) -> Option<HereDocument> {
        self.take(2);
        let strips = self.is_next("-");
        if strips {
            self.take(1);
        }
        while matches!(self.peek(0), Some(' ' | '\t')) {
            self.take(1);
        }
        let begin = self.made.len();
        let (mut delimiter, mut is_quoted, mut open) = (String::new(), false, None);
        while let Some(symbol) = self.symbol(0) {
            let c = match symbol {
                Symbol::Char(c) => c,
                Symbol::Reference(piece) => {
                    let instead = "write a word of your own there";
                    self.refuse(piece, "the delimiter of a here-document is never expanded", instead);
                    self.lose("its place depends on the delimiter of a here-document", instead);
                    self.reference(piece, Quote::Word);
                    return None;
                }
            };
            match (open, c) {
                (None, c) if c.is_whitespace() || ";&|<>()".contains(c) => break,
                (None, '`') if self.backquotes > 0 => break,
                (None, '\'' | '"') => (open, is_quoted) = (Some(c), true),
                (Some(quote), c) if c == quote => open = None,
                (None | Some('"'), '\\') => {
                    is_quoted = true;
                    self.take(1);
                    delimiter.extend(self.peek(0));
                }
                (_, c) => delimiter.push(c),
            }
            self.take(1);
        }
        if delimiter.contains(['$', '`', '\n']) || self.backquotes > 0 {
            self.lose(
                "a here-document whose end is not certain before it",
                "give it a delimiter of letters, outside of backquotes",
            );
        }
        Some(HereDocument { delimiter, strips, is_quoted, made: begin..self.made.len() })
    }

    /// Reads the text of a here-document, and the line that ends it.
    pub(super) fn here_document(&mut self, document: &HereDocument) {
        let limit = self.limit;
        let body = self.here_end(document);
        self.limit = body;
        if document.is_quoted {
            self.quoted_document(document);
        } else {
            while let Some(symbol) = self.symbol(0) {
                self.expanded(symbol, Quote::Verbatim);
            }
        }
        self.limit = limit;
        // the delimiter
        while let Some(c) = self.peek(0) {
            self.take(1);
            if c == '\n' {
                break;
            }
        }
    }

    /// The place of the line that ends a here-document.
    fn here_end(&self, document: &HereDocument) -> usize {
        let mut begin = self.at;
        while begin < self.limit {
            let symbols = self.symbols.get(begin..self.limit).unwrap_or_default();
            let length = symbols.iter().position(|s| *s == Symbol::Char('\n')).unwrap_or(symbols.len());
            let chars = symbols.iter().take(length).map(|symbol| match symbol {
                Symbol::Char(c) => Some(*c),
                Symbol::Reference(_) => None,
            });
            let line: Option<String> = chars.collect();
            let stripped = |line: &str| {
                if document.strips { line.trim_start_matches('\t').to_string() } else { line.to_string() }
            };
            if line.is_some_and(|line| stripped(&line) == document.delimiter) {
                return begin;
            }
            begin += length + 1;
        }
        self.limit
    }

    /// Reads a text in which nothing is expanded. With references in it, it becomes one in which only they are.
    fn quoted_document(&mut self, document: &HereDocument) {
        let has_references =
            (self.at..self.limit).any(|at| matches!(self.symbols.get(at), Some(Symbol::Reference(_))));
        if !has_references {
            return self.take(self.limit - self.at);
        }
        let is_plain = !document.delimiter.is_empty()
            && document.delimiter.chars().all(|c| c.is_ascii_alphanumeric() || "_-.!%+,:".contains(c));
        if is_plain {
            self.replace(document.made.clone(), &document.delimiter);
        }
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Char(c) => {
                    if is_plain && "\\$`".contains(c) {
                        self.made.push(Made::Char('\\'));
                    }
                    self.take(1);
                }
                Symbol::Reference(piece) => {
                    if !is_plain {
                        let why = "a here-document between quotes whose delimiter needs them";
                        self.refuse(piece, why, "give it a delimiter of letters");
                    }
                    self.reference(piece, Quote::Verbatim);
                }
            }
        }
    }
}
