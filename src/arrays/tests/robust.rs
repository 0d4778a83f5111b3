//! What must hold for any text at all.

use super::*;
use crate::arrays::syntax::ast::{ExprNode, Literal, MAX_DEPTH, NodeKind, UnaryOp};
use crate::codec;
use proptest::prelude::*;

/// Parses a text and evaluates it if it is valid: nothing may panic, and positions of errors must lie in the text.
fn survive(text: &str) {
    let outcome = Expr::parse(text).and_then(|expr| {
        for (name, range) in expr.names() {
            assert_eq!(&text[range], name);
        }
        expr.eval(&Names::new())
    });
    if let Err(error) = outcome {
        assert!(text.get(error.range.clone()).is_some(), "{error:?} lies outside of {text:?}");
        assert!(!error.message.is_empty());
    }
}

/// Generates texts that are almost valid, which reach more of the parser than arbitrary ones.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "1",
        "2.5",
        "1e3",
        "x",
        "y",
        "m",
        "t",
        "e",
        "g",
        "h",
        "k",
        "sim.probe",
        "model",
        "'normal'",
        "+",
        "-",
        "*",
        "/",
        "**",
        "%",
        "<",
        "==",
        "&&",
        "||",
        "!",
        "(",
        ")",
        "[",
        "]",
        ",",
        ":",
        "...",
        "=",
        "axis = 1",
        "seed = 2",
        "dist = ",
        "sum(",
        "mean(",
        "reshape(",
        "concat(",
        "where(",
        "clip(",
        "transpose(",
        "random(",
        "zeros(",
        "arange(",
        "linspace(",
        "dot(",
        "matmul(",
        "[0:2]",
        "[-1]",
        "[::-1]",
        "[..., 0]",
        "é",
        " ",
        "_",
        "1_0",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.join(" "))
}

