//! Integers of 64 bits come out as they are, or as an error that says so.

use super::*;
use crate::arrays::reduce::operator::{Reduce, ReduceOperator};
use crate::arrays::{csv, text};
use proptest::prelude::*;

/// The names of an expression: two vectors and two parameters of integers.
struct Integers {
    a: ArrayValue,
    b: ArrayValue,
    p: i64,
    q: i64,
}

impl Scope for Integers {
    fn get(&self, name: &str) -> Option<Binding<'_>> {
        Some(match name {
            "a" => Binding::Array((&self.a).into()),
            "b" => Binding::Array((&self.b).into()),
            "p" => Binding::Int(self.p),
            "q" => Binding::Int(self.q),
            _ => return None,
        })
    }

    fn context(&self) -> RandomContext {
        RandomContext { task: 0, index: 0 }
    }
}

fn vector(numbers: &[i64]) -> ArrayValue {
    ndarray::Array1::from(numbers.to_vec()).into_dyn().into()
}

fn scope(pairs: &[(i64, i64)], p: i64, q: i64) -> Integers {
    let (a, b): (Vec<i64>, Vec<i64>) = pairs.iter().copied().unzip();
    Integers { a: vector(&a), b: vector(&b), p, q }
}

/// Generates integers, of which many lie where floats and integers part, and at the ends.
fn integer() -> impl Strategy<Value = i64> {
    let edges =
        vec![0, 1, -1, 2, 1 << 31, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, i64::MAX, i64::MIN, i64::MIN + 1];
    prop_oneof![any::<i64>(), -9i64..10, prop::sample::select(edges), any::<i64>().prop_map(|x| x >> 11)]
}

/// The integers of a value. A float must be one: no operation below gives another.
fn integers(value: &ArrayValue) -> Vec<i128> {
    match value {
        ArrayValue::I64(array) => array.iter().map(|x| i128::from(*x)).collect(),
        ArrayValue::F64(array) => array.iter().map(|x| *x as i128).collect(),
        other => panic!("integers became {:?}", other.element_type()),
    }
}

/// Checks a result against the exact ones: it is equal to them, or the error says what does not fit.
fn is_exact(found: Result<ArrayValue, ExprError>, exact: &[i128]) -> Result<(), TestCaseError> {
    match found {
        Ok(found) => prop_assert_eq!(integers(&found), exact),
        Err(error) => {
            let fits = exact.iter().all(|x| i64::try_from(*x).is_ok());
            prop_assert!(!fits, "{}: {:?}", error.message, exact);
            prop_assert!(error.message.contains("does not fit into 64 bits"), "{}", error.message);
        }
    }
    Ok(())
}

fn rest(x: i128, y: i128) -> i128 {
    if y == 0 { 0 } else { ((x % y) + y) % y }
}

