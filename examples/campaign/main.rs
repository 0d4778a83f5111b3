//! A simulation campaign with a solver of one's own: heat that spreads over a plate.
//!
//! The program is a `dtask` whose scripts can call [`heat`] by name, and the commands that the same scripts start:
//!
//! ```text
//! mpirun -n 4 campaign campaign.toml         # the script, on four ranks
//! campaign mesh 32 mesh.csv                  # one step of it, by hand
//! ```
//!
//! Build it with `cargo build --release --example campaign`, and put it beside `campaign.toml`.

mod picture;
mod solver;

use dtask::Failure;
use dtask::script::{CallArgs, Registry};
use ndarray::{Array2, Ix2};
use std::process::ExitCode;

/// `call = "heat"`: the temperature of the plate after some steps.
fn heat(args: &CallArgs<'_>) -> Result<Array2<f64>, Failure> {
    let mesh = args.numbers("mesh")?.into_dimensionality::<Ix2>()?;
    let steps = args.integer("steps")?;
    let mut plate = solver::Plate::new(mesh, args.number("conductivity")?)?;
    for _ in 0..steps {
        plate.step();
    }
    Ok(plate.into_temperature())
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["mesh", size, out] => solver::mesh(size, out),
        ["solve", mesh, conductivity, steps, out] => solver::solve(mesh, conductivity, steps, out),
        ["picture", field, out] => picture::picture(field, out),
        ["curves", out, ref series @ ..] => picture::curves(out, series),
        _ => return dtask::script::main(Registry::new().task("heat", heat)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("campaign: {error}");
            ExitCode::FAILURE
        }
    }
}
