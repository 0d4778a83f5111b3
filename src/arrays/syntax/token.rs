//! The lexer: splits text into tokens, with winnow.

use super::ast::{Literal, Span};
use crate::arrays::error::ExprError;
use winnow::combinator::{alt, delimited, fail, opt, repeat};
use winnow::prelude::*;
use winnow::stream::{LocatingSlice, Location};
use winnow::token::{any, literal, one_of, take_till, take_while};

type Input<'s> = LocatingSlice<&'s str>;

/// A token of an expression's text, without its position.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Number(Literal),
    /// The number 2^63, which fits into 64 bits with a minus sign only.
    LeastWithoutSign,
    Text(String),
    /// A name, which may have dots, such as `sim.probe`.
    Name(String),
    /// An operator or a bracket, as it is written.
    Symbol(&'static str),
}

/// Splits `text` into tokens, each with its position.
pub(crate) fn tokens(text: &str) -> Result<Vec<(Token, Span)>, ExprError> {
    let mut input = LocatingSlice::new(text);
    let mut found = Vec::new();
    loop {
        skip_space(&mut input);
        if input.is_empty() {
            return Ok(found);
        }
        let start = input.current_token_start();
        match token.with_span().parse_next(&mut input) {
            Ok((Ok(token), span)) => found.push((token, span)),
            Ok((Err(message), range)) => return Err(ExprError { range, message, help: None }),
            Err(_) => return Err(stray(text, start)),
        }
        if matches!(found.last(), Some((Token::Number(_), _))) {
            adjacent_name(text, &input, &found)?;
        }
    }
}

fn skip_space(input: &mut Input<'_>) {
    let space: winnow::Result<&str> = take_while(0.., char::is_whitespace).parse_next(input);
    debug_assert!(space.is_ok(), "zero or more of anything is always found");
}

/// Rejects a name directly after a number: `2x` and `1_` are neither numbers nor names.
fn adjacent_name(text: &str, input: &Input<'_>, found: &[(Token, Span)]) -> Result<(), ExprError> {
    let end = input.current_token_start();
    let Some((_, number)) = found.last() else { return Ok(()) };
    if !text[end..].starts_with(is_name_char) {
        return Ok(());
    }
    let rest = text[end..].find(|c| !is_name_char(c)).map_or(text.len(), |length| end + length);
    let help = if text[end..].starts_with('_') {
        "underscores stand between digits only".to_owned()
    } else {
        format!("to multiply, write `{} * {}`", &text[number.clone()], &text[end..rest])
    };
    Err(ExprError {
        range: number.start..rest,
        message: format!("`{}` is not a number", &text[number.start..rest]),
        help: Some(help),
    })
}

/// The result of reading a token: the token, or an error message for text that looks like a token but is invalid.
type Lexed = Result<Token, String>;

fn token(input: &mut Input<'_>) -> winnow::Result<Lexed> {
    alt((
        literal("...").value(Ok(Token::Symbol("..."))),
        number,
        name.map(|name| Ok(Token::Name(name))),
        text.map(|text| Ok(Token::Text(text))),
        symbol.map(|symbol| Ok(Token::Symbol(symbol))),
    ))
    .parse_next(input)
}

fn number(input: &mut Input<'_>) -> winnow::Result<Lexed> {
    let exponent = || (one_of(['e', 'E']), opt(one_of(['+', '-'])), digits);
    let whole = (digits, opt(('.', opt(digits))), opt(exponent())).void();
    let fraction = ('.', digits, opt(exponent())).void();
    let written: &str = alt((whole, fraction)).take().parse_next(input)?;
    let plain = written.replace('_', "");
    if plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(match plain.parse::<u64>() {
            Ok(LEAST) => Ok(Token::LeastWithoutSign),
            Ok(value) if value < LEAST => Ok(Token::Number(Literal::Int(value as i64))),
            _ => Err(format!("`{written}` does not fit into 64 bits; `{written}.0` is a float")),
        });
    }
    Ok(match plain.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Token::Number(Literal::Float(value))),
        _ => Err(format!("`{written}` is too large for a number")),
    })
}

/// The size of the least integer.
const LEAST: u64 = i64::MIN.unsigned_abs();

fn digits(input: &mut Input<'_>) -> winnow::Result<()> {
    let digit = || take_while(1.., |c: char| c.is_ascii_digit());
    let more = repeat::<_, _, (), _, _>(0.., ('_', digit()).void());
    (digit(), more).void().parse_next(input)
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn name(input: &mut Input<'_>) -> winnow::Result<String> {
    let part =
        || (any.verify(|c: &char| c.is_alphabetic() || *c == '_'), take_while(0.., is_name_char)).void();
    let more = repeat::<_, _, (), _, _>(0.., ('.', part()).void());
    (part(), more).take().map(str::to_owned).parse_next(input)
}

fn text(input: &mut Input<'_>) -> winnow::Result<String> {
    let quoted = |quote: char| delimited(quote, take_till(0.., move |c| c == quote), quote);
    alt((quoted('"'), quoted('\''))).map(str::to_owned).parse_next(input)
}

/// The operators and brackets, longer ones before their prefixes, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 23] = [
    "**", "<=", "==", "!=", ">=", "&&", "||", "+", "-", "*", "/", "%", "<", ">", "!", "=", "(", ")", "[",
    "]", ",", ":", "?",
];

fn symbol(input: &mut Input<'_>) -> winnow::Result<&'static str> {
    for symbol in SYMBOLS {
        if opt(literal(symbol)).parse_next(input)?.is_some() {
            return Ok(symbol);
        }
    }
    fail.parse_next(input)
}

/// Makes the error for a character that begins no token.
fn stray(text: &str, start: usize) -> ExprError {
    let c = text[start..].chars().next().unwrap_or(' ');
    let (message, help) = match c {
        '"' | '\'' => ("this quote is not closed".to_owned(), None),
        '{' | '}' => (
            "braces have no meaning in an array expression".to_owned(),
            Some("names stand bare here: write `x`, not `{x}`"),
        ),
        '&' => ("unknown operator `&`".to_owned(), Some("write `&&`: it works element by element")),
        '|' => ("unknown operator `|`".to_owned(), Some("write `||`: it works element by element")),
        '~' => ("unknown operator `~`".to_owned(), Some("write `!`: it works element by element")),
        '^' => ("unknown operator `^`".to_owned(), Some("a power is written `**`")),
        '@' => ("unknown operator `@`".to_owned(), Some("write `matmul(a, b)`")),
        ';' => ("an array expression is one expression".to_owned(), Some("make a task of each step")),
        c => (format!("unexpected character `{}`", c.escape_debug()), None),
    };
    ExprError { range: start..start + c.len_utf8(), message, help: help.map(str::to_owned) }
}