fn power(x: i128, y: u32) -> i128 {
    (0..y).try_fold(1i128, |product, _| product.checked_mul(x)).unwrap_or(i128::MAX)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn integers_of_the_text_and_of_parameters_are_exact(x in integer(), y in integer()) {
        let names = scope(&[(0, 0)], x, y);
        let texts = [
            (format!("{x}"), vec![x]), ("p".to_owned(), vec![x]), (format!("[{x}, {y}]"), vec![x, y]),
            ("[p, q]".to_owned(), vec![x, y]), ("concat(p, q)".to_owned(), vec![x, y]),
            ("stack(p, q)[1]".to_owned(), vec![y]), (format!("full(2, {x})"), vec![x, x]),
            ("full(2, value = p)".to_owned(), vec![x, x]), ("cast(p, 'i64')".to_owned(), vec![x]),
            ("where(p < q, p, q)".to_owned(), vec![x.min(y)]), ("max([p, q])".to_owned(), vec![x.max(y)]),
        ];
        for (text, exact) in texts {
            let found = Expr::parse(&text).and_then(|expr| expr.eval(&names));
            let exact: Vec<i128> = exact.into_iter().map(i128::from).collect();
            is_exact(found, &exact)?;
        }
    }

    #[test]
    fn arithmetic_is_exact_or_says_that_it_is_not(
        pairs in prop::collection::vec((integer(), integer()), 1..5), p in integer(), q in integer(), n in 0u32..70,
    ) {
        let names = scope(&pairs, p, q);
        let eval = |text: &str| Expr::parse(text).and_then(|expr| expr.eval(&names));
        let each = |f: &dyn Fn(i128, i128) -> i128| -> Vec<i128> {
            pairs.iter().map(|(x, y)| f(i128::from(*x), i128::from(*y))).collect()
        };
        let (wide_p, wide_q) = (i128::from(p), i128::from(q));
        is_exact(eval("a + b"), &each(&|x, y| x + y))?;
        is_exact(eval("a - b"), &each(&|x, y| x - y))?;
        is_exact(eval("a * b"), &each(&|x, y| x * y))?;
        is_exact(eval("a % b"), &each(&rest))?;
        is_exact(eval("a + p"), &each(&|x, _| x + wide_p))?;
        is_exact(eval("p * b"), &each(&|_, y| wide_p * y))?;
        is_exact(eval("p + q"), &[wide_p + wide_q])?;
        is_exact(eval("p * q"), &[wide_p * wide_q])?;
        is_exact(eval(&format!("a ** {n}")), &each(&|x, _| power(x, n)))?;
        is_exact(eval("-a"), &each(&|x, _| -x))?;
        is_exact(eval("abs(a)"), &each(&|x, _| x.abs()))?;
        is_exact(eval("floor(a)"), &each(&|x, _| x))?;
        is_exact(eval("a < b"), &each(&|x, y| i128::from(x < y)))?;
        is_exact(eval("a == p"), &each(&|x, _| i128::from(x == wide_p)))?;
        is_exact(eval("a >= b && a != 0"), &each(&|x, y| i128::from(x >= y && x != 0)))?;
        is_exact(eval("where(a > b, a, b)"), &each(&|x, y| x.max(y)))?;
        is_exact(eval("where(a > 0.5, a, b)"), &each(&|x, y| if x > 0 { x } else { y }))?;
        is_exact(eval("clip(a, b, b)"), &each(&|_, y| y))?;
        is_exact(eval("stack(a, b)[1, ::-1][::-1]"), &each(&|_, y| y))?;
        is_exact(eval("transpose([a, b])[:, 0]"), &each(&|x, _| x))?;
        is_exact(eval("reshape(a, -1, 1)[:, 0]"), &each(&|x, _| x))?;
        let (a, b) = (each(&|x, _| x), each(&|_, y| y));
        is_exact(eval("sum(a)"), &[a.iter().sum()])?;
        is_exact(eval("sum([a, b], axis = 0)"), &each(&|x, y| x + y))?;
        is_exact(eval("max([a, b], axis = 0)"), &each(&|x, y| x.max(y)))?;
        is_exact(eval("min(a)"), &[a.iter().copied().min().unwrap_or(0)])?;
        let first = a.iter().position(|x| a.iter().all(|y| x >= y)).unwrap_or(0);
        is_exact(eval("argmax(a)"), &[first as i128])?;
        let products: Vec<i128> = a.iter().zip(&b).map(|(x, y)| x * y).collect();
        is_exact(eval("dot(a, b)"), &[products.iter().sum()])?;
        is_exact(eval("matmul(reshape(a, 1, -1), reshape(b, -1, 1))[0, 0]"), &[products.iter().sum()])?;
    }

    #[test]
    fn an_integer_becomes_a_float_only_where_it_is_one(x in integer()) {
        let names = scope(&[(x, x)], x, x);
        for text in ["a / 1", "a + 0.0", "sqrt(a) ** 0.0 * a", "a * cast(1, 'f64')", "p * 1.0", "a + zeros(1)", "p / 1"] {
            match Expr::parse(text).and_then(|expr| expr.eval(&names)) {
                Ok(found) => prop_assert_eq!(integers(&found), [i128::from(x)], "{}", text),
                Err(error) => {
                    prop_assert!((x as f64) as i128 != i128::from(x), "{text}: {}", error.message);
                    prop_assert!(error.message.contains("no 64-bit float"), "{text}: {}", error.message);
                }
            }
        }
        // a script that says so gets the nearest float
        let cast = Expr::parse("cast(a, 'f64')[0]").and_then(|expr| expr.eval(&names));
        prop_assert_eq!(cast.unwrap(), ArrayValue::from(x as f64));
        let mean = Expr::parse("mean(a)").and_then(|expr| expr.eval(&names));
        prop_assert_eq!(mean.unwrap(), ArrayValue::from(x as f64));
    }

    #[test]
    fn reductions_of_integers_are_exact(all in prop::collection::vec(integer(), 2..6)) {
        let leaves: Vec<ArrayValue> = all.iter().map(|x| vector(&[*x])).collect();
        let wide = || all.iter().map(|x| i128::from(*x));
        let product = all.iter().try_fold(1i64, |product, x| product.checked_mul(*x));
        let cases = [
            (ReduceOperator::Min, wide().min()),
            (ReduceOperator::Max, wide().max()),
            (ReduceOperator::Mul, product.map(i128::from)),
        ];
        for (with, exact) in cases {
            let found = Reduce { with, axis: None }.merge(&leaves.iter().collect::<Vec<_>>());
            match (found, exact) {
                (Ok(found), Some(exact)) => prop_assert_eq!(integers(&found), [exact]),
                (Err(error), None) => prop_assert!(error.message.contains("64 bits"), "{error}"),
                (found, exact) => prop_assert!(false, "{found:?} not {exact:?}"),
            }
        }
        let joined = Reduce { with: ReduceOperator::Concat, axis: None }.merge(&leaves.iter().collect::<Vec<_>>());
        prop_assert_eq!(integers(&joined.unwrap()), wide().collect::<Vec<_>>());
    }

    #[test]
    fn what_is_printed_and_saved_is_read_again(all in prop::collection::vec(integer(), 1..5)) {
        let value = vector(&all);
        let exact: Vec<i128> = all.iter().map(|x| i128::from(*x)).collect();
        let printed = text::to_text(&value);
        prop_assert_eq!(integers(&csv::numbers(printed.as_bytes()).unwrap()), exact.clone());
        prop_assert_eq!(integers(&csv::table(printed.as_bytes(), None).unwrap()), exact.clone());
        let bytes: Vec<u8> = all.iter().flat_map(|x| x.to_le_bytes()).collect();
        let memory = csv::memory(&bytes, crate::arrays::ElementType::I64);
        prop_assert_eq!(integers(&memory.unwrap()), exact);
    }
}

#[test]
fn products_of_small_and_of_large_integers_agree() {
    // the first goes by way of floats, the second does not
    for shift in [0u32, 26] {
        let names = scope(&[(3 << shift, 5), (-(1 << shift), 7), (2, 1 << shift)], 0, 0);
        let text = "matmul([[a[0], a[1]], [a[1], a[2]]], [[b[0], b[1]], [b[2], b[0]]])";
        let found = Expr::parse(text).and_then(|expr| expr.eval(&names)).unwrap();
        let big = 1i128 << shift;
        let exact = [15 * big - big * big, 21 * big - 5 * big, -5 * big + 2 * big, -7 * big + 10];
        assert_eq!(integers(&found), exact, "{shift}");
    }
    let large = scope(&[(i64::MAX, 2)], 0, 0);
    let error = Expr::parse("dot(a, b)").and_then(|expr| expr.eval(&large)).unwrap_err();
    assert!(error.message.contains("does not fit into 64 bits"), "{}", error.message);
}
