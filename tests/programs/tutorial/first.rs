use dtask::prelude::*;

fn square(n: u64) -> u64 {
    n * n
}

fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        let squares = client.map(square, 1..=10);
        let sum = client.submit(|all: Vec<u64>| all.iter().sum::<u64>(), (&squares,));
        println!("{} tasks, sum {}", squares.len(), sum.result()?);
        Ok(())
    })
}
