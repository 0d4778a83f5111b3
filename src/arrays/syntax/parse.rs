//! The parser: precedence climbing from tokens to a tree, written by hand so that every error can name its remedy.
//!
//! Precedence, loosest first: `||`, `&&`, comparisons (which do not chain), `+ -`, `* / %`, prefix `- !`, `**` (from
//! the right; its exponent may have a sign), and calls, indexes. Looser than all is `else`, between a name and what
//! stands for it where its instance is not there. As in Python, `-x ** 2` is `-(x ** 2)`.

use super::ast::{BinaryOp, ExprNode, Literal, MAX_DEPTH, NodeKind, Span, Subscript, UnaryOp};
use super::token::{Token, tokens};
use crate::arrays::error::ExprError;

/// Parses the text of a whole expression into a syntax tree.
pub(crate) fn parse(text: &str) -> Result<ExprNode, ExprError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens: &tokens, position: 0, depth: 0, randoms: 0, length: text.len() };
    if tokens.is_empty() {
        return Err(
            parser.error("an array expression is empty", Some("write one, such as `random(1000, seed = i)`"))
        );
    }
    let node = parser.alternatives()?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected("an operator or the end")),
    }
}

pub(crate) struct Parser<'t> {
    text: &'t str,
    tokens: &'t [(Token, Span)],
    position: usize,
    depth: usize,
    pub(crate) randoms: u64,
    length: usize,
}

const COMPARISON: u8 = 3;
const PREFIX: u8 = 6;
const POWER: u8 = 7;

fn infix(symbol: &str) -> Option<(BinaryOp, u8)> {
    Some(match symbol {
        "||" => (BinaryOp::Or, 1),
        "&&" => (BinaryOp::And, 2),
        "<" => (BinaryOp::Less, COMPARISON),
        "<=" => (BinaryOp::LessEqual, COMPARISON),
        "==" => (BinaryOp::Equal, COMPARISON),
        "!=" => (BinaryOp::NotEqual, COMPARISON),
        ">=" => (BinaryOp::GreaterEqual, COMPARISON),
        ">" => (BinaryOp::Greater, COMPARISON),
        "+" => (BinaryOp::Add, 4),
        "-" => (BinaryOp::Sub, 4),
        "*" => (BinaryOp::Mul, 5),
        "/" => (BinaryOp::Div, 5),
        "%" => (BinaryOp::Rem, 5),
        "**" => (BinaryOp::Pow, POWER),
        _ => return None,
    })
}

