//! Errors: where they point, what they say, what they advise.

use super::*;

/// The part of the text at fault, the message, and the help of the error that `text` gives.
fn error(text: &str) -> (String, String, String) {
    match eval(text) {
        Ok(value) => panic!("`{text}` is {value}"),
        Err(ExprError { range, message, help }) => {
            (text[range].to_owned(), message, help.unwrap_or_default())
        }
    }
}

#[test]
fn all() {
    let cases = [
        // Tokens.
        ("1 + 2x", "2x", "`2x` is not a number", "write `2 * x`"),
        ("1__0", "1__0", "is not a number", "between digits"),
        ("1e999", "1e999", "too large", ""),
        ("x + {k}", "{", "braces", "`x`, not `{x}`"),
        ("x & y", "&", "unknown operator `&`", "`&&`"),
        ("x ^ 2", "^", "unknown operator", "`**`"),
        ("random(3, dist = 'normal)", "'", "not closed", ""),
        ("x € y", "€", "unexpected character", ""),
        // Syntax.
        ("", "", "empty", "random"),
        ("  ", "", "empty", ""),
        ("1 +", "", "expected a value, the expression ends", ""),
        ("1 2", "2", "expected an operator or the end, found a number", ""),
        ("(1 + 2", "(", "not closed", "`)` is missing"),
        ("x[1", "[", "not closed", "`]` is missing"),
        ("sum(x", "(", "not closed", ""),
        ("1 + 2)", ")", "expected an operator or the end, found `)`", ""),
        ("1 < 2 < 3", "<", "do not chain", "a < b && b < c"),
        ("7 // 2", "/", "expected a value, found `/`", "floor(a / b)"),
        ("x = 3", "=", "found `=`", "`==`"),
        ("x and y", "and", "found the name `and`", "`&&`"),
        ("x if y", "if", "found the name `if`", "where("),
        ("x[]", "[]", "an index is missing", ""),
        ("sum(g)[i = 3]", "=", "no keywords", "x[2]"),
        ("g[i = 3", "[", "not closed", "`]` is missing"),
        (
            "1 + g[i = 3] else 0",
            "1 + g[i = 3]",
            "`else` stands behind the result",
            "1 + (x[i = i - 1] else 0)",
        ),
        ("sum(x)?", "?", "`?` stands behind the result", "x[i = i - 1]?"),
        ("()", "()", "expected a value", ""),
        ("2(3)", "(", "only a function's name", ""),
        // Functions and arguments, all found without evaluating.
        ("1 + randm(3)", "randm", "unknown function `randm`", "did you mean `random`?"),
        ("np.sum(x)", "np.sum", "unknown function", "write `sum(..)`"),
        ("x.sum()", "x.sum", "unknown function", "write `sum(x, ..)`"),
        ("concatenate(x)", "concatenate", "unknown function", "`concat`"),
        ("xyzzy(3)", "xyzzy", "unknown function", "functions: random, zeros"),
        ("sum()", "sum()", "lacks its argument `x`", "usage: sum(x, [axis])"),
        ("zeros()", "zeros()", "lacks its argument `size`", ""),
        ("sqrt(1, 2)", "2", "takes at most 1 arguments, 2 are given", "usage: sqrt(x)"),
        ("max(1, 2, 3)", "3", "at most 2", "max([a, b, c])"),
        ("random(3, sed = 1)", "sed", "no argument `sed`", "did you mean `seed`?"),
        ("random(seed = 1, 3)", "3", "after one with a keyword", ""),
        ("sum(x, x = 3)", "x", "`x` of `sum` is given twice", ""),
        ("random(seed = 1, seed = 2)", "seed", "given twice", ""),
        ("linspace(0)", "linspace(0)", "lacks its argument `stop`", "linspace(start, stop, [num])"),
        // Evaluation.
        ("1 + pressure", "pressure", "unknown name `pressure`", ""),
        (
            "1 + (x + m)",
            "(x + m)",
            "shapes (10,) and (3, 4) do not go together: 10 against 4",
            "from the last axis",
        ),
        ("x[10]", "10", "index 10 is out of range for axis 0 of length 10", ""),
        ("x[-11]", "-11", "out of range", ""),
        ("m[0, 4]", "4", "axis 1 of length 4", ""),
        ("m[0, 1, 2]", "0", "3 indexes for an array of shape (3, 4)", ""),
        ("m[..., 0, ...]", "...", "only once", ""),
        ("g[3]", "3", "the gather of length 3", ""),
        ("x[0.5]", "0.5", "whole number", ""),
        ("x[::0]", "::0", "cannot be 0", ""),
        ("x[y]", "y", "an index is one number, not an array of shape (4,)", ""),
        ("k[0]", "k[0]", "a single number has no elements", ""),
        ("model + 1", "model", "the text `normal` is no number", ""),
        ("model", "model", "is no number", ""),
        ("h + 1", "h", "a list of unequal shapes", "concat"),
        ("concat(m, x)", "concat(m, x)", "number 0 has shape (3, 4), number 1 has (10,)", ""),
        ("concat(nothing)", "concat(nothing)", "nothing to join", ""),
        ("zeros(-1)", "-1", "cannot be negative", ""),
        ("zeros(2.5)", "2.5", "a size is a whole number", ""),
        ("zeros(0 / 0)", "0 / 0", "whole number", ""),
        ("zeros(1e10, 1e10)", "1e10, 1e10", "more elements than can be addressed", ""),
        ("zeros(1e300)", "1e300", "longer than can be addressed", ""),
        ("zeros(0, 1e10, 1e10)", "0, 1e10, 1e10", "than can be addressed", ""),
        ("zeros(1e15)", "zeros", "no memory for an array", "blocks"),
        ("random(1e15)", "random(1e15)", "no memory for an array", "blocks"),
        ("arange(1e15)", "arange(1e15)", "no memory", ""),
        ("arange(1, 2, 0)", "arange(1, 2, 0)", "in steps of 0", ""),
        ("arange(1e300)", "arange(1e300)", "longer than", ""),
        ("ones(1e6, 1) + ones(1e6) * ones(1e6, 1)", "ones(1e6) * ones(1e6, 1)", "no memory", ""),
        ("full(3)", "full(3)", "lacks its value", "value = 7"),
        ("sum(m, axis = 2)", "2", "axis 2 is out of range for an array of 2 axes", "counted from 0"),
        ("sum(3, axis = 0)", "0", "out of range", ""),
        ("max(m, 3)", "3", "axis 3 is out of range", ""),
        ("min(zeros(0))", "min(zeros(0))", "no elements", ""),
        ("max(e, axis = 0)", "0", "no elements", ""),
        ("reshape(x, 3, -1)", "reshape(x, 3, -1)", "10 elements, which do not fill (3, -1)", ""),
        ("reshape(x, -1, -1)", "reshape(x, -1, -1)", "only one", ""),
        ("reshape(e, 0, -1)", "reshape(e, 0, -1)", "do not fill", ""),
        ("transpose(m, 0, 0)", "transpose(m, 0, 0)", "each axis from 0 to 1 once", ""),
        ("matmul(m, m)", "matmul(m, m)", "4, is not as long as the first of the right one, 3", ""),
        ("matmul(m, 2)", "matmul(m, 2)", "not single numbers", "a * b"),
        ("dot(t, t)", "dot(t, t)", "a vector or a matrix on the right", "matmul"),
        ("matmul(t, t)", "matmul(t, t)", "4, is not as long as the last but one of the right one, 3", ""),
        ("random(3, seed = 0.5)", "0.5", "whole number", ""),
        ("random(3, seed = 1e17)", "1e17", "at most 2**53", ""),
        ("cast(x, 'f16')", "'f16'", "unknown element type `f16`", "\"f32\""),
        ("cast(0 / 0, 'i32')", "cast(0 / 0, 'i32')", "no number of the type i32", "f64"),
        ("cast(x, 'u8') + 300", "cast(x, 'u8') + 300", "300 is no number of the type u8", "i64"),
        ("cast(2, 'i64') ** 60", "cast(2, 'i64') ** 60", "beyond 2**53", "f64"),
        ("cast(3, 'i64') ** 99", "cast(3, 'i64') ** 99", "no number of the type i64", "overflowed"),
        ("cast(3, 'i32') ** -1", "cast(3, 'i32') ** -1", "negative powers", "x ** -1.0"),
        ("argmax(e)", "argmax(e)", "`argmax` of no elements", ""),
        ("histogram(x, 0)", "histogram(x, 0)", "at least one bin", ""),
        ("histogram(x, 3, min = 2, max = 1)", "histogram(x, 3, min = 2, max = 1)", "not 2 to 1", ""),
        ("histogram(log(x))", "histogram(log(x))", "cannot go from NaN", "min = 0"),
        ("stack(x, y)", "stack(x, y)", "number 0 has shape (10,), number 1 has (4,)", "concat"),
        ("stack(y, y, axis = 2)", "stack(y, y, axis = 2)", "axis 2 is out of range", ""),
        ("from_csv(x)", "x", "a file, or what a command has written", "leave the function out"),
        ("from_csv(tables)", "tables", "several files", "each"),
        ("from_csv(table, 'q')", "from_csv(table, 'q')", "no column `q`: the first line has t, p", ""),
        ("from_csv(model)", "model", "cannot be read here", ""),
        (
            "from_bytes(tables[0])",
            "from_bytes(tables[0])",
            "4 bytes are no whole number of elements of 8 bytes",
            "",
        ),
        ("table + 1", "table", "line 1: `t` is no number", ""),
        ("load(x, '/a')", "x", "takes a file", "load("),
        ("load('a.h5', 3)", "3", "is a text", ""),
        ("load('a.h5', '/a')", "load('a.h5', '/a')", "cannot be read here", ""),
        ("random(3, dist = 'gauss')", "'gauss'", "unknown distribution `gauss`", "normal"),
        ("random(3, dist = 1)", "1", "is a text", ""),
        (
            "zeros(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)[0]",
            "",
            "at most 32 axes",
            "",
        ),
    ];
    for (text, place, message, help) in cases {
        let found = error(text);
        assert!(found.1.contains(message), "`{text}`: message {found:?}");
        assert!(found.2.contains(help), "`{text}`: help {found:?}");
        assert!(
            found.0 == place || (place.is_empty() && text.starts_with("zeros(1,")),
            "`{text}`: place {found:?}"
        );
    }
}

#[test]
fn arguments_are_checked_before_names_are_known() {
    for text in ["nobody + randm(3)", "sum(nobody, axes = 1)", "sqrt()"] {
        assert!(Expr::parse(text).is_err(), "{text}");
    }
    assert!(Expr::parse("nobody + 1").is_ok());
}

#[test]
fn every_function_has_its_entry() {
    for signature in crate::arrays::syntax::function::FUNCTIONS {
        assert_eq!(signature.function.signature().name, signature.name);
        assert!(signature.required <= signature.positional.len());
    }
}
