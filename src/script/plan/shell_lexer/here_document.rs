//! Here-documents: `<<END`, the text in the lines below, and the line that ends it.

use super::inner_programs::ProgramReader;
use super::{OutputPiece, ShellLexer, Symbol};
use crate::script::plan::shell_quote::Quote;
use std::ops::Range;

/// A here-document whose `<<` has been read and whose text has not.
#[derive(Clone, Debug)]
pub(super) struct HereDocument {
    /// The line that ends the text, without quotes.
    delimiter: String,
    /// Whether leading tabs of each line are ignored, as with `<<-`.
    strips: bool,
    is_quoted: bool,
    /// The range of the delimiter in the lexer's output, for removing its quotes later.
    delimiter_range: Range<usize>,
    /// The program that runs the text, or `None` if it is data.
    pub(super) reader: Option<ProgramReader>,
}

impl ShellLexer {
    /// Reads `<<` and the delimiter. `None` if the delimiter has a reference, which is refused.
    pub(super) fn here_delimiter(&mut self) -> Option<HereDocument> {
        self.take(2);
        let strips = self.is_next("-");
        if strips {
            self.take(1);
        }
        while matches!(self.peek(0), Some(' ' | '\t')) {
            self.take(1);
        }
        let begin = self.output.len();
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
        if delimiter.contains(['$', '`', '\n', '\\']) {
            self.lose("a here-document whose end is not certain before it", "give it a delimiter of letters");
        }
        let delimiter_range = begin..self.output.len();
        Some(HereDocument { delimiter, strips, is_quoted, delimiter_range, reader: None })
    }

    /// Reads the text of a here-document and the line that ends it. Returns the indices of the references in the text.
    pub(super) fn here_document(&mut self, document: &HereDocument) -> Vec<usize> {
        let limit = self.limit;
        self.limit = self.here_end(document);
        let outer = std::mem::take(&mut self.reading);
        let reader = document.reader.clone().or_else(|| self.is_next("#!").then_some(ProgramReader::Later));
        if document.is_quoted {
            self.quoted_document(document);
        } else {
            while let Some(symbol) = self.symbol(0) {
                self.expanded(symbol, Quote::Verbatim);
            }
        }
        let inner = std::mem::replace(&mut self.reading, outer);
        if let Some(reader) = reader {
            self.evaluations.add(&inner.pieces, &inner.variables, reader.evaluation(), &reader.to_string());
        }
        self.limit = limit;
        // the line with the delimiter
        while let Some(c) = self.peek(0) {
            self.take(1);
            if c == '\n' {
                break;
            }
        }
        inner.pieces
    }

    /// The index of the symbol at which the line that ends a here-document begins. A line behind a line continuation
    /// does not end the text, unless the delimiter is quoted.
    fn here_end(&self, document: &HereDocument) -> usize {
        let mut begin = self.at;
        let mut is_continued = false;
        while begin < self.limit {
            let symbols = self.symbols.get(begin..self.limit).unwrap_or_default();
            let length = symbols.iter().position(|s| *s == Symbol::Char('\n')).unwrap_or(symbols.len());
            let line = symbols.get(..length).unwrap_or_default();
            if !std::mem::take(&mut is_continued) && is_line(line, document) {
                return begin;
            }
            let backslashes = line.iter().rev().take_while(|s| **s == Symbol::Char('\\')).count();
            is_continued = !document.is_quoted && backslashes % 2 == 1;
            begin += length + 1;
        }
        self.limit
    }

    /// Reads the text of a here-document with a quoted delimiter, in which the shell expands nothing. If the text has
    /// references, the delimiter loses its quotes, and all else that would be expanded is escaped.
    fn quoted_document(&mut self, document: &HereDocument) {
        let has_references =
            (self.at..self.limit).any(|at| matches!(self.symbols.get(at), Some(Symbol::Reference(_))));
        if !has_references {
            return self.take(self.limit - self.at);
        }
        let is_plain = !document.delimiter.is_empty()
            && document.delimiter.chars().all(|c| c.is_ascii_alphanumeric() || "_-.!%+,:".contains(c));
        if is_plain {
            self.replace(document.delimiter_range.clone(), &document.delimiter);
        }
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Char(c) => {
                    if is_plain && "\\$`".contains(c) {
                        self.output.push(OutputPiece::Char('\\'));
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

fn is_line(line: &[Symbol], document: &HereDocument) -> bool {
    let tabs =
        if document.strips { line.iter().take_while(|s| **s == Symbol::Char('\t')).count() } else { 0 };
    let line = line.get(tabs..).unwrap_or_default();
    line.len() == document.delimiter.chars().count()
        && line.iter().zip(document.delimiter.chars()).all(|(symbol, c)| *symbol == Symbol::Char(c))
}
