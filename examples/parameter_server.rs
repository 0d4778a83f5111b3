//! A parameter server: the weights of a model are an actor; tasks fetch them, compute a gradient on their part of the
//! data, and push it.
//!
//! Shows an actor (`client.actor`), calls of it from tasks (`weights.call(Weights::push, (gradient,))`), and a handle as
//! an argument. `mpirun -n 4 parameter_server` prints something like
//!
//! ```text
//! 1600 gradients pushed to rank 1: y = 3.000 x + 2.000
//! ```
//!
//! The weights never travel but as the result of a call: their type need not be `Serialize`.

use dtask::prelude::*;

struct Weights {
    slope: f64,
    offset: f64,
    rate: f64,
    pushes: u64,
}

impl Weights {
    fn new(rate: f64) -> Weights {
        Weights { slope: 0.0, offset: 0.0, rate, pushes: 0 }
    }

    fn get(&self) -> (f64, f64) {
        (self.slope, self.offset)
    }

    /// Takes a gradient, and returns how many there were.
    fn push(&mut self, gradient: (f64, f64)) -> u64 {
        self.slope -= self.rate * gradient.0;
        self.offset -= self.rate * gradient.1;
        self.pushes += 1;
        self.pushes
    }
}

/// Steps of gradient descent on part `part` of the data, with weights that other tasks change meanwhile.
fn train(weights: Actor<Weights>, part: u64, steps: u64) -> Result<u64, Failure> {
    let data: Vec<(f64, f64)> =
        (0..64).map(|i| (part * 64 + i) as f64 / 256.0).map(|x| (x, 3.0 * x + 2.0)).collect();
    let mut pushes = 0;
    for _ in 0..steps {
        let (slope, offset) = weights.call(Weights::get, ()).result()?;
        let errors = data.iter().map(|(x, y)| (slope * x + offset - y, x));
        let gradient =
            errors.fold((0.0, 0.0), |sum, (error, x)| (sum.0 + 2.0 * error * x, sum.1 + 2.0 * error));
        pushes = weights.call(Weights::push, ((gradient.0 / 64.0, gradient.1 / 64.0),)).result()?;
    }
    Ok(pushes)
}

fn main() -> dtask::Result<()> {
    let steps = 400;
    dtask::run(|client| {
        let weights = client.actor(Weights::new, (0.1,));
        let tasks = client.starmap(train, (0..4).map(|part| (&weights, part, steps)));
        let pushed = client.gather(tasks)?.into_iter().max().unwrap_or(0);
        let (slope, offset) = weights.call(Weights::get, ()).result()?;
        println!("{pushed} gradients pushed to rank {}: y = {slope:.3} x + {offset:.3}", weights.rank());
        Ok(())
    })
}