impl Parser<'_> {
    /// Parses an expression whose operators bind at least as tightly as `loosest`, a binding power (precedence
    /// climbing).
    pub(crate) fn expression(&mut self, loosest: u8) -> Result<ExprNode, ExprError> {
        self.nested(|parser| {
            let mut left = parser.prefix()?;
            while let Some((op, power)) = parser.symbol().and_then(infix) {
                if power < loosest {
                    break;
                }
                parser.position += 1;
                // A right side that binds more tightly makes an operator left-associative. `**` keeps its own level,
                // and so associates to the right.
                let right = parser.expression(if power == POWER { POWER } else { power + 1 })?;
                let span = left.span.start..right.span.end;
                left = parser.node(NodeKind::Binary(op, Box::new(left), Box::new(right)), span)?;
                if power == COMPARISON && matches!(parser.symbol().and_then(infix), Some((_, COMPARISON))) {
                    return Err(parser.error("comparisons do not chain", Some("write `a < b && b < c`")));
                }
            }
            Ok(left)
        })
    }

    /// Parses a whole expression, with `else` in it: `x[i = i - 1] else 0`.
    pub(crate) fn alternatives(&mut self) -> Result<ExprNode, ExprError> {
        let left = self.expression(0)?;
        if !matches!(self.peek(), Some((Token::Name(word), _)) if word == "else") {
            return Ok(left);
        }
        if !matches!(left.kind, NodeKind::Name { .. }) {
            return Err(ExprError {
                range: left.span,
                message: "`else` stands behind the result of a task, and this is more".to_owned(),
                help: Some("put brackets around both: `1 + (x[i = i - 1] else 0)`".to_owned()),
            });
        }
        self.position += 1;
        let right = self.nested(Self::alternatives)?;
        let span = left.span.start..right.span.end;
        self.node(NodeKind::Else(Box::new(left), Box::new(right)), span)
    }

    /// Parses the brackets behind a name that choose instances by the values of parameters, `[r = r - 1, c = c]`. The
    /// name gets their text. `None` if there are no such brackets.
    fn choice(&mut self, name: &str, span: &Span) -> Result<Option<ExprNode>, ExprError> {
        let next = |at: usize| self.tokens.get(self.position + at).map(|(token, _)| token);
        if !matches!(
            (next(0), next(1), next(2)),
            (Some(Token::Symbol("[")), Some(Token::Name(_)), Some(Token::Symbol("=")))
        ) {
            return Ok(None);
        }
        let open = self.here();
        let mut depth = 0;
        loop {
            match self.symbol() {
                Some("[" | "(") => depth += 1,
                Some("]" | ")") => depth -= 1,
                _ if self.peek().is_none() => {
                    return Err(ExprError {
                        range: open,
                        message: "this bracket is not closed".to_owned(),
                        help: Some("a `]` is missing".to_owned()),
                    });
                }
                _ => {}
            }
            let end = self.here().end;
            self.position += 1;
            if depth == 0 {
                let chosen = self.text.get(open.start..end).unwrap_or_default();
                let (name, span) = (format!("{name}{chosen}"), span.start..end);
                return self.node(NodeKind::Name { name, span: span.clone() }, span).map(Some);
            }
        }
    }

    fn prefix(&mut self) -> Result<ExprNode, ExprError> {
        let op = match self.symbol() {
            Some("-") => UnaryOp::Neg,
            Some("!") => UnaryOp::Not,
            // A plus sign has no effect, so it gets no node.
            Some("+") => {
                self.position += 1;
                return self.expression(PREFIX);
            }
            _ => return self.postfix(),
        };
        let start = self.here().start;
        self.position += 1;
        if let (UnaryOp::Neg, Some((Token::LeastWithoutSign, span))) = (op, self.peek()) {
            let end = span.end;
            self.position += 1;
            return self.node(NodeKind::Number(Literal::Int(i64::MIN)), start..end);
        }
        let operand = self.expression(PREFIX)?;
        let span = start..operand.span.end;
        self.node(NodeKind::Unary(op, Box::new(operand)), span)
    }

    fn postfix(&mut self) -> Result<ExprNode, ExprError> {
        let mut node = self.primary()?;
        if let Some((name, end)) = self.column_of(&node) {
            let span = node.span.start..end;
            self.position += 3;
            node = self.node(NodeKind::Name { name, span: span.clone() }, span)?;
        }
        while self.symbol() == Some("[") {
            let open = self.here();
            self.position += 1;
            let mut subscripts = Vec::new();
            while self.symbol() != Some("]") {
                subscripts.push(self.subscript()?);
                self.separator("]", &open)?;
            }
            let end = self.here().end;
            if subscripts.is_empty() {
                return Err(ExprError {
                    range: open.start..end,
                    message: "an index is missing".to_owned(),
                    help: Some("write `x[0]` for an element or `x[0:10]` for a slice".to_owned()),
                });
            }
            self.position += 1;
            let span = node.span.start..end;
            node = self.node(NodeKind::Index(Box::new(node), subscripts), span)?;
        }
        if self.symbol() == Some("(") {
            return Err(self.error("only a function's name can be called", None));
        }
        if self.symbol() == Some("?") {
            let end = self.here().end;
            if !matches!(node.kind, NodeKind::Name { .. }) {
                return Err(
                    self.error("`?` stands behind the result of a task", Some("write `x[i = i - 1]?`"))
                );
            }
            self.position += 1;
            let span = node.span.start..end;
            node = self.node(NodeKind::Optional(Box::new(node)), span)?;
        }
        Ok(node)
    }

    /// The full name of a column that is written in brackets, and the offset where it ends: `case.Sample ID` for
    /// `case["Sample ID"]`. `None` for any other node.
    fn column_of(&self, node: &ExprNode) -> Option<(String, usize)> {
        let NodeKind::Name { name: table, .. } = &node.kind else { return None };
        let token = |at: usize| self.tokens.get(self.position + at);
        match (token(0)?, token(1)?, token(2)?) {
            ((Token::Symbol("["), _), (Token::Text(column), _), (Token::Symbol("]"), span)) => {
                Some((format!("{table}.{column}"), span.end))
            }
            _ => None,
        }
    }

    fn subscript(&mut self) -> Result<Subscript, ExprError> {
        let begin = self.here();
        if self.symbol() == Some("...") {
            self.position += 1;
            return Ok(Subscript::Ellipsis(begin));
        }
        let start = self.bound()?;
        if self.symbol() != Some(":") {
            if self.symbol() == Some("=") {
                let help =
                    "index by position, `x[2]`; instances are chosen by the parameters of the task's `for`";
                return Err(self.error("an index has no keywords in an array expression", Some(help)));
            }
            return start.map(Subscript::Index).ok_or_else(|| self.unexpected("an index"));
        }
        self.position += 1;
        let end = self.bound()?;
        let mut step = None;
        if self.symbol() == Some(":") {
            self.position += 1;
            step = self.bound()?;
        }
        let span = begin.start..self.before();
        Ok(Subscript::Slice { start, end, step, span })
    }

    /// Parses a start, end or step between the colons of a slice; `None` if it is omitted.
    fn bound(&mut self) -> Result<Option<ExprNode>, ExprError> {
        match self.symbol() {
            Some(":" | "," | "]") => Ok(None),
            _ => self.expression(0).map(Some),
        }
    }

    fn primary(&mut self) -> Result<ExprNode, ExprError> {
        let Some((token, span)) = self.peek().cloned() else {
            return Err(self.unexpected("a value"));
        };
        let kind = match token {
            Token::Number(value) => NodeKind::Number(value),
            Token::LeastWithoutSign => {
                return Err(
                    self.error("this integer does not fit into 64 bits", Some("with `.0` it is a float"))
                );
            }
            Token::Name(name) if name == "true" => NodeKind::Number(Literal::Bool(true)),
            Token::Name(name) if name == "false" => NodeKind::Number(Literal::Bool(false)),
            Token::Text(text) => NodeKind::Text(text),
            Token::Name(name) => {
                self.position += 1;
                if self.symbol() == Some("(") {
                    return self.call(&name, span);
                }
                if let Some(chosen) = self.choice(&name, &span)? {
                    return Ok(chosen);
                }
                return self.node(NodeKind::Name { name, span: span.clone() }, span);
            }
            Token::Symbol(open @ ("(" | "[")) => return self.brackets(open),
            Token::Symbol(_) => return Err(self.unexpected("a value")),
        };
        self.position += 1;
        self.node(kind, span)
    }

    /// Parses `(a)`, which is `a`, or a list: `(a, b)` or `[a, b]`. The current token is the bracket `open`.
    fn brackets(&mut self, open: &str) -> Result<ExprNode, ExprError> {
        let begin = self.here();
        let close = if open == "(" { ")" } else { "]" };
        self.position += 1;
        let mut items = Vec::new();
        let mut commas = 0;
        while self.symbol() != Some(close) {
            items.push(self.alternatives()?);
            commas += usize::from(self.separator(close, &begin)?);
        }
        let span = begin.start..self.here().end;
        self.position += 1;
        if open == "(" && commas == 0 {
            let Some(mut node) = items.pop() else {
                return Err(ExprError {
                    range: span,
                    message: "expected a value in `()`".to_owned(),
                    help: None,
                });
            };
            // Errors then point at the parentheses too, as they are part of what was written.
            node.span = span;
            return Ok(node);
        }
        self.node(NodeKind::List(items), span)
    }

    /// Parses what follows an item of a list: a comma, or the closing bracket `close`, which is not consumed. Returns
    /// whether a comma was there. At the end of the text, the error points at the opening bracket, `open`.
    pub(crate) fn separator(&mut self, close: &str, open: &Span) -> Result<bool, ExprError> {
        match self.symbol() {
            Some(",") => {
                self.position += 1;
                Ok(true)
            }
            Some(symbol) if symbol == close => Ok(false),
            _ if self.peek().is_none() => Err(ExprError {
                range: open.clone(),
                message: "this bracket is not closed".to_owned(),
                help: Some(format!("a `{close}` is missing")),
            }),
            _ => Err(self.unexpected(&format!("`,` or `{close}`"))),
        }
    }

    pub(crate) fn peek(&self) -> Option<&(Token, Span)> {
        self.tokens.get(self.position)
    }

    /// The current token, if it is an operator or a bracket; else `None`.
    pub(crate) fn symbol(&self) -> Option<&'static str> {
        match self.peek() {
            Some((Token::Symbol(symbol), _)) => Some(symbol),
            _ => None,
        }
    }

    /// Consumes `name =`, the beginning of a keyword argument, if it is there.
    pub(crate) fn keyword(&mut self) -> Option<(String, Span)> {
        let (Token::Name(name), span) = self.peek()? else { return None };
        let (Token::Symbol("="), _) = self.tokens.get(self.position + 1)? else { return None };
        let found = (name.clone(), span.clone());
        self.position += 2;
        Some(found)
    }

    pub(crate) fn advance(&mut self) {
        self.position += 1;
    }

    /// The position of the current token; after the last token, an empty range at the end of the text.
    pub(crate) fn here(&self) -> Span {
        self.peek().map_or(self.length..self.length, |(_, span)| span.clone())
    }

    /// The position in the text where the last consumed token ends.
    fn before(&self) -> usize {
        self.position.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0, |(_, span)| span.end)
    }

    /// Makes a node of the syntax tree. An error if the tree becomes deeper than `MAX_DEPTH`.
    pub(crate) fn node(&self, kind: NodeKind, span: Span) -> Result<ExprNode, ExprError> {
        let node = ExprNode::new(kind, span);
        if node.depth > MAX_DEPTH { Err(too_deep(node.span)) } else { Ok(node) }
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, ExprError>) -> Result<T, ExprError> {
        if self.depth >= MAX_DEPTH {
            return Err(too_deep(self.here()));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn error(&self, message: &str, help: Option<&str>) -> ExprError {
        ExprError { range: self.here(), message: message.to_owned(), help: help.map(str::to_owned) }
    }

    fn unexpected(&self, wanted: &str) -> ExprError {
        let previous =
            self.position.checked_sub(1).and_then(|at| self.tokens.get(at)).map(|(token, _)| token);
        let found = match self.peek() {
            None => "the expression ends".to_owned(),
            Some((Token::Symbol(symbol), _)) => format!("found `{symbol}`"),
            Some((Token::Name(name), _)) => format!("found the name `{name}`"),
            Some((Token::Number(_) | Token::LeastWithoutSign, _)) => "found a number".to_owned(),
            Some((Token::Text(_), _)) => "found a text".to_owned(),
        };
        let help = match (previous, self.symbol()) {
            (Some(Token::Symbol("/")), Some("/")) => Some("`//` is no operator: write `floor(a / b)`"),
            (_, Some("=")) => Some("to compare, write `==`; `name = value` is for a function's arguments"),
            (Some(Token::Name(word)), _) if word == "not" => Some("write `!x`"),
            _ => match self.peek() {
                Some((Token::Name(word), _)) if word == "and" => Some("write `&&`"),
                Some((Token::Name(word), _)) if word == "or" => Some("write `||`"),
                Some((Token::Name(word), _)) if word == "if" => Some("write `where(condition, a, b)`"),
                _ => None,
            },
        };
        self.error(&format!("expected {wanted}, {found}"), help)
    }
}

fn too_deep(range: Span) -> ExprError {
    ExprError {
        range,
        message: format!("an array expression nests at most {MAX_DEPTH} deep"),
        help: Some("split it into several tasks, or gather the parts with `sum` or `concat`".to_owned()),
    }
}
