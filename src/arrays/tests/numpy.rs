//! Some hundreds of expressions against numpy's values, which `testdata/expressions.py` wrote; and what numpy
//! has not.

use super::*;

/// Whether two numbers are equal up to the rounding of sums and of the mathematical library.
fn close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-13 * b.abs().max(1e-3)
}

/// Whether two numbers are equal up to the rounding of sums in single precision, which numpy adds in another order.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * b.abs().max(1e-1)
}

/// Whether the element type of numpy's result differs from ours for a known reason: integers that come from no array,
/// or booleans, which are a type of their own in numpy.
fn bare(text: &str, element: &str) -> bool {
    let typed = ["n", "b", "l"]
        .iter()
        .any(|name| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == *name));
    let compares = text.contains(['<', '>', '=', '!']);
    compares
        || element == "i64" && !typed && !["cast", "arg", "histogram"].iter().any(|word| text.contains(word))
}

#[test]
fn table() -> Result<(), Box<dyn std::error::Error>> {
    let mut wrong = Vec::new();
    let table = include_str!("../testdata/expressions.tsv");
    for line in table.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [text, shape, element, values] = fields[..] else { panic!("a line has four fields: {line}") };
        let shape =
            shape.split(',').filter(|s| !s.is_empty()).map(str::parse).collect::<Result<Vec<usize>, _>>()?;
        let values = values.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        let single = element == "f32";
        match value(text) {
            Err(error) => wrong.push(format!("{text}: {error}")),
            Ok(found) if found.shape() != shape => {
                wrong.push(format!("{text}: shape {:?}, not {shape:?}", found.shape()));
            }
            // a bare whole number has no type here, and is an integer in numpy
            Ok(found) if found.element_type().name() != element && !bare(text, element) => {
                wrong.push(format!("{text}: type {:?}, not {element}", found.element_type()));
            }
            Ok(found) => {
                let found = found.into_f64();
                assert!(found.is_standard_layout(), "{text}: not in C order");
                if !found.iter().zip(&values).all(|(a, b)| close(*a, *b) || single && near(*a, *b)) {
                    wrong.push(format!("{text}: {found} not {values:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(table.lines().count() > 800);
    Ok(())
}

#[test]
fn shapes_are_known_before_anything_is_computed() -> Result<(), ExprError> {
    let names = Names::new();
    let known = |name: &str| match names.get(name) {
        Some(Binding::Int(x)) => Sketch::Number(x as f64),
        Some(Binding::Number(x)) => Sketch::Number(x),
        Some(Binding::Array(_)) => Sketch::Shape(eval(name).expect("an array").shape().to_vec()),
        Some(Binding::List(arrays)) => Sketch::List(
            (0..arrays.len())
                .map(|at| Sketch::Shape(eval(&format!("{name}[{at}]")).expect("one").shape().to_vec()))
                .collect(),
        ),
        _ => Sketch::Unknown,
    };
    let (mut all, mut found) = (0, 0);
    for line in include_str!("../testdata/expressions.tsv").lines() {
        let text = line.split('\t').next().unwrap_or_default();
        match Expr::parse(text)?.sketch(&known)? {
            Sketch::Shape(shape) => {
                assert_eq!(shape, eval(text)?.shape(), "{text}");
                found += 1;
            }
            other => assert_eq!(other, Sketch::Unknown, "{text}"),
        }
        all += 1;
    }
    assert!(found * 20 > all * 19, "{found} of {all}");
    // errors are those of the evaluation, with the same place
    for text in [
        "x + m",
        "m[0, 4]",
        "sum(m, axis = 2)",
        "concat(m, x)",
        "reshape(x, 3, -1)",
        "matmul(m, m)",
        "zeros(-1)",
    ] {
        let late = eval(text).expect_err(text);
        let early = Expr::parse(text)?.sketch(&known).expect_err(text);
        assert_eq!((&early.message, early.range.end), (&late.message, late.range.end), "{text}");
    }
    assert_eq!(
        Expr::parse("load(b) - m")?.sketch(&|_| Sketch::Text("a.h5:/t[0:3, 0:4]".into()))?,
        Sketch::Unknown
    );
    assert_eq!(
        Expr::parse("load(b)")?.sketch(&|_| Sketch::Text("a.h5:/t[0:3, 0:4]".into()))?,
        Sketch::Shape(vec![3, 4])
    );
    Ok(())
}

#[test]
fn bits_of_arange_and_linspace() -> Result<(), ExprError> {
    // numpy: np.arange(0, 1, 0.1)[[3, 7]], np.linspace(0, 1, 11)[[3, 7]]
    assert_eq!(
        eval("arange(0, 1, 0.1)[3:8:4]")?.as_slice(),
        Some(&[0.30000000000000004, 0.7000000000000001][..])
    );
    assert_eq!(
        eval("linspace(0, 1, 11)[3:8:4]")?.as_slice(),
        Some(&[0.30000000000000004, 0.7000000000000001][..])
    );
    Ok(())
}

#[test]
fn signs_of_zero_and_infinities() -> Result<(), ExprError> {
    // numpy: np.float64(-6) % 3, np.float64(6) % -3, 6 % -3, -inf ..
    for (text, expected) in [
        ("-6. % 3", 0.0),
        ("6. % -3", -0.0),
        ("6 % -3", 0.0),
        ("1 / -0.", f64::NEG_INFINITY),
        ("-0. * 1", -0.0),
    ] {
        assert_eq!(eval(text)?.first().map(|x| x.to_bits()), Some(f64::to_bits(expected)), "{text}");
    }
    Ok(())
}

#[test]
fn what_numpy_has_not() -> Result<(), ExprError> {
    let numbers = |text: &str| eval(text).map(|a| a.iter().copied().collect::<Vec<_>>());
    assert_eq!(numbers("sim.probe * 2")?, [0.0, 2.0, 4.0]);
    assert_eq!(numbers("concat(points)")?, [0.0, 1.0, 2.0]);
    assert_eq!(numbers("points + point")?, [7.0, 8.0, 9.0]);
    assert_eq!(numbers("model == 'normal' && model != \"uniform\"")?, [1.0]);
    assert_eq!(numbers("where(model == 'uniform', 1, 2)")?, [2.0]);
    assert_eq!(eval("point")?.shape(), &[] as &[usize]);
    assert_eq!(eval("nothing")?.shape(), [0]);
    assert_eq!(
        numbers("random(3, seed = 1, dist = model)")?,
        numbers("random(3, seed = 1, dist = 'normal')")?
    );
    Ok(())
}

#[test]
fn large_arrays_in_parallel_equal_small_ones() -> Result<(), ExprError> {
    // Arrays above the threshold for several threads, in every way in which operands are combined, against single
    // elements.
    let n = 100_000;
    for body in [
        "A * 2 + 1 - A / 3",
        "where(A > 50, A, -A)",
        "clip(A, 10, 20) ** 2",
        "A + B[0:1]",
        "(A + 0) - (B * 1)",
        "1 - (A[::-1] + B)[::-1]",
        "A - (B + 1)",
        "A % 7",
    ] {
        let whole =
            body.replace('A', &format!("arange({n})")).replace('B', &format!("arange(0, {}, 2)", 2 * n));
        let whole = eval(&format!("({whole})[0:{n}:4999]"))?;
        let indices = (0..n).step_by(4999);
        for (i, found) in indices.zip(&whole) {
            // The same expression for element I alone, on arrays of length 1. B[0:1] is 0, the first element of B.
            let text = body.replace("B[0:1]", "[0]").replace("[::-1]", "");
            let b = if body.contains("[::-1]") { "[2 * (N - 1 - I)]" } else { "[2 * I]" };
            let text = text.replace('A', "[I]").replace('B', b);
            let text = text.replace('N', &n.to_string()).replace('I', &i.to_string());
            // With A reversed against B, element I of A meets element N-1-I of B.
            assert_eq!(eval(&text)?.sum(), *found, "{body} at {i}");
        }
    }
    Ok(())
}

#[test]
fn large_broadcasts_are_ndarrays() -> Result<(), ExprError> {
    let a = "reshape(arange(300000), 30, 5, 2000)";
    for b in [
        "arange(2000)",
        "arange(4000)[::2]",
        "reshape(arange(5), 5, 1)",
        "reshape(arange(30), 30, 1, 1)",
        "reshape(arange(60000), 30, 1, 2000)",
        "transpose(reshape(arange(300000), 2000, 5, 30))",
        "transpose(reshape(arange(300000), 30, 2000, 5), 0, 2, 1)",
        "reshape(arange(600000), 30, 5, 4000)[:, ::-1, 1::2]",
        "[[[7]]]",
    ] {
        let (x, y) = (eval(a)?, eval(b)?);
        assert_eq!(eval(&format!("{a} - {b}"))?, &x - &y, "{b}");
        assert_eq!(eval(&format!("{b} - {a}"))?, &y - &x, "{b}");
        assert_eq!(eval(&format!("where({b} % 2, {a}, {b})"))?.shape(), x.shape());
        let picked = eval(&format!("where({b} % 2, {a}, {b}) - {a} * ({b} % 2) - {b} * !({b} % 2)"))?;
        assert!(picked.iter().all(|x| *x == 0.0), "{b}");
    }
    // A short last axis, whose pieces repeat many times.
    let pairs = eval("reshape(arange(200000), 100000, 2) * [1, -1]")?;
    assert!(pairs.iter().enumerate().all(|(i, x)| x.abs() == i as f64 && (i % 2 == 0 || *x < 0.0)));
    Ok(())
}

#[test]
fn matrices_in_parallel() -> Result<(), ExprError> {
    let product = eval("matmul(reshape(arange(60000), 300, 200), ones(200, 150))")?;
    let sums = eval("sum(reshape(arange(60000), 300, 200), axis = 1)")?;
    assert!(product.outer_iter().zip(&sums).all(|(row, sum)| row.iter().all(|x| x == sum)));
    let along = eval("sum(reshape(arange(60000) + zeros(3, 60000), 3, 200, 300), axis = 1)")?;
    assert_eq!(along.shape(), [3, 300]);
    assert_eq!(along[[2, 7]], (0..200).map(|row| f64::from(row * 300 + 7)).sum::<f64>());
    Ok(())
}

#[test]
fn the_number_of_threads_changes_no_bit() -> Result<(), Box<dyn std::error::Error>> {
    let texts = [
        "sum(random(1000003, seed = 1))",
        "std(random(300007, seed = 1, dist = 'normal'))",
        "mean(random(500, 700, seed = 2), axis = 0)",
        "var(random(500, 700, seed = 2), axis = 1)",
        "matmul(random(200, 300, seed = 2), random(300, 100, seed = 3))",
        "dot(random(200001, seed = 2), random(200001, seed = 3))",
        "random(100001, dist = 'normal')",
    ];
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build();
    for text in texts {
        let (one, five) = (pool(1)?.install(|| eval(text))?, pool(5)?.install(|| eval(text))?);
        assert!(one.iter().zip(&five).all(|(a, b)| a.to_bits() == b.to_bits()), "{text}");
    }
    Ok(())
}

#[test]
fn names_with_their_positions() -> Result<(), ExprError> {
    let expr = Expr::parse("where(x > n, sim.probe[0:x], random(2, seed = i)) + sum(m, axis = k)")?;
    let names = expr.names();
    let found: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(found, ["x", "n", "sim.probe", "x", "i", "m", "k"]);
    assert_eq!(names[2].1, 13..22);
    Ok(())
}

#[test]
fn inputs_are_not_changed() -> Result<(), ExprError> {
    let names = Names::new();
    let before = names.arrays.clone();
    for text in
        ["x + 1", "-x", "x * x", "clip(x, 0, 1)", "(x)[0:3] + 1", "reshape(m, 12) * 2", "transpose(m) / 2"]
    {
        Expr::parse(text)?.eval(&names)?;
    }
    assert_eq!(names.arrays, before);
    Ok(())
}

#[test]
fn printed_form() -> Result<(), ExprError> {
    let print = |text: &str| value(text).map(|a| super::super::text::to_text(&a));
    assert_eq!(
        print("[1, 0.1, 1e300, -1 / 0, 0 / 0, 1 / 3]")?,
        "1.0\n0.1\n1e300\n-inf\nnan\n0.3333333333333333\n"
    );
    assert_eq!(print("[[1, 2], [3, 4.5]]")?, "1.0 2.0\n3.0 4.5\n");
    assert_eq!(print("7")?, "7.0\n");
    assert_eq!(print("zeros(2, 1, 2)")?, "0.0 0.0\n\n0.0 0.0\n");
    assert_eq!(print("zeros(0)")?, "");
    assert_eq!(print("cast([0.1, 3], 'f32')")?, "0.1\n3.0\n");
    assert_eq!(print("cast([[1, -2]], 'i32')")?, "1 -2\n");
    assert_eq!(print("argmax(x)")?, "9\n");
    let x = eval("random(1000, seed = 5, dist = 'normal') * 10 ** arange(-500, 500) ")?;
    let lines = super::super::text::to_text(&x.clone().into());
    assert!(lines.lines().zip(&x).all(|(line, x)| line.parse() == Ok(*x) || x.is_nan()));
    Ok(())
}
