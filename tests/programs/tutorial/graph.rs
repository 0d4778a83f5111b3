use dtask::prelude::*;

fn block(seed: u64) -> Array1<f64> {
    Array1::from_shape_fn(100_000, |i| ((seed + i as u64) % 10) as f64)
}

fn add(a: &Array1<f64>, b: &Array1<f64>) -> Array1<f64> {
    a + b
}

fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        let blocks = client.map(block, 0..16);
        let total = client.reduce_tree(add, &blocks); // fifteen tasks, none of which waits in a slot
        let norm = total.then(|x: Array1<f64>| x.sum());
        drop(blocks); // each is freed as soon as its task of the tree has ended
        println!("{}", norm.result()?);
        Ok(())
    })
}
