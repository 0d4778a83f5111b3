//! `number`, and mistakes with the functions of order and along axes; what they compute is compared with numpy in
//! [`numpy`](super::numpy).

use super::*;

#[test]
fn number_reads_one_number() -> Result<(), ExprError> {
    assert_eq!(eval("number('12')")?, ndarray::arr0(12.0).into_dyn());
    assert_eq!(eval("number(' 1.5e3 ') + 1")?, ndarray::arr0(1501.0).into_dyn());
    assert_eq!(eval("number(k)")?, ndarray::arr0(2.5).into_dyn());
    for (text, message) in [
        ("number(model)", "`normal` is no number"),
        ("number(table)", "is no number"),
        ("number('1 2')", "`1 2` is no number"),
        ("number(x)", "is one number, not an array"),
        ("number(tables)", "is one number"),
    ] {
        let error = eval(text).unwrap_err();
        assert!(error.message.contains(message), "{text}: {}", error.message);
    }
    Ok(())
}

#[test]
fn mistakes_are_told() {
    for (text, part, message) in [
        ("percentile(x, 101)", "101", "a percentile is from 0 to 100, not 101"),
        ("quantile(x, -0.5)", "-0.5", "a quantile is from 0 to 1, not -0.5"),
        ("median(x, axis = 1)", "1", "axis"),
        ("cumsum(m, axis = 2)", "2", "axis"),
        ("diff(3)", "diff(3)", "axis"),
        ("sort(m, axis = -3)", "-3", "axis"),
        ("diff(x, -1)", "diff(x, -1)", "-1"),
        ("unique(x, 0)", "0", "at most 1"),
        ("percentile(x)", "percentile(x)", "lacks its argument `q`"),
        ("stem('a.b')", "stem", "`stem` makes a text"),
        ("join('-', 'a')", "join", "`join` makes a text"),
    ] {
        let error = eval(text).unwrap_err();
        assert_eq!(&text[error.range.clone()], part, "{text}: {}", error.message);
        assert!(error.message.contains(message), "{text}: {}", error.message);
    }
}
