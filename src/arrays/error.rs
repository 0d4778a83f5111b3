//! Errors of the array language: the message, its position in the text, and advice.

use crate::arrays::syntax::ast::Span;

/// An error in an array expression, found while parsing it or while evaluating it.
///
/// The range is in bytes of the text given to [`Expr::parse`](super::Expr::parse), so that the caller can put
/// a caret under it in whatever file the text came from. It always lies on character boundaries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// The position of the fault, as a range of bytes of the expression's text.
    pub range: Span,
    /// The message, in one line.
    pub message: String,
    /// Advice on how to correct the expression, if there is any.
    pub help: Option<String>,
}

/// A fault in the values of an operation, such as shapes that do not match. An operation does not know its position in
/// the text: [`at`](Self::at) adds that, and makes an [`ExprError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Fault { message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn at(self, span: &Span) -> ExprError {
        ExprError { range: span.clone(), message: self.message, help: self.help }
    }
}

/// Adds the position in the expression's text to the fault of an operation.
pub(crate) trait PutPosition<T> {
    fn at(self, span: &Span) -> Result<T, ExprError>;
}

impl<T> PutPosition<T> for Result<T, Fault> {
    fn at(self, span: &Span) -> Result<T, ExprError> {
        self.map_err(|fault| fault.at(span))
    }
}
