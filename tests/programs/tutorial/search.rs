use dtask::prelude::*;

fn cost(x: f64) -> (f64, f64) {
    (x, (x - 2.0).powi(2))
}

fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        let mut best = (0.0, f64::INFINITY);
        let mut step = 1.0;
        let mut done = client.as_completed(client.map(cost, [-8.0, 0.0, 8.0]));
        while let Some(ended) = done.next() {
            let (x, value) = ended.result()?;
            if value < best.1 {
                best = (x, value);
                step /= 2.0; // try the neighbours of what is better than all before
                done.extend(client.map(cost, [x - step, x + step]));
            }
        }
        println!("found one below 4: {}", best.1 <= 4.0);
        Ok(())
    })
}