/// Generates texts of valid expressions.
fn grown() -> impl Strategy<Value = String> {
    let leaf =
        prop::sample::select(vec!["1", "0", "-2", "0.5", "x", "y", "m", "t", "e", "g", "k", "i", "points"]);
    leaf.prop_map(str::to_owned).prop_recursive(5, 24, 3, |inner| {
        let op = prop::sample::select(vec!["+", "-", "*", "/", "%", "**", "<", "==", "&&"]);
        let unary = prop::sample::select(vec!["-", "!", "sqrt", "sum", "transpose", "max", "floor"]);
        let slice = prop::sample::select(vec![
            "[0]",
            "[1:]",
            "[::-1]",
            "[:, 1]",
            "[-1, ...]",
            "[2:0:-1]",
            "[0:1, 0:2]",
            "[k * 2:]",
        ]);
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (unary, inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            (inner.clone(), slice).prop_map(|(a, s)| format!("({a}){s}")),
            (inner.clone(), 0..3).prop_map(|(a, axis)| format!("mean({a}, axis = {axis})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("concat({a}, {b})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("where({a}, {b}, {c})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        survive(&text);
    }

    #[test]
    fn any_pieces(text in pieces()) {
        survive(&text);
    }

    #[test]
    fn any_expression(text in grown()) {
        prop_assert!(Expr::parse(&text).is_ok(), "{text}");
        survive(&text);
    }

    #[test]
    fn slices_are_pythons(n in 0_i64..12, start in -14_i64..14, end in -14_i64..14, step in -5_i64..6) {
        prop_assume!(step != 0);
        // The definition of slices in Python's documentation, element by element.
        let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let place = |bound: i64| (if bound < 0 { bound + n } else { bound }).clamp(low, high);
        let (mut at, end_at) = (place(start), place(end));
        let mut expected = Vec::new();
        while (step > 0 && at < end_at) || (step < 0 && at > end_at) {
            expected.push(at as f64);
            at += step;
        }
        let found = eval(&format!("arange({n})[{start}:{end}:{step}]"))?;
        prop_assert_eq!(found.as_slice(), Some(&expected[..]));
        let pairs = eval(&format!("transpose([arange({n}), arange({n})])[{start}:{end}:{step}, 1]"))?;
        prop_assert_eq!(pairs.as_slice(), Some(&expected[..]));
    }
}

#[test]
fn deep_nesting_is_an_error() -> std::io::Result<()> {
    let texts = |n: usize| {
        [
            format!("{}1{}", "(".repeat(n), ")".repeat(n)),
            "(".repeat(n),
            "[".repeat(n),
            format!("{}1{}", "[".repeat(n), "]".repeat(n)),
            format!("{}1", "-".repeat(n)),
            format!("{}1", "!".repeat(n)),
            format!("{}1", "+".repeat(n)),
            format!("1{}", "**1".repeat(n)),
            format!("1{}", "+1".repeat(n)),
            format!("1{}", "+1 *-2".repeat(n)),
            format!("x{}", "[0:9]".repeat(n)),
            format!("{}1{}", "sum(".repeat(n), ")".repeat(n)),
            format!("{}1{}", "x[".repeat(n), "]".repeat(n)),
            format!("{}1", "1 || 1 && 1 < 1 + 1 * - 1 ** (".repeat(n)),
        ]
    };
    // Half of a compute thread's stack, with the little optimisation that tests have.
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        for n in [1, 10, 150, 190, 199, 200, 201, 100_000] {
            for text in texts(n) {
                survive(&text);
                let parsed = Expr::parse(&text);
                assert!(n < 201 || parsed.is_err(), "{} of {n}", &text[..20]);
                if let (Err(error), true) = (parsed, n > 200 && text.ends_with(['1', ')', ']'])) {
                    assert!(error.message.contains("at most 200 deep"), "{error}");
                }
            }
        }
    })?;
    assert!(thread.join().is_ok());
    Ok(())
}

#[test]
fn long_texts_are_parsed_in_linear_time() -> Result<(), ExprError> {
    let list = format!("[{}]", vec!["x[0] * 2"; 100_000].join(", "));
    assert_eq!(eval(&format!("sum({list})"))?.sum(), -800_000.0);
    assert!(Expr::parse(&format!("{}(1)", "a".repeat(1 << 20))).is_err());
    Ok(())
}

#[test]
fn a_tree_travels() {
    let texts = [
        "where(x > -0.5 && !(y[0] == 3), sqrt(x), 1_000) ** 2",
        "t[1:, ..., ::-1] + concat(g, axis = -1)[0]",
        "random(3, 4, seed = k, dist = 'normal') - random(3, 4)",
        "load('a.h5', '/b') / from_csv(\"c\", column = 'd') % std(m, axis = 1) + argmax(x)",
        "reshape(arange(12), (3, -1)) * eye(3, m = 4) + cast([1, 2.5e3], 'f32')",
    ];
    for text in texts {
        let expr = Expr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let bytes = codec::encode(&expr).expect("encoded");
        assert_eq!(codec::decode::<Expr>(&bytes).as_ref(), Ok(&expr), "{text}");
        assert!((0..bytes.len()).all(|end| codec::decode::<Expr>(&bytes[..end]).is_err()), "{text}");
    }
}

#[test]
fn a_tree_that_is_nested_without_end_is_refused() {
    let number = || ExprNode::new(NodeKind::Number(Literal::Int(1)), 0..1);
    let nested = |levels: usize| {
        (1..levels)
            .fold(number(), |node, _| ExprNode::new(NodeKind::Unary(UnaryOp::Neg, Box::new(node)), 0..1))
    };
    for (levels, is_accepted) in [(MAX_DEPTH, true), (MAX_DEPTH + 1, false), (MAX_DEPTH, true)] {
        let bytes = codec::encode(&nested(levels)).expect("encoded");
        assert_eq!(codec::decode::<ExprNode>(&bytes).is_ok(), is_accepted, "{levels}");
    }
    // one level is four bytes: a million of them must not be followed
    let bytes = codec::encode(&nested(2)).expect("encoded");
    let level = &bytes[..bytes.len() - codec::encode(&nested(1)).expect("encoded").len() - 2];
    assert!(codec::decode::<ExprNode>(&level.repeat(1_000_000)).is_err());
}
