//! Quotes (`'…'`, `"…"`, `$'…'`) and expansions (`$x`, `${…}`, `$(…)`, backquotes).

use super::code::CodeEnd;
use super::{Ansi, DEEPEST, Evaluation, OutputPiece, ShellLexer, Symbol, is_name_char};
use crate::script::plan::shell_quote::Quote;

impl ShellLexer {
    /// Reads single quotes, `'…'`.
    pub(super) fn single(&mut self) {
        self.take(1);
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Char('\'') => return self.take(1),
                Symbol::Char(_) => self.take(1),
                Symbol::Reference(piece) => self.reference(piece, Quote::Single),
            }
        }
    }

    /// Reads `$'…'`, quotes with escapes as in C, as far as the dialect has them.
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
                Symbol::Char('\\') => {
                    if self.ansi == Ansi::Either && self.peek(1) == Some('\'') {
                        self.lose(sure, instead);
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

    /// Reads double quotes, `"…"`.
    pub(super) fn double(&mut self) {
        self.take(1);
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Char('"') => return self.take(1),
                symbol => self.expanded(symbol, Quote::Double),
            }
        }
    }

    /// Reads a symbol where expansions take place and quotes have no meaning, as in double quotes and here-documents.
    pub(super) fn expanded(&mut self, symbol: Symbol, context: Quote) {
        match symbol {
            Symbol::Char('\\') => self.backslash(context),
            Symbol::Char('$' | '`') => self.expansion(context),
            Symbol::Char(_) => self.take(1),
            Symbol::Reference(piece) => self.reference(piece, context),
        }
    }

    /// Reads an expansion, which begins with `$` or a backquote. `context` is the quoting context around it.
    pub(super) fn expansion(&mut self, context: Quote) {
        if self.depth > DEEPEST {
            self.lose(
                "expansions nested too deeply before it",
                "put the inner ones into variables of the shell",
            );
            return self.take(1);
        }
        self.check_operator();
        if self.is_next("`") {
            self.backquotes();
        } else if self.is_next("$((") && self.is_arithmetic(1) {
            self.take(3);
            self.arithmetic();
        } else if self.is_next("$(") {
            self.take(2);
            self.code(CodeEnd::Paren);
        } else if self.is_next("${") {
            self.take(2);
            self.depth += 1;
            self.parameter(context);
            self.depth -= 1;
        } else if self.is_next("$[") && self.ansi != Ansi::Unknown {
            self.take(2);
            self.bracket_arithmetic();
        } else if self.is_next("$#") || self.is_next("$$") {
            self.take(2);
        } else {
            self.take(1);
            self.plain_parameter();
        }
    }

    /// Reads the name of a variable after its `$`.
    fn plain_parameter(&mut self) {
        match self.peek(0) {
            Some(c @ ('@' | '*' | '0'..='9')) => {
                let name = self.positional(&c.to_string());
                self.reading.variables.push(name);
            }
            Some(c) if is_name_char(c) => {
                let name = self.take_name();
                self.reading.variables.push(name);
            }
            _ => {}
        }
    }

    fn positional(&self, number: &str) -> String {
        let number = if number == "*" { "@" } else { number };
        super::builtins::positional(&self.function, number)
    }

    /// Reads a command substitution in backquotes. Shells process the backslashes in it once before they read the
    /// commands.
    fn backquotes(&mut self) {
        self.take(1);
        let mut end = self.at;
        let mut has_backslash = false;
        loop {
            match self.symbols.get(end).filter(|_| end < self.limit) {
                Some(Symbol::Char('`')) => break,
                Some(Symbol::Char('\\')) => {
                    has_backslash = true;
                    end += 2;
                }
                Some(_) => end += 1,
                None => {
                    self.lose("a backquote that is never closed before it", "close it");
                    break;
                }
            }
        }
        let limit = self.limit;
        self.limit = end.min(limit);
        if has_backslash {
            self.copy(
                "a backslash inside the same backquotes is read twice",
                "write `$(…)` instead of backquotes",
            );
        } else {
            self.code(CodeEnd::Text);
        }
        self.limit = limit;
        self.take(1);
    }

    /// Copies the text up to the limit to the output, and refuses all references in it for the reason `why`.
    fn copy(&mut self, why: &'static str, instead: &'static str) {
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Char(_) => self.take(1),
                Symbol::Reference(piece) => {
                    self.refuse(piece, why, instead);
                    self.reference(piece, Quote::Word);
                }
            }
        }
    }

    /// Reads `${…}`, whose brace has been read.
    fn parameter(&mut self, context: Quote) {
        let is_length = self.peek(0) == Some('#') && self.peek(1) != Some('}');
        let is_indirect = self.peek(0) == Some('!') && self.peek(1) != Some('}');
        if is_length || is_indirect {
            self.take(1);
        }
        let begin = self.output.len();
        loop {
            match self.symbol(0) {
                Some(Symbol::Reference(piece)) => self.reference(piece, Quote::Name),
                Some(Symbol::Char(c)) if is_name_char(c) => self.take(1),
                Some(Symbol::Char(c)) if self.output.len() == begin && "@*?-$!#".contains(c) => {
                    self.take(1);
                    break;
                }
                _ => break,
            }
        }
        let mut name = self.output_since(begin);
        if name.starts_with(|c: char| c.is_ascii_digit() || c == '@' || c == '*') {
            name = self.positional(&name);
        }
        let mut is_list = self.is_next("@}") || self.is_next("*}");
        if self.is_next("[") {
            is_list = self.is_next("[@]}") || self.is_next("[*]}");
            self.take(1);
            self.subscript(&name);
        }
        if self.is_next("\\\n") {
            self.lose("a line that is continued inside `${…}` before it", "write it on one line");
        }
        if is_indirect && !is_list {
            self.evaluations.add(&[], std::slice::from_ref(&name), Evaluation::Shell, "`${!…}`");
        }
        if self.is_next("@P") {
            self.evaluations.add(&[], std::slice::from_ref(&name), Evaluation::Shell, "`${…@P}`");
        }
        if !is_length {
            self.reading.variables.push(name.clone());
        }
        let is_pattern = match (self.peek(0), self.peek(1)) {
            (Some(':'), Some(next)) if !"-=?+}".contains(next) => return self.offsets(),
            (Some(':'), None) => return self.offsets(),
            (Some('%' | '#' | '/' | '^' | ','), _) => true,
            _ => false,
        };
        let context = match context {
            Quote::Bare => Quote::Bare,
            Quote::Arithmetic => Quote::Arithmetic,
            // characters of a value must not act as wildcards of a pattern
            Quote::Double if is_pattern => Quote::Word,
            context => context,
        };
        let is_assigned = self.is_next("=") || self.is_next(":=");
        let known = (self.reading.pieces.len(), self.reading.variables.len());
        self.word_of_parameter(context, is_pattern);
        if is_assigned {
            let pieces = self.reading.pieces.get(known.0..).unwrap_or_default();
            let variables = self.reading.variables.get(known.1..).unwrap_or_default();
            self.evaluations.assign(&name, pieces, variables);
        }
    }

    /// Reads the word behind the operator of a `${…}`, such as a default value or a pattern, up to the closing brace.
    fn word_of_parameter(&mut self, context: Quote, is_pattern: bool) {
        let quotes = is_pattern || context == Quote::Bare;
        while let Some(symbol) = self.symbol(0) {
            match symbol {
                Symbol::Char('}') => return self.take(1),
                Symbol::Char('\'') if quotes => self.single(),
                Symbol::Char('"') if context != Quote::Verbatim => self.double(),
                Symbol::Char('$') if quotes && self.is_next("$'") => self.ansi(),
                symbol => self.expanded(symbol, context),
            }
        }
    }

    /// Replaces the characters in a range of the output by `text`.
    pub(super) fn replace(&mut self, range: std::ops::Range<usize>, text: &str) {
        let mut text = Some(text.to_string());
        for piece in self.output.get_mut(range).into_iter().flatten() {
            *piece = OutputPiece::Text(text.take().unwrap_or_default());
        }
    }
}
