//! A `dtask` with the function that the campaign among the six scripts calls, and one that ends its rank.

use dtask::Failure;
use dtask::script::{CallArgs, Registry};
use std::process::ExitCode;

/// The squared magnitudes of the discrete Fourier transform, from the constant part up to the middle.
fn power_spectrum(args: &CallArgs<'_>) -> Result<Vec<f64>, Failure> {
    if args.text("window")? != "hann" {
        return Err(Failure::new("this program knows the window `hann` only"));
    }
    let signal: Vec<f64> = args.numbers("signal")?.iter().copied().collect();
    let count = signal.len() as f64;
    let turn = std::f64::consts::TAU / count;
    let window = |i: usize| 0.5 - 0.5 * (turn * i as f64).cos();
    let power = |k: usize| {
        let sum = |wave: fn(f64) -> f64| -> f64 {
            signal.iter().enumerate().map(|(i, x)| x * window(i) * wave(turn * (i * k) as f64)).sum()
        };
        sum(f64::cos).powi(2) + sum(f64::sin).powi(2)
    };
    Ok((0..=signal.len() / 2).map(power).collect())
}

/// Ends the process where `i` is 1 and nobody has mended it.
fn crash(args: &CallArgs<'_>) -> Result<Vec<f64>, Failure> {
    if args.text("i")? == "1" && !std::path::Path::new("mended").exists() {
        std::process::abort();
    }
    Ok(vec![2.5])
}

fn main() -> ExitCode {
    dtask::script::main(Registry::new().task("power_spectrum", power_spectrum).task("crash", crash))
}
