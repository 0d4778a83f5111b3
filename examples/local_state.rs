//! A model that each rank loads once, and a function that runs once on every rank.
//!
//! Shows `dtask::local` (a value of the rank, made by its first task, shared by all), `client.run_on_all` and
//! `Config::on_start`. `mpirun -n 3 local_state` prints something like
//!
//! ```text
//! 1000 points classified: 500 left, 500 right
//! models loaded on ranks 0 to 2: [0, 1, 1]
//! ```

use std::sync::atomic::{AtomicU32, Ordering};

/// Models that this rank has loaded; each rank is a process of its own.
static LOADED: AtomicU32 = AtomicU32::new(0);

struct Model {
    border: f64,
}

impl Model {
    /// Stands for a large file that takes a while to read.
    fn load() -> Model {
        LOADED.fetch_add(1, Ordering::Relaxed);
        Model { border: 0.5 }
    }
}

fn is_left(point: f64) -> bool {
    dtask::local(Model::load).border > point
}

fn main() -> dtask::Result<()> {
    let config = dtask::Config::default().on_start(|| LOADED.store(0, Ordering::Relaxed));
    dtask::run_with(&config, |client| {
        let points: Vec<f64> = (0..1000).map(|n| f64::from(n) / 1000.0).collect();
        let left = client.gather(client.map(is_left, points))?.into_iter().filter(|left| *left).count();
        println!("1000 points classified: {left} left, {} right", 1000 - left);
        let loaded = client.run_on_all(|| LOADED.load(Ordering::Relaxed), ())?;
        println!("models loaded on ranks 0 to {}: {loaded:?}", client.ranks() - 1);
        Ok(())
    })
}
