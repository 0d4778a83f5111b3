fn double(x: i64) -> i64 {
    2 * x
}

fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        let pointer: fn(i64) -> i64 = double;
        println!("{}", client.submit(pointer, (1,)).result()?);
        Ok(())
    })
}
