//! Random numbers: what they depend on, and that they are random.

use super::super::Expr;
use super::*;

fn with(context: RandomContext, text: &str) -> Vec<f64> {
    let names = Names { context, ..Names::new() };
    let value = Expr::parse(text).and_then(|expr| expr.eval(&names));
    value.expect("these expressions are right").into_f64().iter().copied().collect()
}

const HERE: RandomContext = RandomContext { task: 1, index: 2 };

#[test]
fn with_a_seed_nothing_else_matters() {
    let other = RandomContext { task: 7, index: 9 };
    assert_eq!(with(HERE, "random(5, seed = 3)"), with(other, "random(5, seed = 3)"));
    assert_ne!(with(HERE, "random(5, seed = 3)"), with(HERE, "random(5, seed = 4)"));
    assert_ne!(with(HERE, "random(5, seed = -3)"), with(HERE, "random(5, seed = 3)"));
    assert_eq!(with(HERE, "random(5, seed = i) - random(5, seed = 3)"), [0.0; 5]);
}

#[test]
fn without_one_task_index_and_call_do() {
    let here = with(HERE, "random(5)");
    assert_eq!(here, with(HERE, "random(5)"));
    assert_ne!(here, with(RandomContext { task: 2, ..HERE }, "random(5)"));
    assert_ne!(here, with(RandomContext { index: 3, ..HERE }, "random(5)"));
    assert!(with(HERE, "random(5) - random(5)").iter().all(|x| *x != 0.0));
    // A function that is not random in between changes nothing.
    assert_eq!(with(HERE, "random(5) + random(5)"), with(HERE, "random(5) + sum([0]) + random(5)"));
}

#[test]
fn the_beginning_does_not_depend_on_the_length_or_shape() {
    for dist in ["uniform", "normal"] {
        let long = with(HERE, &format!("random(100001, seed = 1, dist = '{dist}')"));
        for n in [0, 1, 2, 3, 15, 16, 17, 16_384, 16_385, 40_000] {
            assert_eq!(
                with(HERE, &format!("random({n}, seed = 1, dist = '{dist}')")),
                long[..n],
                "{dist} {n}"
            );
        }
        assert_eq!(with(HERE, &format!("random(30, 7, seed = 1, dist = '{dist}')")), long[..210]);
        assert_eq!(with(HERE, &format!("random(seed = 1, dist = '{dist}')")), long[..1]);
    }
}

#[test]
fn the_documented_recipe_gives_the_numbers() {
    // The words of the known answer for counter 0 and key 0 are 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
    let unit = |bits: u64| (bits >> 11) as f64 / 2_f64.powi(53);
    let (u, v) = (unit(0xe169_c58d_6627_e8d5), unit(0x9b00_dbd8_bc57_ac4c));
    assert_eq!(with(HERE, "random(2, seed = 0)"), [u, v]);
    let (radius, angle) = ((-2.0 * (1.0 - u).ln()).sqrt(), std::f64::consts::TAU * v);
    let normal = with(HERE, "random(2, seed = 0, dist = 'normal')");
    assert!(
        (normal[0] - radius * angle.cos()).abs() < 1e-15 && (normal[1] - radius * angle.sin()).abs() < 1e-15
    );
}

#[test]
fn they_are_random() {
    let n = 1_000_000.0_f64;
    let uniform = with(HERE, "random(1000000)");
    assert!(uniform.iter().all(|x| (0.0..1.0).contains(x)));
    // Five standard errors.
    let mean = uniform.iter().sum::<f64>() / n;
    assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12.0 / n).sqrt(), "{mean}");
    let bins = uniform.iter().fold([0.0; 100], |mut bins, x| {
        bins[(x * 100.0) as usize] += 1.0;
        bins
    });
    let chi2: f64 = bins.iter().map(|count| (count - n / 100.0).powi(2) / (n / 100.0)).sum();
    assert!((30.0..200.0).contains(&chi2), "{chi2}");
    let normal = with(HERE, "random(1000000, dist = 'normal')");
    let moment = |p: i32| normal.iter().map(|x| x.powi(p)).sum::<f64>() / n;
    let moments = [moment(1), moment(2) - 1.0, moment(3), moment(4) - 3.0];
    let errors = [1.0, 2.0, 15.0, 96.0_f64].map(|variance| 5.0 * (variance / n).sqrt());
    assert!(moments.iter().zip(errors).all(|(m, e)| m.abs() < e), "{moments:?}");
    // Neighbouring numbers are uncorrelated, and so are those of two instances.
    let other = with(RandomContext { index: 3, ..HERE }, "random(1000000, dist = 'normal')");
    let lag = normal.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / n;
    let cross = normal.iter().zip(&other).map(|(a, b)| a * b).sum::<f64>() / n;
    assert!(lag.abs() < 5e-3 && cross.abs() < 5e-3, "{lag} {cross}");
}
