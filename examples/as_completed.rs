//! A search that submits what looks promising: the minimum of a function by intervals that are halved where it is low.
//!
//! Shows `Client::as_completed`, to which each result adds two more tasks, and `Client::cancel`. Prints the place of the
//! minimum and how many intervals were looked at: `minimum near 2.0000 after 41 intervals`, say.
//!
//! `mpirun -n 4 target/release/examples/as_completed`

/// The middle of an interval, and the value of the function there.
fn look(from: f64, to: f64) -> (f64, f64, f64) {
    let x = (from + to) / 2.0;
    (from, to, (x - 2.0) * (x - 2.0) + (5.0 * x).sin().abs() * 1e-3)
}

fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        let mut done = client.as_completed([client.submit(look, (-10.0, 10.0))]);
        let (mut best, mut place, mut looked_at) = (f64::INFINITY, 0.0, 0);
        while let Some(future) = done.next() {
            let (from, to, value) = future.result()?;
            looked_at += 1;
            let middle = (from + to) / 2.0;
            if value < best {
                (best, place) = (value, middle);
            }
            // an interval is promising if the minimum could still be in it
            if to - from > 1e-4 && (middle - place).abs() <= to - from {
                done.add(client.submit(look, (from, middle)));
                done.add(client.submit(look, (middle, to)));
            }
        }
        println!("minimum near {place:.4} after {looked_at} intervals");
        Ok(())
    })
}
